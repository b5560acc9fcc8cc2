package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func letter(n int) Letter {
	return Letter{Time: time.Unix(int64(n), 0).UTC(), Seq: uint64(n), Reason: "answered 400", Entry: json.RawMessage(fmt.Sprintf(`{"id":"%d"}`, n))}
}

func fill(t *testing.T, f *File, n int) {
	t.Helper()
	for i := range n {
		if err := f.Add(letter(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func count(t *testing.T, f *File, want int) {
	t.Helper()
	if n, err := f.Count(); err != nil || n != want {
		t.Errorf("%d letters, %v; want %d", n, err, want)
	}
}

func TestKeepsAndRetries(t *testing.T) {
	dir := t.TempDir()
	f := Open(filepath.Join(dir, "deadletter"), "siem")
	count(t, f, 0)
	fill(t, f, 10)
	is, err := os.Stat(filepath.Join(dir, "deadletter", "siem.jsonl"))
	if err != nil || is.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", is, err)
	}
	f = Open(filepath.Join(dir, "deadletter"), "siem") // another process
	count(t, f, 10)
	stop := errors.New("server away")
	var seen []uint64
	gone, kept, err := f.Retry(t.Context(), func(l Letter) (*Letter, error) {
		seen = append(seen, l.Seq)
		switch {
		case l.Seq == 7:
			return nil, stop
		case l.Seq%2 == 0:
			return nil, nil
		}
		l.Reason = "again"
		return &l, nil
	})
	if gone != 4 || kept != 6 || !errors.Is(err, stop) || fmt.Sprint(seen) != "[0 1 2 3 4 5 6 7]" {
		t.Errorf("%d gone, %d kept, %v: %v", gone, kept, err, seen)
	}
	count(t, f, 6)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, kept, err := f.Retry(ctx, nil); kept != 6 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d kept, %v", kept, err)
	}
	var reasons []string
	if _, _, err := f.Retry(t.Context(), func(l Letter) (*Letter, error) { reasons = append(reasons, l.Reason); return nil, nil }); err != nil {
		t.Error(err)
	}
	if strings.Join(reasons, ",") != "again,again,again,answered 400,answered 400,answered 400" {
		t.Error(reasons)
	}
	count(t, f, 0)
	fill(t, f, 2)
	count(t, Open(filepath.Join(dir, "deadletter"), "siem"), 2)
}

func TestHasACap(t *testing.T) {
	f := Open(t.TempDir(), "siem")
	f.max = 500
	var err error
	n := 0
	for ; err == nil; n++ {
		err = f.Add(letter(n))
	}
	if !errors.Is(err, ErrFull) || n < 3 {
		t.Errorf("letter %d: %v", n, err)
	}
	count(t, f, n-1)
	if is, err := os.Stat(f.path); err != nil || is.Size() > 500 {
		t.Errorf("%v, %v", is, err)
	}
}

// TestHalfALine, which a crash leaves, goes; its event comes again.
func TestHalfALine(t *testing.T) {
	dir := t.TempDir()
	fill(t, Open(dir, "siem"), 3)
	name := filepath.Join(dir, "siem.jsonl")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString(`{"half":` + strings.Repeat("x", 10_000))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	f := Open(dir, "siem")
	count(t, f, 3)
	fill(t, f, 1)
	n := 0
	if _, _, err := f.Retry(t.Context(), func(Letter) (*Letter, error) { n++; return nil, nil }); err != nil || n != 4 {
		t.Errorf("%d letters, %v", n, err)
	}
}

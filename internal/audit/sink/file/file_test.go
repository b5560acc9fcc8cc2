package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/file"
)

func newSender(t *testing.T, path, form string, size int64, keep int) *file.Sender {
	t.Helper()
	encoder, ok := format.ByName(form, format.Info{})
	if !ok {
		t.Fatal(form)
	}
	s, err := file.New(file.Config{Path: path, MaxSize: size, Keep: keep, Encoder: encoder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func items(t *testing.T, s sink.Sender, from, to int) []sink.Item {
	t.Helper()
	var out []sink.Item
	for i := from; i < to; i++ {
		e := &portcullis.Event{ID: strconv.Itoa(i), Resource: strconv.Itoa(i)}
		data, err := s.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sink.Item{Event: e, Data: data})
	}
	return out
}

func read(t *testing.T, names ...string) []string {
	t.Helper()
	var out []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			e, err := auditlog.ParseEntry(bytes.TrimSuffix(line, []byte("\n")))
			if err != nil {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
			out = append(out, e.Resource)
		}
	}
	return out
}

func TestRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	s := newSender(t, path, "json", 1000, 2)
	for i := range 10 {
		if err := s.Send(t.Context(), items(t, s, i*5, i*5+5)); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, path+".2", path+".1", path)
	for i, r := range got {
		if want := strconv.Itoa(50 - len(got) + i); r != want {
			t.Fatalf("%v: want the last ones, in order", got)
		}
	}
	for _, name := range []string{path, path + ".1", path + ".2"} {
		is, err := os.Stat(name)
		if err != nil || is.Mode().Perm() != 0o600 || is.Size() > 1000 {
			t.Errorf("%s: %v, %v", name, is, err)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more files are kept than asked for")
	}
}

// TestGoesOn after a crash in the middle of a line, and when somebody took the
// file away.
func TestGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	s := newSender(t, path, "json", 1<<20, 2)
	whole := items(t, s, 0, 1)[0].Data
	if err := os.WriteFile(path, append(bytes.Clone(whole), `{"id":"half`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), items(t, s, 1, 3)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(read(t, path)); got != "[0 1 2]" {
		t.Error(got)
	}
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), items(t, s, 3, 4)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(read(t, path)); got != "[3]" {
		t.Error(got)
	}
	if err := os.WriteFile(path, []byte("no end of a line"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := newSender(t, path, "json", 1<<20, 2)
	if err := again.Send(t.Context(), items(t, s, 4, 5)); err != nil || fmt.Sprint(read(t, path)) != "[4]" {
		t.Error(err)
	}
}

func TestHeaderOfEachFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.csv")
	s := newSender(t, path, "csv", 250, 3)
	for i := range 4 {
		if err := s.Send(t.Context(), items(t, s, i, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	var first string
	for _, name := range []string{path, path + ".1"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		if first == "" {
			first = line
		}
		if line != first || strings.Count(string(text), first) != 1 {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

func TestWrongPlaces(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "no", "folder"), dir, link} {
		s := newSender(t, path, "json", 1000, 1)
		err := s.Send(t.Context(), items(t, s, 0, 1))
		var e *sink.Error
		if !errors.As(err, &e) || e.Fault != sink.Misconfigured {
			t.Errorf("%s: %v", path, err)
		}
	}
}

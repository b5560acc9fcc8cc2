package retention

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// crashDir is the environment variable that turns the test binary into the
// process that is killed.
const crashDir = "PORTCULLIS_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := keepForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func shortPolicy() Policy {
	p := testPolicy()
	p.DivideAfter = 0
	return p
}

// keepForEver is a gateway that does nothing but passes.
func keepForEver(dir string) error {
	j, err := journal.Open(dir, journal.Default(), journal.Options{})
	if err != nil {
		return err
	}
	k := New(Options{Dir: dir, Recorder: j, Sync: j.Sync}, shortPolicy())
	if _, err := os.Stdout.WriteString("ready "); err != nil {
		return err
	}
	for {
		if err := k.Pass(context.Background()); err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString("."); err != nil {
			return err
		}
	}
}

// TestKilled kills a process with SIGKILL at random while it divides and
// removes, until it is done. After each, every record whose time is not over is
// read once, in order, byte for byte.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "journal"), 0o700); err != nil {
		t.Fatal(err)
	}
	var entries [][]byte
	var keep []bool
	const perSegment, count = 300, 24
	for s := range count {
		var text []byte
		for i := range perSegment {
			at := time.Now().Add(-100 * day) // access is over, the rest is not
			if s >= count*2/3 {
				at = time.Now().Add(-50 * day)
			}
			e := portcullis.Event{ID: fmt.Sprint(s, "-", i), Time: at, Type: mixed()[i%6], Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess}
			entry := auditlog.AppendEntry(nil, &e)
			text = auditlog.AppendLine(text, entry)
			entries = append(entries, entry)
			keep = append(keep, s >= count*2/3 || class.Of(e.Type) != class.Access)
		}
		if err := os.WriteFile(segment.Path(dir, uint64(s*perSegment)), text, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	kills := 0
	for ; kills < 200; kills++ {
		// A slow machine needs longer lives to get anywhere.
		done := killedAfter(t, dir, time.Duration(rng.IntN(4+2*kills))*time.Millisecond)
		wantKept(t, dir, entries, keep)
		if done {
			break
		}
	}
	t.Logf("killed %d times", kills)
	gone := 0
	for _, err := range journal.All(dir, journal.Cursor{}) {
		var expired *journal.ExpiredError
		if errors.As(err, &expired) {
			gone += int(expired.To - expired.From)
		}
	}
	if want := count * 2 / 3 * perSegment * 4 / 6; gone != want {
		t.Errorf("%d records were removed, want %d", gone, want)
	}
}

// killedAfter runs the process and kills it some time after it began its work.
// It reports whether it had nothing more to do.
func killedAfter(t *testing.T, dir string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("ready "))
	if _, err := io.ReadFull(out, said); err != nil {
		t.Fatalf("the process did not begin: %v", err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	passes, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() >= 0 {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return len(passes) > 2
}

func wantKept(t *testing.T, dir string, entries [][]byte, keep []bool) {
	t.Helper()
	next := 0
	for l, err := range journal.All(dir, journal.Cursor{}) {
		var expired *journal.ExpiredError
		switch {
		case errors.As(err, &expired):
			for seq := expired.From; seq < expired.To; seq++ {
				if int(seq) != next || keep[seq] {
					t.Fatalf("at %d: record %d is gone", next, seq)
				}
				next++
			}
			continue
		case err != nil:
			t.Fatalf("at %d: %v", next, err)
		case int(l.Seq) != next:
			t.Fatalf("record %d, want %d", l.Seq, next)
		case next < len(entries) && !bytes.Equal(l.Entry, entries[next]):
			t.Fatalf("record %d is another", next)
		}
		next++
	}
	if next < len(entries) {
		t.Fatalf("the journal ends at %d", next)
	}
}

package tlog

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// crashDir is the environment variable that turns the test binary into the
// process that is killed.
const crashDir = "PORTCULLIS_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := signForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// printed tells the parent of each checkpoint.
type printed struct{}

func (printed) Signed(size uint64)      { fmt.Println(size) }
func (printed) Failed(operation string) { fmt.Println("failed", operation) }

// signForEver records, and signs every millisecond.
func signForEver(dir string) error {
	key, err := NewKey("example.com/log", bytes.Repeat([]byte{1}, SeedSize))
	if err != nil {
		return err
	}
	cfg := journal.Default()
	cfg.SegmentBytes = 1 << 20
	j, err := journal.Open(dir, cfg, journal.Options{})
	if err != nil {
		return err
	}
	f := NewFollower(Options{
		Dir: dir, Key: key, Journal: j, Interval: time.Millisecond, Keep: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Observer: printed{},
	})
	go f.Run(context.Background())
	for range time.Tick(time.Millisecond) { // a busy gateway: the log must not outgrow the test
		e := &portcullis.Event{Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending}
		if err := j.Record(context.Background(), e); err != nil {
			return err
		}
	}
	return nil
}

// TestKilled kills a process that records and signs 20 times. After each, every
// checkpoint that it made is continued, and nothing keeps the next from going on.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	key := testKey(t, "example.com/log", 1)
	last := uint64(0)
	for round := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		signed := uint64(0)
		for range 1 + rand.IntN(10) {
			if !lines.Scan() {
				t.Fatal("the process ended by itself")
			}
			if _, err := fmt.Sscan(lines.Text(), &signed); err != nil {
				t.Fatalf("round %d: %q", round, lines.Text())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		kept, _ := os.ReadFile(filepath.Join(dir, auditlog.CheckpointFile))
		r, err := offline.Verify(t.Context(), dir, offline.VerifyOptions{Key: key.Verifier(), Kept: map[string][]byte{"last": kept}})
		if err != nil || !r.OK() {
			t.Fatalf("round %d: %v, %v", round, r, err)
		}
		if r.Size < signed || r.Size < last {
			t.Fatalf("round %d: the checkpoint covers %d records, %d were signed", round, r.Size, signed)
		}
		last = r.Size
	}
	t.Logf("%d records", last)
}

package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// counts is an Observer.
type counts struct {
	size   uint64
	failed map[string]int
}

func (c *counts) Signed(size uint64) { c.size = size }
func (c *counts) Failed(operation string) {
	if c.failed == nil {
		c.failed = map[string]int{}
	}
	c.failed[operation]++
}

// bench is a journal with its log.
type bench struct {
	t       testing.TB
	dir     string
	journal *journal.Journal
	key     *Key
	counts  counts
	log     bytes.Buffer
	n       int
}

func testKey(t testing.TB, origin string, b byte) *Key {
	t.Helper()
	key, err := NewKey(origin, bytes.Repeat([]byte{b}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), key: testKey(t, "example.com/log", 1)}
	b.open()
	return b
}

func (b *bench) open() {
	b.t.Helper()
	cfg := journal.Default()
	cfg.SegmentBytes, cfg.SecurityLog = 1<<20, false
	j, err := journal.Open(b.dir, cfg, journal.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.journal = j
	b.t.Cleanup(func() { _ = j.Close(context.Background()) })
}

func (b *bench) close() {
	b.t.Helper()
	if err := b.journal.Close(context.Background()); err != nil {
		b.t.Fatal(err)
	}
}

// write records n events; each takes about size bytes.
func (b *bench) write(n, size int) {
	b.t.Helper()
	for range n {
		e := &portcullis.Event{
			Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending,
			Resource: fmt.Sprint("tool:", b.n), Details: []slog.Attr{slog.String("filler", strings.Repeat("x", size))},
		}
		if err := b.journal.Record(context.Background(), e); err != nil {
			b.t.Fatal(err)
		}
		b.n++
	}
}

func (b *bench) follower() *Follower {
	return NewFollower(Options{
		Dir: b.dir, Key: b.key, Journal: b.journal, Interval: time.Second, Keep: time.Hour,
		Log: slog.New(slog.NewTextHandler(&b.log, nil)), Observer: b.counts.lock(),
	})
}

// cover lets a follower add all records, as before the end of the process.
func (b *bench) cover() {
	b.t.Helper()
	if err := b.follower().follow(ended()); err != nil {
		b.t.Fatal(err)
	}
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (b *bench) verify(opts offline.VerifyOptions) *offline.Report {
	b.t.Helper()
	if opts.Key == nil {
		opts.Key = b.key.Verifier()
	}
	r, err := offline.Verify(context.Background(), b.dir, opts)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) wantOK(size, uncovered uint64) {
	b.t.Helper()
	r := b.verify(offline.VerifyOptions{})
	if !r.OK() || r.Size != size || r.Uncovered != uncovered || r.Checked != size {
		b.t.Fatalf("size %d, checked %d, uncovered %d, want %d and %d; problems: %v", r.Size, r.Checked, r.Uncovered, size, uncovered, r.Problems)
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, filepath.FromSlash(name)) }

func TestGrowsStepByStep(t *testing.T) {
	b := newBench(t)
	b.cover()
	b.wantOK(0, 0)
	for _, n := range []int{1, 1, 3, 250, 1, 1, 255, 1, 700, 300} {
		b.write(n, 10)
		before := uint64(b.n - n)
		b.wantOK(before, uint64(n))
		b.cover()
		b.wantOK(uint64(b.n), 0)
	}
	if b.counts.size != uint64(b.n) {
		t.Errorf("the observer heard of %d records", b.counts.size)
	}
}

func TestTwoLevelsAndManySegments(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 70,000 records")
	}
	b := newBench(t)
	b.write(40000, 1)
	b.cover()
	b.write(30000, 1)
	b.cover()
	b.wantOK(70000, 0)
	for _, name := range []string{"tile/0/000", "tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} {
		if _, err := os.Stat(b.path(name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(b.path("tile/0/156.p")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the partial tile of a full one is still there: %v", err)
	}
}

func TestLeftoversOfACrashAreWrittenAgain(t *testing.T) {
	b := newBench(t)
	b.write(100, 1)
	b.cover()
	b.write(500, 1)
	f := b.follower()
	l, err := Open(b.dir, b.key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.seek(l.Size()); err != nil {
		t.Fatal(err)
	}
	if err := f.add(l); err != nil { // writes full tiles, and dies
		t.Fatal(err)
	}
	l.tree.close()
	if err := os.WriteFile(b.path("tile/0/000.new"), []byte("half"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b.path("tile/0/001"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path("tile/0/001"), nil, 0o600); err != nil { // as after a loss of power
		t.Fatal(err)
	}
	b.wantOK(100, 500)
	b.cover()
	b.wantOK(600, 0)
}

func TestALostCursorCostsOnlyTime(t *testing.T) {
	b := newBench(t)
	b.write(9000, 300)
	b.cover()
	for _, cursor := range []string{"", "junk", "0:0:0", "999999999:0:999999999"} {
		if err := os.WriteFile(b.path("cursors/tiles"), []byte(cursor), 0o600); err != nil {
			t.Fatal(err)
		}
		b.write(5, 1)
		b.cover()
		b.wantOK(uint64(b.n), 0)
	}
}

func TestRefusesWhatDoesNotContinue(t *testing.T) {
	for name, harm := range map[string]func(*bench){
		"checkpoint gone":    func(b *bench) { b.remove("checkpoint") },
		"checkpoint changed": func(b *bench) { b.flip("checkpoint", 20) },
		"all but kept gone":  func(b *bench) { b.remove("checkpoint"); b.remove("checkpoint.pub"); b.remove("tile") },
		"all but tiles gone": func(b *bench) { b.remove("checkpoint"); b.remove("checkpoint.pub"); b.remove("checkpoints") },
		"edge changed":       func(b *bench) { b.flip("tile/0/001.p/44", 7) },
		"edge gone":          func(b *bench) { b.remove("tile/1") },
		"another key":        func(b *bench) { b.key = testKey(b.t, "example.com/log", 2) },
		"another name":       func(b *bench) { b.key = testKey(b.t, "example.com/other", 1) },
		"key file changed":   func(b *bench) { b.flip("checkpoint.pub", 3) },
		"rolled back": func(b *bench) {
			old, err := os.ReadFile(b.path("checkpoints/" + auditlog.KeptName(0)))
			if err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(b.path("checkpoint"), old, 0o600); err != nil {
				b.t.Fatal(err)
			}
		},
		"journal cut": func(b *bench) {
			b.close()
			if err := os.Truncate(b.path("journal/"+auditlog.KeptName(0)+".log"), 0); err != nil {
				b.t.Fatal(err)
			}
			b.open()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.cover()
			b.write(300, 1)
			b.cover()
			harm(b)
			before, _ := os.ReadFile(b.path("checkpoint"))
			told := 0
			f := b.follower()
			f.opts.Refused = func(error) { told++ }
			f.Run(ended())
			if !strings.Contains(b.log.String(), ErrRefused.Error()) || b.counts.failed["refused"] != 1 || told != 1 {
				t.Errorf("not refused: %s", b.log.String())
			}
			if after, _ := os.ReadFile(b.path("checkpoint")); !bytes.Equal(before, after) {
				t.Error("the checkpoint was written")
			}
		})
	}
}

func (b *bench) remove(name string) {
	b.t.Helper()
	if err := os.RemoveAll(b.path(name)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) flip(name string, at int) {
	b.t.Helper()
	b.edit(name, func(data []byte) []byte { data[at] ^= 1; return data })
}

func (b *bench) edit(name string, f func([]byte) []byte) {
	b.t.Helper()
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(b.path(name), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), f(data), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func TestDamagedRecordsHaveALeaf(t *testing.T) {
	b := newBench(t)
	b.write(10, 1)
	b.close()
	b.edit("journal/"+auditlog.KeptName(0)+".log", func(data []byte) []byte { data[len(data)/2] ^= 1; return data })
	b.open() // seals the segment and records the damage
	b.write(5, 1)
	b.cover()
	r := b.verify(offline.VerifyOptions{})
	if len(r.Problems) != 1 || r.Problems[0].Kind != offline.ProblemDamaged || !strings.Contains(r.Problems[0].Text, "already when") || r.Size != 16 {
		t.Errorf("%d records, %v", r.Size, r.Problems)
	}
}

func TestOrigin(t *testing.T) {
	for _, bad := range []string{"", "a b", "a+b", "a\nb", strings.Repeat("x", 201), "é"} {
		if _, err := NewKey(bad, make([]byte, SeedSize)); err == nil {
			t.Errorf("origin %q was taken", bad)
		}
	}
	one, two := DefaultOrigin(make([]byte, SeedSize)), DefaultOrigin(bytes.Repeat([]byte{1}, SeedSize))
	if one == two || CheckOrigin(one) != nil {
		t.Errorf("default origins %q and %q", one, two)
	}
	if _, err := NewKey("x", make([]byte, 5)); err == nil {
		t.Error("a short secret was taken")
	}
}

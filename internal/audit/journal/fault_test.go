package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// faulty is a real directory that fails on demand.
type faulty struct {
	folder
	mu       sync.Mutex
	write    func(n int) (int, error) // how much of a write succeeds
	sync     error
	truncate error
	names    error // creating files
	writes   int
	syncs    int
}

func (d *faulty) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *faulty) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names != nil {
		return nil, d.names
	}
	f, err := d.folder.create(name)
	return &faultyFile{f, d}, err
}

func (d *faulty) append(name string) (file, error) {
	f, err := d.folder.append(name)
	return &faultyFile{f, d}, err
}

func (d *faulty) probe() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.write != nil {
		if _, err := d.write(1); err != nil {
			return err
		}
	}
	return d.sync
}

type faultyFile struct {
	file
	d *faulty
}

func (f *faultyFile) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.writes++
	if f.d.write == nil {
		return f.file.Write(p)
	}
	n, fault := f.d.write(len(p))
	n, err := f.file.Write(p[:n])
	return n, errors.Join(fault, err)
}

func (f *faultyFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.syncs++
	return f.d.sync
}

func (f *faultyFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.truncate != nil {
		return f.d.truncate
	}
	return f.file.Truncate(size)
}

func openFaulty(t *testing.T, cfg Config, opts Options) (*Journal, *faulty, string) {
	t.Helper()
	dir := t.TempDir()
	d := &faulty{folder: folder(filepath.Join(dir, segment.Folder))}
	cfg.SecurityLog = false
	j, err := open(dir, cfg, opts, d)
	if err != nil {
		t.Fatal(err)
	}
	return j, d, dir
}

func full(int) (int, error) { return 0, syscall.ENOSPC }

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	var out logged
	j, d, dir := openFaulty(t, Default(), Options{Log: out.logger()})
	mustRecord(t, j, call("a"))
	for _, fault := range []func(int) (int, error){
		full,
		func(n int) (int, error) { return n / 2, syscall.ENOSPC },
		func(n int) (int, error) { return n - 1, syscall.EIO },
		func(n int) (int, error) { return n / 3, nil }, // short without an error
	} {
		d.set(func() { d.write = fault })
		e := call("lost")
		if err := j.Record(context.Background(), &e); err == nil {
			t.Fatal("record on a full disk was acknowledged")
		}
		if j.Healthy() == nil {
			t.Error("healthy on a full disk")
		}
		if got := strings.Join(contents(t, dir), ""); strings.Contains(got, "lost") {
			t.Errorf("journal holds %q", got)
		}
		d.set(func() { d.write = nil })
		mustRecord(t, j, call("b"))
		if err := j.Healthy(); err != nil {
			t.Errorf("after recovery: %v", err)
		}
	}
	closeTest(t, j)
	if got := strings.Join(contents(t, dir), ""); got != "abbbb" {
		t.Errorf("journal holds %q", got)
	}
	if s := out.String(); !strings.Contains(s, "cannot be written") || !strings.Contains(s, "can be written again") {
		t.Errorf("log: %s", s)
	}
}

// TestHalfLineThatCannotBeCut: nothing is written behind half a line.
func TestHalfLineThatCannotBeCut(t *testing.T) {
	j, d, dir := openFaulty(t, Default(), Options{})
	mustRecord(t, j, call("a"))
	d.set(func() {
		d.write = func(n int) (int, error) { return n / 2, syscall.EIO }
		d.truncate = syscall.EIO
	})
	e := call("x")
	if err := j.Record(context.Background(), &e); err == nil {
		t.Error("acknowledged")
	}
	d.set(func() { d.write = nil })
	if err := j.Record(context.Background(), &e); err == nil || !strings.Contains(err.Error(), "cutting off half a line") {
		t.Errorf("behind half a line: %v", err)
	}
	d.set(func() { d.truncate = nil })
	mustRecord(t, j, call("b"))
	closeTest(t, j)
	if got := strings.Join(contents(t, dir), ""); got != "ab" {
		t.Errorf("journal holds %q", got)
	}
}

func TestAllowLetsCallsPass(t *testing.T) {
	cfg := Default()
	cfg.OnFailure = Allow
	var out logged
	var seen counts
	j, d, dir := openFaulty(t, cfg, Options{Log: out.logger(), Observer: &seen})
	d.set(func() { d.write = full })
	mustRecord(t, j, call("lost"))
	if j.Healthy() == nil || seen.lost.Load() != 1 || !strings.Contains(out.String(), "audit event lost") {
		t.Errorf("healthy %v, %d lost, log %s", j.Healthy(), seen.lost.Load(), out.String())
	}
	d.set(func() { d.write = nil })
	mustRecord(t, j, call("a"))
	closeTest(t, j)
	if got := strings.Join(contents(t, dir), ""); got != "a" {
		t.Errorf("journal holds %q", got)
	}
	if seen.records.Load() != 1 || seen.bytes.Load() == 0 || seen.failed.Load() != 1 {
		t.Errorf("observer counted %d records, %d bytes, %d failures", seen.records.Load(), seen.bytes.Load(), seen.failed.Load())
	}
}

type counts struct{ records, bytes, synced, failed, lost atomic.Int64 }

func (c *counts) Wrote(records, bytes int) { c.records.Add(int64(records)); c.bytes.Add(int64(bytes)) }
func (c *counts) Synced(time.Duration)     { c.synced.Add(1) }
func (c *counts) Failed(string)            { c.failed.Add(1) }
func (c *counts) Lost()                    { c.lost.Add(1) }

func TestStrictSyncFailureRefuses(t *testing.T) {
	cfg := Default()
	cfg.Durability = Strict
	j, d, dir := openFaulty(t, cfg, Options{})
	mustRecord(t, j, call("a"))
	d.set(func() { d.sync = syscall.EIO })
	for range 3 {
		e := call("lost")
		if err := j.Record(context.Background(), &e); !errors.Is(err, syscall.EIO) {
			t.Errorf("%v, want EIO", err)
		}
	}
	d.set(func() { d.sync = nil })
	mustRecord(t, j, call("b"))
	closeTest(t, j)
	if got := strings.Join(contents(t, dir), ""); got != "ab" {
		t.Errorf("journal holds %q", got)
	}
	// What the system may have thrown away is not written to again.
	if firsts, _ := segment.List(dir); len(firsts) != 2 {
		t.Errorf("%d segments, want 2", len(firsts))
	}
}

// TestGroupedSyncFailure: the failure shows in the background; from then on
// records are acknowledged only once synced, until that works again.
func TestGroupedSyncFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d, dir := openFaulty(t, Default(), Options{})
		d.set(func() { d.sync = syscall.EIO })
		mustRecord(t, j, call("a"))
		time.Sleep(2 * SyncInterval)
		synctest.Wait()
		if j.Healthy() == nil {
			t.Fatal("healthy after a failed sync")
		}
		e := call("lost")
		if err := j.Record(context.Background(), &e); err == nil {
			t.Error("acknowledged although nothing can be synced")
		}
		d.set(func() { d.sync = nil })
		time.Sleep(2 * probeInterval)
		synctest.Wait()
		if err := j.Healthy(); err != nil {
			t.Errorf("not recovered by itself: %v", err)
		}
		mustRecord(t, j, call("b"))
		closeTest(t, j)
		if got := strings.Join(contents(t, dir), ""); got != "ab" {
			t.Errorf("journal holds %q", got)
		}
	})
}

// TestRecoversWithoutCallers: a gateway that is out of rotation gets no calls
// that could find out that the disk works again.
func TestRecoversWithoutCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d, dir := openFaulty(t, Default(), Options{})
		d.set(func() { d.write = func(n int) (int, error) { return n / 2, syscall.ENOSPC }; d.truncate = syscall.EIO })
		e := call("x")
		if err := j.Record(context.Background(), &e); err == nil {
			t.Error("acknowledged")
		}
		time.Sleep(3 * probeInterval)
		synctest.Wait()
		if j.Healthy() == nil {
			t.Error("healthy although the disk is full")
		}
		d.set(func() { d.write, d.truncate = nil, nil })
		time.Sleep(2 * probeInterval)
		synctest.Wait()
		if err := j.Healthy(); err != nil {
			t.Error(err)
		}
		closeTest(t, j)
		if got := contents(t, dir); len(got) != 0 {
			t.Errorf("journal holds %q", got)
		}
	})
}

func TestSyncTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d, _ := openFaulty(t, Default(), Options{})
		syncs := func() int { d.mu.Lock(); defer d.mu.Unlock(); return d.syncs }
		synctest.Wait()
		mustRecord(t, j, call("a"))
		synctest.Wait()
		if syncs() != 0 {
			t.Error("an access record was synced at once")
		}
		time.Sleep(SyncInterval)
		synctest.Wait()
		if syncs() != 1 {
			t.Errorf("%d syncs after the interval, want 1", syncs())
		}
		mustRecord(t, j, refusal("b"))
		synctest.Wait()
		if syncs() != 2 {
			t.Errorf("%d syncs after a security event, want 2 at once", syncs())
		}
		time.Sleep(10 * SyncInterval)
		synctest.Wait()
		if n := syncs(); n > 3 {
			t.Errorf("%d syncs although nothing is written", n)
		}
		closeTest(t, j)
	})
}

func TestAgeEndsSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Default()
		cfg.SegmentAge = time.Minute
		j, _, dir := openFaulty(t, cfg, Options{})
		mustRecord(t, j, call("a"))
		time.Sleep(time.Hour)
		synctest.Wait()
		firsts, err := segment.List(dir)
		if err != nil || len(firsts) != 2 {
			t.Fatalf("segments %v, %v; want the old and an empty one", firsts, err)
		}
		wantMode(t, filepath.Join(dir, segment.Folder, segment.Name(0)), sealedMode)
		mustRecord(t, j, call("b"))
		closeTest(t, j)
		if got := strings.Join(contents(t, dir), ""); got != "ab" {
			t.Errorf("journal holds %q", got)
		}
	})
}

func TestSegmentThatCannotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Default()
		cfg.SegmentAge = time.Minute
		j, d, _ := openFaulty(t, cfg, Options{})
		mustRecord(t, j, call("a"))
		d.set(func() { d.names = syscall.ENFILE })
		time.Sleep(time.Hour)
		e := call("b")
		if err := j.Record(context.Background(), &e); !errors.Is(err, syscall.ENFILE) {
			t.Errorf("%v, want ENFILE", err)
		}
		d.set(func() { d.names = nil })
		mustRecord(t, j, call("b"))
		closeTest(t, j)
	})
}

// TestBackPressure: while the disk hangs, callers fill the pending batch and
// then wait; one whose context ends gets an error; nothing is dropped.
func TestBackPressure(t *testing.T) {
	cfg := Default()
	cfg.MaxPending = 64 << 10
	j, d, dir := openFaulty(t, cfg, Options{})
	free := make(chan struct{})
	d.set(func() { d.write = func(n int) (int, error) { <-free; return n, nil } })
	const callers = 500
	var ok atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			mustRecord(t, j, call(fmt.Sprint(i)))
			ok.Add(1)
		})
	}
	e := call("late")
	size := len(auditlog.AppendRecord(nil, &e))
	await(t, func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return len(j.pending.buf)+2*size > cfg.MaxPending
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	e.Details = append(e.Details, slog.String("filler", strings.Repeat("x", 2*size)))
	if err := j.Record(ctx, &e); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want deadline exceeded", err)
	}
	if ok.Load() != 0 {
		t.Errorf("%d acknowledged while the disk hangs", ok.Load())
	}
	close(free)
	wg.Wait()
	closeTest(t, j)
	if got := len(contents(t, dir)); got != callers {
		t.Errorf("%d records, want %d", got, callers)
	}
}

// await waits until condition holds.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited 20 s in vain")
		}
	}
}

func TestCloseGivesUpWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d, _ := openFaulty(t, Default(), Options{})
		free := make(chan struct{})
		d.set(func() { d.write = func(n int) (int, error) { <-free; return n, nil } })
		go func() { e := call("a"); _ = j.Record(context.Background(), &e) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), probeInterval/2)
		defer cancel()
		if err := j.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want deadline exceeded", err)
		}
		close(free)
		closeTest(t, j)
	})
}

// TestRandomFaults: whatever fails and however writes are cut, the journal
// holds exactly the acknowledged records, each once.
func TestRandomFaults(t *testing.T) {
	for _, mode := range []string{Grouped, Strict} {
		cfg := Default()
		cfg.Durability = mode
		j, d, dir := openFaulty(t, cfg, Options{})
		rng := rand.New(rand.NewPCG(1, 2))
		d.set(func() {
			d.write = func(n int) (int, error) { // runs under d.mu
				d.truncate, d.sync = nil, nil
				switch rng.IntN(6) {
				case 0:
					return rng.IntN(n + 1), syscall.ENOSPC
				case 1:
					d.truncate = syscall.EIO
					return rng.IntN(n + 1), syscall.EIO
				case 2:
					if mode == Strict {
						d.sync = syscall.EIO
					}
				}
				return n, nil
			}
		})
		var mu sync.Mutex
		acknowledged := make(map[string]bool)
		var wg sync.WaitGroup
		for c := range 16 {
			wg.Go(func() {
				for i := range 100 {
					e := portcullis.Event{ID: fmt.Sprintf("%d-%d", c, i), Type: portcullis.EventCallStarted}
					if j.Record(context.Background(), &e) == nil {
						mu.Lock()
						acknowledged[e.ID] = true
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		d.set(func() { d.write, d.truncate, d.sync = nil, nil, nil })
		mustRecord(t, j, call("last"))
		closeTest(t, j)
		acknowledged["last"] = true
		for _, id := range contents(t, dir) {
			if !acknowledged[id] {
				t.Errorf("%s: %s is there and was refused, or is there twice", mode, id)
			}
			delete(acknowledged, id)
		}
		if len(acknowledged) > 0 {
			t.Errorf("%s: %d acknowledged records are missing", mode, len(acknowledged))
		}
	}
}

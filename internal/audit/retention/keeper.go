package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// Interval is the time between two passes.
const Interval = 10 * time.Minute

const clockName = "clock"

// Observer hears what a keeper does. Its methods must not block.
type Observer interface {
	Divided()
	Removed(class string, records uint64, bytes int64)
	Failed(operation string) // "divide", "archive", "remove", "erase", "pass"
	Kept(class string, bytes int64, oldest time.Time)
	Disk(undivided int64, free uint64)
}

// Options are what a keeper needs.
type Options struct {
	Dir      string // the audit directory
	Recorder portcullis.Recorder
	Sync     func() error // returns when what was recorded is on the device
	// End returns the number behind the last record. With it, records are
	// removed only after the essential consumers have read the event that tells
	// of it; nil does not wait for them.
	End func() uint64
	// EraseDays destroys the keys of the days before t: what nobody proved is
	// sealed under them. nil does nothing.
	EraseDays func(ctx context.Context, t time.Time) error
	Log       *slog.Logger // nil discards
	Observer  Observer     // nil counts nothing
	// Now is the wall clock and Elapsed the real time since some fixed moment;
	// nil takes those of the process.
	Now     func() time.Time
	Elapsed func() time.Duration
}

// Keeper applies a policy to a journal. It is safe for concurrent use; one
// process has one.
type Keeper struct {
	opts    Options
	dir     string
	log     *slog.Logger
	now     func() time.Time
	elapsed func() time.Duration
	policy  atomic.Pointer[Policy]
	step    func(string) error // see sealed.Options.Step

	holding sync.Mutex // held while holds change, and while a file is removed that none holds

	mu      sync.Mutex             // held during a pass, before holding; guards what follows
	told    map[place]told         // class files whose removal is recorded and not done
	loaded  bool                   // segs is what is on disk
	segs    []*sealed.Manifest     // without runs and frames, ascending
	damaged map[uint64]error       // segments that cannot be divided
	since   time.Duration          // elapsed at the last pass
	started bool                   // there was a pass
	time    time.Time              // of the keeper's clock
	behind  bool                   // the wall clock is behind it
	seen    atomic.Pointer[Status] // what the last pass left
}

// New returns a keeper that does nothing before Run or Pass.
func New(opts Options, p Policy) *Keeper {
	k := &Keeper{opts: opts, dir: opts.Dir, log: opts.Log, now: opts.Now, elapsed: opts.Elapsed, damaged: map[uint64]error{}, told: map[place]told{}}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.opts.Observer == nil {
		k.opts.Observer = nobody{}
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.elapsed == nil {
		start := time.Now()
		k.elapsed = func() time.Duration { return time.Since(start) }
	}
	k.policy.Store(&p)
	return k
}

// SetPolicy puts another policy into force, from the next pass on.
func (k *Keeper) SetPolicy(p Policy) { k.policy.Store(&p) }

// Run makes a pass at once and then every [Interval], until ctx ends; sooner
// while a consumer is waited for, as all are when the gateway has just started.
func (k *Keeper) Run(ctx context.Context) {
	soon := time.Second
	for {
		if err := k.Pass(ctx); err != nil && ctx.Err() == nil {
			k.log.Error("retention of the audit log", "error", err)
		}
		next := Interval
		if s := k.seen.Load(); s != nil && (s.Waiting != "" || s.Leaving > 0) {
			next = soon
			soon = min(2*soon, Interval)
		} else {
			soon = time.Second
		}
		select {
		case <-time.After(next):
		case <-ctx.Done():
			return
		}
	}
}

// Pass divides, archives and removes what is due. An error of one file does
// not keep it from the others; all are returned.
func (k *Keeper) Pass(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.policy.Load()
	err := k.pass(ctx, p)
	if err != nil && ctx.Err() == nil {
		k.opts.Observer.Failed("pass")
	}
	k.measure(p, err)
	return err
}

func (k *Keeper) pass(ctx context.Context, p *Policy) error {
	if err := os.MkdirAll(sealed.Dir(k.dir), 0o700); err != nil {
		return err
	}
	if err := k.load(); err != nil {
		return err
	}
	if err := k.tick(); err != nil {
		return fmt.Errorf("keeping time: %w", err)
	}
	readers, err := consumers(k.dir, p.Essential)
	if err != nil {
		return err
	}
	var errs []error
	// While the keeper's time catches up, after a long stop, it is no bound for
	// the age of what is new: that would be removed too early.
	if !k.now().After(k.time.Add(tolerance)) {
		errs = append(errs, k.divide(ctx, p, readers))
	}
	if p.Archive != nil && p.ArchiveWhen == WhenSealed {
		errs = append(errs, k.archiveAll(ctx, p))
	}
	if k.behind {
		k.log.Warn("the clock went backwards: nothing is removed from the audit log until it has caught up", "kept_time", k.time)
		return errors.Join(errs...)
	}
	errs = append(errs, k.expire(ctx, p, readers), k.forget(), k.expireSecurityLogs(ctx, p), k.eraseDays(ctx, p))
	return errors.Join(errs...)
}

// load reads the manifests, once: the keeper is the only one who changes them.
// It also finishes what a crash interrupted.
func (k *Keeper) load() error {
	if k.loaded {
		return nil
	}
	all, err := sealed.List(k.dir)
	if err != nil {
		return err
	}
	k.segs = nil
	for _, r := range all {
		m, err := sealed.Load(k.dir, r)
		if err != nil { // its files stay: nobody knows what is in them
			k.log.Error("audit journal is damaged", "error", err)
			continue
		}
		for i := range m.Files {
			if m.Files[i].Removed == nil {
				continue
			}
			if err := removeFile(m.Path(k.dir, m.Files[i].Class)); err != nil {
				return err
			}
		}
		k.segs = append(k.segs, slim(m))
	}
	k.loaded = true
	return nil
}

// slim drops what only readers need: there may be very many manifests.
func slim(m *sealed.Manifest) *sealed.Manifest {
	s := *m
	s.Runs, s.Files = "", slices.Clone(m.Files)
	for i := range s.Files {
		s.Files[i].Frames = nil
	}
	return &s
}

// update changes the manifest of a segment, on disk and here.
func (k *Keeper) update(i int, change func(*sealed.Manifest)) error {
	s := k.segs[i]
	m, err := sealed.Load(k.dir, sealed.Range{First: s.First, Last: s.Last})
	if err != nil {
		return err
	}
	change(m)
	if m.Gone() {
		m.Runs = ""
	}
	if err := m.Save(k.dir); err != nil {
		return err
	}
	k.segs[i] = slim(m)
	return nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

func (k *Keeper) clockPath() string { return filepath.Join(sealed.Dir(k.dir), clockName) }

func (k *Keeper) readClock() error {
	if !k.time.IsZero() {
		return nil
	}
	text, err := os.ReadFile(k.clockPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		k.time, err = time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text)))
	}
	return err
}

// tick moves the keeper's clock on.
func (k *Keeper) tick() error {
	if err := k.readClock(); err != nil {
		return err
	}
	at := k.elapsed()
	passed := at - k.since
	if !k.started {
		passed = 0
	}
	next, behind := advance(k.time, k.now(), passed)
	if err := durable.Replace(k.clockPath(), append(next.UTC().AppendFormat(nil, time.RFC3339Nano), '\n')); err != nil {
		return err
	}
	k.time, k.behind, k.since, k.started = next, behind, at, true
	return nil
}

func (k *Keeper) crash(step string) error {
	if k.step == nil {
		return nil
	}
	return k.step(step)
}

// divide divides the ended segments that nobody holds up.
func (k *Keeper) divide(ctx context.Context, p *Policy, readers []Consumer) error {
	ended, err := segment.Ended(k.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, first := range ended {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if k.damaged[first] != nil {
			continue
		}
		if err := k.divideOne(ctx, p, first, readers); err != nil {
			if errors.Is(err, errWaits) { // so do those behind it
				break
			}
			k.opts.Observer.Failed("divide")
			errs = append(errs, fmt.Errorf("dividing audit segment %d: %w", first, err))
		}
	}
	return errors.Join(errs...)
}

var errWaits = errors.New("somebody is not done with it")

func (k *Keeper) divideOne(ctx context.Context, p *Policy, first uint64, readers []Consumer) error {
	path := segment.Path(k.dir, first)
	i, divided := k.find(first)
	if divided { // a crash came between the manifest and the removal
		m, err := sealed.Load(k.dir, sealed.Range{First: first, Last: k.segs[i].Last})
		if err == nil {
			err = sealed.Compare(ctx, k.dir, path, m)
		}
		if err != nil {
			return err
		}
		return k.dropSegment(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	age := k.now().Sub(info.ModTime())
	if age < p.DivideAfter && age >= 0 {
		return errWaits
	}
	ended, err := k.endOf(first)
	if err != nil {
		return err
	}
	if waiting(readers, ended, age < p.ConsumerWait) != "" {
		return errWaits
	}
	o := sealed.Options{Compression: p.Compression, NotAfter: k.time, Step: k.step}
	if i > 0 {
		o.NotBefore = k.segs[i-1].AgeFrom
	}
	m, err := sealed.Divide(ctx, k.dir, path, first, o)
	if err != nil {
		if isCorrupt(err) {
			k.damaged[first] = err
			k.log.Error("a damaged audit segment is kept as it is, beyond its time", "error", err)
			return nil
		}
		return err
	}
	k.segs = slices.Insert(k.segs, i, slim(m))
	k.opts.Observer.Divided()
	return k.dropSegment(path)
}

// endOf returns the number of the first record behind an ended segment.
func (k *Keeper) endOf(first uint64) (uint64, error) {
	firsts, err := segment.List(k.dir)
	if err != nil {
		return 0, err
	}
	for _, m := range k.segs {
		firsts = append(firsts, m.First)
	}
	slices.Sort(firsts)
	i, _ := slices.BinarySearch(firsts, first+1)
	if i == len(firsts) {
		return 0, errors.New("no segment is behind it")
	}
	return firsts[i], nil
}

func (k *Keeper) dropSegment(path string) error {
	if err := k.crash("drop segment"); err != nil {
		return err
	}
	return removeFile(path)
}

// find returns where the segment that begins with first is, or would be.
func (k *Keeper) find(first uint64) (int, bool) {
	return slices.BinarySearchFunc(k.segs, first, func(m *sealed.Manifest, first uint64) int {
		return cmp.Compare(m.First, first)
	})
}

// self is the actor of what the keeper does by itself.
func self() portcullis.Actor { return portcullis.Actor{ID: "portcullis", Method: "retention"} }

type nobody struct{}

func (nobody) Divided()                      {}
func (nobody) Removed(string, uint64, int64) {}
func (nobody) Failed(string)                 {}
func (nobody) Kept(string, int64, time.Time) {}
func (nobody) Disk(int64, uint64)            {}

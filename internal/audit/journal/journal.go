package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// ErrClosed is returned by Record after Close.
var ErrClosed = errors.New("audit journal is closed")

// EventLogDamaged tells that Open found damage inside a segment.
const EventLogDamaged portcullis.EventType = "AUDIT_LOG_DAMAGED"

// Observer counts what a journal does. Its methods must not block.
type Observer interface {
	Wrote(records, bytes int)
	Synced(took time.Duration)
	Failed(operation string) // "write", "sync", "rotate", "close"
	Lost()                   // an event not recorded although its call passed
}

// Personal seals what events say of persons before they are written; see
// internal/audit/subject.
type Personal interface {
	// Seal changes nothing but the actor. An error means that the event must not
	// be written.
	Seal(ctx context.Context, e *portcullis.Event) error
	// Open undoes Seal where that is still possible.
	Open(ctx context.Context, e *portcullis.Event) error
}

// Options are what a journal needs besides its configuration.
type Options struct {
	Personal    Personal     // nil writes personal data as it is
	Log         *slog.Logger // nil discards
	Observer    Observer     // nil counts nothing
	Environment string       // for events that name none
	Service     string       // for events that name none
}

// Journal writes audit events. It is safe for concurrent use.
type Journal struct {
	cfg  Config
	opts Options
	dir  string // the audit directory
	log  *slog.Logger
	disk disk

	mu      sync.Mutex // guards what follows
	room    *sync.Cond // pending was taken, or closed, or a waiter gave up
	pending *batch     // what the next write will hold
	closed  bool

	writing sync.Mutex // held while writing; guards what follows
	seg     openSegment
	retired []openSegment // sealed, not yet synced and closed
	dirty   bool          // something is written and not synced
	newName bool          // a name was created and the directory not synced
	ragged  bool          // the segment ends in half a line
	renew   bool          // the segment must not be written any more
	doubt   bool          // an fsync failed: nothing counts as written before one succeeds

	syncing sync.Mutex     // held during a sync; taken before writing
	active  sync.WaitGroup // calls of Record and Sync
	lines   sync.Pool      // *[]byte
	batches sync.Pool      // *batch
	failure atomic.Pointer[failure]

	dirtied   chan struct{} // first write after a sync
	hurry     chan struct{} // a security event was written
	stop      chan struct{}
	stopped   chan struct{}
	closeOnce sync.Once
	security  *securityLog
}

var _ portcullis.Recorder = (*Journal)(nil)

// openSegment is a file of the journal that is written, or was until just now.
type openSegment struct {
	file  file
	first uint64 // sequence number of the first record
	next  uint64 // sequence number of the next record
	size  int64
	born  time.Time
}

type failure struct {
	op  string
	err error
}

// Open opens the journal in the directory dir (the data folder's "audit"),
// which it creates if needed, and makes what an earlier process left whole.
// The journal runs two goroutines until Close.
func Open(dir string, cfg Config, opts Options) (*Journal, error) {
	return open(dir, cfg, opts, folder(filepath.Join(dir, segment.Folder)))
}

func open(dir string, cfg Config, opts Options, d disk) (*Journal, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	j := &Journal{
		cfg: cfg, opts: opts, dir: dir, log: opts.Log, disk: d,
		dirtied: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	if j.opts.Observer == nil {
		j.opts.Observer = nobody{}
	}
	j.room = sync.NewCond(&j.mu)
	j.lines.New = func() any { return new([]byte) }
	j.batches.New = func() any { return new(batch) }
	j.pending = new(batch)
	damage, err := j.recover()
	if err != nil {
		return nil, fmt.Errorf("opening audit journal: %w", err)
	}
	if cfg.SecurityLog {
		j.security = newSecurityLog(dir, cfg, j.log, opts.Personal)
		go j.security.run()
	}
	go j.background()
	for _, d := range damage {
		if err := j.recordDamage(d); err != nil {
			return nil, errors.Join(err, j.Close(context.Background()))
		}
	}
	return j, nil
}

func (j *Journal) recordDamage(d *auditlog.CorruptError) error {
	return j.Record(context.Background(), &portcullis.Event{
		Type: EventLogDamaged, Severity: portcullis.SeverityCritical, Outcome: portcullis.OutcomeFailure,
		Reason: "corrupt_line",
		Details: []slog.Attr{
			slog.String("segment", d.Segment), slog.Int64("offset", d.Offset), slog.Int64("line", d.Line),
		},
	})
}

// Record writes e and returns when it is as durable as configured. An empty
// ID, Time, RequestID, Environment or Service is filled in, in e too. Record waits while
// more than Config.MaxPending bytes wait for the disk, until ctx ends; a write
// that has begun is not given up.
//
// An error means that the event is not in the journal, or may be lost. With
// OnFailure "allow" it is logged and counted instead of returned, except
// [ErrClosed].
func (j *Journal) Record(ctx context.Context, e *portcullis.Event) error {
	j.fill(ctx, e)
	err := j.enter(ctx, e)
	switch {
	case err == nil || errors.Is(err, ErrClosed):
		return err
	case j.cfg.OnFailure == Allow:
		j.opts.Observer.Lost()
		j.log.LogAttrs(ctx, slog.LevelError, "audit event lost",
			slog.String("event_id", e.ID), slog.String("type", string(e.Type)), slog.Any("error", err))
		return nil
	}
	return fmt.Errorf("recording audit event: %w", err)
}

// enter seals, encodes and writes e, which it leaves as it was.
func (j *Journal) enter(ctx context.Context, e *portcullis.Event) error {
	actor := e.Actor
	defer func() { e.Actor = actor }()
	if j.opts.Personal != nil {
		if err := j.opts.Personal.Seal(ctx, e); err != nil {
			return err
		}
	}
	line := j.lines.Get().(*[]byte)
	*line = auditlog.AppendRecord((*line)[:0], e)
	err := j.record(ctx, *line, e.Security(), inSecurityLog(e))
	if cap(*line) <= maxSpare {
		j.lines.Put(line)
	}
	return err
}

func (j *Journal) fill(ctx context.Context, e *portcullis.Event) {
	if e.ID == "" {
		e.ID = obs.NewID()
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.RequestID == "" {
		e.RequestID = obs.RequestID(ctx)
		if e.TraceID == "" {
			e.TraceID = obs.TraceID(ctx)
		}
	}
	if e.Environment == "" {
		e.Environment = j.opts.Environment
	}
	if e.Service == "" {
		e.Service = j.opts.Service
	}
}

// Healthy returns nil if the journal can be written as far as is known, else
// what keeps it from being written.
func (j *Journal) Healthy() error {
	if f := j.failure.Load(); f != nil {
		return fmt.Errorf("audit journal: %s: %w", f.op, f.err)
	}
	return nil
}

// End returns where the next record will be written: what a consumer's cursor
// is compared with to know how far behind it is. It waits for a write under way.
func (j *Journal) End() Cursor {
	j.writing.Lock()
	defer j.writing.Unlock()
	return Cursor{Segment: j.seg.first, Offset: j.seg.size, Seq: j.seg.next}
}

// Close refuses new records, waits for those under way, syncs and closes the
// journal. If ctx ends first it returns the context's error, and closing goes
// on until the disk answers.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	j.closed = true
	j.room.Broadcast()
	j.mu.Unlock()
	j.closeOnce.Do(func() {
		go func() {
			j.active.Wait()
			close(j.stop)
		}()
	})
	select {
	case <-j.stopped:
		return j.Healthy()
	case <-ctx.Done():
		return fmt.Errorf("closing audit journal: %w", ctx.Err())
	}
}

// failed notes that an operation failed. Callers hold writing.
func (j *Journal) failed(op string, err error) {
	j.opts.Observer.Failed(op)
	if j.failure.Swap(&failure{op, err}) == nil {
		j.log.Error("audit journal cannot be written", "operation", op, "error", err, "on_failure", j.cfg.OnFailure)
	}
}

// works notes that writing works. Callers hold writing.
func (j *Journal) works() {
	if j.failure.Load() != nil && j.failure.Swap(nil) != nil {
		j.log.Info("audit journal can be written again")
	}
}

type nobody struct{}

func (nobody) Wrote(int, int)       {}
func (nobody) Synced(time.Duration) {}
func (nobody) Failed(string)        {}
func (nobody) Lost()                {}

package tlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

const (
	// cursorName is the name of the cursor, beside those of other consumers.
	cursorName = "tiles"
	// maxBatch is how many records are added before they are signed.
	maxBatch = 1 << 17
	// retryAfter is how long a follower rests after a failure.
	retryAfter = time.Second
	// maxGap is how many records may be missing at one place of the journal.
	// More are no damage but a wrong name of a segment.
	maxGap = 1 << 24
)

// Journal is what a follower needs of the journal that is written.
type Journal interface {
	// End returns where the next record will be written. Records before it stay
	// as they are.
	End() journal.Cursor
}

// Observer counts. Its methods must not block.
type Observer interface {
	Signed(size uint64)
	Failed(operation string) // "refused", "append", "witness", "publish"
}

// Options are what a follower is made of.
type Options struct {
	Dir      string // the audit folder
	Key      *Key
	Journal  Journal
	Interval time.Duration // between two checkpoints
	Keep     time.Duration // between two that are kept
	Log      *slog.Logger
	Observer Observer
	// Refused is called once when the log is refused.
	Refused func(error)
}

// Follower adds the records of the journal to the log.
type Follower struct {
	opts Options
	log  atomic.Pointer[Log]
	// behind is when a record that no checkpoint covers was seen first, in
	// nanoseconds; 0: none is.
	behind  atomic.Int64
	refused bool

	reader *journal.Reader
	done   journal.Cursor // behind what was signed last, by this follower
	limit  uint64
	synced uint64 // first segment that may not be synced
	hasher *auditlog.Hasher
}

// NewFollower returns a follower; Run makes it work.
func NewFollower(opts Options) *Follower {
	return &Follower{opts: opts, hasher: auditlog.NewHasher()}
}

// Log returns the log, nil before it is open.
func (f *Follower) Log() *Log { return f.log.Load() }

// Lag returns for how long a record has waited for a checkpoint.
func (f *Follower) Lag() time.Duration {
	if since := f.behind.Load(); since != 0 {
		return time.Since(time.Unix(0, since))
	}
	return 0
}

// Run follows the journal until ctx ends, and covers what is written by then.
func (f *Follower) Run(ctx context.Context) {
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil && err == nil {
			return
		}
		operation := "append"
		if errors.Is(err, ErrRefused) {
			operation = "refused"
		}
		f.opts.Observer.Failed(operation)
		f.tell(err)
		f.note()
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryAfter):
		}
	}
}

// Finish covers what was written since Run returned: the last words of a process.
func (f *Follower) Finish(ctx context.Context) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return f.follow(ended)
}

func (f *Follower) tell(err error) {
	if !errors.Is(err, ErrRefused) {
		f.opts.Log.Error("the audit log cannot be continued", "error", err)
		return
	}
	if f.refused {
		return
	}
	f.refused = true
	f.opts.Log.Error("the audit log is refused: its files were changed or rolled back; 'portcullis audit verify' says what is wrong", "error", err)
	if f.opts.Refused != nil {
		f.opts.Refused(err)
	}
}

// follow opens the log and follows the journal until ctx ends or something fails.
func (f *Follower) follow(ctx context.Context) (err error) {
	l, err := Open(f.opts.Dir, f.opts.Key, f.opts.Keep)
	if err != nil {
		return err
	}
	if end := f.opts.Journal.End().Seq; end < l.Size() {
		return refuse("the journal has %d records, the checkpoint covers %d: the folder was rolled back", end, l.Size())
	}
	f.refused = false
	defer l.tree.close()
	if err := f.seek(l.Size()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.reader.Close()) }()
	f.log.Store(l)
	f.opts.Observer.Signed(l.Size())
	if l.Size() == 0 {
		f.tellBegin()
	}
	for {
		stop := ctx.Err() != nil
		deadline := time.Now().Add(f.opts.Interval)
		if err := f.add(l); err != nil {
			return err
		}
		if err := f.commit(l, stop); err != nil {
			return err
		}
		if stop {
			return nil
		}
		if f.reader.Cursor().Seq < f.opts.Journal.End().Seq && l.Size()-l.Head().Size >= maxBatch {
			continue // far behind
		}
		timer := time.NewTimer(time.Until(deadline))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// tellBegin says that the log begins. What verbs recorded before the first
// start is there already, which is as it should be; a log that had begun
// before, or a journal with a past, is not.
func (f *Follower) tellBegin() {
	end := f.opts.Journal.End()
	_, err := os.Stat(f.cursorPath())
	if err == nil || end.Segment > 0 {
		f.opts.Log.Warn("the audit log begins over records that are there already: nothing was signed about them", "records", end.Seq, "origin", f.opts.Key.verifier.Name())
		return
	}
	f.opts.Log.Info("the audit log begins", "records", end.Seq, "origin", f.opts.Key.verifier.Name())
}

// seek opens the journal at the segment that holds record number size. It does
// not ask the cursor, which nothing protects: one that was changed would have
// records signed under numbers that are not theirs.
func (f *Follower) seek(size uint64) error {
	if f.done.Seq == size && size > 0 {
		f.reader, f.limit, f.synced = journal.NewReader(f.opts.Dir, f.done), 0, f.done.Segment
		return nil
	}
	firsts, err := segment.List(f.opts.Dir)
	if err != nil {
		return err
	}
	divided, err := sealed.List(f.opts.Dir)
	if err != nil {
		return err
	}
	for _, d := range divided {
		firsts = append(firsts, d.First)
	}
	at := journal.Cursor{} // the beginning, whatever that is
	for _, first := range firsts {
		if first <= size && first > at.Segment {
			at = journal.Cursor{Segment: first, Seq: first}
		}
	}
	f.reader, f.limit, f.synced = journal.NewReader(f.opts.Dir, at), 0, at.Segment
	return nil
}

func (f *Follower) cursorPath() string { return filepath.Join(f.opts.Dir, feed.Folder, cursorName) }

// note remembers since when records wait.
func (f *Follower) note() {
	covered := uint64(0)
	if l := f.log.Load(); l != nil {
		covered = l.Head().Size
	}
	if f.opts.Journal.End().Seq > covered {
		f.behind.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// add adds the records that are there, as far as one batch goes.
func (f *Follower) add(l *Log) error {
	begun := l.Size()
	for l.Size()-begun < maxBatch {
		if f.reader.Cursor().Seq >= f.limit {
			// What is read ahead of the end may still be cut off and written anew.
			at := f.reader.Cursor()
			if f.limit = f.opts.Journal.End().Seq; at.Seq >= f.limit {
				return nil
			}
			if err := f.reader.Close(); err != nil {
				return err
			}
			f.reader = journal.NewReader(f.opts.Dir, at)
			f.note()
		}
		line, err := f.reader.Next()
		switch {
		case err == nil:
			err = f.record(l, line)
		case errors.Is(err, io.EOF):
			return nil
		case journal.IsExpired(err):
			err = f.expired(l, err)
		case journal.IsDamage(err):
			err = f.damage(l, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Follower) record(l *Log, line journal.Line) error {
	if line.Seq < l.Size() {
		return nil // it is there
	}
	if err := f.lost(l, line.Seq); err != nil {
		return err
	}
	return l.Add(f.hasher.LeafHash(line.Entry))
}

// damage is told of records that cannot be read. Their leaves say so, for ever.
func (f *Follower) damage(l *Log, err error) error {
	f.opts.Log.Error("a record cannot be read: the audit log says so in its place", "error", err)
	return f.lost(l, f.reader.Cursor().Seq)
}

// expired is told of records that retention removed. Behind the checkpoint there
// can be none: retention waits for it. Only a log that begins over a journal
// that is older than it finds some, and its leaves say so.
func (f *Follower) expired(l *Log, err error) error {
	next := f.reader.Cursor().Seq
	switch {
	case next <= l.Size():
		return nil
	case l.Head().Size > 0:
		return refuse("%v, but the checkpoint covers %d", err, l.Head().Size)
	}
	f.opts.Log.Warn("the audit log begins over records that are gone already", "error", err)
	return f.lost(l, next)
}

// lost adds leaves for records that are not there, up to number next.
func (f *Follower) lost(l *Log, next uint64) error {
	if next > l.Size()+maxGap {
		return refuse("the journal goes on with record %d behind record %d", next, l.Size())
	}
	for l.Size() < next {
		if err := l.Add(tlog.RecordHash(auditlog.DamagedLeaf(l.Size()))); err != nil {
			return err
		}
	}
	return nil
}

// commit signs what was added.
func (f *Follower) commit(l *Log, last bool) error {
	at := f.reader.Cursor()
	if l.Size() == l.Head().Size {
		return l.Commit(last)
	}
	if err := f.syncJournal(at.Segment); err != nil {
		return fmt.Errorf("syncing the audit journal: %w", err)
	}
	if err := l.Commit(last); err != nil {
		return err
	}
	f.opts.Observer.Signed(l.Size())
	f.behind.Store(0)
	f.done = at
	text, err := at.MarshalText()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.cursorPath()), dirMode); err != nil {
		return err
	}
	return durable.Replace(f.cursorPath(), text)
}

// syncJournal makes the segments up to the one that begins with last durable.
// The journal syncs them too, but perhaps later than the checkpoint is signed.
func (f *Follower) syncJournal(last uint64) error {
	folder := filepath.Join(f.opts.Dir, auditlog.JournalFolder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	from, to := auditlog.KeptName(f.synced)+".log", auditlog.KeptName(last)+".log"
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".log" || e.Name() < from || e.Name() > to {
			continue
		}
		if err := syncFile(filepath.Join(folder, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if f.synced != last {
		if err := durable.SyncDir(folder); err != nil {
			return err
		}
	}
	f.synced = last
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

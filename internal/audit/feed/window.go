package feed

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// windowSize is how many records a Window keeps: more than a busy gateway
// writes while its slowest consumer rests, see [Interval].
const windowSize = 2048

// Window keeps the newest records of a journal as they were parsed, so that the
// feeds of a process read and parse each only once: whichever comes first does
// it for all. It is safe for concurrent use, and takes no lock.
type Window struct {
	open    func(*portcullis.Event)
	end     func() journal.Cursor
	safe    atomic.Uint64 // records before this number stay as they are
	parsers sync.Pool
	ring    [windowSize]atomic.Pointer[kept] // by sequence number
}

// kept is a record that does not change any more.
type kept struct {
	Record
	opened atomic.Pointer[portcullis.Event] // nil until somebody wants it
}

// NewWindow returns an empty Window. end returns where the next record will be
// written: what is read ahead of it may still be cut off and written anew, and
// is not kept. open completes events for the feeds that want that; nil = there
// is nothing to complete.
func NewWindow(end func() journal.Cursor, open func(*portcullis.Event)) *Window {
	return &Window{end: end, open: open}
}

// UnreadableError says that a record is whole, but no event.
type UnreadableError struct {
	Seq uint64
	Err error
}

// Error says which.
func (e *UnreadableError) Error() string { return fmt.Sprintf("audit record %d: %v", e.Seq, e.Err) }

// Unwrap returns the reason.
func (e *UnreadableError) Unwrap() error { return e.Err }

// IsUnreadable reports whether err tells of a record that is no event.
func IsUnreadable(err error) bool {
	var u *UnreadableError
	return errors.As(err, &u)
}

// Next returns the record at which a reader stands, and moves the reader behind
// it. The errors are those of the reader, and an *[UnreadableError]. A nil
// Window reads each record anew. What it returns is not to be changed.
func (w *Window) Next(r *journal.Reader) (Record, error) { return w.next(r, false) }

// next returns the event completed if opened is true and w is not nil.
func (w *Window) next(r *journal.Reader, opened bool) (Record, error) {
	if w == nil {
		return read(r, new(auditlog.Parser))
	}
	at := r.Cursor()
	k := w.ring[at.Seq%windowSize].Load()
	if k != nil && k.At == at {
		if err := r.Skip(k.Next); err != nil {
			return Record{}, err
		}
		return k.view(w.open, opened), nil
	}
	p, _ := w.parsers.Get().(*auditlog.Parser)
	if p == nil {
		p = new(auditlog.Parser)
	}
	defer w.parsers.Put(p)
	rec, err := read(r, p)
	if err != nil {
		return Record{}, err
	}
	k = &kept{Record: rec}
	if w.stays(rec.Seq) {
		k.Entry = bytes.Clone(rec.Entry)
		k.Event.Details = slices.Clip(rec.Event.Details) // who adds to them adds to a copy
		w.ring[rec.Seq%windowSize].Store(k)
	}
	return k.view(w.open, opened), nil
}

// stays reports whether a record is not cut off any more. The end is asked for
// once for all that was written meanwhile: it takes a lock of the writer.
func (w *Window) stays(seq uint64) bool {
	if seq >= w.safe.Load() {
		w.safe.Store(w.end().Seq)
	}
	return seq < w.safe.Load()
}

func read(r *journal.Reader, p *auditlog.Parser) (Record, error) {
	line, err := r.Next()
	if err != nil {
		return Record{}, err
	}
	e, err := p.Parse(line.Entry)
	if err != nil {
		return Record{}, &UnreadableError{line.Seq, err}
	}
	return Record{Seq: line.Seq, At: line.At, Next: line.Next, Entry: line.Entry, Event: e}, nil
}

// view returns the record for one feed.
func (k *kept) view(open func(*portcullis.Event), opened bool) Record {
	r := k.Record
	if !opened || open == nil {
		return r
	}
	if e := k.opened.Load(); e != nil {
		r.Event = *e
		return r
	}
	open(&r.Event)
	e := r.Event
	k.opened.Store(&e)
	return r
}

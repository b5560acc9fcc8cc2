package journal

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// Cursor is a place between two records of a journal. The zero Cursor is the
// start of the oldest segment that is kept. A consumer that keeps the Cursor
// behind what it has done goes on from there after a restart.
type Cursor struct {
	Segment uint64 // sequence number of the first record of the segment
	Offset  int64  // bytes from the start of the segment
	Seq     uint64 // sequence number of the next record
}

// MarshalText returns "segment:offset:seq" in decimal.
func (c Cursor) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d:%d:%d", c.Segment, c.Offset, c.Seq), nil
}

// UnmarshalText reads what MarshalText wrote.
func (c *Cursor) UnmarshalText(text []byte) error {
	var got Cursor
	n, err := fmt.Sscanf(string(text), "%d:%d:%d", &got.Segment, &got.Offset, &got.Seq)
	if err != nil || n != 3 || got.Offset < 0 || got.Seq < got.Segment {
		return fmt.Errorf("journal cursor %q: want segment:offset:seq", text)
	}
	*c = got
	return nil
}

// Line is one record as it is in the journal.
type Line struct {
	Seq   uint64 // number of the record, counted from 0 since the journal began
	At    Cursor // before the record
	Next  Cursor // behind it
	Entry []byte // for auditlog.ParseEntry; valid until the next record is read
}

// GapError says that records are not there: their segment was removed, or cut
// short. It is reported once; reading goes on behind the gap.
type GapError struct {
	From uint64 // first missing sequence number
	To   uint64 // first sequence number that is there again
}

// Error returns which records are missing.
func (e *GapError) Error() string {
	return fmt.Sprintf("audit records %d to %d are missing", e.From, e.To-1)
}

// Reader reads a journal record by record, also while another process writes
// it. It is used by one goroutine.
type Reader struct {
	dir  string
	at   Cursor
	file *os.File
	r    *auditlog.Reader
	over bool // a later segment exists: this one does not grow any more
	any  bool // start at the oldest segment, whichever that is
}

// NewReader returns a Reader of the journal in the audit directory dir that
// starts at from.
func NewReader(dir string, from Cursor) *Reader {
	return &Reader{dir: filepath.Join(dir, segmentDir), at: from, any: from == Cursor{}}
}

// Cursor returns where the next record starts.
func (r *Reader) Cursor() Cursor { return r.at }

// Close closes the file that is being read.
func (r *Reader) Close() error {
	r.r = nil
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// Next returns the next record. At the end of what is written it returns
// io.EOF, and may be called again later: half a line is never returned. A
// *[auditlog.CorruptError] or *[GapError] tells of damage; the next call goes
// on behind it.
func (r *Reader) Next() (Line, error) {
	for {
		if err := r.open(); err != nil {
			return Line{}, err
		}
		before := r.at
		entry, err := r.r.Next()
		torn := errors.Is(err, auditlog.ErrTorn)
		if !torn && !errors.Is(err, io.EOF) {
			r.at.Offset = r.r.Offset()
			r.at.Seq = r.at.Segment + uint64(r.r.Lines())
			return Line{Seq: before.Seq, At: before, Next: r.at, Entry: entry}, err
		}
		r.r = nil // what is appended later is read by a new one
		if err := r.atEnd(torn); err != nil {
			return Line{}, err
		}
	}
}

// atEnd decides what the end of a segment means: nothing yet, or the next one.
func (r *Reader) atEnd(torn bool) error {
	if !r.over {
		next, err := r.segmentAfter(r.at.Segment)
		if err != nil {
			return err
		}
		if next == nil {
			return io.EOF
		}
		// The writer ended this segment before it began the next, but perhaps
		// after this reader saw its end: read once more.
		r.over = true
		return nil
	}
	next, err := r.segmentAfter(r.at.Segment)
	if err != nil {
		return err
	}
	if next == nil {
		return fmt.Errorf("audit segment behind %d vanished", r.at.Segment)
	}
	at := r.at
	if err := r.jump(*next); err != nil {
		return err
	}
	if torn {
		return &auditlog.CorruptError{
			Segment: segmentName(at.Segment), Offset: at.Offset, Line: int64(at.Seq-at.Segment) + 1, Err: auditlog.ErrTorn,
		}
	}
	return r.gap(at.Seq)
}

// jump moves to the start of another segment.
func (r *Reader) jump(first uint64) error {
	r.at = Cursor{Segment: first, Seq: first}
	r.over = false
	return r.Close()
}

// gap returns a *GapError if the reader does not stand at seq.
func (r *Reader) gap(seq uint64) error {
	if r.at.Seq == seq {
		return nil
	}
	return &GapError{From: seq, To: r.at.Seq}
}

// segmentAfter returns the first segment behind the one that starts with first.
func (r *Reader) segmentAfter(first uint64) (*uint64, error) {
	all, err := segments(r.dir)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i] > first {
			return &all[i], nil
		}
	}
	return nil, nil
}

// open makes r.r stand at r.at.
func (r *Reader) open() error {
	if r.r != nil {
		return nil
	}
	if r.file == nil {
		if err := r.find(); err != nil {
			return err
		}
	}
	if _, err := r.file.Seek(r.at.Offset, io.SeekStart); err != nil {
		return err
	}
	r.r = auditlog.NewReader(r.file, segmentName(r.at.Segment), r.at.Offset, int64(r.at.Seq-r.at.Segment))
	return nil
}

// find opens the segment of r.at, or the one behind it if that is gone.
func (r *Reader) find() error {
	f, err := os.Open(filepath.Join(r.dir, segmentName(r.at.Segment)))
	if err == nil {
		r.file, r.any = f, false
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	next, err := r.segmentAfter(r.at.Segment)
	if err != nil {
		return err
	}
	if next == nil {
		return io.EOF
	}
	missing := r.at.Seq
	fresh := r.any
	r.any = false
	if err := r.jump(*next); err != nil {
		return err
	}
	if !fresh {
		if err := r.gap(missing); err != nil {
			return err
		}
	}
	return r.find()
}

// All returns the records from a cursor to the end of what is written. Damage
// is yielded as an error, and the loop may go on; any other error ends it.
func All(dir string, from Cursor) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		r := NewReader(dir, from)
		defer func() { _ = r.Close() }() // it was only read
		for {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(line, err) || (err != nil && !IsDamage(err)) {
				return
			}
		}
	}
}

// IsDamage reports whether an error of [Reader.Next] is of one place only, so
// that reading goes on behind it.
func IsDamage(err error) bool {
	var corrupt *auditlog.CorruptError
	var gap *GapError
	return errors.As(err, &corrupt) || errors.As(err, &gap)
}

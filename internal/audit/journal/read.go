package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
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

// ExpiredError says that records are not there because the time for which they
// are kept is over: they were removed on purpose, and an AUDIT_SEGMENT_REMOVED
// event told of it before. Reading goes on behind them.
type ExpiredError struct {
	From uint64 // first missing sequence number
	To   uint64 // first sequence number that is there again
}

// Error returns which records were removed.
func (e *ExpiredError) Error() string {
	return fmt.Sprintf("audit records %d to %d were removed: their time was over", e.From, e.To-1)
}

// Reader reads a journal record by record, also while another process writes
// it. Segments that were divided by class (see package sealed) read like those
// that were not. It is used by one goroutine.
type Reader struct {
	dir     string // the audit directory
	at      Cursor
	file    *os.File
	r       *auditlog.Reader
	divided *sealed.Reader // instead of file and r
	told    []error        // what Next has to tell before it reads on
	over    bool           // a later segment exists: this one does not grow any more
	any     bool           // start at the oldest segment, whichever that is
}

// NewReader returns a Reader of the journal in the audit directory dir that
// starts at from.
func NewReader(dir string, from Cursor) *Reader {
	return &Reader{dir: dir, at: from, any: from == Cursor{}}
}

// Cursor returns where the next record starts.
func (r *Reader) Cursor() Cursor { return r.at }

// Skip moves to a place further on in the journal, whose records up to there
// the caller has from elsewhere.
func (r *Reader) Skip(to Cursor) error {
	if to.Segment != r.at.Segment || r.divided != nil {
		if err := r.Close(); err != nil {
			return err
		}
		r.over = false
	}
	r.r, r.told, r.any, r.at = nil, nil, false, to
	return nil
}

// Close closes the file that is being read.
func (r *Reader) Close() error {
	r.r = nil
	var errs []error
	if r.file != nil {
		errs = append(errs, r.file.Close())
	}
	if r.divided != nil {
		errs = append(errs, r.divided.Close())
	}
	r.file, r.divided = nil, nil
	return errors.Join(errs...)
}

// Next returns the next record. At the end of what is written it returns
// io.EOF, and may be called again later: half a line is never returned. A
// *[auditlog.CorruptError] or *[GapError] tells of damage, an *[ExpiredError]
// of what was removed on purpose; the next call goes on behind it.
func (r *Reader) Next() (Line, error) {
	for {
		if len(r.told) > 0 {
			err := r.told[0]
			r.told = r.told[1:]
			return Line{Seq: r.at.Seq, At: r.at, Next: r.at}, err
		}
		if err := r.open(); err != nil {
			return Line{}, err
		}
		if len(r.told) > 0 {
			continue
		}
		before := r.at
		entry, err := r.read()
		torn := errors.Is(err, auditlog.ErrTorn)
		if !torn && !errors.Is(err, io.EOF) {
			return Line{Seq: before.Seq, At: before, Next: r.at, Entry: entry}, err
		}
		r.r = nil // what is appended later is read by a new one
		if err := r.atEnd(torn); err != nil {
			return Line{}, err
		}
	}
}

// read returns the next entry of the segment and moves behind it. The errors
// io.EOF and auditlog.ErrTorn do not move.
func (r *Reader) read() ([]byte, error) {
	if r.divided != nil {
		return r.readDivided()
	}
	entry, err := r.r.Next()
	if !errors.Is(err, auditlog.ErrTorn) && !errors.Is(err, io.EOF) {
		r.at.Offset = r.r.Offset()
		r.at.Seq = r.at.Segment + uint64(r.r.Lines())
	}
	return entry, err
}

func (r *Reader) readDivided() ([]byte, error) {
	rec, err := r.divided.Next()
	var missing *sealed.MissingError
	switch {
	case err == nil:
		r.at.Offset, r.at.Seq = rec.Next, rec.Seq+1
	case errors.As(err, &missing):
		r.at.Offset, r.at.Seq = missing.Offset, missing.To
		if missing.Removed {
			return nil, &ExpiredError{From: missing.From, To: missing.To}
		}
		return nil, &GapError{From: missing.From, To: missing.To}
	}
	return rec.Entry, err
}

// atEnd decides what the end of a segment means: nothing yet, or the next one.
func (r *Reader) atEnd(torn bool) error {
	next, err := r.segmentAfter(r.at.Segment)
	if err != nil {
		return err
	}
	switch {
	case next == nil && r.over && r.divided == nil:
		return fmt.Errorf("audit segment behind %d vanished", r.at.Segment)
	case next == nil:
		return io.EOF
	case !r.over && r.divided == nil:
		// The writer ended this segment before it began the next, but perhaps
		// after this reader saw its end: read once more.
		r.over = true
		return nil
	}
	at := r.at
	if err := r.jump(*next); err != nil {
		return err
	}
	if torn {
		return &auditlog.CorruptError{
			Segment: segment.Name(at.Segment), Offset: at.Offset, Line: int64(at.Seq-at.Segment) + 1, Err: auditlog.ErrTorn,
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

// gap has it told what is missing if the reader does not stand at seq.
func (r *Reader) gap(seq uint64) error {
	if r.at.Seq == seq {
		return nil
	}
	before, err := sealed.RemovedBefore(r.dir)
	if err != nil {
		return err
	}
	if before = min(before, r.at.Seq); seq < before {
		r.told = append(r.told, &ExpiredError{From: seq, To: before})
		seq = before
	}
	if seq != r.at.Seq {
		r.told = append(r.told, &GapError{From: seq, To: r.at.Seq})
	}
	return nil
}

// segmentAfter returns the first segment behind the one that starts with first.
func (r *Reader) segmentAfter(first uint64) (*uint64, error) {
	all, err := allSegments(r.dir)
	if err != nil {
		return nil, err
	}
	if i, _ := slices.BinarySearch(all, first+1); i < len(all) {
		return &all[i], nil
	}
	return nil, nil
}

// allSegments returns the first sequence numbers of the segments in the audit
// directory dir, in whichever form, ascending.
func allSegments(dir string) ([]uint64, error) {
	// In this order: a segment has its sealed form before it loses the other.
	firsts, err := segment.List(dir)
	if err != nil {
		return nil, err
	}
	divided, err := sealed.List(dir)
	if err != nil {
		return nil, err
	}
	if len(divided) == 0 {
		return firsts, nil
	}
	for _, d := range divided {
		firsts = append(firsts, d.First)
	}
	slices.Sort(firsts)
	return slices.Compact(firsts), nil
}

// open makes the reader stand at r.at, unless something has to be told first.
func (r *Reader) open() error {
	if r.r != nil || r.divided != nil {
		return nil
	}
	if r.file == nil {
		if err := r.find(); err != nil || r.divided != nil || len(r.told) > 0 {
			return err
		}
	}
	if _, err := r.file.Seek(r.at.Offset, io.SeekStart); err != nil {
		return err
	}
	r.r = auditlog.NewReader(r.file, segment.Name(r.at.Segment), r.at.Offset, int64(r.at.Seq-r.at.Segment))
	return nil
}

// find opens the segment of r.at, or moves to the one behind it if that is
// gone and has that told.
func (r *Reader) find() error {
	for {
		f, err := os.Open(filepath.Join(r.dir, segment.Folder, segment.Name(r.at.Segment)))
		if err == nil {
			r.file, r.any = f, false
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if ok, err := r.findDivided(); ok || err != nil {
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
		if fresh {
			continue
		}
		if err := r.gap(missing); err != nil || len(r.told) > 0 {
			return err
		}
	}
}

// findDivided opens the sealed form of the segment of r.at, if it has one.
func (r *Reader) findDivided() (bool, error) {
	all, err := sealed.List(r.dir)
	if err != nil {
		return false, err
	}
	i, ok := slices.BinarySearchFunc(all, r.at.Segment, func(s sealed.Range, first uint64) int {
		return cmp.Compare(s.First, first)
	})
	if !ok {
		return false, nil
	}
	r.divided, err = sealed.Open(r.dir, all[i], r.at.Seq)
	var bad *sealed.ManifestError
	switch {
	case errors.Is(err, os.ErrNotExist): // removed just now
		return false, nil
	case errors.As(err, &bad):
		r.told = append(r.told, &auditlog.CorruptError{Segment: "sealed/" + all[i].String() + ".json", Err: bad})
		return false, nil // what it described is told as a gap
	case err != nil:
		return false, err
	}
	r.any = false
	return true, nil
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
// that reading goes on behind it. Records that were removed in time are such a
// place too: [IsExpired] tells them apart.
func IsDamage(err error) bool {
	var corrupt *auditlog.CorruptError
	var gap *GapError
	return errors.As(err, &corrupt) || errors.As(err, &gap) || IsExpired(err)
}

// IsExpired reports whether an error of [Reader.Next] tells of records that
// were removed because their time was over: nothing is wrong.
func IsExpired(err error) bool {
	var expired *ExpiredError
	return errors.As(err, &expired)
}

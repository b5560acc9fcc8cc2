package auditlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// ErrTorn says that a segment ends inside a line: its writer was cut off, or
// is just writing. Everything before the torn line is whole.
var ErrTorn = errors.New("torn last line")

// CorruptError is a whole line that does not hold what was written. Nothing
// the journal does makes one; a disk or a hand did.
type CorruptError struct {
	Segment string // name of the segment
	Offset  int64  // where the line starts, bytes from the start of the segment
	Line    int64  // number of the line, the first is 1
	Err     error  // what is wrong with it
}

// Error returns where the damage is and what it is.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("audit segment %q, line %d at byte %d: %v", e.Segment, e.Line, e.Offset, e.Err)
}

// Unwrap returns what is wrong with the line.
func (e *CorruptError) Unwrap() error { return e.Err }

// Reader reads the lines of one segment. It is used by one goroutine.
type Reader struct {
	br      *bufio.Reader
	segment string
	offset  int64 // start of the next line
	line    int64 // lines before it
	long    []byte
	err     error
}

// NewReader returns a Reader of r, which stands at the start of a line: offset
// bytes and lines whole lines into the segment of that name.
func NewReader(r io.Reader, segment string, offset, lines int64) *Reader {
	return &Reader{br: bufio.NewReaderSize(r, 64<<10), segment: segment, offset: offset, line: lines}
}

// Offset returns where the next line starts, in bytes from the start of the
// segment. After [ErrTorn] this is where the segment has to be cut.
func (r *Reader) Offset() int64 { return r.offset }

// Lines returns how many lines are before the next one.
func (r *Reader) Lines() int64 { return r.line }

// Next returns the entry in the next line, valid until the next call. It
// returns io.EOF at the end of a whole segment and ErrTorn if the segment ends
// inside a line; both stay. A *[CorruptError] is about one line: the next call
// goes on behind it.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	line, size, err := r.readLine()
	if err != nil {
		r.err = err
		return nil, err
	}
	var entry []byte
	if size > MaxLine {
		err = fmt.Errorf("line of %d bytes, at most %d are written", size, MaxLine)
	} else {
		entry, err = ParseLine(line)
	}
	if err != nil {
		err = &CorruptError{Segment: r.segment, Offset: r.offset, Line: r.line + 1, Err: err}
	}
	r.offset += size
	r.line++
	return entry, err
}

// Line returns the next line as it stands there, checked for its length only,
// and where it starts. It ends as [Reader.Next] does.
func (r *Reader) Line() (line []byte, at int64, err error) {
	line, size, err := r.readLine()
	if err != nil {
		return nil, r.offset, err
	}
	at = r.offset
	r.offset += size
	r.line++
	if size > MaxLine {
		return nil, at, fmt.Errorf("line of %d bytes, at most %d are written", size, MaxLine)
	}
	return line, at, nil
}

// readLine returns the next line and its size. Of a line longer than MaxLine
// it returns only the size.
func (r *Reader) readLine() (line []byte, size int64, err error) {
	line, err = r.br.ReadSlice('\n')
	if err == nil {
		return line, int64(len(line)), nil
	}
	r.long = append(r.long[:0], line...)
	size = int64(len(line))
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.br.ReadSlice('\n')
		size += int64(len(line))
		if size <= MaxLine {
			r.long = append(r.long, line...)
		}
	}
	switch {
	case err == nil:
		return r.long, size, nil
	case !errors.Is(err, io.EOF):
		return nil, 0, fmt.Errorf("reading audit segment %q at byte %d: %w", r.segment, r.offset, err)
	case size == 0:
		return nil, 0, io.EOF
	default:
		return nil, 0, ErrTorn
	}
}

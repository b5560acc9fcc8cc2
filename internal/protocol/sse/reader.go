package sse

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// DefaultMaxEvent is the bound on one event, in bytes, of a [Reader] that was
// given none.
const DefaultMaxEvent = 16 << 20

const (
	firstBuffer = 4 << 10
	emptyReads  = 100 // reads without a byte and without an error before giving up
)

// ErrTooLarge says that an event is larger than the bound of its reader.
var ErrTooLarge = errors.New("server-sent event exceeds the size limit")

var byteOrderMark = []byte("\xef\xbb\xbf")

// Event is one block of an event stream, up to and including the blank line
// that ends it.
type Event struct {
	Type  string // the event field; "" means "message"
	ID    string // the id field; meaningful if HasID
	HasID bool   // an id field was present, perhaps empty, which resets the last event id
	Retry int    // reconnection time in milliseconds; 0 = none given
	Data  []byte // the data lines joined by LF; nil without a data field, so never dispatched
	Raw   []byte // the bytes of the block, as received, with its blank line
}

// Dispatched reports whether a conforming client would act on the event's
// data. Comments, lone retry fields and blank lines are not dispatched.
func (e *Event) Dispatched() bool { return e.Data != nil }

// Reader reads the events of one stream. It is for one goroutine.
type Reader struct {
	src   io.Reader
	max   int
	buf   []byte // buf[start:end] is what has been read and not yet handed out
	start int
	end   int
	line  int  // start of the current line, relative to start
	scan  int  // no line ends between line and scan, relative to start
	head  bool // nothing has been handed out: a byte order mark may come
	late  bool // the last event ended with CR: an LF that follows belongs to it
	err   error
	data  []byte // joined lines of an event with several data fields
	event Event
}

// NewReader returns a reader of r that refuses an event of more than maxEvent
// bytes, line ends and blank line included. A maxEvent of 0 or less means
// [DefaultMaxEvent].
func NewReader(r io.Reader, maxEvent int) *Reader {
	if maxEvent <= 0 {
		maxEvent = DefaultMaxEvent
	}
	return &Reader{src: r, max: maxEvent, head: true}
}

// Next returns the next event. It and the slices it holds are valid until the
// next call. The error is io.EOF when the stream ended between two events,
// io.ErrUnexpectedEOF when it ended inside one (which a client must discard),
// [ErrTooLarge], or the error of the underlying reader; it is final.
func (r *Reader) Next() (*Event, error) {
	for {
		if n, ok := r.blockEnd(); ok {
			if n > r.max {
				r.err = ErrTooLarge
				return nil, r.err
			}
			return r.take(n), nil
		}
		if r.end-r.start > r.max {
			r.err = ErrTooLarge
			r.start = r.end
			r.line, r.scan = 0, 0
		}
		if r.err != nil {
			return nil, r.final()
		}
		r.fill()
	}
}

// final returns the error that ends the stream.
func (r *Reader) final() error {
	if r.err == io.EOF && r.end > r.start { //nolint:errorlint // the contract of io.Reader is io.EOF itself
		return io.ErrUnexpectedEOF
	}
	return r.err
}

// blockEnd looks for the blank line that ends the current block and returns
// the block's length.
func (r *Reader) blockEnd() (int, bool) {
	if !r.skipPrefix() {
		return 0, false
	}
	for {
		pending := r.buf[r.start+r.scan : r.end]
		i := lineEnd(pending)
		if i < 0 {
			r.scan += len(pending)
			return 0, false
		}
		at := r.scan + i // the line end, relative to start
		blank := at == r.line
		next := at + 1
		if pending[i] == '\r' {
			switch {
			case i+1 < len(pending):
				if pending[i+1] == '\n' {
					next++
				}
			case blank:
				r.late = true // the block is complete; do not wait for an LF
			case r.err == nil:
				r.scan = at // what the line end is, the next byte tells
				return 0, false
			}
		}
		r.line, r.scan = next, next
		if blank {
			return next, true
		}
	}
}

// skipPrefix drops a byte order mark at the start of the stream and an LF that
// completes the CRLF of the event before. It reports whether scanning may go on.
func (r *Reader) skipPrefix() bool {
	if r.late && r.end > r.start {
		r.late = false
		if r.buf[r.start] == '\n' {
			r.start++
		}
	}
	if r.head {
		have := r.buf[r.start:r.end]
		if len(have) < len(byteOrderMark) && r.err == nil && bytes.HasPrefix(byteOrderMark, have) {
			return false
		}
		if bytes.HasPrefix(have, byteOrderMark) {
			r.start += len(byteOrderMark)
		}
		r.head = false
	}
	return true
}

// lineEnd returns the index of the first CR or LF in b, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// fill reads more bytes, making room first.
func (r *Reader) fill() {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		if r.start > 0 {
			r.end = copy(r.buf, r.buf[r.start:r.end])
			r.start = 0
		} else {
			grown := make([]byte, max(firstBuffer, min(2*len(r.buf), r.max+firstBuffer)))
			copy(grown, r.buf[:r.end])
			r.buf = grown
		}
	}
	for range emptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if err != nil {
			r.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// take parses the block of n bytes at the start of the buffer and consumes it.
func (r *Reader) take(n int) *Event {
	raw := r.buf[r.start : r.start+n : r.start+n]
	r.start += n
	r.line, r.scan = 0, 0
	lastID := r.event.ID
	r.event = Event{Raw: raw}
	lines := 0
	for rest := raw; len(rest) > 0; {
		i := lineEnd(rest)
		line := rest[:i]
		if rest[i] == '\r' && i+1 < len(rest) && rest[i+1] == '\n' {
			i++
		}
		rest = rest[i+1:]
		name, value, _ := bytes.Cut(line, []byte{':'})
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		switch string(name) {
		case "data":
			r.addData(value, lines)
			lines++
		case "event":
			r.event.Type = eventType(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				r.event.HasID = true
				if r.event.ID = lastID; string(value) != lastID {
					r.event.ID = string(value)
				}
			}
		case "retry":
			if ms, ok := digits(value); ok {
				r.event.Retry = ms
			}
		}
	}
	return &r.event
}

// addData adds a data line. The first one is used where it stands, so that an
// event with one data line is not copied.
func (r *Reader) addData(value []byte, before int) {
	switch before {
	case 0:
		if r.event.Data = value[:len(value):len(value)]; value == nil {
			r.event.Data = []byte{} // "data" without a colon is data too
		}
		return
	case 1:
		r.data = append(r.data[:0], r.event.Data...)
	}
	r.data = append(append(r.data, '\n'), value...)
	r.event.Data = r.data
}

// eventType returns the type without allocating for the two that MCP and A2A use.
func eventType(b []byte) string {
	switch string(b) {
	case "message":
		return "message"
	case "endpoint":
		return "endpoint"
	}
	return string(b)
}

// digits reads the value of a retry field, which counts only if it is made of
// ASCII digits alone and fits 31 bits.
func digits(b []byte) (int, bool) {
	if len(b) == 0 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int(c-'0'); n > math.MaxInt32 {
			return 0, false
		}
	}
	return n, true
}

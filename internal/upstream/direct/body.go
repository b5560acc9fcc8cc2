package direct

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct/field"
)

// exchange is one call on one connection and, once its head is read, the body
// of the reply. The connection goes back to the pool in the moment the last
// byte of the reply is read, and is closed when anything else happens.
type exchange struct {
	reply portcullis.Reply

	ctx  context.Context
	pool *pool
	stop func() bool // ends the watch over ctx; nil if there is none
	head head

	mu      sync.Mutex // guards what follows and who may use c
	c       *conn      // nil once it is given up
	reading bool       // a Read is under way and uses c
	closed  bool

	// The fields below belong to the Read under way.
	left  int64 // bytes left of the body or of the chunk
	state bodyState
}

// bodyState is where in the body the next byte stands.
type bodyState uint8

const (
	inData    bodyState = iota // left bytes of data follow
	inClose                    // data until the peer closes
	inSize                     // a chunk-size line follows
	inEnd                      // the CRLF after a chunk's data follows
	inTrailer                  // a trailer line or the last empty line follows
	inDone                     // the reply is complete
)

// begin puts the body behind the head that was read. Nothing is left to read
// of a reply without a body, and its connection is free at once.
func (x *exchange) begin() *portcullis.Reply {
	switch n := x.head.length; n {
	case lengthChunked:
		x.state, x.left = inSize, maxTrailer
	case lengthClose:
		x.state = inClose
	case 0:
		x.state = inDone
		x.release()
	default:
		x.left = n
	}
	x.reply = portcullis.Reply{Status: x.head.status, Header: x.head.header, Body: x}
	x.head.header = nil
	return &x.reply
}

// bodyDeadline is when the body must have come: of a stream the context alone
// says when, anything else a stalled peer would hold open for good. A deadline
// that passes while the connection is idle does no harm, as each call sets its
// own.
func (x *exchange) bodyDeadline(timeout time.Duration) time.Time {
	arrived := x.head.length >= 0 && int64(x.c.w-x.c.r) >= x.head.length
	if arrived || streams(x.head.header) {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// streams reports whether a reply is an event stream, which has no end of its
// own.
func streams(h http.Header) bool {
	const media = "text/event-stream"
	v := h.Get("Content-Type")
	return len(v) >= len(media) && strings.EqualFold(v[:len(media)], media)
}

// Read reads the body as it arrives: it waits only when there is nothing to
// return. A reply that ends early is a *portcullis.Error, a cancelled context
// its error; then the connection is gone.
func (x *exchange) Read(p []byte) (int, error) {
	x.mu.Lock()
	switch {
	case x.closed:
		x.mu.Unlock()
		return 0, errBodyClosed
	case x.c == nil && x.state == inDone:
		x.mu.Unlock()
		return 0, io.EOF
	case x.c == nil, x.reading:
		x.mu.Unlock()
		return 0, unavailable("reading upstream reply", errTruncated)
	case len(p) == 0:
		x.mu.Unlock()
		return 0, nil
	}
	x.reading = true
	x.mu.Unlock()

	n, err := x.read(x.c, p)

	x.mu.Lock()
	defer x.mu.Unlock()
	x.reading = false
	switch {
	case x.closed: // while reading: Close has ended the wait and left the rest
		x.discard()
		return 0, errBodyClosed
	case err != nil:
		x.discard()
		return n, failure(x.ctx, "reading upstream reply", err)
	case x.state == inDone:
		x.release()
		return n, io.EOF
	}
	return n, nil
}

// Close ends the exchange. A reply that was not read to its end is cancelled
// by closing its connection. Close may be called during a Read, which it ends.
func (x *exchange) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil
	}
	x.closed = true
	switch {
	case x.c == nil:
	case x.reading:
		x.c.abort()
	default:
		x.discard()
	}
	return nil
}

// release gives a connection whose reply is complete to the next call, if it
// is fit for one. The caller holds mu or is the only user.
func (x *exchange) release() {
	c := x.c
	x.c = nil
	// A watch that cannot be stopped has closed the connection or is about to.
	watched := x.stop != nil && !x.stop()
	if watched || !x.head.keep || !c.clean() {
		x.pool.discard(c)
		return
	}
	x.pool.put(c, x.head.idle)
}

// discard closes the connection. The caller holds mu or is the only user.
func (x *exchange) discard() {
	c := x.c
	x.c = nil
	if x.stop != nil {
		x.stop()
	}
	x.pool.discard(c)
}

// read returns bytes of the body, or an error, or sets the state to inDone. It
// waits for the connection only while it has nothing to return.
func (x *exchange) read(c *conn, p []byte) (n int, err error) {
	for {
		switch x.state {
		case inClose:
			m, err := x.readData(c, p[n:])
			if errors.Is(err, io.EOF) {
				x.state, err = inDone, nil
			}
			return n + m, err
		case inData:
			m, err := x.readData(c, p[n:][:min(int64(len(p)-n), x.left)])
			n += m
			if err != nil {
				return n, early(err)
			}
			if x.left -= int64(m); x.left > 0 {
				return n, nil
			}
			if x.head.length != lengthChunked {
				x.state = inDone
				return n, nil
			}
			x.state = inEnd
		case inDone:
			return n, nil
		default:
			line, err := c.readLine(n == 0)
			if line == nil || err != nil {
				return n, early(err)
			}
			if err := x.frame(line); err != nil {
				return n, err
			}
		}
		// With bytes in hand, go on only through what has arrived: it may be
		// the end, which frees the connection.
		if n > 0 && (c.r == c.w || n == len(p) && x.state == inData) {
			return n, nil
		}
	}
}

// readData reads buffered bytes first; large reads bypass the buffer.
func (x *exchange) readData(c *conn, p []byte) (int, error) {
	if c.r == c.w {
		if len(p) >= bufSize {
			return c.read(p)
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.w])
	c.r += n
	return n, nil
}

// frame reads one line of the chunked coding (RFC 9112 7.1). left counts what
// trailers may still take while they are read.
func (x *exchange) frame(line []byte) error {
	switch x.state {
	case inEnd:
		if len(line) != 0 {
			return errMalformed
		}
		x.state = inSize
	case inSize:
		n, ok := parseChunkSize(line)
		switch {
		case !ok:
			return errMalformed
		case n == 0:
			x.state, x.left = inTrailer, maxTrailer
		default:
			x.state, x.left = inData, n
		}
	case inTrailer:
		if len(line) == 0 {
			x.state = inDone
			return nil
		}
		// Trailers are checked and dropped: nothing behind reads them.
		name, value, ok := strings.Cut(string(line), ":")
		if x.left -= int64(len(line)); x.left < 0 || !ok || !field.IsToken(name) || !field.IsValue(value) {
			return errMalformed
		}
	}
	return nil
}

// parseChunkSize reads "1a" or "1a;extension".
func parseChunkSize(line []byte) (n int64, ok bool) {
	i := 0
	for ; i < len(line); i++ {
		var d byte
		switch c := line[i]; {
		case '0' <= c && c <= '9':
			d = c - '0'
		case 'a' <= c && c <= 'f':
			d = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			d = c - 'A' + 10
		default:
			return n, i > 0 && c == ';' && field.IsValue(string(line[i:]))
		}
		if i >= 15 { // 60 bits are enough for anyone
			return 0, false
		}
		n = n<<4 | int64(d)
	}
	return n, i > 0
}

// early turns an end of file inside a body into what it is.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return errTruncated
	}
	return err
}

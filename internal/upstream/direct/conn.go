package direct

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// bufSize holds a usual request or a usual reply's head and body whole.
	bufSize = 4 << 10
	// maxLine bounds a chunk-size line and a trailer line, maxTrailer all
	// trailers of a reply, in bytes.
	maxLine    = 1 << 10
	maxTrailer = 16 << 10
)

// buffers is a pool of buffers: a connection has one only while it carries a
// call, so that idle connections cost no memory.
type buffers struct{ sync.Pool }

func (b *buffers) get() *[bufSize]byte {
	if buf, ok := b.Get().(*[bufSize]byte); ok {
		return buf
	}
	return new([bufSize]byte)
}

// conn is one connection to the upstream. It belongs to one call or to the
// idle list of the pool, never to both.
type conn struct {
	rw    net.Conn // what is read and written
	tcp   net.Conn // rw, or what rw wraps; closing it ends every wait
	abort func()   // closes tcp; what a cancelled context runs
	peek  peeker   // looks whether the peer closed or spoke out of turn
	pool  *buffers // where lent came from
	lent  *[bufSize]byte

	buf  []byte // lent, or a larger one while a large head is read
	r, w int    // buf[r:w] is unread
	err  error  // of the last read; there is none after it

	used    bool      // has carried a call before
	expires time.Time // when it is too old to carry another
}

func newConn(rw net.Conn) *conn {
	c := &conn{rw: rw, tcp: rw}
	if t, ok := rw.(*tls.Conn); ok {
		c.tcp = t.NetConn()
	}
	c.abort = func() { _ = c.tcp.Close() }
	if sc, ok := c.tcp.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.peek.init(raw)
		}
	}
	return c
}

// lend gives the connection a buffer for the length of a call.
func (c *conn) lend(from *buffers) {
	c.pool, c.lent = from, from.get()
	c.buf = c.lent[:]
}

// giveBack returns the buffer.
func (c *conn) giveBack() {
	if c.lent != nil {
		c.pool.Put(c.lent)
		c.lent, c.buf, c.r, c.w = nil, nil, 0, 0
	}
}

// close ends the connection at once.
func (c *conn) close() {
	c.abort()
	c.giveBack()
}

// clean reports whether nothing was received beyond the reply, as far as this
// side has read.
func (c *conn) clean() bool { return c.r == c.w && c.err == nil }

// reusable asks the operating system, without waiting, whether the peer has
// closed the connection or sent bytes nobody asked for: after either, the next
// request would be lost or get a reply that is not its own.
func (c *conn) reusable() bool {
	if !c.peek.quiet() {
		return false
	}
	t, ok := c.rw.(*tls.Conn)
	if !ok {
		return true
	}
	// TLS may hold bytes it has read and decrypted already. A read that may
	// not wait returns them, and times out when there are none.
	if t.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	var b [1]byte
	n, err := t.Read(b[:])
	return n == 0 && isTimeout(err) && t.SetReadDeadline(time.Time{}) == nil
}

// send writes a request in one write: small bodies are copied behind the head,
// large ones go beside it. n is what left this process.
func (c *conn) send(t *target, r *request) (n int64, err error) {
	b := t.appendHead(c.buf[:0], r)
	if len(b)+len(r.body) <= bufSize {
		m, err := c.rw.Write(append(b, r.body...))
		return int64(m), err
	}
	v := net.Buffers{b, r.body}
	return v.WriteTo(c.rw)
}

// fill reads what there is, once, waiting if there is nothing.
func (c *conn) fill() error {
	if c.err != nil {
		return c.err
	}
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else if len(c.buf) >= maxHead {
			return errHeadTooBig
		} else {
			c.buf = append(c.buf, make([]byte, min(len(c.buf)*3, maxHead-len(c.buf)))...)
		}
	}
	n, err := c.read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// read reads from the connection past the buffer. It returns an error only
// with no bytes, and keeps it.
func (c *conn) read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.rw.Read(p)
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	c.err = err
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// readHead reads the final response's head; interim ones are dropped.
func (c *conn) readHead() (head, error) {
	for range maxInterim + 1 {
		raw, err := c.readRawHead()
		if err != nil {
			return head{}, err
		}
		h, err := parseHead(raw)
		if err != nil || h.status >= 200 {
			return h, err
		}
		if h.status == 101 { // nobody asked to change protocols
			return head{}, errMalformed
		}
	}
	return head{}, errManyInterim
}

// readRawHead reads up to and with the first empty line.
func (c *conn) readRawHead() (string, error) {
	const start = "HTTP/1."
	line, scan := 0, 0 // offsets from c.r: where the current line begins, what was looked at
	for {
		have := c.buf[c.r:c.w]
		if p := have[:min(len(have), len(start))]; string(p) != start[:len(p)] {
			return "", errMalformed
		}
		for {
			i := bytes.IndexByte(have[scan:], '\n')
			if i < 0 {
				scan = len(have)
				break
			}
			end := scan + i
			if end == line || have[end-1] != '\r' {
				return "", errMalformed
			}
			scan = end + 1
			if end == line+1 {
				c.r += scan
				return string(have[:scan]), nil
			}
			line = scan
		}
		if len(have) >= maxHead {
			return "", errHeadTooBig
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = errTruncated
			}
			return "", err
		}
	}
}

// readLine returns the next line without its CRLF. It is valid until the next
// read. With wait false it returns nil, nil if the line has not come whole.
func (c *conn) readLine(wait bool) ([]byte, error) {
	for {
		have := c.buf[c.r:c.w]
		if i := bytes.IndexByte(have, '\n'); i >= 0 {
			if i == 0 || have[i-1] != '\r' || bytes.IndexByte(have[:i-1], '\r') >= 0 || i > maxLine {
				return nil, errMalformed
			}
			c.r += i + 1
			return have[: i-1 : i-1], nil
		}
		if len(have) > maxLine {
			return nil, errMalformed
		}
		if !wait {
			return nil, nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

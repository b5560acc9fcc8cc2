package listen

import (
	"net/http"
	"time"
)

// Patience gives replies over HTTP/2 the deadlines that those over HTTP/1 have.
// There a connection that takes nothing is cut off, by the listener or by a
// deadline that counts while somebody writes. On a stream of HTTP/2 a caller who
// grants no window is waited for without end, with or without a credential; and
// a deadline, once set, resets the stream when it passes, though nobody writes
// and the caller only waits for the next event. So each write gets a deadline,
// which is taken away behind it: that of the handler, or patience from now.
func Patience(next http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			next.ServeHTTP(w, r)
			return
		}
		p := &patient{ResponseWriter: w, control: http.NewResponseController(w), patience: patience}
		defer p.last()
		next.ServeHTTP(p, r)
	})
}

// patient is a reply over HTTP/2. It is used by one goroutine.
type patient struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	until    time.Time // as the handler wants it; zero = it wants nothing
}

// Unwrap gives a [http.ResponseController] what this is not about.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// SetWriteDeadline is remembered for the writes to come.
func (p *patient) SetWriteDeadline(t time.Time) error {
	p.until = t
	return nil
}

// Write implements [http.ResponseWriter].
func (p *patient) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return p.ResponseWriter.Write(b)
	}
	p.begin()
	defer p.end()
	return p.ResponseWriter.Write(b)
}

// FlushError sends at once what was written.
func (p *patient) FlushError() error {
	p.begin()
	defer p.end()
	return p.control.Flush()
}

func (p *patient) begin() {
	t := p.until
	if t.IsZero() {
		t = time.Now().Add(p.patience)
	}
	_ = p.control.SetWriteDeadline(t) // every stream of HTTP/2 has them
}

// last is for what the server holds, which it writes once the handler is done.
func (p *patient) last() {
	p.until = time.Time{}
	p.begin()
}

func (p *patient) end() { _ = p.control.SetWriteDeadline(time.Time{}) }

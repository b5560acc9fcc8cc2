// Package replies reads whole replies of upstreams: each within the limit of its
// route, and the large ones of all calls together within one budget, so that
// upstreams that send endless bodies to many callers cannot fill the memory.
package replies

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Small is the size, in bytes, up to which a buffer is not counted: callers
// keep buffers of that size for the next call.
const Small = 256 << 10

// DefaultBudget is how much the large buffers of all calls may hold, in bytes.
const DefaultBudget = 256 << 20

// Budget is what large buffers may hold together. A reply that does not fit is
// refused at once: to wait would let slow readers starve the others. It is
// safe for concurrent use; a nil Budget has no end.
type Budget struct{ free atomic.Int64 }

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	b := new(Budget)
	b.free.Store(bytes)
	return b
}

// Lease is what one call holds of a budget. The zero Lease holds nothing. It
// is used by one goroutine.
type Lease struct {
	b *Budget
	n int64
}

// Release gives back what is held. It may be called more than once.
func (l *Lease) Release() {
	if l.b != nil {
		l.b.free.Add(l.n)
	}
	*l = Lease{}
}

// grow makes the lease one of at least n bytes.
func (l *Lease) grow(b *Budget, n int64) bool {
	more := n - l.n
	if b == nil || n <= Small || more <= 0 {
		return true
	}
	if b.free.Add(-more) < 0 {
		b.free.Add(more)
		return false
	}
	l.b, l.n = b, n
	return true
}

// Read reads r to its end into buf, over what it holds, or into a larger
// buffer that l then accounts for. The error is a *portcullis.Error: the
// reply's own, [portcullis.KindUpstream] for one that is over the limit or
// breaks off, [portcullis.KindUnavailable] if the budget is used up.
func Read(r io.Reader, buf []byte, limit int64, b *Budget, l *Lease) ([]byte, error) {
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			if !l.grow(b, 2*int64(cap(buf))) {
				return buf[:0], &portcullis.Error{
					Kind: portcullis.KindUnavailable, Reason: "overloaded", Public: "The gateway is busy",
					RetryAfter: retry, Detail: "large replies hold all the memory they may",
				}
			}
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return buf[:0], &portcullis.Error{
				Kind: portcullis.KindUpstream, Reason: "reply_rejected", Public: "The upstream sent an invalid reply",
				Code: portcullis.CodeInternal, Detail: "reply over the size limit",
			}
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf[:0], broken(err)
		}
	}
}

const retry = time.Second

func broken(err error) error {
	var e *portcullis.Error
	if errors.As(err, &e) {
		return err
	}
	return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable", Detail: "reading the reply", Err: err}
}

package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// readBody reads the caller's body once, into the exchange's buffer, up to the
// route's limit and within its time.
func (x *exchange) readBody() error {
	r := x.conn.HTTP
	if !carriesBody(r.Method) || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	limit := int64(x.route.limits.MaxBytes)
	if r.ContentLength > limit {
		return tooLarge()
	}
	// A body that is already here costs no timer; one that is still coming has
	// a deadline, which must not outlive it: a read deadline that fires during a
	// long reply would cancel the call.
	rc := http.NewResponseController(x.w)
	if err := rc.SetReadDeadline(time.Now().Add(x.route.bodyTimeout)); err == nil {
		defer func() { clearDeadline(rc.SetReadDeadline) }()
	}
	buf := x.body[:0]
	if n := r.ContentLength; n > int64(cap(buf)) {
		buf = make([]byte, 0, n+1)
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return tooLarge()
		}
		if err == io.EOF {
			x.body = buf
			return nil
		}
		if err != nil {
			return bodyError(err)
		}
	}
}

// carriesBody reports whether a method has a body that is read. What others
// bring along is left on the wire.
func carriesBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut
}

// clearDeadline takes a deadline away. A connection that does not accept that
// is closing, which the next read or write will tell.
func clearDeadline(set func(time.Time) error) {
	if err := set(time.Time{}); err != nil {
		return
	}
}

func tooLarge() *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindTooLarge, Reason: "input_rejected", Public: "Request body too large",
		Event: portcullis.EventInputRejected, Detail: "body over the size limit",
	}
}

func bodyError(err error) *portcullis.Error {
	e := &portcullis.Error{
		Kind: portcullis.KindMalformed, Reason: "input_rejected", Public: "Request body incomplete",
		Event: portcullis.EventInputRejected, Detail: "reading the body", Err: err,
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Kind, e.Public = portcullis.KindTimeout, "Request body too slow"
	}
	return e
}

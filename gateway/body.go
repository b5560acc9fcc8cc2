package gateway

import (
	"time"
)

// readBody reads the caller's body once, into the exchange's buffer, up to the
// route's limit and within its time.
func (x *exchange) readBody() error {
	body, err := x.route.body.ReadBody(x.w, x.conn.HTTP, x.body, int64(x.route.limits.MaxBytes))
	if err != nil {
		return err
	}
	x.body = body
	return nil
}

// clearDeadline takes a deadline away. A connection that does not accept that
// is closing, which the next read or write will tell.
func clearDeadline(set func(time.Time) error) {
	if err := set(time.Time{}); err != nil {
		return
	}
}

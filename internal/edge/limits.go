package edge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Limits bounds what connections may cost before and while they are served.
type Limits struct {
	ReadHeaderTimeout time.Duration `toml:"read_header_timeout"` // 100ms to 5m
	// BodyTimeout is how long a request body may take in all, 100ms to 1h.
	BodyTimeout time.Duration `toml:"body_timeout"`
	// MinBodyRate is the slowest body let through, in bytes per second after
	// a grace of 5 seconds; 0 = only BodyTimeout counts.
	MinBodyRate int `toml:"min_body_rate"`
	// WriteTimeout is how long one write of a reply may wait for the client,
	// 100ms to 1h. It starts anew with every write: streams have no end.
	WriteTimeout time.Duration `toml:"write_timeout"`
	IdleTimeout  time.Duration `toml:"idle_timeout"` // kept connections, 1s to 1h
	// MaxHeaderBytes bounds request line and headers, 1 KiB to 1 MiB.
	MaxHeaderBytes int `toml:"max_header_bytes"`
	// MaxConns bounds open connections, 1 to a million.
	MaxConns int `toml:"max_connections"`
	// MaxConnsPerAddress bounds those of one address, IPv6 by /64; trusted
	// proxies are not counted.
	MaxConnsPerAddress int `toml:"max_connections_per_address"`
	// MaxStreams bounds the requests at a time on one HTTP/2 connection, 1 to
	// 1000.
	MaxStreams int `toml:"max_streams"`
}

// DefaultLimits are those that hold without configuration.
func DefaultLimits() Limits {
	return Limits{
		ReadHeaderTimeout:  5 * time.Second,
		BodyTimeout:        30 * time.Second,
		MinBodyRate:        1024,
		WriteTimeout:       30 * time.Second,
		IdleTimeout:        2 * time.Minute,
		MaxHeaderBytes:     16 << 10,
		MaxConns:           8192,
		MaxConnsPerAddress: 512,
		MaxStreams:         128,
	}
}

// Validate reports the first mistake, naming the field.
func (l Limits) Validate() error {
	for _, d := range []struct {
		name       string
		value      time.Duration
		least, max time.Duration
	}{
		{"read_header_timeout", l.ReadHeaderTimeout, 100 * time.Millisecond, 5 * time.Minute},
		{"body_timeout", l.BodyTimeout, 100 * time.Millisecond, time.Hour},
		{"write_timeout", l.WriteTimeout, 100 * time.Millisecond, time.Hour},
		{"idle_timeout", l.IdleTimeout, time.Second, time.Hour},
	} {
		if d.value < d.least || d.value > d.max {
			return fmt.Errorf("%s: %s: want %s to %s", d.name, d.value, d.least, d.max)
		}
	}
	for _, n := range []struct {
		name              string
		value, least, max int
	}{
		{"min_body_rate", l.MinBodyRate, 0, 1 << 30},
		{"max_header_bytes", l.MaxHeaderBytes, 1 << 10, 1 << 20},
		{"max_connections", l.MaxConns, 1, 1_000_000},
		{"max_connections_per_address", l.MaxConnsPerAddress, 1, 1_000_000},
		{"max_streams", l.MaxStreams, 1, 1000},
	} {
		if n.value < n.least || n.value > n.max {
			return fmt.Errorf("%s: %d: want %d to %d", n.name, n.value, n.least, n.max)
		}
	}
	return nil
}

// Configure sets the limits on a server that is not serving yet.
//
// ReadTimeout bounds what no guard reads: net/http drains the body of a
// request that was refused, and would wait for a slow one. It would end streams
// too, so a request that goes on must call [Limits.ReadBody], which lifts it.
// WriteTimeout of [http.Server] stays 0 as it counts from the start of a
// request; whoever writes streams and large replies sets a deadline of
// Limits.WriteTimeout before each write. For all other writes the connections
// of a [LimitListener] do.
func (l Limits) Configure(s *http.Server) {
	s.ReadHeaderTimeout = l.ReadHeaderTimeout
	s.ReadTimeout = l.ReadHeaderTimeout + l.BodyTimeout
	s.IdleTimeout = l.IdleTimeout
	s.MaxHeaderBytes = l.MaxHeaderBytes
	s.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: l.MaxStreams,
		MaxReadFrameSize:     64 << 10,
		SendPingTimeout:      30 * time.Second, // finds peers that are gone while a stream is silent
		PingTimeout:          15 * time.Second,
		WriteByteTimeout:     l.WriteTimeout,
	}
}

const (
	bodyGrace = 5 * time.Second
	firstRead = 4 << 10
)

// ReadBody reads the body of r, at most maxBytes of it, into dst, over what it
// holds, or into a larger buffer. It fails with a [portcullis.Error]:
// [portcullis.KindTimeout] for a client that is too slow,
// [portcullis.KindTooLarge] and [portcullis.KindMalformed] for one that went
// away or sent less than it declared. On success, with an empty body too, it
// lifts the read deadline, so that the reply may take as long as it wants. On
// failure it leaves it: the server must not wait for the rest.
func (l Limits) ReadBody(w http.ResponseWriter, r *http.Request, dst []byte, maxBytes int64) ([]byte, error) {
	control := http.NewResponseController(w)
	if r.Body == nil || r.ContentLength == 0 {
		_ = control.SetReadDeadline(time.Time{}) // fails only if the connection is gone
		return dst[:0], nil
	}
	if r.ContentLength > maxBytes {
		return nil, reject(portcullis.KindTooLarge, "Request body too large", nil)
	}
	// One byte more than allowed, so that a longer body shows, and room for a
	// read that finds the end. A declared size is believed only so far.
	size := int64(firstRead)
	if r.ContentLength > 0 {
		size = min(r.ContentLength+1, 64<<10)
	}
	buf := dst[:0]
	if int64(cap(buf)) < size {
		buf = make([]byte, 0, size)
	}
	// Most bodies come with their header: the first read finds all of it, and
	// the server's ReadTimeout bounds it without a timer of its own.
	start := time.Now()
	for {
		n, err := r.Body.Read(buf[len(buf):min(cap(buf), int(maxBytes)+1)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > maxBytes:
			return nil, reject(portcullis.KindTooLarge, "Request body too large", nil)
		case errors.Is(err, io.EOF):
			_ = control.SetReadDeadline(time.Time{})
			return buf, nil
		case err != nil:
			return nil, bodyError(err)
		case len(buf) == cap(buf):
			buf = append(buf, 0)[:len(buf)] // grows by append's own rule
		}
		if int64(len(buf)) == r.ContentLength {
			continue // the next read finds the end without waiting
		}
		if err := control.SetReadDeadline(l.bodyDeadline(start, len(buf))); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, bodyError(err)
		}
	}
}

// bodyDeadline is when the next byte must have come, after n have.
func (l Limits) bodyDeadline(start time.Time, n int) time.Time {
	end := start.Add(l.BodyTimeout)
	if l.MinBodyRate > 0 {
		slowest := start.Add(bodyGrace + time.Duration(n)*time.Second/time.Duration(l.MinBodyRate))
		if slowest.Before(end) {
			return slowest
		}
	}
	return end
}

func bodyError(err error) error {
	e := &portcullis.Error{
		Kind:   portcullis.KindMalformed,
		Reason: "input_rejected",
		Public: "Incomplete request body",
		Event:  portcullis.EventInputRejected,
		Detail: "reading request body",
		Err:    err,
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Kind, e.Public = portcullis.KindTimeout, "Request body took too long"
		e.Header = http.Header{"Connection": {"close"}}
	}
	return e
}

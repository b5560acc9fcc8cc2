package gateway

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
)

// plainDecoder reads a plain HTTP request as one message: its action is the
// method and the path, or the one that all paths are called. The body stays
// opaque.
type plainDecoder struct{ path string }

func (plainDecoder) Name() string { return "http" }

func (d plainDecoder) Decode(_ context.Context, c *portcullis.Conn, _ portcullis.Principal, body []byte) (*portcullis.Message, error) {
	path := d.path
	if path == "" {
		path = c.HTTP.URL.Path
	}
	return &portcullis.Message{Shape: portcullis.ShapeRequest, Method: c.HTTP.Method + " " + path, Raw: body}, nil
}

// deliverPlain passes an HTTP reply on as it comes. The outcome is recorded
// when the status is known, before anything is sent.
func (p *pipeline) deliverPlain(ctx context.Context, x *exchange) error {
	outcome := portcullis.OutcomeSuccess
	if x.reply.Status >= 400 {
		outcome = portcullis.OutcomeFailure
	}
	if err := x.recordFinish(ctx, x.reply.Status, outcome, ""); err != nil {
		return unrecorded(err)
	}
	for _, name := range [...]string{"Content-Type", "Content-Disposition", "Etag", "Last-Modified", "Location", "Retry-After", "Allow", "Content-Security-Policy", "Cache-Control"} {
		if v := x.reply.Header[name]; len(v) > 0 {
			x.conn.Reply[name] = v[:1]
		}
	}
	if v := x.reply.Header["Www-Authenticate"]; p.own && len(v) > 0 {
		x.conn.Reply["Www-Authenticate"] = v
	}
	x.status, x.wrote = x.reply.Status, true
	x.w.WriteHeader(x.status)
	return x.copyBody()
}

func (x *exchange) copyBody() error {
	rc := http.NewResponseController(x.w)
	defer clearDeadline(rc.SetWriteDeadline)
	if cap(x.out) == 0 { // a large one was not kept; a read of nothing never ends
		x.out = make([]byte, 0, 4<<10)
	}
	buf := x.out[:cap(x.out)]
	for {
		n, err := x.reply.Body.Read(buf)
		if n > 0 {
			if derr := rc.SetWriteDeadline(time.Now().Add(x.route.writeTimeout)); derr != nil && !isUnsupported(derr) {
				return refusal.ClientGone(derr)
			}
			wrote, werr := x.w.Write(buf[:n])
			x.sent += int64(wrote)
			if werr != nil {
				return refusal.ClientGone(werr)
			}
			if ferr := rc.Flush(); ferr != nil && !isUnsupported(ferr) {
				return refusal.ClientGone(ferr)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable", Detail: "reading the reply", Err: err}
		}
	}
}

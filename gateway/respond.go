package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/dialect"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
)

// refuse is the one place where an error becomes an answer: recorded, counted,
// logged and told to the caller in generic words with the request id.
func (g *Gateway) refuse(ctx context.Context, x *exchange, err error) {
	e := refusal.From(err)
	if ctx.Err() != nil && !x.wrote && gaveUp(e.Kind) {
		e.Reason = "client_closed"
	}
	if e.Kind == portcullis.KindRedirect || e.Kind == portcullis.KindPreflight {
		x.status = e.Kind.Status()
		writeHeaders(x.conn.Reply, e)
		x.w.WriteHeader(x.status)
		return
	}
	ctx = x.trace.Read(ctx, x.msg)
	if rerr := x.recordRefusal(ctx, e); rerr != nil {
		g.log.Error("writing the audit journal", "request_id", x.conn.RequestID, "trace_id", x.trace.ID(), "error", rerr)
		e = refusal.From(unrecorded(rerr))
	}
	x.trace.Refuse(x.phase, x.guard, e.Reason)
	x.route.refused(x.phase, x.guard, e.Reason)
	g.logRefusal(ctx, x, e)
	if x.wrote { // a stream broke: all that can be done is to stop
		return
	}
	writeHeaders(x.conn.Reply, e)
	said := x.refusal(e)
	x.status, x.out, x.conn.Reply["Content-Type"] = said.Status, said.Body, said.MediaType
	x.conn.Reply["Content-Length"] = []string{strconv.Itoa(len(x.out))}
	x.w.WriteHeader(x.status)
	n, werr := x.w.Write(x.out)
	x.sent = int64(n)
	if werr != nil {
		g.log.Debug("writing a refusal", "request_id", x.conn.RequestID, "error", werr)
	}
}

// gaveUp reports whether a refusal can come of a caller who left. All others
// were decided: a slow body, for one, also ends the caller's context.
func gaveUp(k portcullis.Kind) bool {
	return k == portcullis.KindInternal || k == portcullis.KindUpstream || k == portcullis.KindUpstreamTimeout
}

func (g *Gateway) logRefusal(ctx context.Context, x *exchange, e *portcullis.Error) {
	level := slog.LevelWarn
	switch e.Kind {
	case portcullis.KindInternal, portcullis.KindUpstream, portcullis.KindUpstreamTimeout, portcullis.KindUnavailable:
		level = slog.LevelError
	}
	switch e.Reason {
	case "client_closed":
		level = slog.LevelInfo
	case "draining", "maintenance": // an operator wants it so: nothing is broken
		level = slog.LevelWarn
	}
	if !g.log.Enabled(ctx, level) {
		return
	}
	g.log.LogAttrs(ctx, level, "call refused",
		slog.String("request_id", x.conn.RequestID), slog.String("trace_id", x.trace.ID()), slog.String("event", string(refusal.Event(e))),
		slog.Int("status", e.Kind.Status()), slog.String("reason", e.Reason),
		slog.String("phase", x.phase), slog.String("guard", x.guard),
		slog.String("route", x.conn.Route), slog.String("method", x.who.Method), slog.String("key_id", x.who.KeyID),
		slog.String("action", x.action.Method), slog.String("resource", x.pipe.privacy.Named(x.action.Target)),
		slog.String("detail", e.Error())) // who it was stands in the audit log, under this request id: log files cannot be erased
}

func writeHeaders(h http.Header, e *portcullis.Error) {
	for name, v := range e.Header {
		h[name] = v
	}
	if e.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(retrySeconds(e.RetryAfter), 10)}
	}
}

// retrySeconds rounds up: a client that comes back too early is refused again.
func retrySeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// refusal is what the route's protocol makes of an error.
func (x *exchange) refusal(e *portcullis.Error) dialect.Refusal {
	if x.route.speaks == nil {
		return dialect.Plain(x.out[:0], e, x.conn.RequestID)
	}
	return x.route.speaks.Refusal(x.out[:0], x.conn.HTTP, x.msg, e, x.conn.RequestID)
}

// Shared header values; nobody writes into them.
var (
	jsonType    = []string{"application/json"}
	noBuffering = []string{"no"}
	zeroLength  = []string{"0"}
	lastReply   = []string{"close"}
)

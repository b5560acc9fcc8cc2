package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
)

// publicText is what a caller reads when a refusal brings no text of its own.
var publicText = [...]string{
	portcullis.KindInternal:         "An internal error occurred. Please try again.",
	portcullis.KindMalformed:        "Invalid request",
	portcullis.KindUnauthenticated:  "Unauthorized",
	portcullis.KindForbidden:        "Forbidden",
	portcullis.KindNotFound:         "Not found",
	portcullis.KindMethodNotAllowed: "Method not allowed",
	portcullis.KindNotAcceptable:    "Not acceptable",
	portcullis.KindTimeout:          "Request timed out",
	portcullis.KindTooLarge:         "Request too large",
	portcullis.KindMediaType:        "Unsupported media type",
	portcullis.KindRateLimited:      "Rate limit exceeded",
	portcullis.KindHeadersTooLarge:  "Request headers too large",
	portcullis.KindUpstream:         "The upstream server is unavailable",
	portcullis.KindUnavailable:      "Service unavailable",
	portcullis.KindUpstreamTimeout:  "The upstream server did not answer in time",
	portcullis.KindRedirect:         "Use HTTPS",
	portcullis.KindPreflight:        "",
}

// asRefusal turns any error into one that may reach a caller. Only a
// *portcullis.Error brings words of its own; all else is "internal".
func asRefusal(err error) *portcullis.Error {
	var e *portcullis.Error
	if errors.As(err, &e) {
		out := *e
		malformed := out.Kind == portcullis.KindMalformed && out.Code != 0 // the code's own words say more
		if out.Public == "" && !malformed && int(out.Kind) < len(publicText) {
			out.Public = publicText[out.Kind]
		}
		if out.Reason == "" {
			out.Reason = "internal"
		}
		return &out
	}
	return &portcullis.Error{Kind: portcullis.KindInternal, Reason: "internal", Public: publicText[portcullis.KindInternal], Code: portcullis.CodeInternal, Detail: "unexpected error", Err: err}
}

// refuse is the one place where an error becomes an answer: recorded, counted,
// logged and told to the caller in generic words with the request id.
func (g *Gateway) refuse(ctx context.Context, x *exchange, err error) {
	e := asRefusal(err)
	if ctx.Err() != nil && !x.wrote && gaveUp(e.Kind) {
		e.Reason = "client_closed"
	}
	if e.Kind == portcullis.KindRedirect || e.Kind == portcullis.KindPreflight {
		x.status = e.Kind.Status()
		writeHeaders(x.conn.Reply, e)
		x.w.WriteHeader(x.status)
		return
	}
	if rerr := x.recordRefusal(ctx, e); rerr != nil {
		g.log.Error("writing the audit journal", "request_id", x.conn.RequestID, "error", rerr)
		e = asRefusal(unrecorded(rerr))
	}
	x.route.refused(x.phase, x.guard, e.Reason)
	g.logRefusal(ctx, x, e)
	if x.wrote { // a stream broke: all that can be done is to stop
		return
	}
	x.status = e.Kind.Status()
	writeHeaders(x.conn.Reply, e)
	x.out = refusalBody(x, e)
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
		slog.String("request_id", x.conn.RequestID), slog.String("event", string(refusalEvent(e))),
		slog.Int("status", e.Kind.Status()), slog.String("reason", e.Reason),
		slog.String("phase", x.phase), slog.String("guard", x.guard),
		slog.String("route", x.conn.Route), slog.String("principal", x.who.ID),
		slog.String("action", x.action.Method), slog.String("resource", x.action.Target.String()),
		slog.String("ip", x.conn.Client.String()), slog.String("detail", e.Error()))
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

// refusalBody is a JSON-RPC error for JSON-RPC requests and a problem document
// (RFC 9457) for all others.
func refusalBody(x *exchange, e *portcullis.Error) []byte {
	if x.route.speaksMCP && x.conn.HTTP.Method == http.MethodPost {
		x.conn.Reply["Content-Type"] = jsonType
		var id []byte
		if x.msg != nil {
			id = x.msg.ID
		}
		return mcp.AppendErrorResponse(x.out[:0], id, e, x.conn.RequestID)
	}
	x.conn.Reply["Content-Type"] = problemType
	if e.Public == "" {
		e.Public = publicText[e.Kind]
	}
	return problem.Append(x.out[:0], e, x.conn.RequestID)
}

// Shared header values; nobody writes into them.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{problem.ContentType}
	noBuffering = []string{"no"}
	zeroLength  = []string{"0"}
	lastReply   = []string{"close"}
)

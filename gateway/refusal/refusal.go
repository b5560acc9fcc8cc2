// Package refusal turns what went wrong into what a caller may read of it: the
// texts, the audit events, and what is left of an upstream's own failures.
package refusal

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
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

// From turns any error into one that may reach a caller. Only a
// *portcullis.Error brings words of its own; all else is "internal".
func From(err error) *portcullis.Error {
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

// eventOf says which event a refusal makes when its guard named none.
var eventOf = [...]portcullis.EventType{
	portcullis.KindMalformed:        portcullis.EventInputRejected,
	portcullis.KindUnauthenticated:  portcullis.EventAuthFailure,
	portcullis.KindForbidden:        portcullis.EventAuthzDenied,
	portcullis.KindMethodNotAllowed: portcullis.EventInputRejected,
	portcullis.KindNotAcceptable:    portcullis.EventInputRejected,
	portcullis.KindTimeout:          portcullis.EventInputRejected,
	portcullis.KindTooLarge:         portcullis.EventInputRejected,
	portcullis.KindMediaType:        portcullis.EventInputRejected,
	portcullis.KindHeadersTooLarge:  portcullis.EventInputRejected,
	portcullis.KindRateLimited:      portcullis.EventRateLimitExceeded,
}

// Event says which event a refusal makes.
func Event(e *portcullis.Error) portcullis.EventType {
	if e.Event != "" {
		return e.Event
	}
	if int(e.Kind) < len(eventOf) && eventOf[e.Kind] != "" {
		return eventOf[e.Kind]
	}
	return portcullis.EventCallRefused
}

// OfStatus masks what an upstream says to the gateway and not to the
// caller: its own failures, redirects, and complaints about credentials.
func OfStatus(r *portcullis.Reply) error {
	switch {
	case r.Status >= 500, r.Status < 200, r.Status >= 300 && r.Status < 400,
		r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden, r.Status == http.StatusProxyAuthRequired:
		return &portcullis.Error{
			Kind: portcullis.KindUpstream, Reason: "upstream_error", Code: portcullis.CodeInternal,
			Detail: "upstream answered status " + strconv.Itoa(r.Status),
		}
	}
	return nil
}

// Rejected refuses a reply that cannot be passed on. detail is for the log.
func Rejected(detail string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "reply_rejected", Public: "The upstream sent an invalid reply", Code: portcullis.CodeInternal, Detail: detail}
}

// Unexpected keeps the meaning of a status whose body is not a message.
func Unexpected(r *portcullis.Reply) *portcullis.Error {
	status := r.Status
	kind, ok := map[int]portcullis.Kind{
		http.StatusBadRequest:            portcullis.KindMalformed,
		http.StatusNotFound:              portcullis.KindNotFound,
		http.StatusMethodNotAllowed:      portcullis.KindMethodNotAllowed,
		http.StatusNotAcceptable:         portcullis.KindNotAcceptable,
		http.StatusRequestEntityTooLarge: portcullis.KindTooLarge,
		http.StatusUnsupportedMediaType:  portcullis.KindMediaType,
		http.StatusTooManyRequests:       portcullis.KindRateLimited,
	}[status]
	if !ok {
		return Rejected("reply of status " + strconv.Itoa(status) + " is not a JSON-RPC message")
	}
	e := &portcullis.Error{Kind: kind, Reason: "upstream_refused", Detail: "upstream answered status " + strconv.Itoa(status)}
	switch kind {
	case portcullis.KindMethodNotAllowed: // RFC 9110 section 15.5.6 demands it; POST is what every server takes
		e.Header = http.Header{"Allow": {http.MethodPost}}
	case portcullis.KindRateLimited:
		e.RetryAfter = time.Second
		if n, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil && n > 0 && n <= 86400 {
			e.RetryAfter = time.Duration(n) * time.Second
		}
	}
	return e
}

// OfUpstream keeps refusals of the upstream layer and turns everything else
// into a 502 that says nothing.
func OfUpstream(ctx context.Context, err error) error {
	var e *portcullis.Error
	if errors.As(err, &e) || ctx.Err() != nil {
		return err
	}
	return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable", Detail: "forwarding the call", Err: err}
}

// Text is what a caller reads when a refusal brings no text of its own.
func Text(k portcullis.Kind) string {
	if int(k) < len(publicText) {
		return publicText[k]
	}
	return ""
}

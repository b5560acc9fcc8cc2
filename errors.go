package portcullis

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Kind classifies a refusal. It decides the HTTP status.
type Kind uint8

// The kinds. KindInternal is zero, so a forgotten kind tells the caller nothing.
const (
	KindInternal         Kind = iota // 500
	KindMalformed                    // 400
	KindUnauthenticated              // 401
	KindForbidden                    // 403
	KindNotFound                     // 404
	KindMethodNotAllowed             // 405
	KindNotAcceptable                // 406
	KindTimeout                      // 408, the caller was too slow
	KindTooLarge                     // 413
	KindMediaType                    // 415
	KindRateLimited                  // 429
	KindHeadersTooLarge              // 431
	KindUpstream                     // 502
	KindUnavailable                  // 503
	KindUpstreamTimeout              // 504
	KindRedirect                     // 308, Header holds Location
	KindPreflight                    // 204, Conn.Reply holds the CORS answer
)

var kindStatus = [...]int{
	KindInternal:         http.StatusInternalServerError,
	KindMalformed:        http.StatusBadRequest,
	KindUnauthenticated:  http.StatusUnauthorized,
	KindForbidden:        http.StatusForbidden,
	KindNotFound:         http.StatusNotFound,
	KindMethodNotAllowed: http.StatusMethodNotAllowed,
	KindNotAcceptable:    http.StatusNotAcceptable,
	KindTimeout:          http.StatusRequestTimeout,
	KindTooLarge:         http.StatusRequestEntityTooLarge,
	KindMediaType:        http.StatusUnsupportedMediaType,
	KindRateLimited:      http.StatusTooManyRequests,
	KindHeadersTooLarge:  http.StatusRequestHeaderFieldsTooLarge,
	KindUpstream:         http.StatusBadGateway,
	KindUnavailable:      http.StatusServiceUnavailable,
	KindUpstreamTimeout:  http.StatusGatewayTimeout,
	KindRedirect:         http.StatusPermanentRedirect,
	KindPreflight:        http.StatusNoContent,
}

// Status returns the HTTP status of the kind.
func (k Kind) Status() int {
	if int(k) < len(kindStatus) {
		return kindStatus[k]
	}
	return http.StatusInternalServerError
}

// JSON-RPC error codes that the protocols define. Everything else the gateway
// says is [CodeRefused] with a reason (requirement X-8).
const (
	CodeParse              = -32700
	CodeInvalidRequest     = -32600
	CodeMethodNotFound     = -32601
	CodeInvalidParams      = -32602
	CodeInternal           = -32603
	CodeRefused            = -32000
	CodeHeaderMismatch     = -32020 // MCP 2026-07-28
	CodeUnsupportedVersion = -32022 // MCP 2026-07-28
)

// Error is the one error type that reaches a caller. Reason and Public are
// meant for callers; Detail and Err are for the log only. One place in the
// gateway turns it into a status, a JSON-RPC error and headers.
type Error struct {
	Kind       Kind
	Reason     string         // machine-readable: "rate_limited", "forbidden", …
	Public     string         // generic sentence for callers; "" = the kind's own
	Code       int            // JSON-RPC code; 0 = CodeRefused
	RetryAfter time.Duration  // sent as Retry-After, rounded up to seconds
	Header     http.Header    // extra reply headers, e.g. WWW-Authenticate
	Data       map[string]any // extra members of a JSON-RPC error's data, meant for callers
	Attempted  Actor          // who the caller claimed to be when nobody was authenticated, for the audit log (S0-37)
	Event      EventType      // audit event this refusal makes; "" = the kind's own
	Detail     string         // what happened, for the log; never attacker bytes
	Facts      []slog.Attr    // further details of the audit event
	Err        error          // cause, for the log
}

// Error returns the text for the log.
func (e *Error) Error() string {
	s := e.Detail
	if s == "" {
		s = e.Reason
	}
	if s == "" {
		s = "internal error"
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", s, e.Err)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

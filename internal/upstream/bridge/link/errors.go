package link

import (
	"errors"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// The refusals of the bridge. Their texts tell callers nothing of the
// upstream.

// ErrUnavailable says that there is no server to answer.
func ErrUnavailable(detail string, cause error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable",
		Public: "The upstream server is not available.", Detail: detail, Err: cause}
}

// ErrBusy says that a limit was met, and after which time to try again.
func ErrBusy(reason, detail string, after time.Duration) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: reason,
		Public: "The upstream server cannot take more work now.", RetryAfter: after, Detail: detail}
}

// reasonFull is the reason of a refusal for want of a place for a server.
const reasonFull = "too_many_sessions"

// IsFull reports whether a server could not be started because there are too
// many.
func IsFull(err error) bool {
	var e *portcullis.Error
	return errors.As(err, &e) && e.Reason == reasonFull
}

// ErrTimeout says that the server was too slow.
func ErrTimeout(detail string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUpstreamTimeout, Reason: "upstream_timeout",
		Public: "The upstream server did not answer in time.", Detail: detail}
}

// ErrNoSession says that the caller has no such session.
func ErrNoSession() *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "session_not_found",
		Public: "The session is unknown or has ended.", Detail: "unknown session"}
}

// ErrInvalid says that a message makes no sense where it came.
func ErrInvalid(code int, reason, public string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindMalformed, Reason: reason, Public: public,
		Code: code, Detail: public}
}

// ErrMethod says that the HTTP method has no meaning for the protocol version.
func ErrMethod(allow string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindMethodNotAllowed, Reason: "method_not_allowed",
		Public: "The method is not allowed here.", Header: http.Header{"Allow": {allow}},
		Detail: "HTTP method without meaning for this protocol version"}
}

// ErrAccept says that the client does not take the event stream that is the
// only answer.
func ErrAccept() *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindNotAcceptable, Reason: "not_acceptable",
		Public: "The client must accept text/event-stream.", Detail: "client does not accept an event stream"}
}

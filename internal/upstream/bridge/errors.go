package bridge

import (
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// The refusals of the bridge. Their texts tell callers nothing of the
// upstream.

func errUnavailable(detail string, cause error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable",
		Public: "The upstream server is not available.", Detail: detail, Err: cause}
}

func errBusy(reason, detail string, after time.Duration) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: reason,
		Public: "The upstream server cannot take more work now.", RetryAfter: after, Detail: detail}
}

func errTimeout(detail string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUpstreamTimeout, Reason: "upstream_timeout",
		Public: "The upstream server did not answer in time.", Detail: detail}
}

func errNoSession() *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "session_not_found",
		Public: "The session is unknown or has ended.", Detail: "unknown session"}
}

func errInvalid(code int, reason, public string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindMalformed, Reason: reason, Public: public,
		Code: code, Detail: public}
}

func errMethod(allow string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindMethodNotAllowed, Reason: "method_not_allowed",
		Public: "The method is not allowed here.", Header: http.Header{"Allow": {allow}},
		Detail: "HTTP method without meaning for this protocol version"}
}

func errAccept() *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindNotAcceptable, Reason: "not_acceptable",
		Public: "The client must accept text/event-stream.", Detail: "client does not accept an event stream"}
}

package refusal

import (
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// WriteHeaders sets the headers of a refusal.
func WriteHeaders(h http.Header, e *portcullis.Error) {
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

// GaveUp reports whether a refusal can come of a caller who left. All others
// were decided: a slow body, for one, also ends the caller's context.
func GaveUp(k portcullis.Kind) bool {
	return k == portcullis.KindInternal || k == portcullis.KindUpstream || k == portcullis.KindUpstreamTimeout
}

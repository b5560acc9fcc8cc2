// Package problem writes refusals as problem documents (RFC 9457), for
// requests that are no JSON-RPC.
package problem

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// ContentType is the media type of a problem document.
const ContentType = "application/problem+json"

type document struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Reason     string `json:"reason"`
	RequestID  string `json:"requestId"`
	RetryAfter int64  `json:"retryAfter,omitempty"`
	Error      string `json:"error,omitempty"`
}

// Append appends the document that e is to a caller. Of e it tells Kind,
// Reason, Public (the status's own name if empty), RetryAfter, in seconds and
// rounded up, and a text "error" of Data, for callers of another convention.
func Append(dst []byte, e *portcullis.Error, requestID string) []byte {
	status := e.Kind.Status()
	d := document{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: e.Public, Reason: e.Reason,
		RequestID: requestID, RetryAfter: int64((e.RetryAfter + time.Second - 1) / time.Second),
	}
	d.Error, _ = e.Data["error"].(string) // "" if it is none
	if d.Detail == "" {
		d.Detail = d.Title
	}
	b, err := json.Marshal(d)
	if err != nil { // strings and integers always marshal
		return append(dst, `{"type":"about:blank"}`...)
	}
	return append(dst, b...)
}

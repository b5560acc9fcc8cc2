package synthetic

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

// Event is what the journal of a gateway holds of a call.
func Event(s *anomaly.Sample) *portcullis.Event {
	e := &portcullis.Event{
		Time: time.UnixMilli(s.At).UTC(), Route: s.Route, Action: "tools/call",
		Actor: portcullis.Actor{ID: s.Principal, KeyID: s.Key, IP: s.Address, Method: "api_key"},
	}
	if s.Tool != "" {
		e.Resource = "tool:" + s.Tool
	}
	if s.Served {
		e.Type, e.Severity, e.Outcome = portcullis.EventCallFinished, portcullis.SeverityInfo, portcullis.OutcomeSuccess
		status := http.StatusOK
		if s.Error {
			e.Outcome, e.Reason, status = portcullis.OutcomeFailure, "upstream_error", http.StatusBadGateway
		}
		e.Details = []slog.Attr{slog.Int("status", status), slog.Int64("duration_us", s.Micros), slog.Int("bytes_in", 200), slog.Int64("bytes_out", s.Bytes)}
		return e
	}
	e.Severity, e.Outcome = portcullis.SeverityWarn, portcullis.OutcomeFailure
	if s.Proven {
		e.Type, e.Reason = portcullis.EventAuthzDenied, "forbidden"
		e.Details = []slog.Attr{slog.String("phase", "authz"), slog.String("guard", "tools"), slog.Int("status", http.StatusForbidden)}
		return e
	}
	e.Type, e.Reason = portcullis.EventInvalidAPIKey, "unauthenticated"
	e.Details = []slog.Attr{slog.String("phase", "authn"), slog.String("guard", "api_key"), slog.Int("status", http.StatusUnauthorized)}
	return e
}

// Package sample is what detection takes from an event of the audit journal.
package sample

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// Call is what one event says of a call.
type Call struct {
	At        int64 // milliseconds since 1970
	Principal string
	Key       string
	Route     string
	Tool      string
	Address   netip.Addr
	Country   string // two letters; empty = not known
	Proven    bool   // Principal and Key were proven
	Served    bool   // Micros and Bytes are known
	Error     bool   // it failed
	Denied    bool   // it was refused
	Missing   bool   // what it asked for does not exist, or it may not know
	Micros    int64
	Bytes     int64
}

// FromEvent makes a sample of an event. ok is false for events that are no end
// of a call: the outcome of a call counts, not its intent.
func FromEvent(e *portcullis.Event) (s Call, ok bool) {
	var status int64
	var phase string
	s = Call{At: e.Time.UnixMilli(), Route: e.Route, Address: e.Actor.IP, Principal: e.Actor.ID, Key: e.Actor.KeyID}
	s.Tool, _ = strings.CutPrefix(e.Resource, "tool:")
	if s.Tool == e.Resource {
		s.Tool = ""
	}
	for i := range e.Details {
		a := &e.Details[i]
		switch a.Key {
		case "status":
			status = whole(a.Value)
		case "duration_us":
			s.Micros = max(whole(a.Value), 0)
		case "bytes_out":
			s.Bytes = max(whole(a.Value), 0)
		case "phase":
			phase = text(a.Value)
		}
	}
	switch e.Type {
	case portcullis.EventCallFinished:
		s.Proven, s.Served = true, true
		s.Error = e.Outcome == portcullis.OutcomeFailure && e.Reason != "client_closed"
	case portcullis.EventAuthFailure, portcullis.EventInvalidAPIKey, portcullis.EventZKPAuthFailure, portcullis.EventUnauthorizedAccess:
		s.Denied = true // nobody was proven
	case portcullis.EventAuthzDenied, portcullis.EventInputRejected, portcullis.EventContentBlocked, portcullis.EventRateLimitExceeded,
		portcullis.EventCallRefused:
		if phase == "" || phase == "review" { // a note about a call; its CALL_FINISHED counts
			return Call{}, false
		}
		s.Denied, s.Proven = true, phase != "edge" && phase != "authn"
	default:
		return Call{}, false
	}
	s.Missing = status == http.StatusNotFound || status == http.StatusForbidden
	if s.Principal == "" {
		s.Proven = false
	}
	return s, true
}

func whole(v slog.Value) int64 {
	switch v.Kind() {
	case slog.KindInt64:
		return v.Int64()
	case slog.KindUint64:
		return int64(min(v.Uint64(), 1<<62))
	case slog.KindFloat64:
		if f := v.Float64(); f >= -1e18 && f <= 1e18 {
			return int64(f)
		}
	}
	return 0
}

func text(v slog.Value) string {
	if v.Kind() == slog.KindString {
		return v.String()
	}
	return ""
}

package apikey

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Throttle counts failed attempts. It returns how long the caller is to wait,
// 0 while the count is within bounds. An id of "" is not known.
//
// It is asked after a key was refused and never before: whoever has a valid
// key passes, however many others guess at it or share its address.
type Throttle interface {
	Failed(client netip.Addr, id string) time.Duration
}

const publicThrottled = "Too many failed attempts, try again later"

// slow turns a refusal into 429 for who failed too often. Whether the id
// exists plays no part.
func (s *Service) slow(c *portcullis.Conn, id string, refusal *portcullis.Error) *portcullis.Error {
	if s.throttle == nil {
		return refusal
	}
	wait := s.throttle.Failed(c.Client, id)
	if wait <= 0 {
		return refusal
	}
	return &portcullis.Error{
		Kind: portcullis.KindRateLimited, Reason: "rate_limited", Public: publicThrottled, RetryAfter: wait,
		Event: portcullis.EventRateLimitExceeded, Detail: refusal.Detail + "; too many failed attempts",
	}
}

// refuse answers a key that is not accepted. That a key's time is over is
// written down before it is said.
func (s *Service) refuse(ctx context.Context, c *portcullis.Conn, text string, e *entry, v verdict) *portcullis.Error {
	if (v == refusedExpired || v == refusedRevoked) && e.rec.Status != StatusRevoked {
		s.settle(ctx, e.id)
	}
	id, _, _ := s.grammar.Split(text)
	return s.slow(c, id, invalid(e, v))
}

func unavailable(err error) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindUnavailable, Reason: "unavailable", Public: publicUnavailable,
		RetryAfter: time.Second, Detail: "api key store is not available", Err: err,
	}
}

// stale is what callers with a rotated key are told.
type stale struct {
	deprecation []string // RFC 9745: when the key is or was deprecated
	sunset      []string // RFC 8594: when it stops working
}

// staleHeaders returns nil for a key that was not rotated. The slices are
// shared by all replies; nobody writes into them.
func staleHeaders(r *Record, now time.Time) *stale {
	if st := r.StatusAt(now); st != StatusRotating && st != StatusDeprecated {
		return nil
	}
	return &stale{
		deprecation: []string{"@" + strconv.FormatInt(r.DeprecateAt.Unix(), 10)},
		sunset:      []string{r.End().UTC().Format(http.TimeFormat)},
	}
}

// warn tells the caller of a rotated key, and once an hour the audit log.
func (s *Service) warn(ctx context.Context, c *portcullis.Conn, e *entry, now time.Time) {
	if c.Reply != nil {
		c.Reply["Deprecation"], c.Reply["Sunset"] = e.stale.deprecation, e.stale.sunset
	}
	if !s.told.first(e.id, now) {
		return
	}
	err := s.recorder.Record(ctx, &portcullis.Event{
		Time: now, Type: portcullis.EventAPIKeyStale, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess,
		Actor: portcullis.Actor{ID: e.rec.Owner, Method: Method, KeyID: e.id, IP: c.Client},
		Route: c.Route, Resource: "api_key:" + e.id, Action: "api_key/use", RequestID: c.RequestID,
		Details: []slog.Attr{
			slog.String("keyId", e.id), slog.String("successor", e.rec.Successor),
			slog.String("status", e.rec.StatusAt(now).String()),
		},
	})
	if err != nil { // the call's own record decides whether it goes on
		s.log.WarnContext(ctx, "use of a rotated api key not recorded", "key_id", e.id, "error", err)
	}
}

// maxTold bounds the keys that hourly remembers; beyond it some are told twice.
const maxTold = 8192

// hourly remembers which keys were spoken of in this hour.
type hourly struct {
	mu   sync.Mutex
	hour int64
	seen map[string]struct{}
}

// first reports whether a key was not seen in the hour of now.
func (h *hourly) first(id string, now time.Time) bool {
	hour := now.Unix() / int64(time.Hour/time.Second)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil || h.hour != hour || len(h.seen) >= maxTold {
		h.hour, h.seen = hour, map[string]struct{}{}
	}
	if _, ok := h.seen[id]; ok {
		return false
	}
	h.seen[id] = struct{}{}
	return true
}

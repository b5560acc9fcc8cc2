// Package push takes notifications from agents: who posts to a ticket and proves
// that it was handed to it may tell the caller who registered it of one task,
// and of nothing else. What is taken is queued and answered at once.
package push

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	agents "github.com/portcullis-dev/portcullis/gateway/a2a"
	"github.com/portcullis-dev/portcullis/gateway/inproc"
	"github.com/portcullis-dev/portcullis/gateway/outside"
	"github.com/portcullis-dev/portcullis/gateway/refusal"
	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

const (
	// MaxBody bounds a notification, in bytes.
	MaxBody = 1 << 20
	// Method is how agents prove who they are.
	Method = "push_ticket"

	headerToken      = "X-A2A-Notification-Token" // as the Python and JavaScript SDKs say it
	headerTokenShort = "A2A-Notification-Token"   // as the Go SDK does
)

// Desk takes notifications.
type Desk struct {
	Book     *push.Book
	Owners   *ownership.Ledger
	Guards   func(route string) *outside.Guards
	Recorder portcullis.Recorder
	// Route returns what a route says of notifications; ok is false if it takes
	// none.
	Route func(name string) (versions []string, limits jsonrpc.Limits, ok bool)
}

// ticket returns the ticket in a path, "" if there is none.
func ticket(path string) string {
	rest, ok := strings.CutPrefix(path, agents.PushPath+"/")
	if !ok || strings.Contains(rest, "/") {
		return ""
	}
	return rest
}

// secret returns what a request proves itself with. Two are one only if they
// are the same.
func secret(h http.Header) (string, bool) {
	var found []string
	for _, text := range h.Values("Authorization") {
		scheme, rest, _ := strings.Cut(text, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false
		}
		found = append(found, rest)
	}
	found = append(found, h.Values(headerToken)...)
	found = append(found, h.Values(headerTokenShort)...)
	if len(found) == 0 {
		return "", false
	}
	for _, text := range found[1:] {
		if text != found[0] {
			return "", false
		}
	}
	return found[0], found[0] != ""
}

// Authenticator returns the guard of the endpoint. Whether a ticket is unknown,
// over or presented without its secret looks the same.
func (d *Desk) Authenticator() portcullis.Authenticator { return authenticator{d} }

type authenticator struct{ desk *Desk }

// Name returns [Method].
func (authenticator) Name() string { return Method }

// Authenticate implements [portcullis.Authenticator].
func (a authenticator) Authenticate(ctx context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	refused := func(detail string) error {
		return &portcullis.Error{Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Event: portcullis.EventAuthFailure, Detail: detail}
	}
	text, ok := secret(c.HTTP.Header)
	if !ok {
		return portcullis.Principal{}, refused("no ticket and secret, or several")
	}
	r, err := a.desk.Book.Find(ctx, ticket(c.HTTP.URL.Path))
	if errors.Is(err, push.ErrUnknown) {
		return portcullis.Principal{}, refused("unknown ticket")
	}
	if err != nil {
		return portcullis.Principal{}, &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "looking for a ticket", Err: err}
	}
	if !r.Proves(text) {
		return portcullis.Principal{}, refused("ticket without its secret")
	}
	return portcullis.Principal{ID: "agent:" + r.Route, Method: Method}, nil
}

// ServeHTTP takes a notification of an agent that [Desk.Authenticator] knows.
func (d *Desk) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	err := d.take(req)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	e := refusal.From(err)
	d.record(req.Context(), e)
	w.Header().Set("Content-Type", problem.ContentType)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", "60")
	}
	w.WriteHeader(e.Kind.Status())
	_, _ = w.Write(problem.Append(nil, e, obs.RequestID(req.Context()))) // an agent that left reads nothing
}

// take queues a notification, or says why not.
func (d *Desk) take(req *http.Request) error {
	ctx := req.Context()
	switch media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); {
	case err != nil, media != "application/json" && media != "application/a2a+json":
		return &portcullis.Error{Kind: portcullis.KindMediaType, Reason: "input_rejected", Event: portcullis.EventInputRejected, Detail: "notification of another media type"}
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, MaxBody+1))
	if err != nil || len(body) > MaxBody {
		return &portcullis.Error{Kind: portcullis.KindTooLarge, Reason: "input_rejected", Event: portcullis.EventInputRejected, Detail: "notification that is too large"}
	}
	r, err := d.Book.Find(ctx, ticket(req.URL.Path))
	if err != nil {
		return unavailable(err)
	}
	if inproc.PrincipalFrom(ctx).ID != "agent:"+r.Route {
		return &portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden", Detail: "ticket of another route"}
	}
	versions, limits, ok := d.Route(r.Route)
	if !ok {
		return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "not_found", Event: portcullis.EventInputRejected, Detail: "the route takes no notifications any more"}
	}
	limits.MaxBytes = MaxBody
	who := portcullis.Principal{ID: r.Principal, KeyID: r.KeyID, Method: Method}
	if err := d.Guards(r.Route).Welcome(ctx, who); err != nil {
		return err
	}
	var n a2a.Reply
	if err := a2a.ReadPush(&n, body, r.Version, versions, limits); err != nil {
		return malformed(err)
	}
	if err := d.bind(ctx, &r, &n); err != nil {
		return err
	}
	raw, err := d.review(ctx, &r, who, &n)
	if err != nil {
		return err
	}
	if _, err := d.Book.Queue(ctx, &r, raw); err != nil {
		return unavailable(err)
	}
	return nil
}

// bind holds a notification to the task that its ticket is for. The first may
// come before the answer that tells of the task; then the task is the caller's
// like any that an agent makes.
func (d *Desk) bind(ctx context.Context, r *push.Registration, n *a2a.Reply) error {
	if r.Task != "" && r.Task != n.TaskID {
		return foreign("notification of a task that the ticket is not for")
	}
	for kind, id := range map[ownership.Kind]string{ownership.Task: n.TaskID, ownership.Context: n.Session} {
		if id == "" {
			continue
		}
		ok, err := d.Owners.Claim(ctx, ownership.KeyOf(r.Route, kind, id), r.Principal)
		if err != nil {
			return unavailable(err)
		}
		if !ok {
			return foreign("notification of a task or context of somebody else")
		}
	}
	ok, err := d.Book.Bind(ctx, r, n.TaskID)
	if err != nil {
		return unavailable(err)
	}
	if !ok && r.Task == n.TaskID { // it was removed in this moment
		return unavailable(push.ErrUnknown)
	}
	if !ok {
		return foreign("notification of a task that the ticket is not for")
	}
	if r.Settled() {
		return nil
	}
	if err := d.Book.Settle(ctx, r, r.Name); err != nil { // it has the ticket, whatever became of the answer
		return unavailable(err)
	}
	return nil
}

// review takes a notification through the review of its route and records what
// the guards had to say.
func (d *Desk) review(ctx context.Context, r *push.Registration, who portcullis.Principal, n *a2a.Reply) ([]byte, error) {
	call := portcullis.Message{Shape: portcullis.ShapeRequest, Method: a2a.SubscribeToTask, TaskID: n.TaskID, Version: n.Version, Suffix: n.Suffix}
	m, err := d.Guards(r.Route).Review(ctx, who, &call, &n.Message)
	if err != nil {
		return nil, err
	}
	for _, note := range m.Notes {
		e := portcullis.Event{
			Time: time.Now(), Type: note.Type, Severity: note.Severity, Outcome: portcullis.OutcomeSuccess, Reason: note.Reason, Details: note.Details,
			Actor: portcullis.Actor{ID: who.ID, KeyID: who.KeyID, Method: Method}, Route: r.Route, RequestID: obs.RequestID(ctx),
		}
		if err := d.Recorder.Record(context.WithoutCancel(ctx), &e); err != nil {
			return nil, unavailable(err)
		}
	}
	return m.Raw, nil
}

// record writes why a notification was not taken. The call has an outcome of
// its own; this says what was wrong.
func (d *Desk) record(ctx context.Context, e *portcullis.Error) {
	ev := portcullis.Event{
		Time: time.Now(), Type: refusal.Event(e), Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure, Reason: e.Reason,
		Actor: portcullis.Actor{ID: inproc.PrincipalFrom(ctx).ID, Method: Method}, RequestID: obs.RequestID(ctx),
		Details: []slog.Attr{slog.String("detail", e.Detail)},
	}
	_ = d.Recorder.Record(context.WithoutCancel(ctx), &ev) // nothing was taken, and the outcome of the call says so too
}

func foreign(detail string) error {
	return &portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden", Event: portcullis.EventUnauthorizedAccess, Detail: detail}
}

// malformed is a refusal of the agent's body, told to the agent.
func malformed(err error) error {
	e := refusal.From(err)
	return &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "input_rejected", Public: "Not a notification", Event: portcullis.EventInputRejected, Detail: e.Detail}
}

func unavailable(err error) error {
	switch {
	case errors.Is(err, push.ErrUnknown):
		return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "not_found", Event: portcullis.EventInputRejected, Detail: "ticket that is over"}
	case errors.Is(err, push.ErrFull):
		return &portcullis.Error{
			Kind: portcullis.KindRateLimited, Reason: "rate_limited", Event: portcullis.EventRateLimitExceeded, RetryAfter: time.Minute,
			Detail: "as many notifications as may wait for one target",
		}
	}
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "queueing a notification", Err: err}
}

package approval

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// View is a request as it is shown.
type View struct {
	ID         string          `json:"id"`
	State      string          `json:"state" doc:"pending, approved, denied, used or expired"`
	Route      string          `json:"route"`
	Principal  string          `json:"principal" doc:"Who wants to call"`
	Tool       string          `json:"tool" doc:"Tool, or skill:NAME for a message to an agent"`
	CreatedAt  time.Time       `json:"created_at"`
	ExpiresAt  time.Time       `json:"expires_at" doc:"When the request, the approval or the denial is over"`
	DecidedBy  string          `json:"decided_by,omitempty"`
	DecidedAt  *time.Time      `json:"decided_at,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Parameters json.RawMessage `json:"parameters,omitempty" doc:"What the tool would be called with; only when one request is shown"`
}

func (s *Service) view(r Request) View {
	v := View{
		ID: r.ID, State: r.State.String(), Route: r.Route, Principal: r.Principal, Tool: r.Tool,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, DecidedBy: r.DecidedBy, Reason: r.Reason,
	}
	if !r.DecidedAt.IsZero() {
		v.DecidedAt = &r.DecidedAt
	}
	if r.State != Used && !r.Live(s.now()) {
		v.State = "expired"
	}
	return v
}

// List returns the requests that wait, or all that are remembered, oldest
// first.
func (s *Service) List(ctx context.Context, all bool) ([]View, error) {
	list, err := s.store.Approvals(ctx, s.now(), all)
	if err != nil {
		return nil, err
	}
	out := make([]View, len(list))
	for i, r := range list {
		out[i] = s.view(r)
	}
	return out, nil
}

// Show returns one request with its parameters: what an approver has to read.
func (s *Service) Show(ctx context.Context, id string) (View, error) {
	r, err := s.store.Approval(ctx, id)
	if err != nil {
		return View{}, err
	}
	v := s.view(r)
	if len(r.Sealed) == 0 { // it is over
		return v, nil
	}
	if v.Parameters, err = s.aead.Open(nil, nil, r.Sealed, []byte(r.ID)); err != nil {
		return View{}, fmt.Errorf("reading the parameters of request %s: %w", id, err)
	}
	return v, nil
}

// note writes a decision into the audit log.
func (s *Service) note(ctx context.Context, t portcullis.EventType, o portcullis.Outcome, r Request, d Decision) error {
	reason := d.Reason
	if t == portcullis.EventAuthzDenied {
		reason = "self_approval"
	}
	return s.recorder.Record(context.WithoutCancel(ctx), &portcullis.Event{
		Time: s.now(), Type: t, Severity: portcullis.SeverityWarn, Outcome: o, Actor: d.By, Route: r.Route,
		Resource: resourceOf(r.Tool), Action: "approval/decide", Reason: reason,
		Details: []slog.Attr{slog.String("approval", r.ID), slog.String("principal", r.Principal)},
	})
}

// nameOf is how a request names what is called: a tool by its name, a skill as
// "skill:NAME". A tool whose own name begins like that is "tool:skill:NAME".
func nameOf(t portcullis.Target) string {
	if t.Kind == portcullis.TargetTool && !qualified(t.Name) {
		return t.Name
	}
	return t.String()
}

// resourceOf is the resource of audit events about a request of that name.
func resourceOf(name string) string {
	if qualified(name) {
		return name
	}
	return "tool:" + name
}

func qualified(name string) bool {
	return strings.HasPrefix(name, "tool:") || strings.HasPrefix(name, "skill:")
}

package approval

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// Guard holds back the calls of one route that need another person's word. It
// stands behind the other inspectors: what is approved is what is sent.
type Guard struct {
	service *Service
	route   string
	names   *tool.Set
	meta    *metatool.Guard
	cfg     Config
}

var _ portcullis.Inspector = (*Guard)(nil)

// NewGuard returns the guard of a route. patterns name the tools, or the skills
// of an agent; meta says
// which tools call others, whose names count too.
func NewGuard(s *Service, route string, patterns []string, meta []metatool.Tool, cfg Config) (*Guard, error) {
	if len(patterns) == 0 {
		return nil, errors.New("approval: no tools are named")
	}
	names, err := tool.NewSet(patterns)
	if err != nil {
		return nil, err
	}
	inside, err := metatool.New(meta, nil)
	if err != nil {
		return nil, err
	}
	return &Guard{service: s, route: route, names: names, meta: inside, cfg: cfg}, nil
}

// Name implements portcullis.Inspector.
func (*Guard) Name() string { return "approval" }

// call is what is approved.
type call struct {
	route, method string
	target        portcullis.Target
	who           portcullis.Principal
	params        []byte
	digest        [32]byte
}

// Inspect implements portcullis.Inspector.
func (g *Guard) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction != portcullis.ToServer || m.Target.Kind != portcullis.TargetTool && m.Target.Kind != portcullis.TargetSkill {
		return m, nil
	}
	if !g.needs(m) {
		return m, nil
	}
	c, err := g.read(who, m)
	if err != nil {
		return nil, err
	}
	switch id, err := g.service.take(ctx, c); {
	case err == nil:
		return used(m, id), nil
	case !errors.Is(err, ErrNotFound):
		return nil, unavailable(err)
	}
	r, err := g.service.ask(ctx, c, g.cfg)
	switch {
	case errors.Is(err, ErrTooMany):
		return nil, &portcullis.Error{
			Kind: portcullis.KindRateLimited, Reason: "approval_required", Public: "Too many calls wait for approval",
			RetryAfter: time.Minute, Detail: "requests that wait for approval: " + ErrTooMany.Error(),
		}
	case err != nil:
		return nil, unavailable(err)
	}
	if r.State == Pending && g.cfg.Wait > 0 {
		g.service.wait(ctx, r.ID, g.cfg.Wait)
	}
	switch id, err := g.service.take(ctx, c); { // the word may have come just now
	case err == nil:
		return used(m, id), nil
	case !errors.Is(err, ErrNotFound):
		return nil, unavailable(err)
	}
	if r, err = g.service.store.Approval(ctx, r.ID); err != nil {
		return nil, unavailable(err)
	}
	return nil, g.refuse(&r)
}

// needs reports whether a pattern names what a call is for: its tool, one that
// the tool calls, or its skill.
func (g *Guard) needs(m *portcullis.Message) bool {
	if m.Target.Kind == portcullis.TargetSkill {
		return g.names.Has(m.Target)
	}
	a := portcullis.Action{Route: g.route, Method: m.Method, Target: m.Target, Arguments: m.Arguments}
	for _, name := range g.meta.Names(a) {
		if g.names.Has(portcullis.Target{Kind: portcullis.TargetTool, Name: name}) {
			return true
		}
	}
	return false
}

// read returns what an approver decides on: the parameters. Members are brought into one order; numbers keep their spelling, as two that differ
// in the last digit must not pass for one another.
func (g *Guard) read(who portcullis.Principal, m *portcullis.Message) (*call, error) {
	params, err := paramsOf(m)
	if err != nil {
		return nil, &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "input_rejected", Detail: "reading the parameters", Err: err}
	}
	raw, err := json.Marshal(params, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("approval: writing the parameters: %w", err)
	}
	if len(raw) > maxParams {
		return nil, &portcullis.Error{
			Kind: portcullis.KindTooLarge, Reason: "approval_required", Public: "Too large to be approved by a person",
			Detail: "parameters of a tool that needs approval",
		}
	}
	v := jsontext.Value(raw)
	if err := v.Format(jsontext.ReorderRawObjects(true)); err != nil {
		return nil, fmt.Errorf("approval: ordering the parameters: %w", err)
	}
	c := &call{route: g.route, method: m.Method, target: m.Target, who: who, params: v}
	var all bytes.Buffer
	for _, part := range [...]string{g.route, who.ID, m.Method, nameOf(m.Target), string(v)} {
		fmt.Fprintf(&all, "%d:%s", len(part), part) // lengths keep the parts apart
	}
	mac := hmac.New(sha256.New, g.service.digests)
	mac.Write(all.Bytes())
	mac.Sum(c.digest[:0])
	return c, nil
}

// paramsOf returns the parameters of a call, without what nothing acts on and
// differs with each try: _meta, and of a message to an agent its id.
func paramsOf(m *portcullis.Message) (map[string]jsontext.Value, error) {
	var params map[string]jsontext.Value
	if a2a.BindingOf(m) == a2a.HTTPJSON { // the body is the parameters
		if err := json.Unmarshal(m.Raw, &params); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(m.Raw, &struct {
		Params *map[string]jsontext.Value `json:"params"`
	}{&params}); err != nil {
		return nil, err
	}
	if !a2a.Sends(m.Method) {
		delete(params, "_meta")
		return params, nil
	}
	var message map[string]jsontext.Value
	if err := json.Unmarshal(params["message"], &message); err != nil {
		return nil, err
	}
	delete(message, "messageId")
	delete(message, "message_id")
	raw, err := json.Marshal(message, json.Deterministic(true))
	params["message"] = raw
	return params, err
}

func (s *Service) take(ctx context.Context, c *call) (string, error) {
	r, err := s.store.TakeApproval(ctx, c.digest, s.now())
	return r.ID, err
}

func used(m *portcullis.Message, id string) *portcullis.Message {
	m.Notes = append(m.Notes, portcullis.Note{
		Type: portcullis.EventApprovalUsed, Severity: portcullis.SeverityInfo, Details: []slog.Attr{slog.String("approval", id)},
	})
	return m
}

// retryAfter is when a caller may ask again whether somebody decided.
const retryAfter = 15 * time.Second

func (g *Guard) refuse(r *Request) *portcullis.Error {
	if r.State == Denied {
		return &portcullis.Error{
			Kind: portcullis.KindForbidden, Reason: "approval_denied", Public: "The call was not approved",
			Event: portcullis.EventAuthzDenied, Detail: "request " + r.ID + " was denied", Data: map[string]any{"approvalId": r.ID},
		}
	}
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: "approval_required", Public: "The call needs the approval of another person",
		RetryAfter: retryAfter, Event: portcullis.EventAuthzDenied, Detail: "request " + r.ID + " waits",
		Data: map[string]any{"approvalId": r.ID},
	}
}

// unavailable denies: a guard that cannot ask does not let anyone through.
func unavailable(err error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "looking for an approval", Err: err}
}

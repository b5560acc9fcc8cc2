package a2a

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/notice"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// PushPath is where agents post notifications; the rest of the path is the
// ticket.
const PushPath = "/a2a/push"

// Registrar is the guard "push_delivery": it keeps what a caller registers for
// notifications and gives the agent a ticket of the gateway in its place, so
// that an agent neither learns nor reaches the target. In answers it puts back
// what the caller registered.
type Registrar struct {
	route string
	base  string     // of delivery URLs, without the ticket
	book  *push.Book // nil = nothing can be registered
}

var _ portcullis.Inspector = (*Registrar)(nil)

// Registrar returns the guard of a route, none where notifications do not go
// through the gateway. It is the last that sees a call and the first after
// [Owner] that sees an answer: all others see what the caller wrote.
func (d Deps) Registrar(cfg *config.Config, rc *config.Route, listen string) []portcullis.Inspector {
	if !rc.A2A.Push.ThroughGateway() {
		return nil
	}
	return []portcullis.Inspector{&Registrar{route: rc.Name, base: PushBase(cfg, rc, listen), book: d.Push}}
}

// PushBase is the URL below which the agent of a route posts notifications.
func PushBase(cfg *config.Config, rc *config.Route, listen string) string {
	base := strings.TrimSuffix(rc.A2A.Push.Base, "/")
	if base == "" {
		base = cfg.Server.PublicBase(listen)
	}
	return base + PushPath
}

// Name returns "push_delivery".
func (*Registrar) Name() string { return "push_delivery" }

// Inspect implements [portcullis.Inspector].
func (g *Registrar) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	var err error
	if m.Direction == portcullis.ToServer {
		err = g.call(ctx, who, m)
	} else {
		err = g.reply(ctx, who, m)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return m, nil
}

// unavailable turns errors of the store into refusals.
func unavailable(err error) error {
	var e *portcullis.Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, push.ErrFull):
		return &portcullis.Error{
			Kind: portcullis.KindRateLimited, Reason: "rate_limited", Public: "Too many push notification configs",
			Event: portcullis.EventRateLimitExceeded, Detail: "as many push notification configs as a caller may have",
		}
	}
	return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "keeping push notification configs", Err: err}
}

// call registers what a caller wants, and forgets what it does not want any
// more before the agent is told: nothing is delivered after that, whatever the
// agent does.
func (g *Registrar) call(ctx context.Context, who portcullis.Principal, m *portcullis.Message) error {
	if m.Method == a2a.DeletePushConfig {
		if g.book == nil {
			return notSupported("notifications are not kept")
		}
		n, err := g.book.Remove(ctx, g.route, who.ID, m.TaskID, notice.ID(m))
		if n > 0 {
			m.Notes = append(m.Notes, portcullis.Note{Type: portcullis.EventPushRemoved, Severity: portcullis.SeverityInfo, Reason: "deleted"})
		}
		return err
	}
	if !a2a.MayHoldPush(m) {
		return nil
	}
	raw, found, err := notice.Edit(m, func(c notice.Config) (notice.Config, bool, error) {
		c, err := g.register(ctx, who, m, c)
		return c, true, err
	})
	if err != nil {
		return err
	}
	if found {
		m.Raw = raw
		restore(m)
	}
	facts, err := a2a.Look(m)
	if err != nil {
		return err
	}
	for _, target := range facts.PushURLs { // what was not found in its place must not reach the agent
		if !strings.HasPrefix(target, g.base+"/") {
			return notSupported("push target in a place of its own")
		}
	}
	return nil
}

// register keeps a config and returns what the agent gets.
func (g *Registrar) register(ctx context.Context, who portcullis.Principal, m *portcullis.Message, c notice.Config) (notice.Config, error) {
	if g.book == nil {
		return c, notSupported("notifications are not kept")
	}
	if why := unwritable(c); why != "" {
		return c, &portcullis.Error{
			Kind: portcullis.KindMalformed, Code: portcullis.CodeInvalidParams, Reason: "input_rejected",
			Event: portcullis.EventInputRejected, Detail: "push notification config: " + why,
		}
	}
	if c.ID == "" { // the same target again is the same config, as it is for agents that name configs themselves
		c.ID = nameOf(who.ID, c.URL)
	}
	reg, ticket, err := g.book.Register(ctx,
		push.Registration{Route: g.route, Principal: who.ID, KeyID: who.KeyID, Task: m.TaskID, Name: c.ID, Version: m.Version},
		push.Target{URL: c.URL, Token: c.Token, Schemes: c.Schemes, Credentials: c.Credentials})
	if err != nil {
		return c, err
	}
	m.Notes = append(m.Notes, portcullis.Note{
		Type: portcullis.EventPushRegistered, Severity: portcullis.SeverityInfo, Details: []slog.Attr{slog.String("target", reg.Origin)},
	})
	// Some libraries send one of the two, some the other.
	c.URL, c.Token, c.Schemes, c.Credentials = g.base+"/"+ticket.Path, ticket.Secret, []string{"Bearer"}, ticket.Secret
	return c, nil
}

// nameOf names the config of a caller that gave it no name.
func nameOf(principal, target string) string {
	sum := sha256.Sum256([]byte(principal + "\x00" + target))
	return hex.EncodeToString(sum[:16])
}

// mostHeader bounds what a caller wants to see in a header.
const mostHeader = 4096

// unwritable says why a config cannot be served as it is.
func unwritable(c notice.Config) string {
	for _, text := range append([]string{c.Token, c.Credentials}, c.Schemes...) {
		if len(text) > mostHeader || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return "token or credentials that no header can hold"
		}
	}
	if len(c.Schemes) > 0 && strings.ContainsAny(c.Schemes[0], " ,;=\"") {
		return "no authentication scheme"
	}
	return ""
}

// reply puts back what the caller registered, and learns what the agent made
// of it.
func (g *Registrar) reply(ctx context.Context, who portcullis.Principal, m *portcullis.Message) error {
	switch m.Method {
	case a2a.SendMessage, a2a.SendStreamingMessage:
		return g.sent(ctx, m)
	case a2a.CreatePushConfig, a2a.GetPushConfig, a2a.ListPushConfigs:
	default:
		return nil
	}
	if m.Shape != portcullis.ShapeResult {
		if m.Method == a2a.CreatePushConfig {
			return g.drop(ctx, m)
		}
		return nil
	}
	raw, found, err := notice.Edit(m, func(c notice.Config) (notice.Config, bool, error) {
		c, ok, err := g.restored(ctx, who, m, c)
		if err == nil && !ok && m.Method != a2a.ListPushConfigs {
			err = a2a.TaskNotFound("push notification config of somebody else, or none of the gateway's")
		}
		return c, ok, err
	})
	if err != nil || !found {
		return err
	}
	m.Raw = raw
	restore(m)
	return nil
}

// restored returns a config of the agent as its owner registered it.
func (g *Registrar) restored(ctx context.Context, who portcullis.Principal, m *portcullis.Message, c notice.Config) (notice.Config, bool, error) {
	r, err := g.find(ctx, c.URL)
	if errors.Is(err, push.ErrUnknown) {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	if r.Route != g.route || r.Principal != who.ID || c.TaskID != "" && r.Task != "" && c.TaskID != r.Task {
		return c, false, nil
	}
	if !r.Settled() || c.ID != "" && c.ID != r.Name {
		name := c.ID
		if name == "" {
			name = r.Name
		}
		if err := g.book.Settle(ctx, &r, name); err != nil {
			return c, false, err
		}
	}
	t, err := g.book.Target(&r)
	if err != nil {
		return c, false, err
	}
	c.URL, c.Token, c.Schemes, c.Credentials = t.URL, t.Token, t.Schemes, t.Credentials
	return c, true, nil
}

// find returns the registration whose ticket a URL ends with.
func (g *Registrar) find(ctx context.Context, target string) (push.Registration, error) {
	at := strings.LastIndex(target, PushPath+"/")
	if at < 0 || g.book == nil {
		return push.Registration{}, push.ErrUnknown
	}
	return g.book.Find(ctx, target[at+len(PushPath)+1:])
}

// sent binds what was registered with a message to the task that the answer
// tells of. Where there is none, nothing will come.
func (g *Registrar) sent(ctx context.Context, m *portcullis.Message) error {
	r, ok, err := g.asked(ctx, m)
	if err != nil || !ok || r.Settled() {
		return err
	}
	if m.Shape != portcullis.ShapeResult || m.TaskID == "" {
		return g.book.Drop(ctx, r.ID)
	}
	if ok, err := g.book.Bind(ctx, &r, m.TaskID); err != nil || !ok {
		return err
	}
	return g.book.Settle(ctx, &r, r.Name)
}

// drop forgets what the agent did not take.
func (g *Registrar) drop(ctx context.Context, m *portcullis.Message) error {
	r, ok, err := g.asked(ctx, m)
	if err != nil || !ok {
		return err
	}
	return g.book.Drop(ctx, r.ID)
}

// asked returns what was registered with the call that m answers.
func (g *Registrar) asked(ctx context.Context, m *portcullis.Message) (r push.Registration, ok bool, err error) {
	if len(m.Request) == 0 || !strings.Contains(string(m.Request), PushPath+"/") {
		return r, false, nil
	}
	call := portcullis.Message{Shape: portcullis.ShapeRequest, Method: m.Method, Version: m.Version, Suffix: m.Suffix, Raw: m.Request}
	_, _, err = notice.Edit(&call, func(c notice.Config) (notice.Config, bool, error) {
		found, err := g.find(ctx, c.URL)
		if errors.Is(err, push.ErrUnknown) {
			return c, true, nil
		}
		r, ok = found, err == nil
		return c, true, err
	})
	return r, ok, err
}

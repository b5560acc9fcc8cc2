// Package revoke ends what callers hold open: sessions and the tokens of them,
// sessions of MCP, and streams that run.
package revoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/revoke"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

// setting keeps which sessions of MCP were ended, over restarts.
const setting = "sessions.ended"

// Part implements part.Part.
type Part struct {
	env part.Env
	mu  sync.Mutex // one at a time: what is kept is what is in force
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ playbook.Action   = action{}
)

// New returns the part. What an earlier process ended stays ended.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env}
	text, ok, err := env.DB.GetSetting(context.Background(), setting)
	if err != nil {
		return nil, err
	}
	if ok {
		var ended map[string]int64
		if err := json.Unmarshal([]byte(text), &ended); err != nil {
			return nil, fmt.Errorf("reading which sessions were ended: %w", err)
		}
		env.Services.Sessions.Restore(ended)
	}
	return p, env.Response.Actions.Add(action{p})
}

// Next implements part.Part.
func (*Part) Next(context.Context, *config.Config, part.Secrets) (func(), error) {
	return func() {}, nil
}

// Run implements part.Part.
func (*Part) Run(ctx context.Context) { <-ctx.Done() }

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p)} }

// RevokeSessions implements api.Revoker.
func (p *Part) RevokeSessions(ctx context.Context, in api.Request, by portcullis.Actor) (api.Revoked, error) {
	if err := order.Ask(ctx, p.env.Response.Cases, "", name, true, in.Force); err != nil {
		return api.Revoked{}, err
	}
	return p.revoke(ctx, in.Principal, in.Reason, by)
}

// revoke ends everything, in an order in which nothing opens again: sessions of
// MCP first, then tokens, and streams, which both would have kept, last.
func (p *Part) revoke(ctx context.Context, principal, reason string, by portcullis.Actor) (out api.Revoked, err error) {
	ctx = context.WithoutCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	out = api.Revoked{Principal: principal, At: time.Now().UTC()}
	text, err := json.Marshal(p.env.Services.Sessions.EndAll(principal))
	if err == nil {
		err = p.env.DB.SetSetting(ctx, setting, string(text))
	}
	if err != nil {
		err = fmt.Errorf("keeping which sessions were ended: %w", err)
	}
	var terr error
	if principal == "" {
		out.Sessions, terr = p.env.Services.Tokens.RevokeAll(ctx, reason, by)
	} else {
		out.Sessions, terr = p.env.Services.Tokens.RevokeSubject(ctx, principal, reason, by)
	}
	out.Streams = p.env.Response.Held.Guard().EndStreams(principal)
	return out, errors.Join(err, terr, p.record(ctx, out, reason, by))
}

// record tells of what each session's own event does not: sessions of MCP, which
// nobody counts, and streams.
func (p *Part) record(ctx context.Context, out api.Revoked, reason string, by portcullis.Actor) error {
	details := []slog.Attr{slog.String("kind", "all"), slog.Int("sessions", out.Sessions), slog.Int("streams", out.Streams)}
	if out.Principal != "" {
		name := out.Principal
		if p.env.Subject != nil {
			name = "subject:" + p.env.Subject(out.Principal)
		}
		details[0] = slog.String("kind", "principal")
		details = append(details, slog.String("subject", name))
	}
	return p.env.Journal.Record(ctx, &portcullis.Event{
		Time: out.At, Type: portcullis.EventSessionRevoked, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess,
		Actor: by, Action: name, Resource: "session:all", Reason: reason, Details: details,
	})
}

// name is the action's in playbooks.
const name = "revoke-sessions"

// Arguments of the action. One of them says whose sessions end: a playbook whose
// incident has no subject must not end everybody's.
const (
	ArgSubject   = "subject"   // as containments write it: a principal, key:ID or session:ID
	ArgPrincipal = "principal" // id of a principal
	ArgAll       = "all"       // "true": everybody's
)

// action lets playbooks end sessions.
type action struct{ p *Part }

func (action) Name() string { return name }

func (action) Destructive() bool { return true }

// errWhose refuses arguments that do not say whose sessions end.
var errWhose = errors.New(`revoke-sessions: want one of subject (a principal, key:ID or session:ID), principal, and all = "true"`)

// whose reads the arguments: a principal, "" for everybody, or the id of one
// session.
func (a action) whose(ctx context.Context, args playbook.Args) (principal, session string, err error) {
	if err := args.Only(ArgSubject, ArgPrincipal, ArgAll, "reason"); err != nil {
		return "", "", err
	}
	text, all := args[ArgPrincipal], args[ArgAll] == "true"
	subject := args[ArgSubject]
	switch {
	case all && text == "" && subject == "":
		return "", "", nil
	case text != "" && subject == "" && !all:
		return text, "", nil
	case subject == "" || text != "" || all:
		return "", "", errWhose
	}
	s, err := containment.ParseSubject(subject)
	if err != nil {
		return "", "", err
	}
	switch s.Kind {
	case containment.KindPrincipal:
		return s.ID, "", nil
	case containment.KindCredential:
		v, err := a.p.env.Services.Keys.Show(ctx, s.ID)
		if errors.Is(err, apikey.ErrNotFound) { // no key: a session
			return "", s.ID, nil
		}
		if err != nil {
			return "", "", fmt.Errorf("finding out whose key it is: %w", err)
		}
		if v.Owner == "" {
			return "", "", errWhose
		}
		return v.Owner, "", nil
	}
	return "", "", fmt.Errorf("%w: %q has no sessions", errWhose, subject)
}

func (a action) Plan(ctx context.Context, args playbook.Args) (string, error) {
	principal, session, err := a.whose(ctx, args)
	if err != nil {
		return "", err
	}
	if session != "" {
		return "end the session " + session, nil
	}
	list, err := a.p.env.Services.Tokens.List(ctx, principal)
	if err != nil {
		return "", err
	}
	if principal == "" {
		principal = "everybody"
	}
	return fmt.Sprintf("end %d sessions with their tokens, and all sessions of MCP and streams, of %s", len(list), principal), nil
}

func (a action) Do(ctx context.Context, args playbook.Args, note func(string)) error {
	principal, session, err := a.whose(ctx, args)
	if err != nil {
		return err
	}
	by, reason := portcullis.Actor{ID: args[playbook.ArgBy], Method: "playbook"}, args["reason"]
	if reason == "" {
		reason = "incident " + args[playbook.ArgIncident]
	}
	if session != "" {
		_, err := a.p.env.Services.Tokens.Revoke(ctx, session, reason, by)
		if errors.Is(err, token.ErrNotFound) { // it is over
			note("no session " + session + " is open")
			return nil
		}
		if err != nil {
			return err
		}
		note("ended the session " + session)
		return nil
	}
	out, err := a.p.revoke(ctx, principal, reason, by)
	note(fmt.Sprintf("ended %d sessions and %d streams", out.Sessions, out.Streams))
	return err
}

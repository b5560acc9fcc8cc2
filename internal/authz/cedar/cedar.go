// Package cedar decides by policy files in the Cedar language what a principal
// may do.
//
// A policy sees the caller as Portcullis::Key (an API key) or Portcullis::User,
// in the Portcullis::Role of each of its roles; the method as
// Portcullis::Action; and what it acts on as Portcullis::Tool, Prompt, Resource
// or Skill, or as Portcullis::Method where it acts on nothing, in the
// Portcullis::Route. docs/authorization.md lists the attributes.
//
// What no policy permits is denied; a forbid overrides every permit; a policy
// whose evaluation fails denies, whatever the others say. Methods that open,
// list or end need no permit, and a forbid holds for them too.
//
// A list is filtered before anybody knows with which arguments its entries will
// be called. A policy that asks about context.arguments is then evaluated in
// part: a permit that some arguments could satisfy shows the entry, a forbid
// that some arguments could escape does not hide it. That shows what may be
// called with some arguments, and allows nothing: the call itself is decided on
// its arguments.
package cedar

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/eval"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/pattern"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
)

// Options are what a guard needs beside the policies.
type Options struct {
	Scopes func(portcullis.Principal) []string           // what the roles of a principal add to its scopes; nil = nothing
	Clock  func() time.Time                              // nil = time.Now
	Log    *slog.Logger                                  // for policies that fail; nil = nowhere
	Risk   func(principal string, client netip.Addr) int // 0 to 100; nil = 0
}

// Authorizer is the guard "cedar". It is immutable and safe for concurrent use.
type Authorizer struct {
	set *Set
	Options
}

var _ portcullis.Authorizer = (*Authorizer)(nil)

// New returns a guard for a set of policies.
func New(set *Set, o Options) *Authorizer {
	if o.Scopes == nil {
		o.Scopes = func(portcullis.Principal) []string { return nil }
	}
	if o.Risk == nil {
		o.Risk = func(string, netip.Addr) int { return 0 }
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Authorizer{set: set, Options: o}
}

// Name returns "cedar".
func (*Authorizer) Name() string { return "cedar" }

// Authorize implements [portcullis.Authorizer]. It never returns an error. A
// resource is decided in the given and in its plain spelling, so that no
// percent-encoding slips past a policy.
func (z *Authorizer) Authorize(_ context.Context, p portcullis.Principal, a portcullis.Action) (portcullis.Decision, error) {
	if p.IsZero() {
		return portcullis.Decision{Rule: "no principal"}, nil
	}
	if a.Target.Kind != portcullis.TargetResource {
		return z.decide(p, a), nil
	}
	plain, ok := pattern.Plain(a.Target.Name)
	if !ok {
		return portcullis.Decision{Rule: "dot segment"}, nil
	}
	d := z.decide(p, a)
	if d.Allowed() && plain != a.Target.Name {
		a.Target.Name = plain
		return z.decide(p, a), nil
	}
	return d, nil
}

func (z *Authorizer) decide(p portcullis.Principal, a portcullis.Action) portcullis.Decision {
	w := z.world(p, a)
	req := cedar.Request{Principal: w.principal.UID, Action: w.action.UID, Resource: w.resource.UID}
	if a.Listing {
		return z.list(w, req, p, a)
	}
	args := cedar.NewRecord(nil)
	if len(z.set.arguments) > 0 { // else nobody asks
		var err error
		if args, err = record(a.Arguments); err != nil {
			return portcullis.Decision{Rule: err.Error()}
		}
	}
	req.Context = z.context(p, a, args)
	verdict, diag := cedar.Authorize(z.set.all, w, req)
	return z.conclude(verdict, diag, a)
}

// conclude turns what Cedar says into a decision.
func (z *Authorizer) conclude(verdict cedar.Decision, diag cedar.Diagnostic, a portcullis.Action) portcullis.Decision {
	switch {
	case len(diag.Errors) > 0:
		e := diag.Errors[0]
		z.Log.Warn("a policy failed, which denies", "policy", string(e.PolicyID), "action", a.Method, "route", a.Route, "error", clip(e.Message))
		return portcullis.Decision{Rule: "failed: " + string(e.PolicyID)}
	case verdict == cedar.Allow:
		return portcullis.Decision{Effect: portcullis.Allow, Rule: string(diag.Reasons[0].PolicyID)}
	case len(diag.Reasons) > 0:
		return portcullis.Decision{Rule: string(diag.Reasons[0].PolicyID)}
	case scope.Open(a.Method):
		return portcullis.Decision{Effect: portcullis.Allow, Rule: a.Method}
	}
	return portcullis.Decision{Rule: "no policy permits this"}
}

// list decides whether an entry of a list is shown.
func (z *Authorizer) list(w *world, req cedar.Request, who portcullis.Principal, a portcullis.Action) portcullis.Decision {
	req.Context = z.context(who, a, eval.Variable("arguments"))
	verdict, diag := cedar.Authorize(z.set.plain, w, req)
	d := z.conclude(verdict, diag, a)
	if !d.Allowed() && len(diag.Errors)+len(diag.Reasons) > 0 { // forbidden or failed, whatever the arguments
		return d
	}
	env := eval.Env{Entities: w, Principal: req.Principal, Action: req.Action, Resource: req.Resource, Context: req.Context}
	for _, p := range z.set.arguments {
		rest, keep := eval.PartialPolicy(env, p.tree)
		switch {
		case !keep: // no arguments make it fit
		case p.Effect() == cedar.Permit:
			if !d.Allowed() {
				d = portcullis.Decision{Effect: portcullis.Allow, Rule: p.name}
			}
		case len(rest.Conditions) == 0: // it forbids with any arguments
			return portcullis.Decision{Rule: p.name}
		}
	}
	return d
}

// context is what policies know of the call.
func (z *Authorizer) context(p portcullis.Principal, a portcullis.Action, args cedar.Value) cedar.Record {
	m := make(cedar.RecordMap, len(attributes["context"]))
	for _, word := range attributes["context"] {
		if !z.set.asks["context."+word] {
			continue
		}
		switch word {
		case "arguments":
			m["arguments"] = args
		case "time":
			m["time"] = cedar.NewDatetime(z.Clock())
		case "hour":
			m["hour"] = cedar.Long(z.Clock().UTC().Hour())
		case "weekday":
			m["weekday"] = cedar.String(strings.ToLower(z.Clock().UTC().Weekday().String()))
		case "risk":
			m["risk"] = cedar.Long(z.Risk(p.ID, a.Client))
		case "route":
			m["route"] = cedar.String(a.Route)
		case "tls":
			m["tls"] = cedar.Boolean(a.Secure)
		case "ip":
			if a.Client.IsValid() { // else a policy that asks fails, which denies
				m["ip"] = address(a.Client)
			}
		}
	}
	return cedar.NewRecord(m)
}

const maxMessage = 200 // bytes of what Cedar says in the log

func clip(s string) string {
	if len(s) > maxMessage {
		return fmt.Sprintf("%s…", s[:maxMessage])
	}
	return s
}

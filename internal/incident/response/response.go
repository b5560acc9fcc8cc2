// Package response does what the configuration says when a caller is too risky:
// it opens an incident, which is what wakes people, and contains the caller if
// a rule asks for that (requirement S4-24).
//
// Containing by itself is a weapon that an attacker may turn around. So nobody
// is contained unless a rule says so; who stands on the list of those who are
// never contained is not; one rule acts once as long as what it did lasts; and
// there is an end to how many are contained in an hour, behind which incidents
// are opened and nothing else.
package response

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
)

// Action is what a rule does beside opening an incident.
type Action string

// The actions. Alert is the incident itself.
const (
	Alert      Action = "alert"
	Throttle   Action = "throttle"
	StepUp     Action = "step_up"
	Block      Action = "block"
	Quarantine Action = "quarantine_tool"
)

// Words of a rule for whom it is about.
const (
	OnAny       = "any"
	OnPrincipal = "principal"
	OnAddress   = "address"
)

// Rule says what happens above a score.
type Rule struct {
	Name    string
	Score   int    // acts above
	On      string // OnAny, OnPrincipal or OnAddress
	Actions []Action
	For     time.Duration
	PerHour int  // calls of who is throttled
	DryRun  bool // the incident says what would have been done

	Playbook string // that is started for the incident, "" = none
}

// Never are those whom no rule contains.
type Never struct {
	Principals map[string]bool
	Networks   []netip.Prefix
}

// covers reports whether a subject is one of them, or holds one.
func (n Never) covers(s containment.Subject) bool {
	if s.Kind == containment.KindPrincipal {
		return n.Principals[s.ID]
	}
	for _, p := range n.Networks {
		if s.Kind == containment.KindAddress && p.Overlaps(s.Net) {
			return true
		}
	}
	return false
}

// Config is what an Engine goes by.
type Config struct {
	Rules      []Rule
	Never      Never
	MaxPerHour int // containments
}

// Finding is a caller who is risky, and the event that made it so.
type Finding struct {
	Subject containment.Subject
	Score   int
	Facts   []slog.Attr
	Route   string // of the event
	Tool    string // that the event is about, "" = none
}

// Containments is what an Engine needs of *containment.Book.
type Containments interface {
	Contain(ctx context.Context, c containment.Containment, by portcullis.Actor) (containment.Containment, error)
	Active() []containment.Containment
	AutoSince(ctx context.Context, since time.Time) (int, error)
	Spared(s containment.Subject) bool
}

// Incidents is what an Engine needs of *casebook.Book.
type Incidents interface {
	Notice(ctx context.Context, i casebook.Incident, details ...slog.Attr) (casebook.Incident, bool, error)
}

// Playbooks starts playbooks.
type Playbooks interface {
	// Trigger starts a playbook for an incident, with what is known beside. It
	// refuses to start one twice for an incident, and too many.
	Trigger(ctx context.Context, playbook, incident string, vars map[string]string) error
}

// Engine acts. It is safe for concurrent use; findings come one by one.
type Engine struct {
	incidents Incidents
	contained Containments
	recorder  portcullis.Recorder
	now       func() time.Time
	playbooks Playbooks // nil = none are started

	mu    sync.Mutex
	cfg   Config
	acted map[string]time.Time // rule and subject: when a rule may act again without a containment to tell by
}

// New returns an engine without rules.
func New(i Incidents, c Containments, r portcullis.Recorder, now func() time.Time) *Engine {
	if now == nil {
		now = time.Now
	}
	return &Engine{incidents: i, contained: c, recorder: r, now: now, acted: map[string]time.Time{}}
}

// Use puts settings into force.
func (e *Engine) Use(c Config) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cfg = c
}

// UsePlaybooks says who starts playbooks. It is called before the first finding.
func (e *Engine) UsePlaybooks(p Playbooks) { e.playbooks = p }

// Respond does what the rules say of a finding.
func (e *Engine) Respond(ctx context.Context, f Finding) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, r := range e.cfg.Rules {
		if f.Score <= r.Score || !r.about(f.Subject) {
			continue
		}
		errs = append(errs, e.apply(ctx, r, f))
	}
	return errors.Join(errs...)
}

func (r *Rule) about(s containment.Subject) bool {
	switch r.On {
	case OnPrincipal:
		return s.Kind == containment.KindPrincipal
	case OnAddress:
		return s.Kind == containment.KindAddress
	}
	return true
}

func (e *Engine) apply(ctx context.Context, r Rule, f Finding) error {
	subject := f.Subject.String()
	summary := fmt.Sprintf("risk %d, more than %d", f.Score, r.Score)
	i, _, err := e.incidents.Notice(ctx, casebook.Incident{
		Key: "risk:" + r.Name + ":" + subject, Subject: subject, Rule: r.Name, Summary: summary, Score: f.Score,
		Actor: f.Subject.Actor(),
	}, f.Facts...)
	if err != nil {
		return err
	}
	errs := []error{}
	for _, a := range r.Actions {
		if a != Alert {
			errs = append(errs, e.act(ctx, r, a, f, i))
		}
	}
	if r.Playbook != "" && e.playbooks != nil {
		errs = append(errs, e.trigger(ctx, r, f, i))
	}
	return errors.Join(errs...)
}

// trigger starts the playbook of a rule, unless that was done already or must
// not be done: whom no rule contains, no playbook of a rule does either.
func (e *Engine) trigger(ctx context.Context, r Rule, f Finding, i casebook.Incident) error {
	now := e.now()
	key := r.Name + "\x00playbook\x00" + i.ID
	if at, ok := e.acted[key]; ok && now.Before(at) {
		return nil
	}
	c := containment.Containment{Subject: f.Subject, Measure: containment.Block, Incident: i.ID, At: now, Until: now.Add(r.For), Reason: "playbook " + r.Playbook}
	why := e.forbids(ctx, r, c, now)
	if why == "" {
		vars := map[string]string{"subject": f.Subject.String()}
		if f.Route != "" {
			vars["route"] = f.Route
			if f.Tool != "" {
				vars["tool"] = f.Route + "/" + f.Tool
			}
		}
		err := e.playbooks.Trigger(ctx, r.Playbook, i.ID, vars)
		if err == nil {
			e.pause(key, now)
		}
		return err
	}
	e.pause(key, now)
	return e.note(ctx, c, f, i, why)
}

// act contains, unless that is done already or must not be done.
func (e *Engine) act(ctx context.Context, r Rule, a Action, f Finding, i casebook.Incident) error {
	now := e.now()
	c := containment.Containment{
		Subject: f.Subject, Auto: true, Incident: i.ID, At: now, Until: now.Add(r.For),
		Reason: fmt.Sprintf("rule %q: risk %d", r.Name, f.Score),
	}
	switch a {
	case Block:
		c.Measure = containment.Block
	case Throttle:
		c.Measure, c.PerHour = containment.Throttle, r.PerHour
	case StepUp:
		if f.Subject.Kind != containment.KindPrincipal {
			return nil // an address cannot log in
		}
		c.Measure = containment.StepUp
	case Quarantine:
		if f.Tool == "" || f.Route == "" {
			return nil // the event is about no tool
		}
		c.Measure, c.Subject = containment.Block, containment.Subject{Kind: containment.KindTool, Route: f.Route, ID: f.Tool}
	}
	for _, have := range e.contained.Active() {
		if have.Subject == c.Subject && have.Measure == c.Measure {
			return nil
		}
	}
	key := r.Name + "\x00" + string(a) + "\x00" + c.Subject.String()
	if at, ok := e.acted[key]; ok && now.Before(at) {
		return nil
	}
	if why := e.forbids(ctx, r, c, now); why != "" {
		e.pause(key, now)
		return e.note(ctx, c, f, i, why)
	}
	_, err := e.contained.Contain(ctx, c, portcullis.Actor{ID: "portcullis", Method: "response"})
	if err != nil {
		e.pause(key, now)
		return errors.Join(err, e.note(ctx, c, f, i, "failed"))
	}
	return nil
}

// again is how long a rule that could not act says nothing more of it.
const again = 15 * time.Minute

// maxPaused bounds what is remembered of that.
const maxPaused = 10_000

func (e *Engine) pause(key string, now time.Time) {
	if len(e.acted) >= maxPaused {
		clear(e.acted)
	}
	e.acted[key] = now.Add(again)
}

// forbids says why a containment is not made, or "".
func (e *Engine) forbids(ctx context.Context, r Rule, c containment.Containment, now time.Time) string {
	if e.cfg.Never.covers(c.Subject) {
		return "never"
	}
	if e.contained.Spared(c.Subject) {
		return "released"
	}
	n, err := e.contained.AutoSince(ctx, now.Add(-time.Hour))
	switch {
	case err != nil:
		return "failed"
	case n >= e.cfg.MaxPerHour:
		return "limit"
	case r.DryRun:
		return "dry_run"
	}
	return ""
}

// note writes what was not done, and why.
func (e *Engine) note(ctx context.Context, c containment.Containment, f Finding, i casebook.Incident, why string) error {
	sev := portcullis.SeverityWarn
	if why == "limit" || why == "failed" {
		sev = portcullis.SeverityCritical
	}
	return e.recorder.Record(context.WithoutCancel(ctx), &portcullis.Event{
		Time: e.now(), Type: portcullis.EventIncidentAction, Severity: sev, Outcome: portcullis.OutcomeFailure,
		Actor: f.Subject.Actor(), Action: "contain", Resource: "incident:" + i.ID, Reason: why, RiskScore: f.Score,
		Details: []slog.Attr{slog.String("measure", string(c.Measure)), slog.String("kind", c.Subject.Kind.String()), slog.String("incident", i.ID), slog.String("wanted", c.Reason)},
	})
}

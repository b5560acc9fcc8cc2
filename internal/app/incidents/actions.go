package incidents

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/hook"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
	"github.com/portcullis-dev/portcullis/internal/incident/report"
)

// action is one that this part has.
type action struct {
	name     string
	destroys bool
	takes    []string // arguments
	plan     func(ctx context.Context, args playbook.Args) (string, error)
	do       func(ctx context.Context, args playbook.Args, note func(string)) error
	judge    func(args playbook.Args) bool // nil: destroys
}

var _ playbook.Judged = (*action)(nil)

func (a *action) Name() string      { return a.name }
func (a *action) Destructive() bool { return a.destroys }

// Destroys implements playbook.Judged.
func (a *action) Destroys(args playbook.Args) bool {
	if a.judge != nil {
		return a.judge(args)
	}
	return a.destroys
}

// Plan implements playbook.Action.
func (a *action) Plan(ctx context.Context, args playbook.Args) (string, error) {
	if err := args.Only(a.takes...); err != nil {
		return "", err
	}
	return a.plan(ctx, args)
}

// Do implements playbook.Action.
func (a *action) Do(ctx context.Context, args playbook.Args, note func(string)) error {
	if _, err := a.Plan(ctx, args); err != nil {
		return err
	}
	return a.do(ctx, args, note)
}

func (p *Part) actions() []playbook.Action {
	return []playbook.Action{
		&action{"contain", false, []string{"subject", "measure", "per_hour", "for", "reason"}, p.planContain, p.contain, nil},
		&action{"release", true, []string{"subject", "reason"}, p.planRelease, p.release, nil},
		&action{"maintenance", false, []string{"state", "retry_after", "reason"}, p.planMaintenance, p.maintenance, nil},
		&action{"notify", false, []string{"message"}, p.planNotify, p.notify, nil},
		&action{"note", false, []string{"text"}, p.planNote, p.note, nil},
		&action{"revoke-key", true, []string{"key", "reason"}, p.planRevoke, p.revoke, nil},
		&action{"scale-down", true, nil, p.planScaleDown, p.scaleDown, nil},
		&action{"hook", true, []string{"name"}, p.planHook, p.hook, p.hookDestroys},
		&action{"report", false, nil, p.planReport, p.report, nil},
	}
}

// by is who a step is done for.
func by(args playbook.Args) portcullis.Actor {
	return portcullis.Actor{ID: args[playbook.ArgBy], Method: "playbook"}
}

func incidentDetail(id string) []slog.Attr { return []slog.Attr{slog.String("incident", id)} }

// containmentOf reads what a step wants to hold.
func containmentOf(args playbook.Args) (containment.Containment, error) {
	c := containment.Containment{Measure: containment.Block, Incident: args[playbook.ArgIncident], Auto: args[playbook.ArgAuto] == "true", At: time.Now(), Reason: args["reason"]}
	var err error
	if c.Subject, err = containment.ParseSubject(args["subject"]); err != nil {
		return c, err
	}
	if m := args["measure"]; m != "" {
		c.Measure = containment.Measure(m)
	}
	if n := args["per_hour"]; n != "" {
		if c.PerHour, err = strconv.Atoi(n); err != nil {
			return c, fmt.Errorf("per_hour: %q: want a number", n)
		}
	}
	long := time.Hour
	if d := args["for"]; d != "" {
		if long, err = time.ParseDuration(d); err != nil {
			return c, fmt.Errorf("for: %q: want a duration such as 24h", d)
		}
	}
	c.Until = c.At.Add(long)
	if c.Reason == "" {
		c.Reason = "incident " + c.Incident
	}
	return c, c.Validate()
}

func (p *Part) planContain(_ context.Context, args playbook.Args) (string, error) {
	c, err := containmentOf(args)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s for %s", c.Measure, c.Subject, c.Until.Sub(c.At)), nil
}

func (p *Part) contain(ctx context.Context, args playbook.Args, note func(string)) error {
	c, err := containmentOf(args)
	if err != nil {
		return err
	}
	made, err := p.env.Response.Held.Contain(ctx, c, by(args))
	if err != nil {
		return err
	}
	note(fmt.Sprintf("%s: %s until %s", made.Subject, made.Measure, made.Until.Format(time.RFC3339)))
	return nil
}

func (p *Part) planRelease(_ context.Context, args playbook.Args) (string, error) {
	if args["subject"] == "" {
		return "", errors.New("subject: want whom to let go")
	}
	return "let " + args["subject"] + " go", nil
}

func (p *Part) release(ctx context.Context, args playbook.Args, note func(string)) error {
	list, err := p.env.Response.Held.Release(ctx, args["subject"], args["reason"], by(args))
	if errors.Is(err, containment.ErrNotFound) {
		note(args["subject"] + " is not held")
		return nil
	}
	for _, r := range list {
		note("let " + r.Subject.String() + " go")
	}
	return err
}

// maxRetry is what callers are told to wait at most, in seconds.
const maxRetry = 86400

func maintenanceOf(args playbook.Args) (admin.Maintenance, error) {
	m := admin.Maintenance{On: args["state"] == "on", Reason: args["reason"]}
	if !m.On && args["state"] != "off" {
		return m, fmt.Errorf("state: %q: want on or off", args["state"])
	}
	if d := args["retry_after"]; d != "" && m.On {
		long, err := time.ParseDuration(d)
		if m.RetryAfter = int(long / time.Second); err != nil || m.RetryAfter < 0 || m.RetryAfter > maxRetry {
			return m, fmt.Errorf("retry_after: %q: want a duration of at most 24h", d)
		}
	}
	return m, nil
}

func (p *Part) planMaintenance(_ context.Context, args playbook.Args) (string, error) {
	m, err := maintenanceOf(args)
	if m.On {
		return "refuse all calls with 503", err
	}
	return "take calls again", err
}

func (p *Part) maintenance(ctx context.Context, args playbook.Args, note func(string)) error {
	m, err := maintenanceOf(args)
	if err != nil {
		return err
	}
	if err := p.env.Process.SetMaintenance(ctx, m, by(args)); err != nil {
		return err
	}
	note("maintenance is " + args["state"])
	return nil
}

// reach is how somebody is reached, in words.
func (c contact) reach() string {
	var out []string
	for _, s := range []string{c.email, c.phone} {
		if s != "" {
			out = append(out, s)
		}
	}
	if c.channel != "" {
		out = append(out, "channel "+c.channel)
	}
	return strings.Join(out, ", ")
}

func (p *Part) planNotify(_ context.Context, args playbook.Args) (string, error) {
	if len(args["message"]) > casebook.MaxText {
		return "", fmt.Errorf("message: more than %d bytes", casebook.MaxText)
	}
	return fmt.Sprintf("tell %d contacts and the channels of alerts", len(p.state.Load().contacts)), nil
}

// notify tells people: alerts follow the audit log, so what is written there
// goes out through their channels.
func (p *Part) notify(ctx context.Context, args playbook.Args, note func(string)) error {
	i, _, err := p.Cases().Find(ctx, args[playbook.ArgIncident])
	if err != nil {
		return err
	}
	text := args["message"]
	if text == "" {
		text = string(i.Severity) + ": " + i.Summary
	}
	var channels []string
	people := p.state.Load().contacts
	for _, c := range people {
		if c.channel != "" {
			channels = append(channels, c.channel)
		}
	}
	sev := portcullis.SeverityCritical
	if i.Severity == casebook.P3 || i.Severity == casebook.P4 {
		sev = portcullis.SeverityError
	}
	if err := p.env.Journal.Record(ctx, &portcullis.Event{
		Time: time.Now(), Type: portcullis.EventIncidentAction, Severity: sev, Outcome: portcullis.OutcomeSuccess, Actor: by(args),
		Action: "notify", Resource: "incident:" + i.ID, Reason: text,
		Details: append(incidentDetail(i.ID), slog.String("priority", string(i.Severity)), slog.String("phase", string(i.Phase)),
			slog.Int("contacts", len(people)), slog.String("channels", strings.Join(channels, " "))),
	}); err != nil {
		return fmt.Errorf("recording a notification: %w", err)
	}
	for _, c := range people {
		note(strings.TrimSpace(fmt.Sprintf("%s (%s): %s", c.name, c.role, c.reach())))
	}
	note(fmt.Sprintf("told: %s", text))
	return nil
}

func (p *Part) planNote(_ context.Context, args playbook.Args) (string, error) {
	if args["text"] == "" {
		return "", errors.New("text: want what to write down")
	}
	return "write down: " + args["text"], nil
}

func (p *Part) note(ctx context.Context, args playbook.Args, note func(string)) error {
	_, err := p.Cases().Note(ctx, args[playbook.ArgIncident], args["text"], by(args))
	note("written down")
	return err
}

func (p *Part) planRevoke(ctx context.Context, args playbook.Args) (string, error) {
	v, err := p.env.Services.Keys.Show(ctx, args["key"])
	if errors.Is(err, apikey.ErrNotFound) {
		return "", fmt.Errorf("key: %q: there is no such key", args["key"])
	}
	return fmt.Sprintf("revoke key %s (%s), for ever", v.ID, v.Name), err
}

func (p *Part) revoke(ctx context.Context, args playbook.Args, note func(string)) error {
	v, err := p.env.Services.Keys.Revoke(ctx, args["key"], args["reason"], by(args))
	if err != nil {
		return err
	}
	note("key " + v.ID + " is revoked")
	return nil
}

const scaleDown = "scale-down"

func (p *Part) planScaleDown(ctx context.Context, args playbook.Args) (string, error) {
	return p.planHook(ctx, playbook.Args{"name": scaleDown, playbook.ArgIncident: args[playbook.ArgIncident]})
}

func (p *Part) scaleDown(ctx context.Context, args playbook.Args, note func(string)) error {
	args["name"] = scaleDown
	return p.hook(ctx, args, note)
}

func (p *Part) hookOf(name string) (*hook.Hook, error) {
	h := p.state.Load().hooks[name]
	if h == nil {
		return nil, fmt.Errorf("there is no hook %q: [[incident.hook]] of the configuration defines one", name)
	}
	return h, nil
}

func (p *Part) planHook(_ context.Context, args playbook.Args) (string, error) {
	h, err := p.hookOf(args["name"])
	if err != nil {
		return "", err
	}
	return h.Plan(), nil
}

// hookDestroys is what the configuration says of a hook. One that is not known
// destroys.
func (p *Part) hookDestroys(args playbook.Args) bool {
	h, err := p.hookOf(args["name"])
	return err != nil || h.Destructive
}

func (p *Part) hook(ctx context.Context, args playbook.Args, note func(string)) error {
	h, err := p.hookOf(args["name"])
	if err != nil {
		return err
	}
	i, _, err := p.Cases().Find(ctx, args[playbook.ArgIncident])
	if err != nil {
		return err
	}
	said, err := h.Run(ctx, hook.About{
		Incident: i.ID, Title: i.Summary, Severity: string(i.Severity), Phase: string(i.Phase), Subjects: i.Subjects, By: args[playbook.ArgBy], At: time.Now().UTC(),
	})
	if said != "" {
		note(said)
	}
	return err
}

func (p *Part) planReport(context.Context, playbook.Args) (string, error) {
	return "take stock: what a report has, and what it lacks", nil
}

// report says what there is to report. The page itself names callers: it is
// made when somebody asks for it, and not kept.
func (p *Part) report(ctx context.Context, args playbook.Args, note func(string)) error {
	d, err := p.Gather(ctx, args[playbook.ArgIncident])
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d lines, %d containments, %d events of whom it is about", len(d.Timeline), len(d.Containments), d.Affected.Events)
	if lacks := report.Missing(&d); len(lacks) > 0 {
		text += "; it lacks " + strings.Join(lacks, ", ")
	}
	note(text)
	return nil
}

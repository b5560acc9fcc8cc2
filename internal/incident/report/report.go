// Package report writes what happened in an incident, for the people who look
// back on it: a Markdown page with what is known filled in, and room for what
// only people know.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

// Contact is somebody who was to be woken.
type Contact struct{ Name, Role, Reach string }

// Count is how often the audit log has something.
type Count struct {
	Name string
	N    int
}

// Affected is what the audit log has of those whom an incident is about.
type Affected struct {
	From, To time.Time
	Events   int
	Types    []Count
	Callers  []Count
	Routes   []Count
	Tools    []Count
	Refused  int  // calls that a containment refused
	Partial  bool // there is more than was counted
}

// Data is what a report is made of.
type Data struct {
	Incident     casebook.Incident
	Timeline     []casebook.Entry
	Contacts     []Contact
	Containments []containment.Containment
	Runs         []playbook.Run
	Affected     Affected
	Made         time.Time
	Version      string
}

// Missing lists what a complete report has and this one lacks.
func Missing(d *Data) []string {
	var out []string
	lacks := func(when bool, what string) {
		if when {
			out = append(out, what)
		}
	}
	has := func(k casebook.Kind) bool {
		return slices.ContainsFunc(d.Timeline, func(e casebook.Entry) bool { return e.Kind == k })
	}
	lacks(len(d.Timeline) == 0, "a timeline")
	lacks(len(d.Containments) == 0, "a containment")
	lacks(!has(casebook.KindEvidence), "evidence")
	lacks(len(d.Incident.Subjects) == 0, "whom it is about")
	lacks(d.Affected.Events == 0, "events of the audit log")
	lacks(slices.ContainsFunc(d.Timeline, func(e casebook.Entry) bool { return len(e.Events) == 0 }), "an event of the audit log for each line")
	return out
}

const stamp = "2006-01-02 15:04:05 UTC"

// Markdown writes the page.
func Markdown(d *Data) string {
	p := &page{}
	p.head(d)
	p.phases(d)
	p.timeline(d)
	p.done(d)
	p.affected(&d.Affected)
	p.runs(d.Runs)
	p.rest(d)
	return p.String()
}

type page struct{ strings.Builder }

func (p *page) line(format string, a ...any) { fmt.Fprintf(p, format+"\n", a...) }

// row writes cells that may hold what an attacker chose.
func (p *page) row(cells ...string) {
	for i, c := range cells {
		cells[i] = Plain(c)
	}
	p.line("| %s |", strings.Join(cells, " | "))
}

func (p *page) table(cells ...string) {
	p.row(slices.Clone(cells)...)
	p.line("|%s", strings.Repeat("---|", len(cells)))
}

// Plain makes a text one that Markdown and HTML read as nothing but text.
func Plain(text string) string {
	var b strings.Builder
	for _, c := range strings.ToValidUTF8(text, "�") {
		switch {
		case c == '\n' || c == '\r' || c == '\t':
			b.WriteByte(' ')
		case c < ' ' || c == 0x7f:
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		case c == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*_[]|#!~", c):
			b.WriteByte('\\')
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

func (p *page) head(d *Data) {
	i := &d.Incident
	p.line("# Incident: %s", Plain(i.Summary))
	p.line("")
	p.table("", "")
	p.row("id", i.ID)
	p.row("severity", string(i.Severity))
	state := "open, in phase " + string(i.Phase)
	if !i.Open() {
		state = fmt.Sprintf("closed %s by %s: %s", i.ClosedAt.Format(stamp), i.ClosedBy, i.Note)
	}
	p.row("state", state)
	p.row("owner", or(i.Owner, "nobody"))
	p.row("opened", i.OpenedAt.Format(stamp)+" by rule "+i.Rule)
	p.row("about", or(strings.Join(i.Subjects, ", "), "nobody in particular"))
	if i.Score > 0 {
		p.row("highest risk", fmt.Sprint(i.Score))
	}
	p.row("report made", d.Made.UTC().Format(stamp)+" by portcullis "+d.Version)
	p.line("")
	p.line("This page names callers. Give it to those only who may know them.")
	if missing := Missing(d); len(missing) > 0 {
		p.line("")
		p.line("**Not complete.** It lacks %s.", strings.Join(missing, ", "))
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// phases writes how long each phase took.
func (p *page) phases(d *Data) {
	p.line("\n## Phases\n")
	p.table("phase", "from", "took")
	end := d.Made
	if !d.Incident.Open() {
		end = d.Incident.ClosedAt
	}
	spans := Spans(d.Timeline, end)
	for _, s := range spans {
		p.row(string(s.Phase), s.From.Format(stamp), s.Took.Round(time.Second).String())
	}
	p.row("all", d.Incident.OpenedAt.Format(stamp), end.Sub(d.Incident.OpenedAt).Round(time.Second).String())
}

// Span is the time an incident was in a phase.
type Span struct {
	Phase casebook.Phase
	From  time.Time
	Took  time.Duration
}

// Spans reads from a timeline how long phases took, up to end.
func Spans(list []casebook.Entry, end time.Time) (out []Span) {
	for _, e := range list {
		if e.Kind != casebook.KindPhase {
			continue
		}
		if n := len(out); n > 0 {
			out[n-1].Took = e.At.Sub(out[n-1].From)
		}
		out = append(out, Span{Phase: casebook.Phase(e.Text), From: e.At})
	}
	if n := len(out); n > 0 {
		out[n-1].Took = end.Sub(out[n-1].From)
	}
	return out
}

func (p *page) timeline(d *Data) {
	p.line("\n## Timeline\n")
	p.table("time", "who", "what", "", "audit events")
	for _, e := range d.Timeline {
		p.row(e.At.Format(stamp), e.Actor, string(e.Kind), e.Text, strings.Join(e.Events, " "))
	}
}

// done writes what was contained, changed and kept.
func (p *page) done(d *Data) {
	p.line("\n## Contained\n")
	if len(d.Containments) == 0 {
		p.line("Nothing.")
	} else {
		p.table("subject", "measure", "by", "from", "until", "ended", "reason")
		for i := range d.Containments {
			c := &d.Containments[i]
			ended := "in force"
			if !c.EndedAt.IsZero() {
				ended = c.EndedAt.Format(stamp) + " by " + c.EndedBy
			}
			p.row(c.Subject.String(), string(c.Measure), c.By, c.At.Format(stamp), c.Until.Format(stamp), ended, c.Reason)
		}
	}
	p.line("\n## Rotated and revoked\n")
	n := 0
	for _, e := range d.Timeline {
		if e.Kind == casebook.KindAction && changed(e.Text) {
			p.line("- %s: %s, by %s", e.At.Format(stamp), Plain(e.Text), Plain(e.Actor))
			n++
		}
	}
	if n == 0 {
		p.line("Nothing.")
	}
	p.line("\n## Evidence\n")
	n = 0
	for _, e := range d.Timeline {
		if e.Kind == casebook.KindEvidence {
			p.line("- %s, kept %s by %s", Plain(e.Text), e.At.Format(stamp), Plain(e.Actor))
			n++
		}
	}
	if n == 0 {
		p.line("None was preserved.")
	}
}

// changed reports whether the line of a timeline tells of a credential that
// was replaced or ended.
func changed(text string) bool {
	for _, begin := range []string{"api key rotated", "api key revoked", "secret rotated", "session revoked", "rotate-all", "revoke-sessions"} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}

func (p *page) counts(what string, list []Count) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.table(what, "events")
	for _, c := range list {
		p.row(c.Name, fmt.Sprint(c.N))
	}
}

func (p *page) affected(a *Affected) {
	p.line("\n## Affected\n")
	p.line("Between %s and %s the audit log has %d events of those whom this is about. %d calls were refused because of a containment.",
		a.From.UTC().Format(stamp), a.To.UTC().Format(stamp), a.Events, a.Refused)
	if a.Partial {
		p.line("\n**There are more than were counted**: `portcullis audit search` finds them.")
	}
	p.counts("type", a.Types)
	p.counts("caller", a.Callers)
	p.counts("route", a.Routes)
	p.counts("tool", a.Tools)
}

func (p *page) runs(list []playbook.Run) {
	if len(list) == 0 {
		return
	}
	p.line("\n## Playbooks")
	for i := range list {
		r := &list[i]
		p.line("\n%s, begun %s by %s: %s.\n", Plain(r.Playbook), r.StartedAt.Format(stamp), Plain(or(r.By, "a rule")), r.State)
		p.table("step", "action", "state", "")
		for _, s := range r.Steps {
			text := s.Error
			if n := len(s.Notes); text == "" && n > 0 {
				text = s.Notes[n-1]
			}
			p.row(s.Name, s.Action, string(s.State), text)
		}
	}
}

// rest is what only people know.
func (p *page) rest(d *Data) {
	if len(d.Contacts) > 0 {
		p.line("\n## Contacts\n")
		p.table("who", "role", "reach")
		for _, c := range d.Contacts {
			p.row(c.Name, c.Role, c.Reach)
		}
	}
	for _, s := range []struct{ title, ask string }{
		{"What happened", "In a few sentences, for somebody who was not there."},
		{"Root cause", "What made it possible."},
		{"Checks after recovery", "The fixed version runs; audit log and alerts work; nobody moved on from here to elsewhere."},
		{"Lessons", "What went well, what went badly, where we were lucky."},
		{"Actions", ""},
	} {
		p.line("\n## %s\n", s.title)
		if s.ask != "" {
			p.line("_%s_", s.ask)
		}
	}
	p.table("what", "who", "until")
	p.row("", "", "")
}

// Package outcome makes of what the rules said what a person or a pipeline
// wants to know: what is suppressed, what is new, the score, the grade, what to
// do first, and whether that is good enough.
//
// The score begins at 100. Each rule that fails somewhere takes off 30 points
// if it is critical, 20 if high, 10 if medium, 5 if low and 1 if info, however
// many findings it has: mending a rule everywhere is what counts. A rule that
// could not tell takes off a quarter of that, except info. The grade follows
// from the score (A+ from 97, A from 90, B from 80, C from 70, D from 60, else
// F), and cannot be better than C with a high finding, nor than F with a
// critical one, nor than B where a target could not be read.
package outcome

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/suppress"
)

// Schema names the form of an Outcome in JSON. A member is only ever added
// under it.
const Schema = "https://portcullis.dev/schemas/check-report-1.json"

// Outcome is a whole run.
type Outcome struct {
	Schema   string               `json:"schema"`
	Version  string               `json:"version"` // of Portcullis
	Time     time.Time            `json:"time"`
	Score    int                  `json:"score"` // 0 to 100
	Grade    string               `json:"grade"` // A+ to F
	FailOn   rule.Severity        `json:"fail_on"`
	Failed   bool                 `json:"failed"` // there are findings of fail_on or worse
	Counts   Counts               `json:"counts"`
	First    []Task               `json:"first"` // what to do first
	Change   *Change              `json:"change,omitempty"`
	Targets  []check.TargetReport `json:"targets"`
	Excluded []Left               `json:"excluded"`
	Rules    []rule.Meta          `json:"rules"` // those that looked at something
}

// Counts are numbers of verdicts, each of one rule on one target, and of
// findings.
type Counts struct {
	Pass       int            `json:"pass"`
	Fail       int            `json:"fail"`
	Unknown    int            `json:"unknown"`
	Skipped    int            `json:"skipped"`
	Suppressed int            `json:"suppressed"` // findings
	Findings   map[string]int `json:"findings"`   // by severity
}

// Task is a rule that fails, with how to mend it.
type Task struct {
	Rule     string        `json:"rule"`
	Title    string        `json:"title"`
	Severity rule.Severity `json:"severity"`
	Fix      string        `json:"fix"`
	Findings int           `json:"findings"`
	Fixable  bool          `json:"fixable"`
}

// Left is a path that was not looked at.
type Left struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Options say what goes into an outcome.
type Options struct {
	Version   string
	Now       time.Time
	FailOn    rule.Severity
	NewOnly   bool           // only what the baseline does not hold makes it fail
	Decisions *suppress.File // may be nil
	Baseline  *Baseline      // may be nil
	Excluded  []Left
}

// Keep returns the targets that the decisions do not exclude, and the others.
func Keep(f *suppress.File, targets []check.Target) (kept []check.Target, left []Left) {
	for _, t := range targets {
		reason, excluded := "", false
		if f != nil && (t.Tree != nil || t.Kind == rule.Repository) {
			reason, excluded = f.Excluded(t.Name)
		}
		if excluded {
			left = append(left, Left{Path: t.Name, Reason: reason})
		} else {
			kept = append(kept, t)
		}
	}
	return kept, left
}

// New judges a report, which it changes.
func New(ctx context.Context, r check.Report, o Options) Outcome {
	if o.Decisions != nil {
		decide(ctx, &r, o.Decisions, o.Now)
	}
	out := Outcome{
		Schema: Schema, Version: o.Version, Time: o.Now.UTC().Truncate(time.Second), FailOn: o.FailOn,
		Targets: r.Targets, Excluded: append([]Left{}, o.Excluded...), First: []Task{}, Rules: []rule.Meta{},
	}
	if o.Baseline != nil {
		out.Change = o.Baseline.compare(r.Targets)
	}
	if out.Targets == nil {
		out.Targets = []check.TargetReport{}
	}
	out.count()
	out.rate()
	out.Failed = failed(r.Targets, o)
	return out
}

// decide takes out what somebody has decided to live with.
func decide(ctx context.Context, r *check.Report, f *suppress.File, now time.Time) {
	state := f.Begin(now)
	ran := map[string]bool{}
	for i := range r.Targets {
		t := &r.Targets[i]
		for k := range t.Results {
			res := &t.Results[k]
			ran[res.ID] = true
			if res.Verdict == rule.Pass || res.Verdict == rule.Fail && res.Reason == "" {
				state.Looked(res.ID)
			}
			if res.Verdict != rule.Fail {
				continue
			}
			var left []check.Finding
			for _, finding := range res.Findings {
				// A target may span more than what is excluded.
				reason, excluded := "", false
				if finding.File != "" {
					reason, excluded = f.Excluded(finding.File)
				}
				d := state.Decide(res.ID, finding.Advisory, finding.File, t.Name)
				switch {
				case excluded:
					res.Suppressed = append(res.Suppressed, check.Suppressed{Finding: finding, Reason: reason})
				case d != nil:
					res.Suppressed = append(res.Suppressed, check.Suppressed{Finding: finding, Reason: d.Reason, Owner: d.Owner, Until: d.Expires})
				default:
					left = append(left, finding)
				}
			}
			res.Findings = left
			switch {
			case len(left) > 0:
			case res.Reason != "": // there may be more than what could be told
				res.Verdict = rule.Unknown
			default:
				res.Verdict, res.Reason = rule.Skipped, "all findings are suppressed"
			}
		}
	}
	if f.Name() != "" {
		for _, m := range check.Rules() {
			state.Ran(m.ID, ran[m.ID])
		}
		own := check.Run(ctx, []check.Target{{Kind: rule.Suppressions, Name: f.Name(), Seen: state}}, check.Options{})
		r.Targets = append(r.Targets, own.Targets...)
	}
}

// count counts verdicts and makes the list of what to do.
func (o *Outcome) count() {
	o.Counts.Findings = map[string]int{}
	for _, s := range rule.Severities() {
		o.Counts.Findings[s.String()] = 0
	}
	tasks := map[string]*Task{}
	seen := map[string]rule.Meta{}
	for _, t := range o.Targets {
		for _, r := range t.Results {
			seen[r.ID] = r.Rule
			o.Counts.Suppressed += len(r.Suppressed)
			switch r.Verdict {
			case rule.Pass:
				o.Counts.Pass++
			case rule.Unknown:
				o.Counts.Unknown++
			case rule.Skipped:
				o.Counts.Skipped++
			case rule.Fail:
				o.Counts.Fail++
				o.Counts.Findings[r.Severity.String()] += len(r.Findings)
				if tasks[r.ID] == nil {
					tasks[r.ID] = &Task{Rule: r.ID, Title: r.Rule.Title, Severity: r.Severity, Fix: r.Rule.Fix, Fixable: r.Rule.Fixable}
				}
				tasks[r.ID].Findings += len(r.Findings)
			}
		}
	}
	for _, t := range tasks {
		o.First = append(o.First, *t)
	}
	slices.SortFunc(o.First, func(a, b Task) int {
		return cmp.Or(int(b.Severity-a.Severity), b.Findings-a.Findings, strings.Compare(a.Rule, b.Rule))
	})
	for _, m := range seen {
		o.Rules = append(o.Rules, m)
	}
	slices.SortFunc(o.Rules, func(a, b rule.Meta) int { return strings.Compare(a.ID, b.ID) })
}

// penalty is what a rule that fails takes off.
func penalty(s rule.Severity) int {
	switch s {
	case rule.Critical:
		return 30
	case rule.High:
		return 20
	case rule.Medium:
		return 10
	case rule.Low:
		return 5
	case rule.Info:
		return 1
	}
	return 0
}

// most is what all rules of a severity take off together: many small things in a
// large repository are not as bad as one that is wide open.
func most(s rule.Severity) int {
	switch s {
	case rule.Critical:
		return 100
	case rule.High:
		return 60
	case rule.Medium:
		return 25
	case rule.Low:
		return 10
	case rule.Info:
		return 5
	}
	return 0
}

// mostUnsure is the same for what could not be told.
const mostUnsure = 10

// rate gives score and grade.
func (o *Outcome) rate() {
	type state struct{ fails, unsure bool }
	rules := map[string]*state{}
	severity := map[string]rule.Severity{}
	unread, worst := false, rule.Severity(0)
	for _, t := range o.Targets {
		unread = unread || t.Error != ""
		for _, r := range t.Results {
			if rules[r.ID] == nil {
				rules[r.ID] = &state{}
			}
			severity[r.ID] = r.Severity
			switch r.Verdict {
			case rule.Fail:
				rules[r.ID].fails, worst = true, max(worst, r.Severity)
			case rule.Unknown:
				rules[r.ID].unsure = true
			case rule.Pass, rule.Skipped:
			}
		}
	}
	off, unsure := map[rule.Severity]int{}, 0 // unsure in quarters of points
	for id, s := range rules {
		switch {
		case s.fails:
			off[severity[id]] += penalty(severity[id])
		case s.unsure && severity[id] > rule.Info:
			unsure += penalty(severity[id])
		}
	}
	o.Score = 100 - min((unsure+3)/4, mostUnsure)
	for sev, points := range off {
		o.Score -= min(points, most(sev))
	}
	o.Score = max(0, o.Score)
	o.Grade = grade(o.Score, worst, unread)
}

func grade(score int, worst rule.Severity, unread bool) string {
	grades := []string{"A+", "A", "B", "C", "D", "F"}
	i := slices.IndexFunc([]int{97, 90, 80, 70, 60, 0}, func(from int) bool { return score >= from })
	if unread {
		i = max(i, 2)
	}
	switch worst {
	case rule.Critical:
		i = 5
	case rule.High:
		i = max(i, 3)
	case rule.Medium, rule.Low, rule.Info:
	}
	return grades[i]
}

// failed reports whether something is found that is bad enough.
func failed(targets []check.TargetReport, o Options) bool {
	for _, t := range targets {
		for _, r := range t.Results {
			if r.Verdict != rule.Fail || r.Severity < o.FailOn {
				continue
			}
			if !o.NewOnly || o.Baseline == nil || slices.ContainsFunc(r.Findings, func(f check.Finding) bool { return f.New }) {
				return true
			}
		}
	}
	return false
}

// Unread returns the targets that could not be read, with the reasons.
func (o Outcome) Unread() []string {
	var out []string
	for _, t := range o.Targets {
		if t.Error != "" {
			out = append(out, fmt.Sprintf("%s: %s", t.Name, t.Error))
		}
	}
	return out
}

package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// Bounds of what a person has to read.
const (
	maxPlaces = 5 // of one rule in one target
	maxTasks  = 3 // to do first
)

// Text writes what fails, by target and severity, and ends with the score, the
// grade and what to do first. What passes is only counted.
func Text(w io.Writer, o outcome.Outcome, colour bool) error {
	t := text{colour: colour}
	for _, target := range o.Targets {
		t.target(target)
	}
	if len(o.Excluded) > 0 {
		t.line("", "%s not looked at; the other formats name them.", many(len(o.Excluded), "path"))
	}
	t.change(o)
	t.summary(o)
	if _, err := w.Write(t.b.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

type text struct {
	b      bytes.Buffer
	colour bool
}

// Colours of a terminal.
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
)

func (t *text) line(colour, format string, a ...any) {
	s := fmt.Sprintf(format, a...)
	indent := len(s) - len(strings.TrimLeft(s, " "))
	s = s[:indent] + plain(s[indent:])
	if t.colour && colour != "" {
		s = colour + s + "\x1b[0m"
	}
	t.b.WriteString(s + "\n")
}

func colourOf(s rule.Severity) string {
	switch s {
	case rule.Critical, rule.High:
		return red
	case rule.Medium:
		return yellow
	case rule.Low, rule.Info:
	}
	return ""
}

// target writes a target on which something is to be said, or one line.
func (t *text) target(target check.TargetReport) {
	n := verdicts(target)
	failing := slices.DeleteFunc(slices.Clone(target.Results), func(r check.Result) bool { return r.Verdict != rule.Fail })
	slices.SortStableFunc(failing, func(a, b check.Result) int { return cmp.Compare(b.Severity, a.Severity) })
	head := fmt.Sprintf("%s (%s)", target.Name, target.Kind)
	if target.Error != "" {
		t.line(bold, "%s", head)
		t.line(yellow, "  unknown   could not be read: %s", target.Error)
		t.b.WriteString("\n")
		return
	}
	if len(failing) == 0 {
		t.line("", "%s: %s", head, tally(n))
		t.unsure(target)
		return
	}
	t.line(bold, "%s", head)
	for _, r := range failing {
		t.line(colourOf(r.Severity), "  %-8s  failed: %s  [%s]", r.Severity, r.Rule.Title, r.ID)
		for i, f := range r.Findings {
			if i == maxPlaces {
				t.line(faint, "            and %d more", len(r.Findings)-i)
				break
			}
			mark := ""
			if f.New {
				mark = "new: "
			}
			at := place(f)
			if at != "" {
				at += ": "
			}
			t.line("", "            %s%s%s", mark, at, f.Message)
		}
	}
	t.unsure(target)
	t.line(faint, "  %s", tally(n))
	t.b.WriteString("\n")
}

// sameReason is from how many on rules that cannot tell for one reason share a
// line.
const sameReason = 3

// unsure writes what could not be told, if it matters.
func (t *text) unsure(target check.TargetReport) {
	ids := map[string][]string{} // by reason
	for _, r := range target.Results {
		if r.Verdict == rule.Unknown && r.Severity > rule.Info {
			ids[r.Reason] = append(ids[r.Reason], r.ID)
		}
	}
	for _, r := range target.Results {
		same := ids[r.Reason]
		switch {
		case !slices.Contains(same, r.ID):
		case len(same) < sameReason:
			t.line(yellow, "  unknown   %s  [%s]: %s", r.Rule.Title, r.ID, r.Reason)
		case same[0] == r.ID:
			t.line(yellow, "  unknown   %s: %s", many(len(same), "rule"), r.Reason)
			t.line(faint, "            %s", strings.Join(same, ", "))
		}
	}
}

func tally(n map[rule.Verdict]int) string {
	var parts []string
	for _, v := range []struct {
		verdict rule.Verdict
		word    string
	}{{rule.Fail, "failed"}, {rule.Pass, "passed"}, {rule.Unknown, "unknown"}, {rule.Skipped, "skipped"}} {
		if n[v.verdict] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v.verdict], v.word))
		}
	}
	if len(parts) == 0 {
		return "no rules"
	}
	return strings.Join(parts, ", ")
}

func (t *text) change(o outcome.Outcome) {
	c := o.Change
	if c == nil {
		return
	}
	t.line("", "Since %s: %s, %d mended%s.", c.Since.Format("2006-01-02 15:04"), many(c.New, "new finding"), len(c.Mended), unseen(c))
	for _, k := range c.Mended[:min(len(c.Mended), maxPlaces)] {
		t.line(green, "  mended    %s: %s  [%s]", cmp.Or(k.File, k.Target), k.Message, k.Rule)
	}
	if n := len(c.History); n > 0 {
		t.line("", "  score before: %d (%s)", c.History[n-1].Score, c.History[n-1].Grade)
	}
	t.b.WriteString("\n")
}

func unseen(c *outcome.Change) string {
	if len(c.Unseen) == 0 {
		return ""
	}
	return fmt.Sprintf(", %d not looked at again", len(c.Unseen))
}

func (t *text) summary(o outcome.Outcome) {
	var found []string
	total := 0
	for _, s := range rule.Severities() {
		if n := o.Counts.Findings[s.String()]; n > 0 {
			found = append(found, fmt.Sprintf("%d %s", n, s))
			total += n
		}
	}
	list := ""
	if len(found) > 0 {
		list = " (" + strings.Join(found, ", ") + ")"
	}
	colour := green
	if o.Failed {
		colour = red
	}
	t.line(bold+colour, "Score %d of 100, grade %s: %s%s on %s", o.Score, o.Grade, many(total, "finding"), list, many(len(o.Targets), "target"))
	if n := o.Counts.Suppressed; n > 0 {
		t.line("", "%s suppressed.", many(n, "finding"))
	}
	if n := o.Counts.Unknown; n > 0 {
		t.line("", "%s could not be told; --format json says why.", many(n, "verdict"))
	}
	if len(o.First) == 0 {
		return
	}
	t.line("", "Do first:")
	for i, task := range o.First[:min(len(o.First), maxTasks)] {
		fix := task.Fix
		if task.Fixable {
			fix += " ('portcullis check --fix' does it.)"
		}
		t.line("", "  %d. %s", i+1, fix)
		t.line(faint, "     portcullis check explain %s", task.Rule)
	}
}

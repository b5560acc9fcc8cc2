package outcome

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/suppress"
)

func now() time.Time { return time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC) }

func result(id string, s rule.Severity, v rule.Verdict, prints ...string) check.Result {
	r := check.Result{Rule: rule.Meta{ID: id, Title: id, Fix: "fix " + id, Severity: s}, ID: id, Verdict: v, Severity: s}
	for _, p := range prints {
		r.Findings = append(r.Findings, check.Finding{Finding: rule.Finding{Message: "m " + p, File: "deploy/x.toml"}, Fingerprint: p})
	}
	return r
}

func report(results ...check.Result) check.Report {
	return check.Report{Targets: []check.TargetReport{{Kind: rule.Config, Name: "deploy/x.toml", Results: results}}}
}

// many are more rules of a severity than any scan should need.
func many(s rule.Severity, v rule.Verdict) []check.Result {
	var out []check.Result
	for i := range 40 {
		out = append(out, result(fmt.Sprint(s, v, i), s, v, fmt.Sprint(i)))
	}
	return out
}

func TestScoreAndGrade(t *testing.T) {
	pass := result("p", rule.High, rule.Pass)
	for _, c := range []struct {
		name   string
		report check.Report
		want   string
	}{
		{"nothing", check.Report{}, "100 A+ false"},
		{"all pass", report(pass), "100 A+ false"},
		{"info", report(pass, result("a", rule.Info, rule.Fail, "1")), "99 A+ false"},
		{"low", report(pass, result("a", rule.Low, rule.Fail, "1", "2", "3")), "95 A false"},
		{"medium", report(result("a", rule.Medium, rule.Fail, "1")), "90 A false"},
		{"high", report(result("a", rule.High, rule.Fail, "1")), "80 C true"},
		{"critical", report(result("a", rule.Critical, rule.Fail, "1")), "70 F true"},
		{"unknown high", report(result("a", rule.High, rule.Unknown)), "95 A false"},
		{"unknown info", report(result("a", rule.Info, rule.Unknown)), "100 A+ false"},
		{"fails and unknown", report(result("a", rule.High, rule.Fail, "1"), result("a", rule.High, rule.Unknown)), "80 C true"},
		{"never below 0", report(result("a", rule.Critical, rule.Fail, "1"), result("b", rule.Critical, rule.Fail, "2"), result("c", rule.Critical, rule.Fail, "3"), result("d", rule.Critical, rule.Fail, "4")), "0 F true"},
		{"many lows", report(many(rule.Low, rule.Fail)...), "90 A false"},
		{"many infos", report(many(rule.Info, rule.Fail)...), "95 A false"},
		{"many mediums", report(many(rule.Medium, rule.Fail)...), "75 C false"},
		{"many highs", report(many(rule.High, rule.Fail)...), "40 F true"},
		{"many unknown", report(many(rule.High, rule.Unknown)...), "90 A false"},
		{"everything", report(slices.Concat(many(rule.High, rule.Fail), many(rule.Medium, rule.Fail), many(rule.Low, rule.Fail), many(rule.Info, rule.Fail), many(rule.Critical, rule.Unknown))...), "0 F true"},
		{"unread", check.Report{Targets: []check.TargetReport{{Error: "gone", Results: []check.Result{result("a", rule.Low, rule.Unknown)}}}}, "98 B false"},
	} {
		o := New(t.Context(), c.report, Options{Now: now(), FailOn: rule.High})
		if got := fmt.Sprint(o.Score, " ", o.Grade, " ", o.Failed); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestFirstComesTheWorst(t *testing.T) {
	o := New(t.Context(), report(
		result("low", rule.Low, rule.Fail, "1", "2"), result("one", rule.High, rule.Fail, "3"), result("two", rule.High, rule.Fail, "4", "5"), result("fine", rule.High, rule.Pass),
	), Options{Now: now()})
	var got []string
	for _, task := range o.First {
		got = append(got, task.Rule)
	}
	if strings.Join(got, " ") != "two one low" {
		t.Errorf("%v", got)
	}
	if o.Counts.Fail != 3 || o.Counts.Pass != 1 || o.Counts.Findings["high"] != 3 || len(o.Rules) != 4 {
		t.Errorf("%+v", o.Counts)
	}
}

func decisions(t *testing.T, text string) *suppress.File {
	t.Helper()
	f, err := suppress.Parse(".portcullis-check.toml", []byte(text), now())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const decided = "[[suppress]]\nrule = \"a\"\nreason = \"it is so here\"\nexpires = \"%s\"\n"

// What is suppressed does not count, and is not a pass. Behind its end it is
// back, with a finding about the decision.
func TestSuppressed(t *testing.T) {
	o := New(t.Context(), report(result("a", rule.High, rule.Fail, "1")), Options{Now: now(), FailOn: rule.High, Decisions: decisions(t, fmt.Sprintf(decided, "2026-06-30"))})
	r := o.Targets[0].Results[0]
	if o.Failed || o.Score != 100 || r.Verdict != rule.Skipped || len(r.Suppressed) != 1 || r.Suppressed[0].Reason != "it is so here" || o.Counts.Suppressed != 1 {
		t.Errorf("%+v %+v", o.Counts, r)
	}
	o = New(t.Context(), report(result("a", rule.High, rule.Fail, "1")), Options{Now: now(), FailOn: rule.High, Decisions: decisions(t, fmt.Sprintf(decided, "2026-06-29"))})
	if !o.Failed || o.Targets[0].Results[0].Verdict != rule.Fail {
		t.Errorf("an ended decision hides: %+v", o.Targets[0])
	}
	own := o.Targets[1]
	if own.Kind != rule.Suppressions || own.Results[0].ID != "suppressions-expired" || own.Results[0].Verdict != rule.Fail {
		t.Errorf("nobody tells of the ended decision: %+v", own)
	}
}

// What could not be told to the end is unknown, whatever of it is suppressed.
func TestSuppressedAndUnknown(t *testing.T) {
	r := result("a", rule.High, rule.Fail, "1")
	r.Reason = "the rest could not be read"
	o := New(t.Context(), report(r), Options{Now: now(), FailOn: rule.High, Decisions: decisions(t, fmt.Sprintf(decided, "2026-06-30"))})
	if got := o.Targets[0].Results[0]; got.Verdict != rule.Unknown || got.Reason != r.Reason || len(got.Suppressed) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestExcluded(t *testing.T) {
	f := decisions(t, "[[exclude]]\npath = \"deploy/**\"\nreason = \"samples that are wrong\"\n")
	o := New(t.Context(), report(result("a", rule.High, rule.Fail, "1")), Options{Now: now(), FailOn: rule.High, Decisions: f})
	if o.Failed || len(o.Targets[0].Results[0].Suppressed) != 1 {
		t.Errorf("a finding in an excluded file counts: %+v", o.Targets[0])
	}
	if kept, left := Keep(f, []check.Target{{Name: "deploy/x.toml", Seen: 1}}); len(kept) != 1 || len(left) != 0 {
		t.Error("a target that is no file is excluded by path")
	}
}

func TestBaseline(t *testing.T) {
	first := New(t.Context(), report(result("a", rule.High, rule.Fail, "1", "2"), result("b", rule.Low, rule.Fail, "3")), Options{Now: now()})
	data, err := first.Baseline(nil).Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadBaseline(data)
	if err != nil {
		t.Fatal(err)
	}
	// 1 is still there, 2 is mended, 4 is new, and what b says is unknown.
	second := New(t.Context(), report(result("a", rule.High, rule.Fail, "1", "4"), result("b", rule.Low, rule.Unknown)), Options{Now: now().Add(time.Hour), Baseline: b, FailOn: rule.High})
	c := second.Change
	if c.New != 1 || len(c.Mended) != 1 || c.Mended[0].Message != "m 2" || len(c.Unseen) != 1 || c.Unseen[0].Rule != "b" {
		t.Errorf("%+v", c)
	}
	news := slices.Collect(func(yield func(bool) bool) {
		for _, f := range second.Targets[0].Results[0].Findings {
			yield(f.New)
		}
	})
	if !slices.Equal(news, []bool{false, true}) {
		t.Errorf("new: %v", news)
	}
	next := second.Baseline(b)
	if len(next.History) != 2 || next.History[0].Findings != 3 || next.History[1].Score != second.Score {
		t.Errorf("%+v", next.History)
	}
	for name, c := range map[string]struct {
		prints []string
		want   bool
	}{"only old": {[]string{"1"}, false}, "a new one": {[]string{"1", "4"}, true}} {
		o := New(t.Context(), report(result("a", rule.High, rule.Fail, c.prints...)), Options{Now: now(), Baseline: b, FailOn: rule.High, NewOnly: true})
		if o.Failed != c.want {
			t.Errorf("%s: failed %v", name, o.Failed)
		}
	}
}

func TestNoBaseline(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"schema":"https://portcullis.dev/schemas/check-baseline-2.json"}`} {
		if b, err := ReadBaseline([]byte(text)); err == nil || b != nil {
			t.Errorf("%q is taken for a baseline", text)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var b *Baseline
	for range maxHistory + 5 {
		b = New(t.Context(), check.Report{}, Options{Now: now()}).Baseline(b)
	}
	if len(b.History) != maxHistory {
		t.Errorf("%d runs", len(b.History))
	}
}

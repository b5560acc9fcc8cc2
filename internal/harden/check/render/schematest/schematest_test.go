package schematest_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/render"
	"github.com/portcullis-dev/portcullis/internal/harden/check/render/schematest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/suppress"
)

// refusing is a test that takes note instead of failing.
type refusing struct {
	testing.TB
	failed bool
}

func (r *refusing) Errorf(string, ...any) { r.failed = true }

// The schema is strict where it has to be: each of these reports is wrong.
func TestTheSchemaRefuses(t *testing.T) {
	meta := check.Rules()[0]
	report := check.Report{Targets: []check.TargetReport{{Kind: meta.Kind, Name: "a", Results: []check.Result{
		{Rule: meta, ID: meta.ID, Severity: meta.Severity, Verdict: rule.Fail, Findings: []check.Finding{{Finding: rule.Finding{Message: "Wrong.", File: "a", Line: 3}, Fingerprint: "f"}}},
	}}}}
	o := outcome.New(context.Background(), report, outcome.Options{Version: "1", Now: time.Unix(1, 0), FailOn: rule.High})
	schematest.Outcome(t, o)
	var b bytes.Buffer
	if err := render.Write(&b, "json", o, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`"verdict": "fail"`, `"verdict": "pass"`}, {`"verdict": "fail"`, `"verdict": "maybe"`}, {`"verdict": "fail"`, `"verdict": "unknown"`},
		{`"score"`, `"points"`}, {`"line": 3`, `"line": 0`}, {`"fingerprint": "f"`, `"print": "f"`}, {`"time": "`, `"time": "at `},
		{`"targets": [`, `"more": 1, "targets": [`}, {`"schema": "`, `"schema": "x`}, {`"severity": "`, `"severity": "very `},
	} {
		wrong := strings.Replace(b.String(), c[0], c[1], 1)
		if wrong == b.String() {
			t.Fatalf("%s is not there", c[0])
		}
		r := &refusing{TB: t}
		schematest.Fits(r, []byte(wrong))
		if !r.failed {
			t.Errorf("%s in the place of %s is taken", c[1], c[0])
		}
	}
}

// Reports of every shape fit: of nothing, with what could not be read, what is
// suppressed and excluded, what is new, mended and unseen.
func TestReportsFit(t *testing.T) {
	meta, now := check.Rules()[0], time.Unix(1, 0)
	finding := check.Finding{Finding: rule.Finding{Message: "Wrong.", File: "a", Line: 3, Column: 1, Pointer: "p", Evidence: "e"}, Fingerprint: "f"}
	failing := func() check.Report {
		return check.Report{Targets: []check.TargetReport{{Kind: meta.Kind, Name: "a", Results: []check.Result{
			{Rule: meta, ID: meta.ID, Severity: meta.Severity, Verdict: rule.Fail, Findings: []check.Finding{finding}},
		}}}}
	}
	unread := check.Report{Targets: []check.TargetReport{{Kind: meta.Kind, Name: "a", Error: "permission denied", Results: []check.Result{
		{Rule: meta, ID: meta.ID, Severity: meta.Severity, Verdict: rule.Unknown, Reason: "the target could not be read"},
	}}, {Kind: rule.Host, Name: "host", Error: "there is none", Results: []check.Result{}}}}
	decisions, err := suppress.Parse("f", []byte("[[suppress]]\nrule = \""+meta.ID+"\"\nreason = \"for a while\"\nowner = \"ops\"\nexpires = \"1970-06-01\"\n\n[[exclude]]\npath = \"b/**\"\nreason = \"samples of tests\"\n"), now)
	if err != nil {
		t.Fatal(err)
	}
	excluded := failing()
	excluded.Targets[0].Results[0].Findings[0].File = "b/c"
	before := outcome.New(t.Context(), failing(), outcome.Options{Version: "1", Now: now, FailOn: rule.High}).Baseline(nil)
	none := outcome.New(t.Context(), check.Report{}, outcome.Options{Version: "1", Now: now, FailOn: rule.High}).Baseline(nil)
	for name, c := range map[string]struct {
		report check.Report
		o      outcome.Options
	}{
		"empty":      {check.Report{}, outcome.Options{}},
		"failing":    {failing(), outcome.Options{}},
		"unread":     {unread, outcome.Options{}},
		"suppressed": {failing(), outcome.Options{Decisions: decisions}},
		"excluded":   {excluded, outcome.Options{Decisions: decisions, Excluded: []outcome.Left{{Path: "b", Reason: "samples"}}}},
		"the same":   {failing(), outcome.Options{Baseline: before}},
		"new":        {failing(), outcome.Options{Baseline: none}},
		"unseen":     {check.Report{}, outcome.Options{Baseline: before}},
		"mended": {check.Report{Targets: []check.TargetReport{{Kind: meta.Kind, Name: "a", Results: []check.Result{
			{Rule: meta, ID: meta.ID, Severity: meta.Severity, Verdict: rule.Pass},
		}}}}, outcome.Options{Baseline: before}},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Version, c.o.Now, c.o.FailOn = "1", now, rule.High
			schematest.Outcome(t, outcome.New(t.Context(), c.report, c.o))
		})
	}
}

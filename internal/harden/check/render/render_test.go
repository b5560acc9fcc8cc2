package render

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/checklist"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/check-rules.md")

// nasty is text of a target that wants to be more than text.
const nasty = "<script>alert(1)</script> \x1b[31m|`*_[x](javascript:y) \u202e& \"q\""

func sample() outcome.Outcome {
	meta := rule.Meta{
		ID: "config-auth-none", Kind: rule.Config, Title: "Every route asks who is calling", Why: "Anybody uses the tools.", Severity: rule.High,
		Guides: []string{"S0-52"}, OWASP: []string{"MCP07:2025"}, CoSAI: rule.L1, Threats: []string{"MCP-T1"}, CWE: []string{"CWE-306"},
		Verify: "A route has auth = [\"none\"].", Fix: "Name a method.", Fixable: true,
	}
	other := meta
	other.ID, other.Title, other.Severity = "config-log-debug", "The log is not at debug", rule.Low
	unsure := meta
	unsure.ID, unsure.Title, unsure.Severity = "host-root", "The gateway does not run as root", rule.Medium
	finding := func(print, message string, line int) check.Finding {
		return check.Finding{Finding: rule.Finding{Message: message, File: "deploy/a b.toml", Line: line, Column: 2, Pointer: "route[0].auth", Evidence: nasty}, Fingerprint: print, New: line == 3}
	}
	r := check.Report{Targets: []check.TargetReport{
		{Kind: rule.Config, Name: "deploy/a b.toml", Results: []check.Result{
			{Rule: meta, ID: meta.ID, Severity: meta.Severity, Verdict: rule.Fail, Findings: []check.Finding{finding("f1", "Anyone may call. "+nasty, 3), finding("f2", "Anyone may call.", 9)}},
			{Rule: other, ID: other.ID, Severity: other.Severity, Verdict: rule.Skipped, Reason: "all findings are suppressed", Suppressed: []check.Suppressed{{Finding: finding("f3", "Debug.", 4), Reason: "for a week", Owner: "ops", Until: "2026-07-01"}}},
			{Rule: unsure, ID: unsure.ID, Severity: unsure.Severity, Verdict: rule.Unknown, Reason: "no answer " + nasty},
		}},
		{Kind: rule.Host, Name: "host", Results: []check.Result{{Rule: other, ID: other.ID, Severity: other.Severity, Verdict: rule.Pass}}},
		{Kind: rule.Gateway, Name: "gateway", Error: "nobody answers " + nasty, Results: []check.Result{{Rule: unsure, ID: unsure.ID, Severity: unsure.Severity, Verdict: rule.Unknown, Reason: "the target could not be read"}}},
	}}
	b := (&outcome.Outcome{}).Baseline(nil)
	b.Time = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	b.Findings["f2"] = outcome.Known{Rule: meta.ID, Target: "deploy/a b.toml", Message: "Anyone may call."}
	b.Findings["f1"] = b.Findings["f2"]
	b.Findings["gone"] = outcome.Known{Rule: meta.ID, Target: "deploy/a b.toml", Message: "Was " + nasty}
	delete(b.Findings, "f1")
	return outcome.New(context.Background(), r, outcome.Options{
		Version: "1.2.3", Now: time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC), FailOn: rule.High, Baseline: b,
		Excluded: []outcome.Left{{Path: "testdata/x.toml", Reason: "samples " + nasty}},
	})
}

// Goldens show what each format says; none lets text of a target be more.
func TestFormats(t *testing.T) {
	for _, format := range Formats() {
		var b bytes.Buffer
		if err := Write(&b, format, sample(), false); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "sample."+format), b.String())
		if format != "json" && strings.Contains(b.String(), "\x1b") || strings.Contains(b.String(), "\u202e") && format != "json" {
			t.Errorf("%s: a control character of a target is written as it is", format)
		}
	}
	if err := Write(io.Discard, "pdf", sample(), false); err == nil {
		t.Error("an unknown format is written")
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not current (run with -update):\n%s", path, got)
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	var plainText, coloured bytes.Buffer
	if err := Text(&plainText, sample(), false); err != nil {
		t.Fatal(err)
	}
	if err := Text(&coloured, sample(), true); err != nil {
		t.Fatal(err)
	}
	without := regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(coloured.String(), "")
	if without != plainText.String() || coloured.String() == plainText.String() {
		t.Errorf("colours change more than colours:\n%s", without)
	}
}

func TestHTMLNeedsNothingElse(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, sample()); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"<script", "src=", "@import", "url(", "javascript:y)\"", " onclick", "http://", "https://"} {
		if strings.Contains(strings.ReplaceAll(b.String(), "&lt;script", ""), wrong) {
			t.Errorf("the page holds %q", wrong)
		}
	}
	for _, wanted := range []string{`<html lang="en">`, "<title>", "<main", `scope="col"`, "<caption"} {
		if !strings.Contains(b.String(), wanted) {
			t.Errorf("the page holds no %s", wanted)
		}
	}
}

func TestJUnitAddsUp(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var s junitSuites
	if err := xml.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	tests, failures := 0, 0
	for _, suite := range s.Suites {
		tests += len(suite.Cases)
		for _, c := range suite.Cases {
			if c.Failure != nil {
				failures++
			}
		}
	}
	if s.Tests != tests || s.Failures != failures || failures != 1 {
		t.Errorf("%d tests and %d failures, the head says %d and %d", tests, failures, s.Tests, s.Failures)
	}
}

// The schema may not be copied here. PORTCULLIS_SARIF_SCHEMA names the file
// sarif-schema-2.1.0.json of the standard.
func TestSARIFFitsTheOfficialSchema(t *testing.T) {
	name := os.Getenv("PORTCULLIS_SARIF_SCHEMA")
	if name == "" {
		t.Skip("PORTCULLIS_SARIF_SCHEMA names no schema")
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]outcome.Outcome{"sample": sample(), "nothing": outcome.New(context.Background(), check.Report{}, outcome.Options{})} {
		var b bytes.Buffer
		if err := SARIF(&b, o); err != nil {
			t.Fatal(err)
		}
		got, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What code scanning reads: rules by index, fingerprints, places in the
// repository, suppressions.
func TestSARIF(t *testing.T) {
	var b bytes.Buffer
	if err := SARIF(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if len(run.Results) != 3 || run.Invocations[0].Successful {
		t.Errorf("%d results, successful %v", len(run.Results), run.Invocations[0].Successful)
	}
	for i, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || r.Fingerprints["portcullis/v1"] == "" {
			t.Errorf("result %d names rule %d and no fingerprint", i, r.RuleIndex)
		}
		if uri := r.Locations[0].Physical.Artifact.URI; uri != "deploy/a%20b.toml" {
			t.Errorf("result %d is at %q", i, uri)
		}
		if suppressed := len(r.Suppressions) == 1; suppressed != (r.RuleID == "config-log-debug") {
			t.Errorf("result %d: suppressed %v", i, suppressed)
		}
	}
	if run.Results[0].State != "new" || run.Results[1].State != "unchanged" {
		t.Errorf("states %s, %s", run.Results[0].State, run.Results[1].State)
	}
}

// The page of rules is made of the rules.
func TestReference(t *testing.T) {
	var b bytes.Buffer
	if err := Reference(&b, check.Rules()); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../../../docs/check-rules.md", b.String())
}

// Every line of the checklists is answered, by rules that say so themselves.
func TestChecklists(t *testing.T) {
	known, attested := map[string]rule.Meta{}, map[string]bool{}
	for _, m := range check.Rules() {
		known[m.ID] = m
	}
	rows := map[string]int{}
	for _, l := range checklist.Lines() {
		rows[l.Row]++
		if len(l.Rules) == 0 {
			t.Errorf("%s: %s: nothing answers it", l.Row, l.Text)
		}
		for _, id := range l.Rules {
			attested[id] = true
			if m, ok := known[id]; !ok || !slices.Contains(m.Guides, l.Row) {
				t.Errorf("%s: %s: %s is no rule, or does not name the row: %v", l.Row, l.Text, id, m.Guides)
			}
		}
	}
	if want := (map[string]int{"S0-52": 4, "S0-53": 4, "S0-54": 4, "S0-55": 4, "S0-56": 4, "S0-57": 4, "S0-58": 4, "S0-59": 4, "S1-22": 11, "S3-50": 13, "S3-51": 8, "S3-52": 7}); !maps.Equal(rows, want) {
		t.Errorf("lines of each row: %v, want %v", rows, want)
	}
	for id, m := range known {
		if m.Kind == rule.Attestation && !attested[id] && slices.ContainsFunc(m.Guides, func(row string) bool { return rows[row] > 0 }) {
			t.Errorf("%s answers no line", id)
		}
	}
	var b bytes.Buffer
	if err := Checklists(&b, checklist.Lines()); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../../../docs/check-checklists.md", b.String())
}

func TestExplain(t *testing.T) {
	var b bytes.Buffer
	if err := Explain(&b, sample().Rules[0]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"config-auth-none (config, high)", "Verify:", "Fix:", "--fix", "S0-52, MCP07:2025, CoSAI L1, MCP-T1, CWE-306"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

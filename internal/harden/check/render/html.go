package render

import (
	"bytes"
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

//go:embed report.html
var page string

// HTML writes one page that needs nothing else: no scripts, no fonts, no
// pictures. It can be printed, and read with a screen reader.
func HTML(w io.Writer, o outcome.Outcome) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"plain": plain, "place": place, "many": many, "references": func(m rule.Meta) string { return strings.Join(references(m), ", ") },
		"failing": func(t check.TargetReport) []check.Result { return withVerdict(t, rule.Fail) },
		"unsure":  func(t check.TargetReport) []check.Result { return withVerdict(t, rule.Unknown) },
		"passing": func(t check.TargetReport) []check.Result { return withVerdict(t, rule.Pass) },
		"skipped": func(t check.TargetReport) []check.Result { return withVerdict(t, rule.Skipped) },
		"tally":   func(t check.TargetReport) string { return tally(verdicts(t)) },
		"next":    func(i int) int { return i + 1 },
		"worst":   rule.Severities,
		"number":  func(s rule.Severity) int { return o.Counts.Findings[s.String()] },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, o); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// withVerdict returns results with a verdict, the worst first.
func withVerdict(t check.TargetReport, v rule.Verdict) []check.Result {
	var out []check.Result
	for _, s := range rule.Severities() {
		for _, r := range t.Results {
			if r.Verdict == v && r.Severity == s {
				out = append(out, r)
			}
		}
	}
	return out
}

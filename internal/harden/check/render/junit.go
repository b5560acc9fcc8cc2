package render

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"timestamp,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Failure *junitText `xml:"failure,omitempty"`
		Error   *junitText `xml:"error,omitempty"`
		Skipped *string    `xml:"skipped,omitempty"` // text: older readers know no attribute here
	}
	junitText struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes a suite for each target and a case for each rule, for pipelines
// that show tests, in what the schema of Jenkins has allowed since version 4. What is found below the severity that fails the run is a
// case that passes, with its finding in the text of a skip.
func JUnit(w io.Writer, o outcome.Outcome) error {
	all := junitSuites{Name: "portcullis check"}
	for _, t := range o.Targets {
		s := junitSuite{Name: plain(fmt.Sprintf("%s: %s", t.Kind, t.Name)), Time: o.Time.UTC().Format("2006-01-02T15:04:05")}
		if len(t.Results) == 0 && t.Error != "" {
			s.Cases = append(s.Cases, junitCase{Class: string(t.Kind), Name: "reading the target", Error: &junitText{Message: plain(t.Error), Type: "unread"}})
			s.Errors++
		}
		for _, r := range t.Results {
			c := junitCase{Class: plain(t.Name), Name: r.ID + ": " + r.Rule.Title}
			switch {
			case r.Verdict == rule.Fail && r.Severity >= o.FailOn:
				c.Failure = junitFailure(r)
				s.Failures++
			case r.Verdict == rule.Fail:
				c.Skipped = new(plain(fmt.Sprintf("%s, below the severity that fails: %s", r.Severity, r.Findings[0].Message)))
				s.Skipped++
			case r.Verdict == rule.Unknown && r.Severity >= o.FailOn:
				c.Error = &junitText{Message: plain(r.Reason), Type: "unknown"}
				s.Errors++
			case r.Verdict == rule.Unknown, r.Verdict == rule.Skipped:
				c.Skipped = new(plain(r.Reason))
				s.Skipped++
			}
			s.Cases = append(s.Cases, c)
		}
		s.Tests = len(s.Cases)
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func junitFailure(r check.Result) *junitText {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s\n", plain(place(f)), plain(f.Message))
	}
	fmt.Fprintf(&b, "\nFix: %s\n", r.Rule.Fix)
	return &junitText{Message: plain(r.Findings[0].Message), Type: r.Severity.String(), Text: b.String()}
}

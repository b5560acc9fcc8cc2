package render

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	home        = "https://portcullis.dev"
)

// The parts of SARIF 2.1.0 that a report needs.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
		Properties  map[string]any    `json:"properties,omitempty"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string         `json:"id"`
		ShortDescription sarifText      `json:"shortDescription"`
		FullDescription  sarifText      `json:"fullDescription"`
		Help             sarifText      `json:"help"`
		Default          sarifLevel     `json:"defaultConfiguration"`
		Properties       map[string]any `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		EndTime       string              `json:"endTimeUtc"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
		Rule    *sarifRef `json:"associatedRule,omitempty"`
	}
	sarifRef struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		State        string             `json:"baselineState,omitempty"`
		Properties   map[string]any     `json:"properties,omitempty"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
)

// SARIF writes SARIF 2.1.0, for code scanning. Findings that are suppressed are
// in it, marked so; what could not be told is a notification of the run.
func SARIF(w io.Writer, o outcome.Outcome) error {
	run := sarifRun{
		Tool:       sarifTool{Driver: sarifDriver{Name: "Portcullis", Version: o.Version, InformationURI: home, Rules: []sarifRule{}}},
		Results:    []sarifResult{},
		ColumnKind: "unicodeCodePoints",
		Properties: map[string]any{"score": o.Score, "grade": o.Grade},
	}
	index := map[string]int{}
	for i, m := range o.Rules {
		index[m.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(m))
	}
	ended := sarifInvocation{Successful: true, EndTime: o.Time.UTC().Format("2006-01-02T15:04:05Z")}
	for _, t := range o.Targets {
		if t.Error != "" {
			ended.Successful = false
			ended.Notifications = append(ended.Notifications, sarifNotification{Level: "error", Message: sarifText{Text: plain(t.Name + " could not be read: " + t.Error)}})
		}
		for _, r := range t.Results {
			if r.Verdict == rule.Unknown && t.Error == "" {
				ended.Notifications = append(ended.Notifications, sarifNotification{
					Level: "warning", Message: sarifText{Text: plain(t.Name + ": " + r.Reason)}, Rule: &sarifRef{ID: r.ID},
				})
			}
			for _, f := range r.Findings {
				run.Results = append(run.Results, sarifResultOf(o, t, r, f, index[r.ID]))
			}
			for _, s := range r.Suppressed {
				res := sarifResultOf(o, t, r, s.Finding, index[r.ID])
				res.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: plain(s.Reason)}}
				run.Results = append(run.Results, res)
			}
		}
	}
	run.Invocations = []sarifInvocation{ended}
	return writeJSON(w, sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifRuleOf(m rule.Meta) sarifRule {
	tags := append([]string{"security", string(m.Kind)}, m.Guides...)
	tags = append(tags, m.OWASP...)
	for _, c := range m.CWE { // the form that GitHub reads
		tags = append(tags, "external/cwe/"+strings.ToLower(c))
	}
	return sarifRule{
		ID: m.ID, ShortDescription: sarifText{Text: m.Title + "."}, FullDescription: sarifText{Text: m.Why},
		Help: sarifText{
			Text:     m.Why + "\n\nFix: " + m.Fix + "\nVerify: " + m.Verify,
			Markdown: m.Why + "\n\n**Fix:** " + m.Fix + "\n\n**Verify:** " + m.Verify,
		},
		Default: sarifLevel{Level: sarifLevelOf(m.Severity)},
		Properties: map[string]any{
			"tags": tags, "precision": "high", "security-severity": securitySeverity(m.Severity), "problem.severity": sarifLevelOf(m.Severity),
		},
	}
}

func sarifLevelOf(s rule.Severity) string {
	switch s {
	case rule.Critical, rule.High:
		return "error"
	case rule.Medium:
		return "warning"
	case rule.Low, rule.Info:
	}
	return "note"
}

// securitySeverity is the number by which GitHub sorts: over 9 critical, over 7
// high, over 4 medium.
func securitySeverity(s rule.Severity) string {
	return map[rule.Severity]string{rule.Critical: "9.5", rule.High: "8.0", rule.Medium: "5.5", rule.Low: "3.0", rule.Info: "0.5"}[s]
}

func sarifResultOf(o outcome.Outcome, t check.TargetReport, r check.Result, f check.Finding, index int) sarifResult {
	message := f.Message
	if f.Evidence != "" {
		message += " Seen: " + f.Evidence
	}
	out := sarifResult{
		RuleID: r.ID, RuleIndex: index, Level: sarifLevelOf(r.Severity), Message: sarifText{Text: plain(message)},
		Fingerprints: map[string]string{"portcullis/v1": f.Fingerprint}, Properties: map[string]any{"target": t.Name, "severity": r.Severity},
	}
	if a := f.Advisory; a != nil {
		out.Properties["advisory"], out.Properties["due"], out.Properties["overdue"] = a.ID, a.Due.Format("2006-01-02"), a.Overdue
	}
	if o.Change != nil {
		out.State = "unchanged"
		if f.New {
			out.State = "new"
		}
	}
	at := sarifLocation{}
	if f.File != "" {
		at.Physical = &sarifPhysical{Artifact: sarifArtifact{URI: artifact(f.File)}}
		if f.Line > 0 {
			at.Physical.Region = &sarifRegion{StartLine: f.Line, StartColumn: f.Column}
		}
	}
	name := t.Name
	if f.Pointer != "" {
		name += "#" + f.Pointer
	}
	at.Logical = []sarifLogical{{FullyQualifiedName: name, Kind: "resource"}}
	out.Locations = []sarifLocation{at}
	return out
}

// artifact is a file as a URI: relative to the repository, or file: for one
// elsewhere.
func artifact(file string) string {
	u := url.URL{Path: file}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
	}
	return strings.TrimPrefix(u.String(), "./")
}

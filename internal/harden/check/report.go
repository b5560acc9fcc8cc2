package check

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// Report is what all rules said of all targets.
type Report struct {
	Targets []TargetReport `json:"targets"`
}

// TargetReport is what the rules said of one target.
type TargetReport struct {
	Kind    rule.Kind `json:"kind"`
	Name    string    `json:"name"`
	Error   string    `json:"error,omitempty"` // why it could not be read; all verdicts are unknown then
	Results []Result  `json:"results"`         // one for every rule of the kind
}

// Result is what one rule said of one target.
type Result struct {
	Rule       rule.Meta     `json:"-"`
	ID         string        `json:"rule"`
	Verdict    rule.Verdict  `json:"verdict"`
	Severity   rule.Severity `json:"severity"`
	Reason     string        `json:"reason,omitempty"` // of unknown and skipped
	Findings   []Finding     `json:"findings,omitempty"`
	Suppressed []Suppressed  `json:"suppressed,omitempty"`
}

// Finding is a finding of a report: its file is named from where the check ran.
type Finding struct {
	rule.Finding
	Fingerprint string `json:"fingerprint"`   // the same as long as the fault is, also when lines move
	New         bool   `json:"new,omitempty"` // not in the baseline
}

// Suppressed is a finding that somebody has decided to live with.
type Suppressed struct {
	Finding
	Reason string `json:"suppressed_because"`
	Owner  string `json:"suppressed_by,omitempty"`
	Until  string `json:"suppressed_until"`
}

// fingerprint tells findings apart. The line is no part of it, nor is the
// message where there is something that changes less.
func fingerprint(id string, t Target, f rule.Finding) string {
	where := f.File
	if where == "" {
		where = t.Name
	}
	what := f.Pointer + "\x00" + f.Evidence
	if f.Pointer == "" && f.Evidence == "" {
		what = f.Message
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{id, where, what}, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// Failing returns the severity of the worst finding, or none.
func (r Report) Failing() rule.Severity {
	var worst rule.Severity
	for _, t := range r.Targets {
		for _, res := range t.Results {
			if res.Verdict == rule.Fail {
				worst = max(worst, res.Severity)
			}
		}
	}
	return worst
}

package outcome

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// BaselineName is where a baseline is kept if no other place is given.
const BaselineName = ".portcullis-baseline.json"

const baselineSchema = "https://portcullis.dev/schemas/check-baseline-1.json"

// maxHistory is the number of runs that a baseline remembers.
const maxHistory = 100

// Baseline is what an earlier run found, and how good runs were.
type Baseline struct {
	Schema   string           `json:"schema"`
	Time     time.Time        `json:"time"`
	Findings map[string]Known `json:"findings"` // by fingerprint
	History  []Mark           `json:"history"`  // the oldest first

	// Vulnerabilities are all that any run saw, also those that are lived with.
	Vulnerabilities []Vulnerability `json:"vulnerabilities,omitempty"`
}

// Known is a finding of a baseline.
type Known struct {
	Rule    string `json:"rule"`
	Target  string `json:"target"`
	File    string `json:"file,omitempty"`
	Message string `json:"message"`
}

// Mark is how good a run was.
type Mark struct {
	Time     time.Time `json:"time"`
	Score    int       `json:"score"`
	Grade    string    `json:"grade"`
	Findings int       `json:"findings"`
}

// Change is what is different from the baseline.
type Change struct {
	Since   time.Time `json:"since"`
	New     int       `json:"new"`     // findings that it does not hold; they are marked
	Mended  []Known   `json:"mended"`  // what it holds and is no longer found
	Unseen  []Known   `json:"unseen"`  // what it holds, and nobody looked now
	History []Mark    `json:"history"` // of the runs before
}

// ReadBaseline reads a baseline.
func ReadBaseline(data []byte) (*Baseline, error) {
	var b Baseline
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("is no baseline: %w", err)
	}
	if b.Schema != baselineSchema {
		return nil, fmt.Errorf("is no baseline of this version: its schema is %.80q", b.Schema)
	}
	return &b, nil
}

// Baseline returns what the next runs are to be compared with; before may be
// nil.
func (o Outcome) Baseline(before *Baseline) *Baseline {
	b := &Baseline{Schema: baselineSchema, Time: o.Time, Findings: map[string]Known{}}
	if before != nil {
		b.History = before.History
	}
	for _, t := range o.Targets {
		for _, r := range t.Results {
			for _, f := range r.Findings {
				b.Findings[f.Fingerprint] = Known{Rule: r.ID, Target: t.Name, File: f.File, Message: f.Message}
			}
		}
	}
	b.Vulnerabilities = vulnerabilities(before, o.Targets)
	b.History = append(slices.Clone(b.History), Mark{Time: o.Time, Score: o.Score, Grade: o.Grade, Findings: len(b.Findings)})
	b.History = b.History[max(0, len(b.History)-maxHistory):]
	return b
}

// Encode writes a baseline.
func (b *Baseline) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the baseline: %w", err)
	}
	return append(data, '\n'), nil
}

// compare marks what is new. What is no longer found counts as mended only if
// its rule looked and did not find it: a target that was not looked at, or
// could not be, has not been mended.
func (b *Baseline) compare(targets []check.TargetReport) *Change {
	c := &Change{Since: b.Time, Mended: []Known{}, Unseen: []Known{}, History: b.History}
	left := maps.Clone(b.Findings)
	looked := map[[2]string]bool{} // rule and target
	for i := range targets {
		for k := range targets[i].Results {
			r := &targets[i].Results[k]
			looked[[2]string{r.ID, targets[i].Name}] = r.Verdict != rule.Unknown && !(r.Verdict == rule.Skipped && r.Rule.Active)
			for _, f := range r.Suppressed { // still there, and lived with
				delete(left, f.Fingerprint)
			}
			for n := range r.Findings {
				f := &r.Findings[n]
				if _, known := b.Findings[f.Fingerprint]; !known {
					f.New = true
					c.New++
				}
				delete(left, f.Fingerprint)
			}
		}
	}
	for _, print := range slices.Sorted(maps.Keys(left)) {
		k := left[print]
		if looked[[2]string{k.Rule, k.Target}] {
			c.Mended = append(c.Mended, k)
		} else {
			c.Unseen = append(c.Unseen, k)
		}
	}
	return c
}

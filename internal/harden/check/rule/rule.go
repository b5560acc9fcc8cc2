// Package rule is the form of a check: what a rule says of itself, what it
// looks at, and what it may answer.
//
// A rule is data and one function. The function gets a target that was read
// before, so no rule opens a file or a connection by itself:
//
//	rule.Rule[*File]{
//		Meta: rule.Meta{ID: "dockerfile-root-user", Kind: rule.Dockerfile, Severity: rule.High, …},
//		Check: func(_ context.Context, f *File) ([]rule.Finding, error) { … },
//	}
//
// Findings are a fail, none is a pass. An error is neither: a rule that cannot
// tell says so and its verdict is unknown. [ErrNotApplicable] is for a rule
// whose subject is not there at all.
package rule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrNotApplicable is returned by a rule whose subject the target does not
// have. Its verdict is skipped.
var ErrNotApplicable = errors.New("does not apply")

// Rule is one check of targets of type T.
type Rule[T any] struct {
	Meta

	// Check looks at a target. It may be called at the same time as the checks
	// of other rules on the same target, so it must not change it.
	Check func(ctx context.Context, target T) ([]Finding, error)

	// Mend returns what has to be changed in files so that Check finds nothing,
	// or nil for rules whose fix is not mechanical. Edits that a person would
	// have to think about do not belong here.
	Mend func(target T) ([]Edit, error)
}

// Meta is what a rule says of itself. ruletest demands that
// nothing is left out.
type Meta struct {
	ID       string   `json:"id"`              // kebab-case, begins with the kind: "dockerfile-root-user"
	Kind     Kind     `json:"kind"`            //
	Title    string   `json:"title"`           // what must hold, without a full stop: "The image runs as its own user"
	Why      string   `json:"why"`             // what happens where it does not hold
	Severity Severity `json:"severity"`        //
	Guides   []string `json:"guides"`          // rows of the guides: "S0-49"
	OWASP    []string `json:"owasp"`           // "MCP01:2025", "API1:2023", "A05:2021"
	CoSAI    Level    `json:"cosai,omitempty"` // lowest level that asks for it, 0 where none does
	Threats  []string `json:"threats"`         // "MCP-T1" … "MCP-T12"
	CWE      []string `json:"cwe"`             // "CWE-250"
	Verify   string   `json:"verify"`          // how a person sees it without this tool
	Fix      string   `json:"fix"`             // what to change
	Active   bool     `json:"active"`          // sends what a polite client would not: only with --intensity active
	Fixable  bool     `json:"fixable"`         // check --fix can do it: Mend is there
}

// Finding is one place where a rule does not hold.
type Finding struct {
	Message  string `json:"message"`            // a sentence: what is wrong here
	File     string `json:"file,omitempty"`     // relative to the root of the target's tree, with slashes
	Line     int    `json:"line,omitempty"`     // from 1, 0 where there is none
	Column   int    `json:"column,omitempty"`   // from 1
	Pointer  string `json:"pointer,omitempty"`  // where in a structure: "spec.containers[0].image", "route[1].auth"
	Evidence string `json:"evidence,omitempty"` // what was seen; never a secret, see Mask

	// Advisory is there where the finding is a known vulnerability.
	Advisory *Advisory `json:"advisory,omitempty"`
}

// Advisory is a known vulnerability of a package that is used.
type Advisory struct {
	ID        string    `json:"id"`
	Aliases   []string  `json:"aliases,omitempty"` // other ids of the same vulnerability
	Ecosystem string    `json:"ecosystem"`         // as OSV names it: "npm"
	Package   string    `json:"package"`
	Version   string    `json:"version"`
	Fixed     string    `json:"fixed,omitempty"` // least version that is free of it, empty where there is none
	Severity  string    `json:"severity"`        // critical, high, medium, low or unknown
	Score     float64   `json:"score,omitempty"` // CVSS
	Summary   string    `json:"summary,omitempty"`
	Published time.Time `json:"published,omitzero"`
	FirstSeen time.Time `json:"first_seen"` // from when the time to mend it counts
	Due       time.Time `json:"due"`
	Overdue   bool      `json:"overdue"`
}

// Is reports whether an advisory has an id, or had it as an alias.
func (a *Advisory) Is(id string) bool {
	return a != nil && (strings.EqualFold(a.ID, id) || slices.ContainsFunc(a.Aliases, func(s string) bool { return strings.EqualFold(s, id) }))
}

// Edit replaces a part of a file, or makes one.
type Edit struct {
	File       string // relative to the root of the target's tree, with slashes
	Start, End int    // bytes [Start, End) are replaced; equal to insert
	Text       string
	Create     bool // the file must not be there yet; Start and End are 0
}

// Verdict is what a rule says of a target.
type Verdict string

// The verdicts. Unknown is never a pass.
const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Unknown Verdict = "unknown"
	Skipped Verdict = "skipped"
)

// VerdictOf returns the verdict that the answer of a Check is.
func VerdictOf(found []Finding, err error) Verdict {
	switch {
	case errors.Is(err, ErrNotApplicable):
		return Skipped
	case len(found) > 0: // seen is seen, whatever else could not be
		return Fail
	case err != nil:
		return Unknown
	}
	return Pass
}

// Kind is a kind of target.
type Kind string

// The kinds.
const (
	Dockerfile   Kind = "dockerfile"
	Compose      Kind = "compose"
	Kubernetes   Kind = "kubernetes"
	Helm         Kind = "helm"
	Nginx        Kind = "nginx"
	Firewall     Kind = "firewall"
	Systemd      Kind = "systemd"
	CI           Kind = "ci"
	Env          Kind = "env"
	Repository   Kind = "repository"
	Dependencies Kind = "dependencies"
	Config       Kind = "config"
	OSSA         Kind = "ossa"
	MCPClient    Kind = "mcp_client"
	A2ACard      Kind = "a2a_card"
	MCPEndpoint  Kind = "mcp_endpoint"
	A2AEndpoint  Kind = "a2a_endpoint"
	HTTPEndpoint Kind = "http_endpoint"
	Gateway      Kind = "gateway"
	Host         Kind = "host"
	Attestation  Kind = "attestation"
	Suppressions Kind = "suppressions"
)

// Kinds returns all kinds, in the order of reports.
func Kinds() []Kind {
	return []Kind{
		Config, Gateway, Host, MCPEndpoint, A2AEndpoint, HTTPEndpoint, MCPClient, A2ACard, OSSA,
		Dockerfile, Compose, Kubernetes, Helm, Nginx, Firewall, Systemd, CI, Env, Repository, Dependencies, Attestation, Suppressions,
	}
}

// Prefix is how the ids of a kind's rules begin: "mcp-client-".
func (k Kind) Prefix() string { return strings.ReplaceAll(string(k), "_", "-") + "-" }

// Level is a level of the CoSAI guidance, 1 to 4.
type Level int8

// The levels.
const (
	L1 Level = 1 + iota
	L2
	L3
	L4
)

func (l Level) String() string {
	if l < L1 || l > L4 {
		return ""
	}
	return fmt.Sprintf("L%d", l)
}

// MarshalText writes "L2".
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Severity is how bad it is where a rule does not hold. The zero value is none.
type Severity int8

// The severities.
const (
	Info Severity = 1 + iota
	Low
	Medium
	High
	Critical
)

// Severities returns all severities, the worst first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Info} }

func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	case Critical:
		return "critical"
	}
	return ""
}

// MarshalText writes "high".
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads "high".
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range Severities() {
		if known.String() == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%.40q: want critical, high, medium, low or info", text)
}

// Mask shows enough of a secret to find it again and too little to use it.
func Mask(secret string) string {
	n := utf8.RuneCountInString(secret)
	if n < 16 {
		return fmt.Sprintf("… (%d characters)", n)
	}
	shown := []rune(secret)[:4]
	return fmt.Sprintf("%s… (%d characters)", string(shown), n)
}

package content

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// Action is what happens to a finding.
type Action uint8

// The actions, in the order in which one wins over another where findings
// overlap. Allow is no action: it ends the search for a rule.
const (
	Allow Action = iota
	Alert
	Clean
	Mask
	Tokenize
	Redact
	Block

	// Detokenize is no rule's: it counts the tokens that were swapped back.
	Detokenize
)

var actionNames = [...]string{"allow", "alert", "clean", "mask", "tokenize", "redact", "block", "detokenize"}

// String returns the name used in configuration, events and metrics.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// rewrites reports whether the action changes the string.
func (a Action) rewrites() bool { return a > Alert && a < Block }

// ParseAction returns the action of that name.
func ParseAction(name string) (Action, error) {
	known := actionNames[:Detokenize]
	if i := slices.Index(known, name); i >= 0 {
		return Action(i), nil //nolint:gosec // there are few
	}
	return 0, fmt.Errorf("action: %q: want %s", name, strings.Join(known, ", "))
}

// Rule says what happens to findings of some kinds. Of the rules of a
// direction, the first that fits a finding decides; what no rule fits passes.
type Rule struct {
	Detect      []string // "secret", "pii.email", or a name of another vocabulary ("credit_card"); "*" for all
	Action      Action
	MinScore    int      // 0 to 100
	ExceptPaths []string // "params.arguments.query", "result.content[].text", "params.arguments.**"
	ExceptTools []string // names of tools; * at the end stands for any text
}

// aliases are the names that agent manifests (OSSA) use for what they protect.
var aliases = map[string][]string{
	"email":       {"pii.email"},
	"phone":       {"pii.phone"},
	"ssn":         {"pii.us_ssn"},
	"credit_card": {"pii.card"},
	"ip_address":  {"pii.ip"},
	"api_key":     {"secret"},
	"password":    {"secret.password", "secret.named_value", "secret.connection_string"},
}

// Expand returns the names of detectors or kinds that a name in a rule stands
// for: the name itself, or those behind a name of another vocabulary.
func Expand(name string) []string {
	if to := aliases[name]; to != nil {
		return slices.Clone(to)
	}
	return []string{name}
}

// selects reports whether the name of a rule selects a kind.
func selects(name, kind string) bool {
	return name == "*" || name == kind || len(kind) > len(name) && kind[len(name)] == '.' && strings.HasPrefix(kind, name)
}

// Validate checks a rule against the detectors that there are.
func (r Rule) Validate(detectors []finding.Detector) error {
	var errs []error
	if len(r.Detect) == 0 {
		errs = append(errs, errors.New(`detect: names nothing (such as ["secret", "pii.email"])`))
	}
	for i, name := range r.Detect {
		if !anySelected(name, detectors) {
			errs = append(errs, fmt.Errorf("detect[%d]: %q: is no detector: want one of %s", i, name, strings.Join(names(detectors), ", ")))
		}
	}
	if r.MinScore < 0 || r.MinScore > 100 {
		errs = append(errs, fmt.Errorf("min_score: %d: want 0 to 100", r.MinScore))
	}
	for i, p := range r.ExceptPaths {
		if err := validPattern(p); err != nil {
			errs = append(errs, fmt.Errorf("except_paths[%d]: %q: %w", i, p, err))
		}
	}
	for i, t := range r.ExceptTools {
		if t == "" || strings.Contains(strings.TrimSuffix(t, "*"), "*") {
			errs = append(errs, fmt.Errorf("except_tools[%d]: %q: want a tool's name, with * only at the end", i, t))
		}
	}
	return errors.Join(errs...)
}

func names(detectors []finding.Detector) []string {
	var out []string
	for _, d := range detectors {
		out = append(out, d.Name())
	}
	return out
}

func anySelected(name string, detectors []finding.Detector) bool {
	for _, e := range Expand(name) {
		for _, d := range detectors {
			if slices.ContainsFunc(d.Kinds(), func(k string) bool { return selects(e, k) }) {
				return true
			}
		}
	}
	return false
}

// Presets are the names that [Preset] knows.
func Presets() []string { return []string{"off", "standard", "strict"} }

// Scores from which a finding is taken to be what it looks like, and from which
// it more likely is than not.
const (
	sure     = 85
	middling = 60

	// Instructions to a model: a text that may be one, and one at the threshold
	// on which the detector is measured.
	order      = 50
	plainOrder = 60
)

// Preset returns the rules of a preset for one direction; they stand behind
// the route's own. Of names that no detector has, nothing is found.
//
// The standard must not be in the way of traffic that means no harm: a result
// loses what is surely a credential and text that only a model can see, and of
// an argument, where a credential may be just what a tool needs, there is only
// a note. Strict also masks personal data, takes the harm out of text, and
// refuses credentials on their way out and instructions to the model.
func Preset(name string, d portcullis.Direction) []Rule {
	if name == "off" {
		return nil
	}
	if d == portcullis.ToServer {
		return presetArguments(name == "strict")
	}
	return presetResults(name == "strict")
}

func presetArguments(strict bool) []Rule {
	if !strict {
		return []Rule{{Detect: []string{"secret", "unicode", "egress"}, Action: Alert, MinScore: sure}}
	}
	return []Rule{
		{Detect: []string{"secret", "egress"}, Action: Block, MinScore: sure},
		{Detect: []string{"secret"}, Action: Redact, MinScore: middling},
		{Detect: []string{"unicode", "terminal"}, Action: Clean, MinScore: middling},
		{Detect: []string{"pii"}, Action: Mask, MinScore: middling},
		{Detect: []string{"injection", "egress"}, Action: Alert, MinScore: order},
	}
}

func presetResults(strict bool) []Rule {
	if !strict {
		return []Rule{
			{Detect: []string{"secret", "url.credential"}, Action: Redact, MinScore: sure},
			{Detect: []string{"unicode.tag"}, Action: Clean, MinScore: sure},
			{Detect: []string{"unicode", "url"}, Action: Alert, MinScore: sure},
			{Detect: []string{"injection"}, Action: Alert, MinScore: order},
		}
	}
	return []Rule{
		{Detect: []string{"injection"}, Action: Block, MinScore: plainOrder},
		{Detect: []string{"secret", "url"}, Action: Redact, MinScore: middling},
		{Detect: []string{"unicode", "terminal", "html"}, Action: Clean, MinScore: middling},
		{Detect: []string{"pii"}, Action: Mask, MinScore: middling},
		{Detect: []string{"injection", "formula"}, Action: Alert, MinScore: order},
	}
}

// rule is a Rule as the engine asks it.
type rule struct {
	action      Action
	minScore    uint8
	exceptPaths []string
	exceptTools []string
}

// excepts reports whether the rule is not for the tool or the place.
func (r *rule) excepts(s *scan) bool {
	if len(r.exceptTools) > 0 {
		tool := s.tool()
		for _, t := range r.exceptTools {
			if prefix, wild := strings.CutSuffix(t, "*"); t == tool || wild && tool != "" && strings.HasPrefix(tool, prefix) {
				return true
			}
		}
	}
	if len(r.exceptPaths) == 0 {
		return false
	}
	at := s.path()
	return slices.ContainsFunc(r.exceptPaths, func(p string) bool { return matchPath(p, at) })
}

// ruleSet is one direction of a route: the detectors some rule asks, and for
// each kind the rules that concern it, in order.
type ruleSet struct {
	pre       *prefilter
	detectors []finding.Detector
	named     []finding.Named     // nil where the detector looks at no name
	looks     set                 // detectors that look at names
	kinds     map[string][]*rule  // by kind
	known     map[string]struct{} // kinds and what else may stand in a redaction
}

// compile keeps only what the rules ask for: a feature that is off costs
// nothing.
func compile(rules []Rule, detectors []finding.Detector) (*ruleSet, error) {
	s := &ruleSet{kinds: map[string][]*rule{}, known: map[string]struct{}{wholeString: {}}}
	compiled := make([]rule, len(rules))
	for i, r := range rules {
		compiled[i] = rule{r.Action, uint8(r.MinScore), r.ExceptPaths, r.ExceptTools} //nolint:gosec // Validate bounds it
	}
	for _, d := range detectors {
		asked := false
		for _, kind := range append(slices.Clone(d.Kinds()), d.Name()) {
			s.known[kind] = struct{}{}
			if s.kinds[kind] != nil {
				continue
			}
			for i, r := range rules {
				if slices.ContainsFunc(r.Detect, func(name string) bool {
					return slices.ContainsFunc(Expand(name), func(e string) bool { return selects(e, kind) })
				}) {
					s.kinds[kind] = append(s.kinds[kind], &compiled[i])
					asked = asked || r.Action != Allow
				}
			}
		}
		if asked {
			s.detectors = append(s.detectors, d)
			named, ok := d.(finding.Named)
			if s.named = append(s.named, named); ok {
				s.looks |= 1 << (len(s.named) - 1)
			}
		}
	}
	switch {
	case len(s.detectors) > maxDetectors:
		return nil, fmt.Errorf("%d detectors, at most %d", len(s.detectors), maxDetectors)
	case len(s.detectors) == 0:
		return nil, nil
	}
	s.pre = newPrefilter(s.detectors)
	return s, nil
}

// rules returns the rules for a kind; of a kind that its detector did not list,
// those for the detector.
func (s *ruleSet) rules(kind string, d finding.Detector) (string, []*rule) {
	if r, ok := s.kinds[kind]; ok {
		return kind, r
	}
	if _, ok := s.known[kind]; ok {
		return kind, nil
	}
	return d.Name(), s.kinds[d.Name()]
}

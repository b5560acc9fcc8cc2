package config

import (
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
	"github.com/portcullis-dev/portcullis/internal/inspect/catalogue"
	"github.com/portcullis-dev/portcullis/internal/inspect/content"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/pattern"
)

// Inspect is [inspect].
type Inspect struct {
	Locales         []string  `toml:"locales" list:"text" example:"[\"us\", \"de\"]" doc:"Countries whose identity numbers are looked for: us, uk, de, fr, nl, in, br. Empty means all."`
	LinkHosts       []string  `toml:"link_hosts" list:"text" example:"[\"docs.acme.example\"]" doc:"Hosts, with those below them, that links and images in results may name. Empty: only links that carry data are found."`
	InsideHosts     []string  `toml:"inside_hosts" list:"text" example:"[\"db.internal\"]" doc:"Hosts inside the network that arguments may name."`
	InjectionRules  string    `toml:"injection_rules" example:"\"/etc/portcullis/injection.toml\"" doc:"File with rules of your own for instructions to a model, beside those that come with the gateway. Read when the configuration is."`
	InjectionStrict bool      `toml:"injection_strict" doc:"Count phrases in full where a text speaks about attacks: more is found, also in what explains or translates them."`
	Patterns        []Pattern `toml:"patterns" doc:"Expressions of your own to look for. A rule names one as pattern.NAME. Repeat the table for each one."`
}

// Pattern is one [[inspect.patterns]].
type Pattern struct {
	Name  string `toml:"name" required:"true" example:"\"project\"" doc:"Name in rules, events and metrics, behind pattern.: lower-case letters, digits and underscores."`
	Regex string `toml:"regex" required:"true" example:"'PRJ-[0-9]{6}'" doc:"Expression in RE2 syntax. One that begins with fixed text is the fastest."`
	Score int    `toml:"score" doc:"How sure a match is, 1 to 100."`
}

// DefaultInspect returns the defaults of [inspect].
func DefaultInspect() Inspect { return Inspect{} }

// DefaultPattern returns the defaults of a [[inspect.patterns]].
func DefaultPattern() Pattern { return Pattern{Score: 90} }

// Validate checks a pattern.
func (p Pattern) Validate() error { return p.detector().Validate() }

func (p Pattern) detector() pattern.Config {
	return pattern.Config{Name: p.Name, Regex: p.Regex, Score: p.Score}
}

// loadInjectionRules reads the file that [inspect] names, so that a mistake in
// it is a mistake of the configuration.
func (c *Config) loadInjectionRules(origin *tomlstrict.Origin) Errors {
	file := c.Inspect.InjectionRules
	if file == "" {
		return nil
	}
	if _, err := catalogue.Orders(file); err != nil {
		return origin.Locate("inspect", fmt.Errorf("injection_rules: %q: %w", file, err))
	}
	return nil
}

// Detectors returns the detectors that rules can name.
func (c *Config) Detectors() ([]finding.Detector, error) {
	o := catalogue.Options{
		SensitiveParams: c.Security.CustomSensitiveParams, Locales: c.Inspect.Locales, LinkHosts: c.Inspect.LinkHosts,
		InsideHosts: c.Inspect.InsideHosts, InjectionRules: c.Inspect.InjectionRules, InjectionStrict: c.Inspect.InjectionStrict,
	}
	for _, p := range c.Inspect.Patterns {
		o.Patterns = append(o.Patterns, p.detector())
	}
	if keys, err := keytext.NewGrammar(c.Identity.APIKey.Prefix + "_"); err == nil {
		o.KeyPrefix, o.OwnKey = keys.Prefix(), ownKey(keys)
	}
	return catalogue.Detectors(o)
}

// ownKey recognises a key at the start of a text by its checksum.
func ownKey(keys keytext.Grammar) func([]byte) int {
	const behindPrefix = 32 + 1 + keytext.SecretLen // id, dot, secret
	return func(text []byte) int {
		n := len(keys.Prefix()) + behindPrefix
		if len(text) < n {
			return 0
		}
		if _, err := keys.Parse(string(text[:n])); err != nil {
			return 0
		}
		return n
	}
}

// ContentRules is [route.inspect].
type ContentRules struct {
	Preset     string        `toml:"preset" enum:"off|standard|strict" doc:"Rules behind your own: standard redacts credentials and hidden text in results and notes them in arguments; strict also masks personal data, cleans text, and refuses credentials in arguments and instructions in results."`
	Detokenize bool          `toml:"detokenize" doc:"Whether tokens in arguments are swapped back on the way to the server, for callers with the scope detokenize."`
	Arguments  []ContentRule `toml:"arguments" doc:"Rules for what callers send. The first that fits a finding decides."`
	Results    []ContentRule `toml:"results" doc:"Rules for what the server sends: results, errors, notifications, requests."`
}

// ContentRule is one rule of [[route.inspect.arguments]] or
// [[route.inspect.results]].
type ContentRule struct {
	Detect      []string `toml:"detect" required:"true" list:"text" example:"[\"secret\", \"pii.email\"]" doc:"What the rule is for: detectors, kinds, pattern.NAME, or * for all."`
	Action      string   `toml:"action" required:"true" enum:"allow|alert|clean|mask|tokenize|redact|block" doc:"What happens: allow, alert (an event only), clean, mask (n***@domain), tokenize, redact ([redacted:pii.email]), block."`
	MinScore    int      `toml:"min_score" doc:"How sure a finding must be, 0 to 100."`
	ExceptPaths []string `toml:"except_paths" list:"text" example:"[\"params.arguments.query\", \"result.content[].text\"]" doc:"Places that the rule is not for; * is any name, ** at the end all below."`
	ExceptTools []string `toml:"except_tools" list:"text" example:"[\"crm_*\"]" doc:"Tools that the rule is not for; * at the end stands for any text."`
}

// DefaultContentRules returns the defaults of [route.inspect].
func DefaultContentRules() ContentRules { return ContentRules{Preset: "standard"} }

// DefaultContentRule returns the defaults of a rule.
func DefaultContentRule() ContentRule { return ContentRule{Action: "alert", MinScore: 60} }

// rule returns the rule as the engine takes it.
func (r ContentRule) rule() (content.Rule, error) {
	action, err := content.ParseAction(r.Action)
	return content.Rule{
		Detect: r.Detect, Action: action, MinScore: r.MinScore, ExceptPaths: r.ExceptPaths, ExceptTools: r.ExceptTools,
	}, err
}

// Rules returns the rules of one direction: the route's own and, behind them,
// those of the preset.
func (c ContentRules) Rules(d portcullis.Direction) ([]content.Rule, error) {
	own := c.Arguments
	if d == portcullis.ToClient {
		own = c.Results
	}
	var out []content.Rule
	for _, r := range own {
		rule, err := r.rule()
		if err != nil {
			return nil, err
		}
		out = append(out, rule)
	}
	return append(out, content.Preset(c.Preset, d)...), nil
}

// checkContent holds the rules of all routes to the detectors that there are.
func (c *Config) checkContent(origin *tomlstrict.Origin) Errors {
	for i := range c.Inspect.Patterns {
		if origin.Refused(fmt.Sprintf("inspect.patterns[%d]", i)) || c.Inspect.Patterns[i].Validate() != nil {
			return nil // what else there is to say would only follow from that
		}
	}
	if c.Security.Validate() != nil {
		return nil // its names of parameters are refused there
	}
	detectors, err := c.Detectors()
	if err != nil {
		return origin.Locate("inspect", err)
	}
	var errs Errors
	for i, r := range c.Routes {
		for side, rules := range map[string][]ContentRule{"arguments": r.Inspect.Arguments, "results": r.Inspect.Results} {
			for n, rule := range rules {
				at := fmt.Sprintf("route[%d].inspect.%s[%d]", i, side, n)
				if origin.Refused(at) {
					continue
				}
				compiled, err := rule.rule()
				if err == nil {
					err = compiled.Validate(detectors)
				}
				if err == nil && side == "arguments" && compiled.Action == content.Tokenize && len(r.Approval.Tools) > 0 {
					err = errors.New("action: a token is another one in each call, so that no approval would fit the next: redact or mask on routes with approval.tools")
				}
				errs = append(errs, origin.Locate(at, err)...)
			}
		}
	}
	return errs
}

// Package privacy is the section [privacy] of the configuration, and what
// routes say of consent and protected health information.
package privacy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/privacy/evidence"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
)

// Privacy is [privacy].
type Privacy struct {
	Purpose []Purpose `toml:"purpose" doc:"What personal data is used for, and which version of its policy people agree to. Repeat the table for each one."`
	PHI     PHI       `toml:"phi" doc:"Who reads protected health information, and for what."`
	Rights  Rights    `toml:"rights" doc:"What persons may do by themselves about what the gateway holds of them."`
	Hooks   []Hook    `toml:"erasure_hook" doc:"Upstreams that are told when a person is erased. Repeat the table for each one."`
	Attest  []Attest  `toml:"attest" doc:"What somebody answers for that the gateway cannot see. Repeat the table for each one."`
}

// Purpose is [[privacy.purpose]].
type Purpose struct {
	Name        string        `toml:"name" required:"true" example:"\"marketing\"" doc:"Name that routes and tools use."`
	Text        string        `toml:"text" example:"\"News about our products\"" doc:"What people are told."`
	URL         string        `toml:"url" example:"\"https://example.com/privacy\"" doc:"Where the policy is."`
	Version     string        `toml:"policy_version" required:"true" example:"\"2026-01\"" doc:"Version of the policy that is in force."`
	Expires     time.Duration `toml:"expires" doc:"How long a consent counts. \"0s\" is until it is withdrawn."`
	AcceptOlder bool          `toml:"accept_older" doc:"Whether a consent to an older version of the policy counts."`
}

// PHI is [privacy.phi].
type PHI struct {
	Role            string        `toml:"role" doc:"Role that may read what routes mark as protected health information."`
	Purposes        []string      `toml:"purposes" list:"text" doc:"Purposes of use that a reader may name, in the header X-Purpose-Of-Use or in params._meta as portcullis.dev/purpose-of-use."`
	PurposeRequired bool          `toml:"purpose_required" doc:"Whether a reader must name one."`
	BreakGlassMax   time.Duration `toml:"break_glass_max" doc:"Longest time for which an operator lets somebody read in an emergency."`
}

// Attest is [[privacy.attest]].
type Attest struct {
	Control string `toml:"control" required:"true" example:"\"gdpr-art-30\"" doc:"Id of a control of 'portcullis privacy report'."`
	Owner   string `toml:"owner" required:"true" example:"\"dpo@example.com\"" doc:"Who answers for it."`
	Date    string `toml:"date" required:"true" example:"\"2026-01-31\"" doc:"When, as YYYY-MM-DD."`
	Note    string `toml:"note" example:"\"Record of processing, document 17\"" doc:"What shows it."`
}

// RoutePHI is [[route.phi]].
type RoutePHI struct {
	Tools  []string `toml:"tools" list:"text" example:"[\"get_patient\"]" doc:"Tools, prompts, resources (by URI) and skills that it is about; * stands for any text. Empty means all of the route."`
	Fields []string `toml:"fields" list:"text" example:"[\"ssn\", \"insurance.number\"]" doc:"Members of arguments and results that are protected, by the last names of their paths. Empty means all."`
	Roles  []string `toml:"roles" list:"text" example:"[\"billing\"]" doc:"Roles that may read them. Empty means the role of [privacy.phi]."`
}

// Default returns the defaults of [privacy].
func Default() Privacy {
	d := phi.Default()
	return Privacy{Rights: DefaultRights(), PHI: PHI{Role: d.Role, Purposes: d.Purposes, PurposeRequired: d.PurposeRequired, BreakGlassMax: d.BreakGlassMax}}
}

// DefaultPurpose returns the defaults of [[privacy.purpose]].
func DefaultPurpose() Purpose { return Purpose{} }

// Guard returns the settings as the guard takes them.
func (p PHI) Guard() phi.Config {
	return phi.Config{Role: p.Role, Purposes: p.Purposes, PurposeRequired: p.PurposeRequired, BreakGlassMax: p.BreakGlassMax}
}

// Validate asks the guard that will use the settings.
func (p PHI) Validate() error { return p.Guard().Validate() }

// Purposes returns what is declared, as the book takes it.
func (p Privacy) Purposes() []consent.Purpose {
	out := make([]consent.Purpose, len(p.Purpose))
	for i, x := range p.Purpose {
		out[i] = consent.Purpose(x)
	}
	return out
}

// Attested returns what somebody answers for, by the id of the control.
func (p Privacy) Attested() map[string]evidence.Attestation {
	out := make(map[string]evidence.Attestation, len(p.Attest))
	for _, a := range p.Attest {
		out[a.Control] = evidence.Attestation{Owner: a.Owner, Date: a.Date, Note: a.Note}
	}
	return out
}

// Validate checks [privacy].
func (p Privacy) Validate() error {
	var errs []error
	for i, x := range p.Purpose {
		if first := slices.IndexFunc(p.Purpose, func(o Purpose) bool { return o.Name == x.Name }); x.Name != "" && first < i {
			errs = append(errs, fmt.Errorf("purpose[%d].name: %q: is taken by purpose[%d]", i, x.Name, first))
		}
	}
	for i, x := range p.Attest {
		if first := slices.IndexFunc(p.Attest, func(o Attest) bool { return o.Control == x.Control }); x.Control != "" && first < i {
			errs = append(errs, fmt.Errorf("attest[%d].control: %q: is taken by attest[%d]", i, x.Control, first))
		}
	}
	return errors.Join(append(errs, p.validateHooks())...)
}

// Bounds on texts, in bytes.
const (
	maxName = 64
	maxText = 500
)

// Validate checks [[privacy.purpose]].
func (p Purpose) Validate() error {
	var errs []error
	if !isName(p.Name) {
		errs = append(errs, fmt.Errorf("name: %q: want 1 to %d letters, digits, dots, dashes or underscores", p.Name, maxName))
	}
	if !isName(p.Version) {
		errs = append(errs, fmt.Errorf("policy_version: %q: want 1 to %d letters, digits, dots, dashes or underscores", p.Version, maxName))
	}
	if len(p.Text) > maxText {
		errs = append(errs, fmt.Errorf("text: want at most %d bytes", maxText))
	}
	if u, err := url.Parse(p.URL); p.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil) {
		errs = append(errs, errors.New(`url: want a URL such as "https://example.com/privacy"`))
	}
	if p.Expires < 0 {
		errs = append(errs, errors.New(`expires: want "0s" or more`))
	}
	return errors.Join(errs...)
}

func isName(s string) bool { return len(s) <= maxName && field.IsToken(s) }

// Validate checks [[privacy.attest]].
func (a Attest) Validate() error {
	var errs []error
	if a.Control != "" && !evidence.Known(a.Control) {
		errs = append(errs, fmt.Errorf("control: %q: is not known; 'portcullis privacy report' shows the ids", a.Control))
	}
	if len(a.Owner) > maxText || len(a.Note) > maxText {
		errs = append(errs, fmt.Errorf("owner, note: want at most %d bytes", maxText))
	}
	if _, err := time.Parse(time.DateOnly, a.Date); err != nil {
		errs = append(errs, fmt.Errorf("date: %q: want a day such as 2026-01-31", a.Date))
	}
	return errors.Join(errs...)
}

// Validate checks [[route.phi]].
func (r RoutePHI) Validate() error {
	var errs []error
	for i, f := range r.Fields {
		if _, err := phi.ParseField(f); err != nil {
			errs = append(errs, fmt.Errorf("fields[%d]: %w", i, err))
		}
	}
	for i, name := range r.Roles {
		if name == "" || len(name) > maxName || strings.TrimSpace(name) != name {
			errs = append(errs, fmt.Errorf("roles[%d]: %q: want the name of a role", i, name))
		}
	}
	return errors.Join(errs...)
}

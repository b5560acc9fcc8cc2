package secrets

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/secrets/probe"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/hook"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/mint"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Rotation is [secrets.rotation].
type Rotation struct {
	Enabled bool            `toml:"enabled" doc:"The gateway opens the wallet, rotates the entries that are due and can be, tells of the others, and drops old values after their overlap. Without it, people do this with portcullis wallet rotate."`
	Every   time.Duration   `toml:"every" doc:"How old the key of a provider may get."`
	Overlap time.Duration   `toml:"overlap" doc:"How long an old value is kept beside the new one."`
	Ahead   time.Duration   `toml:"ahead" doc:"How long before an entry is due SECRET_ROTATION_DUE tells people to give it a new value, once a day. For entries without hook or mint."`
	Jitter  time.Duration   `toml:"jitter" doc:"A due entry is rotated at a random moment within this time, so that replicas and entries do not all come at once."`
	Entries []RotationEntry `toml:"entry" doc:"What is special about one entry. Repeat the table for each one. Entries that are not named, and have no provider, are left alone."`
}

// RotationEntry is [[secrets.rotation.entry]].
type RotationEntry struct {
	Name        string        `toml:"name" required:"true" doc:"Name of the entry in the wallet."`
	Every       time.Duration `toml:"every" doc:"Instead of secrets.rotation.every; 0s is the same as there."`
	Overlap     time.Duration `toml:"overlap" doc:"Instead of secrets.rotation.overlap; 0s is the same as there."`
	Hook        []string      `toml:"hook" list:"text" example:"[\"/usr/local/bin/new-github-key\", \"--team\", \"ops\"]" doc:"Program that prints a new value, and its arguments. No shell reads them. It gets PORTCULLIS_ENTRY, PORTCULLIS_PROVIDER, PATH and hook_env."`
	HookTimeout time.Duration `toml:"hook_timeout" doc:"How long the program may take. Then it is killed."`
	HookEnv     []string      `toml:"hook_env" list:"text" example:"[\"HOME\", \"AWS_PROFILE\"]" doc:"Names of environment variables that the program gets."`
	OnRefused   string        `toml:"on_refused" enum:"discard|keep" doc:"What becomes of a new value that the provider refuses. One that is kept holds up the next rotation until somebody looks at it."`
	NoVerify    bool          `toml:"insecure_no_verify" doc:"INSECURE: a new value is used without asking the provider about it."`
	Probe       ProbeSection  `toml:"probe" doc:"How the provider is asked about a value."`
	Mint        MintSection   `toml:"mint" doc:"How the provider is asked for a new key, where it has an interface for that."`
}

// ProbeSection is [secrets.rotation.entry.probe].
type ProbeSection struct {
	Kind      string `toml:"kind" enum:"auto|openai|anthropic|google|azure-openai|cohere|huggingface|github|slack|http" doc:"Which question. auto goes by the provider of the entry; http is a question of your own."`
	URL       string `toml:"url" example:"\"https://my-resource.openai.azure.com\"" doc:"Address of the provider, instead of its usual one; needed for azure-openai. For http the whole address of the question."`
	CA        string `toml:"ca" example:"\"/etc/portcullis/proxy-ca.pem\"" doc:"PEM file of the authorities to trust instead of the system's."`
	Method    string `toml:"method" enum:"GET|HEAD|POST" doc:"For http."`
	Header    string `toml:"header" example:"\"Authorization\"" doc:"For http: the header that carries the value."`
	Prefix    string `toml:"prefix" example:"\"Bearer \"" doc:"For http: what stands before the value in the header."`
	Parameter string `toml:"parameter" example:"\"key\"" doc:"For http: the parameter of the query that carries the value, for a service that takes no header."`
	Accept    []int  `toml:"accept" doc:"For http: statuses that mean that the value is good. Without any, 200."`
	Refuse    []int  `toml:"refuse" doc:"For http: statuses that mean that it is not. Without any, 401."`
	Member    string `toml:"member" example:"\"active\"" doc:"For http: member that the JSON object of a good answer has."`
	Equals    string `toml:"equals" example:"\"true\"" doc:"For http: what the member is."`
}

// MintSection is [secrets.rotation.entry.mint].
type MintSection struct {
	Kind           string `toml:"kind" enum:"none|openai" doc:"openai makes keys of a service account with an administration key."`
	URL            string `toml:"url" example:"\"https://api.openai.com\"" doc:"Address instead of the provider's own."`
	AdminKey       string `toml:"admin_key" secret:"true" example:"\"secret://wallet/openai-admin\"" doc:"Reference to the key that may make keys."`
	Project        string `toml:"project" example:"\"proj_abc\"" doc:"Project of the service account."`
	ServiceAccount string `toml:"service_account" example:"\"user-abc\"" doc:"The service account that the keys are for."`
}

// ProbeAuto goes by the provider of an entry.
const ProbeAuto = "auto"

// Values of on_refused.
const (
	Discard = "discard"
	Keep    = "keep"
)

// DefaultRotation returns the defaults of [secrets.rotation].
func DefaultRotation() Rotation {
	return Rotation{Every: 90 * 24 * time.Hour, Overlap: 24 * time.Hour, Ahead: 14 * 24 * time.Hour, Jitter: 10 * time.Minute}
}

// DefaultRotationEntry returns those of an entry.
func DefaultRotationEntry() RotationEntry {
	return RotationEntry{HookTimeout: hook.DefaultTimeout, OnRefused: Discard, Probe: ProbeSection{Kind: ProbeAuto, Method: "GET"}, Mint: MintSection{Kind: mint.None}}
}

// Validate checks [secrets.rotation].
func (r Rotation) Validate() error {
	errs := []error{
		field.Between("every", r.Every, time.Hour, 3650*24*time.Hour),
		field.Between("overlap", r.Overlap, time.Minute, wallet.MaxOverlap),
		field.Between("jitter", r.Jitter, 0, 24*time.Hour),
		field.Between("ahead", r.Ahead, 0, 3650*24*time.Hour),
	}
	seen := map[string]bool{}
	for _, e := range r.Entries {
		if seen[e.Name] {
			errs = append(errs, fmt.Errorf("entry: %q stands there twice", e.Name))
		}
		seen[e.Name] = true
	}
	return errors.Join(errs...)
}

// Entry returns what is said of an entry, with the defaults for the rest.
func (r Rotation) Entry(name string) RotationEntry {
	out := DefaultRotationEntry()
	out.Name = name
	if i := slices.IndexFunc(r.Entries, func(e RotationEntry) bool { return e.Name == name }); i >= 0 {
		out = r.Entries[i]
	}
	if out.Every == 0 {
		out.Every = r.Every
	}
	if out.Overlap == 0 {
		out.Overlap = r.Overlap
	}
	return out
}

// Named reports whether an entry has a table of its own.
func (r Rotation) Named(name string) bool {
	return slices.ContainsFunc(r.Entries, func(e RotationEntry) bool { return e.Name == name })
}

// References lists the secrets that a rotation needs.
func (r Rotation) References() []Reference {
	var out []Reference
	for i, e := range r.Entries {
		if r.Enabled && e.Mint.Kind != mint.None {
			out = append(out, Reference{Field: fmt.Sprintf("entry[%d].mint.admin_key", i), Text: e.Mint.AdminKey})
		}
	}
	return out
}

// Validate checks one entry.
func (e RotationEntry) Validate() error {
	var errs []error
	if err := wallet.ValidName(e.Name); err != nil {
		errs = append(errs, fmt.Errorf("name: %w", err))
	}
	if e.Every != 0 {
		errs = append(errs, field.Between("every", e.Every, time.Hour, 3650*24*time.Hour))
	}
	if e.Overlap != 0 {
		errs = append(errs, field.Between("overlap", e.Overlap, time.Minute, wallet.MaxOverlap))
	}
	if len(e.Hook) > 0 {
		errs = append(errs, hook.Hook{Command: e.Hook, Timeout: e.HookTimeout}.Validate())
	}
	for i, name := range e.HookEnv {
		if name == "" || strings.ContainsAny(name, "=\x00 ") {
			errs = append(errs, fmt.Errorf("hook_env[%d]: want the name of a variable", i))
		}
	}
	if len(e.Hook) > 0 && e.Mint.Kind != mint.None {
		errs = append(errs, errors.New("hook: a new value comes either from hook or from mint"))
	}
	return errors.Join(errs...)
}

// Settings returns the question as it is asked, for an entry of a provider. It
// is false if nothing is known to ask.
func (p ProbeSection) Settings(provider string) (probe.Config, bool) {
	kind := p.Kind
	if kind == ProbeAuto {
		var ok bool
		if kind, ok = probe.For(provider); !ok || probe.NeedsURL(kind) && p.URL == "" {
			return probe.Config{}, false
		}
	}
	return probe.Config{
		Kind: kind, URL: p.URL, CA: p.CA, Method: p.Method, Header: p.Header, Prefix: p.Prefix, Parameter: p.Parameter,
		Accept: p.Accept, Refuse: p.Refuse, Member: p.Member, Equals: p.Equals,
	}, true
}

// Validate checks a question.
func (p ProbeSection) Validate() error {
	if p.Kind == ProbeAuto {
		return endpoint("url", p.URL)
	}
	c, _ := p.Settings("")
	return c.Validate()
}

// Validate checks how keys are made.
func (m MintSection) Validate() error {
	if m.Kind == mint.None {
		return nil
	}
	errs := []error{endpoint("url", m.URL), mint.Config{Kind: m.Kind, URL: m.URL, Project: m.Project, ServiceAccount: m.ServiceAccount}.Validate()}
	if _, err := source.Parse(m.AdminKey); err != nil {
		errs = append(errs, fmt.Errorf("admin_key: %w", err))
	}
	return errors.Join(errs...)
}

package config

import (
	"log/slog"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/config/detect"
	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/config/identity"
	"github.com/portcullis-dev/portcullis/internal/config/incident"
	"github.com/portcullis-dev/portcullis/internal/config/outline"
	"github.com/portcullis-dev/portcullis/internal/config/privacy"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/config/server"
	"github.com/portcullis-dev/portcullis/internal/config/telemetry"
)

// Config is a whole configuration. Values made by [Load], [Parse] and
// [Default] share nothing with one another; treat one as read-only once it is
// in use.
type Config struct {
	Server    Server              `toml:"server" doc:"Where the gateway listens and what it accepts before anyone is known."`
	Routes    []Route             `toml:"route" doc:"A server behind the gateway. Repeat the table for each one."`
	Identity  identity.Identity   `toml:"identity" doc:"Who may call."`
	Access    Access              `toml:"access" doc:"What callers may do, by role and by policy."`
	Security  Security            `toml:"security" doc:"Rules for every route."`
	Inspect   Inspect             `toml:"inspect" doc:"What content rules look for, on every route."`
	Secrets   secrets.Secrets     `toml:"secrets" doc:"Where secrets come from. A setting that says so takes a reference: secret://SOURCE/PATH?version=V#FIELD."`
	Store     Store               `toml:"store" doc:"Where keys and other state are kept."`
	Audit     audit.Audit         `toml:"audit" doc:"How the audit journal is written."`
	Detect    detect.Detect       `toml:"detect" doc:"What is found out about callers from what they did."`
	Incident  incident.Incident   `toml:"incident" doc:"A bad day: what the gateway does by itself about callers who are too risky, whom it wakes, and what it runs."`
	Privacy   privacy.Privacy     `toml:"privacy" doc:"What people agree to, who reads what is protected, and the rights of those whom the gateway knows something about."`
	Telemetry telemetry.Telemetry `toml:"telemetry" doc:"What the gateway shows of itself: metrics and traces."`

	templates map[string]string // values that name an environment variable, as written
}

// Default returns the configuration of an empty file. It has no route.
func Default() *Config {
	return &Config{
		Server: server.Default(), Identity: identity.Default(), Access: DefaultAccess(), Security: DefaultSecurity(), Inspect: DefaultInspect(), Secrets: secrets.Default(),
		Store: DefaultStore(), Audit: audit.Default(), Detect: detect.Default(), Incident: incident.Default(), Privacy: privacy.Default(), Telemetry: telemetry.Default(),
	}
}

// prototypes are the defaults of sections that a file may repeat.
func prototypes() []any {
	return []any{DefaultRoute(), DefaultPattern(), DefaultContentRule(), DefaultSchemaFile(), identity.DefaultMTLSRule(), secrets.DefaultCredential(), secrets.DefaultToolCredential(), secrets.DefaultRotationEntry(), audit.DefaultSink(), incident.DefaultResponse(), privacy.DefaultPurpose(), privacy.DefaultErasureHook(), incident.DefaultContact(), incident.DefaultHook(), incident.DefaultDuty(), detect.DefaultAlertChannel(), detect.DefaultAlertRoute()}
}

// reserved are keys that the contract names and this version does not honour.
// To ignore one would leave a protection off that the operator wrote down.
var reserved = [...]string{
	"access", "store.redis",
	"chronicle",
}

const unsupported = "not supported by this version"

func whyReserved(path string) (string, bool) {
	if path == "security.api_key" {
		return "keys are not kept in the configuration: make one with `portcullis key create`", true
	}
	for _, r := range reserved {
		if r == path {
			return unsupported, true
		}
	}
	return "", false
}

// String says how many routes there are, and nothing that could be secret.
func (c *Config) String() string {
	names := make([]string, len(c.Routes))
	for i, r := range c.Routes {
		names[i] = r.Name
	}
	return "configuration with routes [" + strings.Join(names, " ") + "]"
}

// GoString returns String, so that %#v prints no secret either.
func (c *Config) GoString() string { return c.String() }

// LogValue keeps the settings out of log lines.
func (c *Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c *Config) view() outline.View {
	return outline.View{Value: *c, Default: *Default(), Prototypes: prototypes(), Templates: c.templates}
}

// Change is one setting that differs between two configurations, masked.
type Change = outline.Change

// Diff lists what changed from one configuration to the next, for the
// CONFIG_CHANGED events (S0-41). Routes are matched by name.
func Diff(from, to *Config) []Change { return outline.Diff(from.view(), to.view()) }

// Masked returns the configuration in force as TOML. Secrets, passwords in
// URLs and the values of environment variables are masked; settings that have
// their default are marked.
func (c *Config) Masked() string { return c.view().TOML() }

// MaskedJSON returns what Masked returns, as JSON.
func (c *Config) MaskedJSON() ([]byte, error) { return c.view().JSON() }

// PlainSecrets returns the settings whose secret stands in the file itself.
func (c *Config) PlainSecrets() []string { return c.view().PlainSecrets() }

const intro = `Portcullis configuration.

Every key stands below with its default. Remove the # in front of a key to change it; there is no space between them. An unknown key is an error. ${NAME} in a text is replaced by an environment variable, ${NAME:-fallback} gives a value for when it is unset or empty, and $${ is a plain ${. Durations are "30s", "5m", "12h", "90d" or "1y"; sizes are numbers of bytes, "64KiB" or "1MiB".`

// Commented returns the configuration as a file to start from, with every key
// described. Secrets are written in clear: the file is the operator's own.
func (c *Config) Commented() string { return c.view().Commented(intro) }

// Schema returns the JSON Schema (2020-12) of the configuration file.
func Schema() ([]byte, error) {
	return Default().view().Schema("https://portcullis.dev/schemas/portcullis.toml.json", "Portcullis configuration")
}

const referenceIntro = `# Configuration

<!-- Made from the sources by "go test ./internal/config -run TestReference -update". -->

The configuration is a TOML file: the one given with --config, else ./portcullis.toml, else $XDG_CONFIG_HOME/portcullis/portcullis.toml. "portcullis init" writes one with every key described, "portcullis config validate" checks it, "portcullis config show" prints what is in force with secrets masked, and "portcullis config schema" prints the JSON Schema for editors.

- Every key has a default unless it is marked required. An unknown key is an error, reported with its line, and so is a key of a later version.
- A text may name environment variables: ${NAME}, or ${NAME:-fallback} for when it is unset or empty; $${ is a plain ${. They are replaced after the file was parsed, so a value can never add a key. A variable that is not set is an error. A number, a duration or true and false may come from a variable too: max_children = "${CHILDREN:-4}".
- A duration is "30s", "5m", "12h", "90d", "2w" or "1y", or a sum such as "1d12h". A size is a number of bytes, "64KiB" or "1MiB".
- "list or text" means that a list may be written as one text with commas: origins = "${ALLOWED_ORIGINS:-}".
- A list or table of names in the file replaces the default; it does not add to it.
- The file is read again at SIGHUP and when it changes. A file with a mistake changes nothing: the running configuration is kept and the mistake is reported.
`

// Reference returns docs/configuration.md.
func Reference() string {
	return referenceIntro + Default().view().Reference()
}

// Size is a number of bytes.
type Size = field.Size

// Secret is text that no output shows.
type Secret = field.Secret

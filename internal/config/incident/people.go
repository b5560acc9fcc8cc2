package incident

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/incident/hook"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Contact is [[incident.contact]].
type Contact struct {
	Name    string `toml:"name" required:"true" example:"\"Ana Novak\"" doc:"Who it is."`
	Role    string `toml:"role" example:"\"Security Lead\"" doc:"Such as Security Lead, On-Call Engineer or Incident Commander."`
	Email   string `toml:"email" example:"\"security@example.com\"" doc:"For the list that people read."`
	Phone   string `toml:"phone" example:"\"+43 1 5550100\"" doc:"For the list that people read."`
	Channel string `toml:"channel" example:"\"on-call\"" doc:"Channel of [detect.alerts] that reaches the person. It hears of notifications whatever the routes of alerts say."`
}

// DefaultContact returns the defaults of [[incident.contact]].
func DefaultContact() Contact { return Contact{} }

const maxContact = 200

// Validate checks [[incident.contact]].
func (c Contact) Validate() error {
	var errs []error
	for _, f := range [][2]string{{"name", c.Name}, {"role", c.Role}, {"email", c.Email}, {"phone", c.Phone}} {
		if len(f[1]) > maxContact || !utf8.ValidString(f[1]) {
			errs = append(errs, fmt.Errorf("%s: want at most %d bytes", f[0], maxContact))
		}
	}
	if c.Email == "" && c.Phone == "" && c.Channel == "" {
		errs = append(errs, errors.New("email: want an email, a phone or a channel: nobody can be reached without"))
	}
	return errors.Join(errs...)
}

// Hook is [[incident.hook]].
type Hook struct {
	Name        string        `toml:"name" required:"true" example:"\"scale-down\"" doc:"In playbooks and commands. scale-down is the one that 'incident scale-down' runs."`
	Command     []string      `toml:"command" list:"text" example:"[\"/usr/local/bin/scale\", \"mcp\", \"0\"]" doc:"Program, by its absolute path, and its arguments; no shell is involved. It gets the incident as JSON on its standard input. Give this or url."`
	Env         []string      `toml:"env" list:"text" example:"[\"KUBECONFIG\"]" doc:"Variables of the environment that the program gets beside PATH."`
	URL         string        `toml:"url" example:"\"https://ops.example.com/scale-down\"" doc:"Where the incident is posted as JSON, signed. Give this or command."`
	Secret      string        `toml:"secret" secret:"true" example:"\"secret://env/INCIDENT_HOOK_SECRET\"" doc:"For url: reference to the shared secret of the signature, at least 32 characters."`
	CA          string        `toml:"ca" example:"\"/etc/portcullis/ops-ca.pem\"" doc:"For url: PEM file of the roots to trust instead of the system's."`
	Timeout     time.Duration `toml:"timeout" doc:"How long it may take. A program is killed then, with what it started."`
	Destructive bool          `toml:"destructive" doc:"Whether it destroys what an investigation may need: it is refused before evidence is preserved."`
}

// DefaultHook returns the defaults of [[incident.hook]].
func DefaultHook() Hook { return Hook{Timeout: hook.DefaultTimeout, Destructive: true} }

var (
	hookName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

// Validate checks [[incident.hook]].
func (h Hook) Validate() error {
	var errs []error
	bad := func(when bool, format string, a ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, a...))
		}
	}
	bad(h.Name != "" && !hookName.MatchString(h.Name), "name: %q: want small letters, digits and dashes", h.Name)
	bad(len(h.Command) > 0 == (h.URL != ""), "command: want a command or a url, one of them")
	bad(len(h.Command) > 0 && !filepath.IsAbs(h.Command[0]), "command[0]: want the absolute path of a program")
	bad(len(h.Env) > 0 && len(h.Command) == 0, "env: only a command has one")
	bad(slices.ContainsFunc(h.Env, func(s string) bool { return !envName.MatchString(s) }), "env: want names of variables")
	bad(h.Timeout < time.Second || h.Timeout > hook.MaxTimeout, "timeout: want between 1s and %s", hook.MaxTimeout)
	if h.URL != "" {
		u, err := url.Parse(h.URL)
		bad(err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil, "url: want the http or https address of a server, without a credential")
		bad(h.Secret == "", "secret: want one: what is posted is signed")
	}
	bad(h.URL == "" && (h.Secret != "" || h.CA != ""), "secret: only a url has secret and ca")
	if h.Secret != "" {
		_, err := source.Parse(h.Secret)
		bad(err != nil, "secret: %w", err)
	}
	return errors.Join(errs...)
}

// References lists the secrets that a hook needs.
func (h Hook) References() []secrets.Reference {
	if h.Secret == "" {
		return nil
	}
	return []secrets.Reference{{Field: "secret", Text: h.Secret}}
}

func (c Incident) checkHooks() error {
	var errs []error
	for i, h := range c.Hooks {
		same := func(other Hook) bool { return other.Name == h.Name }
		if first := slices.IndexFunc(c.Hooks, same); h.Name != "" && first < i {
			errs = append(errs, fmt.Errorf("hook[%d].name: %q: is taken by hook[%d]", i, h.Name, first))
		}
	}
	return errors.Join(errs...)
}

// CheckChannels refuses contacts whose channel there is not.
func (c Incident) CheckChannels(names []string) error {
	var errs []error
	for i, who := range c.Contacts {
		if who.Channel != "" && !slices.Contains(names, who.Channel) {
			errs = append(errs, fmt.Errorf("contact[%d].channel: %q: there is no such channel in [detect.alerts]", i, who.Channel))
		}
	}
	return errors.Join(errs...)
}

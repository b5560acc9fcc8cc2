package privacy

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Values of [Rights.Confirm].
const (
	ConfirmAmbient = "ambient"
	ConfirmAlways  = "always"
)

// Rights is [privacy.rights].
type Rights struct {
	SelfService bool   `toml:"self_service" doc:"Callers may see, take along and erase what is held about them: /api/v1/user/data, /api/v1/user/export, /api/v1/user/account."`
	Rate        string `toml:"rate" doc:"How often an address may ask."`
	Confirm     string `toml:"confirm" enum:"ambient|always" doc:"Who must send the header X-Confirm-Erasure: erase to delete an account: ambient is who is known by a password or certificate that a browser sends by itself, always is everybody."`
}

// DefaultRights returns the defaults of [privacy.rights].
func DefaultRights() Rights {
	return Rights{SelfService: true, Rate: "30/1m per address", Confirm: ConfirmAmbient}
}

// Hook is [[privacy.erasure_hook]].
type Hook struct {
	Name      string `toml:"name" required:"true" doc:"In receipts and logs."`
	Route     string `toml:"route" doc:"The route whose upstream it speaks for, for the receipt; with tool, the route whose server is called."`
	URL       string `toml:"url" example:"\"https://crm.example.com/erase\"" doc:"Where the erasure is posted until it is answered with 2xx."`
	Secret    string `toml:"secret" secret:"true" example:"\"secret://env/ERASURE_SECRET\"" doc:"Reference to the secret of the signature of what is posted, at least 32 characters."`
	Tool      string `toml:"tool" example:"\"erase_user\"" doc:"Instead of url: the tool of the route's MCP server that is called, with the credential of the route, until its result is no error."`
	Arguments string `toml:"arguments" example:"'{\"user_id\":\"{id}\",\"reference\":\"{erasure}\"}'" doc:"Arguments of the tool as a JSON object. In its strings {id} is the id of the person and {erasure} that of the erasure; the string {names} becomes the array of the names of their accounts."`
}

// DefaultErasureHook returns the defaults of [[privacy.erasure_hook]].
func DefaultErasureHook() Hook { return Hook{} }

// Validate checks [privacy.rights].
func (r Rights) Validate() error {
	if _, err := ratelimit.ParseRule(r.Rate); err != nil {
		return fmt.Errorf("rate: %w", err)
	}
	return nil
}

// References are the secrets that a hook names.
func (h Hook) References() []secrets.Reference {
	if h.Tool != "" {
		return nil
	}
	return []secrets.Reference{{Field: "secret", Text: h.Secret}}
}

// maxTool bounds the name of a tool, in bytes.
const maxTool = 256

func (p Privacy) validateHooks() error {
	var errs []error
	for i, h := range p.Hooks {
		same := func(other Hook) bool { return other.Name == h.Name }
		if first := slices.IndexFunc(p.Hooks, same); h.Name != "" && first < i {
			errs = append(errs, fmt.Errorf("erasure_hook[%d].name: %q: is taken by erasure_hook[%d]", i, h.Name, first))
		}
	}
	return errors.Join(errs...)
}

// Validate checks [[privacy.erasure_hook]].
func (h Hook) Validate() error {
	var errs []error
	if len(h.Name) > maxName {
		errs = append(errs, fmt.Errorf("name: want at most %d bytes", maxName))
	}
	if h.Tool != "" {
		return errors.Join(append(errs, h.validateTool())...)
	}
	if h.Arguments != "" {
		errs = append(errs, errors.New("arguments: are those of a tool, and there is none"))
	}
	if h.URL == "" {
		errs = append(errs, errors.New("url: is missing; or name the route and the tool to call"))
	}
	if h.Secret == "" {
		errs = append(errs, errors.New("secret: is missing: what is posted must be signed"))
	}
	if _, err := source.Parse(h.Secret); h.Secret != "" && err != nil {
		errs = append(errs, fmt.Errorf("secret: %w", err))
	}
	if err := alert.CheckURL(h.URL); h.URL != "" && err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	return errors.Join(errs...)
}

// validateTool checks a hook that calls a tool.
func (h Hook) validateTool() error {
	var errs []error
	if h.URL != "" || h.Secret != "" {
		errs = append(errs, errors.New("tool: stands instead of url and secret: want one of the two"))
	}
	if len(h.Tool) > maxTool || !utf8.ValidString(h.Tool) {
		errs = append(errs, fmt.Errorf("tool: want at most %d bytes of UTF-8", maxTool))
	}
	if h.Route == "" {
		errs = append(errs, errors.New("route: is missing: want the route whose server has the tool"))
	}
	if _, err := h.Template(); err != nil {
		errs = append(errs, fmt.Errorf("arguments: %w", err))
	}
	return errors.Join(errs...)
}

// Template returns what makes the arguments of the tool.
func (h Hook) Template() (subject.Template, error) {
	return subject.ParseTemplate(h.Arguments)
}

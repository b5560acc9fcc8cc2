package privacy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
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
	Name   string `toml:"name" required:"true" doc:"In receipts and logs."`
	Route  string `toml:"route" doc:"The route whose upstream it speaks for, for the receipt."`
	URL    string `toml:"url" required:"true" example:"\"https://crm.example.com/erase\"" doc:"Where the erasure is posted until it is answered with 2xx."`
	Secret string `toml:"secret" secret:"true" required:"true" example:"\"secret://env/ERASURE_SECRET\"" doc:"Reference to the secret of the signature, at least 32 characters."`
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
	return []secrets.Reference{{Field: "secret", Text: h.Secret}}
}

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
	if _, err := source.Parse(h.Secret); h.Secret != "" && err != nil {
		errs = append(errs, fmt.Errorf("secret: %w", err))
	}
	if err := alert.CheckURL(h.URL); h.URL != "" && err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	return errors.Join(errs...)
}

package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/config/field"
)

// Security is [security].
type Security struct {
	AllowIPs              []string `toml:"allow_ips" list:"text" example:"[\"127.0.0.1\", \"192.168.1.0/24\"]" doc:"Addresses and CIDR ranges that may call. Empty allows all that are not denied."`
	DenyIPs               []string `toml:"deny_ips" list:"text" example:"[\"203.0.113.0/24\"]" doc:"Addresses and CIDR ranges that may not call; wins over allow_ips."`
	CustomSensitiveParams []string `toml:"custom_sensitive_params" list:"text" example:"[\"my_secret\", \"private_token\"]" doc:"Names of URL parameters that are removed beside the usual ones."`
}

// DefaultSecurity returns the defaults of [security].
func DefaultSecurity() Security { return Security{} }

// Validate checks [security].
func (s Security) Validate() error {
	var errs []error
	for i, a := range s.AllowIPs {
		errs = append(errs, field.AddressRange("allow_ips", i, a))
	}
	for i, a := range s.DenyIPs {
		errs = append(errs, field.AddressRange("deny_ips", i, a))
	}
	for i, p := range s.CustomSensitiveParams {
		if strings.TrimSpace(p) == "" {
			errs = append(errs, fmt.Errorf("custom_sensitive_params[%d]: %q: want the name of a parameter", i, p))
		}
	}
	return errors.Join(errs...)
}

// Store is [store].
type Store struct {
	URL string `toml:"url" doc:"Database: sqlite: and a file, relative to the data folder."`
}

// DefaultStore returns the defaults of [store].
func DefaultStore() Store { return Store{URL: "sqlite:portcullis.db"} }

// Validate checks [store].
func (s Store) Validate() error {
	if strings.HasPrefix(s.URL, "postgres://") || strings.HasPrefix(s.URL, "postgresql://") {
		return fmt.Errorf("url: PostgreSQL is %s", unsupported)
	}
	file, ok := strings.CutPrefix(s.URL, "sqlite:")
	if !ok || file == "" || strings.ContainsAny(file, "?#\x00") {
		return errors.New(`url: want a file such as "sqlite:portcullis.db"`)
	}
	return nil
}

package ipfilter

import "fmt"

// Config says whom to believe about addresses and which may call. Lists hold
// prefixes and single addresses, IPv4 or IPv6.
type Config struct {
	// TrustedProxies may say who the client is. Default: nobody.
	TrustedProxies []string `toml:"trusted_proxies"`
	// ForwardedHeader names the header that the trusted proxies write:
	// "x-forwarded-for", "forwarded" or "auto", which reads both and believes
	// neither when they differ.
	ForwardedHeader string `toml:"forwarded_header"`
	// Allow lists who may call; empty = everyone.
	Allow []string `toml:"allow_ips"`
	// Deny lists who may not call, whatever Allow says.
	Deny []string `toml:"deny_ips"`
}

// Default trusts no proxy and filters nobody.
func Default() Config { return Config{ForwardedHeader: headerAuto} }

// Validate reports the first mistake, naming the field.
func (c Config) Validate() error {
	if _, err := NewResolver(c); err != nil {
		return err
	}
	_, err := NewFilter(c)
	return err
}

// The values of Config.ForwardedHeader.
const (
	headerAuto      = "auto"
	headerXFF       = "x-forwarded-for"
	headerForwarded = "forwarded"
)

func validHeader(name string) error {
	switch name {
	case "", headerAuto, headerXFF, headerForwarded:
		return nil
	}
	return fmt.Errorf("forwarded_header: %q: want %q, %q or %q", name, headerAuto, headerXFF, headerForwarded)
}

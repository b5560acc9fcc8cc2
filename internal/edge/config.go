package edge

import "fmt"

// Config is what the server's front does for all routes. Routes have a
// [BodyConfig], a [CORSConfig] and a [HeadersConfig] of their own.
type Config struct {
	// Hostname is the public name, "mcp.example.com" or with a port: where
	// plain HTTP is redirected to, and an allowed host.
	Hostname string `toml:"hostname"`
	// RequireHTTPS is "auto" (not on a loopback listener), "always" or
	// "insecure_never".
	RequireHTTPS string `toml:"require_https"`
	// AllowedHosts replaces the default hosts, see [DefaultHosts]; Hostname
	// is always added.
	AllowedHosts []string  `toml:"allowed_hosts"`
	TLS          TLSConfig `toml:"tls"`
	Limits       Limits    `toml:"limits"`
}

// Default is a server on a loopback address without TLS.
func Default() Config {
	return Config{RequireHTTPS: HTTPSAuto, TLS: DefaultTLS(), Limits: DefaultLimits()}
}

// Validate reports the first mistake, naming the field. It does not read files.
func (c Config) Validate() error {
	if _, err := NewHTTPS(c.RequireHTTPS, "", c.Hostname); err != nil {
		return err
	}
	if _, err := ParseHosts(c.AllowedHosts); err != nil {
		return fmt.Errorf("allowed_hosts%w", err)
	}
	if err := c.TLS.Validate(); err != nil {
		return fmt.Errorf("tls.%w", err)
	}
	if err := c.Limits.Validate(); err != nil {
		return fmt.Errorf("limits.%w", err)
	}
	return nil
}

// Hosts compiles the allowed hosts of a server that listens on the addresses
// listen, each host:port.
func (c Config) Hosts(listen ...string) (*Hosts, error) {
	list := c.AllowedHosts
	if len(list) == 0 {
		for _, l := range listen {
			hosts, err := DefaultHosts(l, "")
			if err != nil {
				return nil, err
			}
			list = append(list, hosts...)
		}
	}
	if c.Hostname != "" {
		list = append(list[:len(list):len(list)], c.Hostname)
	}
	hosts, err := ParseHosts(list)
	if err != nil {
		return nil, fmt.Errorf("allowed_hosts%w", err)
	}
	return hosts, nil
}

package direct

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Config describes one HTTP upstream.
type Config struct {
	URL string `toml:"url"` // http or https; path and query are sent as they stand here

	Timeout     time.Duration `toml:"timeout"`      // from the start of a call to the headers of its reply, and again to the end of one that is no stream
	DialTimeout time.Duration `toml:"dial_timeout"` // per connection, TLS handshake included
	IdleTimeout time.Duration `toml:"idle_timeout"` // how long a connection may wait for its next call

	MaxIdle  int `toml:"max_idle"`  // connections kept open between calls
	MaxConns int `toml:"max_conns"` // open connections; calls beyond wait for one

	CAFile     string `toml:"ca_file"`     // PEM file of roots to trust instead of the system's
	ServerName string `toml:"server_name"` // name to verify instead of the URL's host
	ClientCert string `toml:"client_cert"` // PEM file of the client certificate
	ClientKey  string `toml:"client_key"`  // PEM file of its key

	// Credentials are what the upstream asks of the gateway; nil is none.
	Credentials inject.Credentials
	// Certificate gives a client certificate for each handshake, in place of
	// ClientCert.
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// Proxy is the URL of an HTTP proxy, or "env" for the proxy that
	// HTTP_PROXY, HTTPS_PROXY and NO_PROXY name; "" dials directly. Behind a
	// proxy it is the proxy's address that is checked, not the upstream's.
	Proxy string `toml:"proxy"`

	// HTTP2 has all calls made over HTTP/2, without TLS too, and keeps the
	// trailers of replies: what gRPC needs. How long a call may take is said
	// by its context alone then: an agent may send headers with its first event.
	HTTP2 bool `toml:"-"`

	// InsecureAllowLinkLocal lets the upstream be a link-local or cloud
	// metadata address.
	InsecureAllowLinkLocal bool `toml:"insecure_allow_link_local"`
}

// Default returns the configuration of an upstream without its URL. Idle
// connections are closed after 4 s: the common servers wait 5 s or longer, and
// who closes first cannot be surprised by the other's closing.
func Default() Config {
	return Config{
		Timeout:     60 * time.Second,
		DialTimeout: 5 * time.Second,
		IdleTimeout: 4 * time.Second,
		MaxIdle:     128,
		MaxConns:    1024,
	}
}

// Validate reports the first field that cannot be used. It reads no file and
// resolves no name.
func (c Config) Validate() error {
	u, err := parseURL(c.URL)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := c.policy().Check(addr); err != nil {
			return fmt.Errorf("url: %w", err)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"timeout", c.Timeout},
		{"dial_timeout", c.DialTimeout},
		{"idle_timeout", c.IdleTimeout},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s: %s: want more than 0", d.name, d.value)
		}
	}
	if c.MaxConns < 1 {
		return fmt.Errorf("max_conns: %d: want 1 or more", c.MaxConns)
	}
	if c.MaxIdle < 0 || c.MaxIdle > c.MaxConns {
		return fmt.Errorf("max_idle: %d: want 0 to max_conns (%d)", c.MaxIdle, c.MaxConns)
	}
	if (c.ClientCert == "") != (c.ClientKey == "") {
		return errors.New("client_cert: certificate and client_key go together")
	}
	if u.Scheme == "http" && c.Certificate != nil {
		return errors.New("certificate: url is not https")
	}
	if u.Scheme == "http" {
		for _, f := range []struct{ name, value string }{
			{"ca_file", c.CAFile}, {"server_name", c.ServerName}, {"client_cert", c.ClientCert},
		} {
			if f.value != "" {
				return fmt.Errorf("%s: url is not https", f.name)
			}
		}
	}
	if _, err := c.proxy(); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

func (c Config) policy() dial.Policy {
	return dial.Policy{InsecureAllowLinkLocal: c.InsecureAllowLinkLocal}
}

// proxy returns what [http.Transport] asks for the proxy of a request, nil if
// there is none.
func (c Config) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch c.Proxy {
	case "":
		return nil, nil
	case "env":
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(c.Proxy)
	if err != nil || u.Host == "" || u.Scheme != "http" {
		return nil, errors.New(`want "env" or an http URL`) // the URL may hold a password
	}
	return http.ProxyURL(u), nil
}

// parseURL reads the URL of an upstream. Its errors do not repeat it: it may
// hold a credential by mistake.
func parseURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("missing")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %q: want http or https", u.Scheme)
	case u.User != nil:
		return nil, errors.New("holds a user name or password")
	case u.Fragment != "" || strings.Contains(s, "#"):
		return nil, errors.New("has a fragment")
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case !validHost(u.Host):
		return nil, errors.New("has characters in its host that no host has")
	case !validTarget(u.RequestURI()):
		return nil, errors.New("has characters in its path or query that need escaping")
	}
	return u, nil
}

// validHost accepts ASCII letters, digits and the punctuation of names,
// IP literals and ports.
func validHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isAlnum(c) && !strings.ContainsRune("-._:[]%~", rune(c)) {
			return false
		}
	}
	return true
}

// validTarget accepts what may stand between the spaces of a request line.
func validTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return strings.HasPrefix(s, "/")
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

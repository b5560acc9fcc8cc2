package direct

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func TestConfigValidate(t *testing.T) {
	valid := func() Config { c := Default(); c.URL = "https://mcp.example/mcp?tenant=1"; return c }
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.URL = "" }, "url: missing"},
		{func(c *Config) { c.URL = "://x" }, "url: not a URL"},
		{func(c *Config) { c.URL = "ftp://x" }, `url: scheme "ftp": want http or https`},
		{func(c *Config) { c.URL = "mcp.example" }, `url: scheme "": want http or https`},
		{func(c *Config) { c.URL = "http://u:secret@x" }, "url: holds a user name or password"},
		{func(c *Config) { c.URL = "http://x/#f" }, "url: has a fragment"},
		{func(c *Config) { c.URL = "http://x/#" }, "url: has a fragment"},
		{func(c *Config) { c.URL = "http://:80/" }, "url: has no host"},
		{func(c *Config) { c.URL = "http://ex(ample/" }, "url: has characters in its host that no host has"},
		{func(c *Config) { c.URL = "http://x/?a b" }, "url: has characters in its path or query that need escaping"},
		{func(c *Config) { c.URL = "http://x/?a=ä" }, "url: has characters in its path or query that need escaping"},
		{func(c *Config) { c.URL = "http:x" }, "url: has no host"},
		{func(c *Config) { c.URL = "http://169.254.169.254/" }, "url: address 169.254.169.254 is refused: link-local"},
		{func(c *Config) { c.URL = "http://[fd00:ec2::254]/" }, "url: address fd00:ec2::254 is refused: metadata"},
		{func(c *Config) { c.Timeout = 0 }, "timeout: 0s: want more than 0"},
		{func(c *Config) { c.DialTimeout = -1 }, "dial_timeout: -1ns: want more than 0"},
		{func(c *Config) { c.IdleTimeout = 0 }, "idle_timeout: 0s: want more than 0"},
		{func(c *Config) { c.MaxConns = 0 }, "max_conns: 0: want 1 or more"},
		{func(c *Config) { c.MaxIdle = -1 }, "max_idle: -1: want 0 to max_conns (1024)"},
		{func(c *Config) { c.MaxIdle = 2000 }, "max_idle: 2000: want 0 to max_conns (1024)"},
		{func(c *Config) { c.ClientCert = "x" }, "client_cert: certificate and client_key go together"},
		{func(c *Config) { c.URL, c.CAFile = "http://x", "f" }, "ca_file: url is not https"},
		{func(c *Config) { c.URL, c.ServerName = "http://x", "f" }, "server_name: url is not https"},
		{func(c *Config) { c.Proxy = "socks5://u:secret@x" }, `proxy: want "env" or an http URL`},
	}
	for _, tt := range tests {
		c := valid()
		tt.change(&c)
		err := c.Validate()
		if err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		if _, newErr := New(c); newErr == nil {
			t.Errorf("a client was made of %s", tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v tells a secret", err)
		}
	}
	c := valid()
	c.CAFile = "/nonexistent"
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestLinkLocalIsNotDialed takes the check at the socket, which a name that
// resolves to such an address meets too.
func TestLinkLocalIsNotDialed(t *testing.T) {
	for _, way := range []string{"direct", "transport"} {
		c := newClient(t, "http://127.0.0.1")
		c.proxied = way == "transport"
		c.target.addr = "169.254.169.254:80"
		c.target.url.Host = c.target.addr
		_, _, err := forward(t.Context(), c, post("x"))
		wantKind(t, err, portcullis.KindUpstream)
		if !strings.Contains(err.Error(), "link-local") {
			t.Errorf("%s: %v", way, err)
		}
	}
}

package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// request makes a Conn as the gateway does: pairs are header names and values.
func request(method, target string, pairs ...string) *portcullis.Conn {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == "Host" {
			r.Host = pairs[i+1]
			continue
		}
		r.Header.Add(pairs[i], pairs[i+1])
	}
	return &portcullis.Conn{HTTP: r, Reply: http.Header{}}
}

func secure(c *portcullis.Conn) *portcullis.Conn {
	c.Secure = true
	c.HTTP.TLS = &tls.ConnectionState{}
	return c
}

func check(g portcullis.EdgeGuard, c *portcullis.Conn) error {
	return g.CheckConn(context.Background(), c)
}

// wantRefusal returns the refusal after comparing kind and reason.
func wantRefusal(t *testing.T, err error, kind portcullis.Kind, reason string) *portcullis.Error {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want a refusal with status %d", err, kind.Status())
	}
	if e.Kind != kind || e.Reason != reason {
		t.Fatalf("refused with %d %q, want %d %q", e.Kind.Status(), e.Reason, kind.Status(), reason)
	}
	return e
}

func wantForbidden(t *testing.T, err error) {
	t.Helper()
	e := wantRefusal(t, err, portcullis.KindForbidden, "forbidden")
	if e.Event != portcullis.EventUnauthorizedAccess {
		t.Errorf("event = %q", e.Event)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestNames(t *testing.T) {
	for want, g := range map[string]portcullis.EdgeGuard{
		"switch": &Switch{}, "https": &HTTPS{}, "host": &Host{}, "origin": &Origin{}, "cors": &CORS{}, "body": &Body{}, "api_version": &Version{},
	} {
		if g.Name() != want { // part of metrics and of `portcullis pipeline`
			t.Errorf("name = %q, want %q", g.Name(), want)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		`hostname: "https://x": want a host such as`:                     func(c *Config) { c.Hostname = "https://x" },
		`require_https: "no": want "auto", "always" or "insecure_never"`: func(c *Config) { c.RequireHTTPS = "no" },
		`allowed_hosts[0]: "*": want a host such as`:                     func(c *Config) { c.AllowedHosts = []string{"*"} },
		`tls.key: empty, but cert is set`:                                func(c *Config) { c.TLS.Cert = "x" },
		`tls.cert: empty, but key is set`:                                func(c *Config) { c.TLS.Key = "x" },
		`tls.client_ca: set without cert and key`:                        func(c *Config) { c.TLS.ClientCA = "x" },
		`tls.reload: 1ms: want 0s or at least 1s`:                        func(c *Config) { c.TLS.Reload = 1e6 },
		`tls.min_version: "1.1": want "1.2" or "1.3"`:                    func(c *Config) { c.TLS.MinVersion = "1.1" },
		`limits.read_header_timeout: 0s: want 100ms to 5m0s`:             func(c *Config) { c.Limits.ReadHeaderTimeout = 0 },
		`limits.body_timeout: 2h0m0s: want 100ms to 1h0m0s`:              func(c *Config) { c.Limits.BodyTimeout = 72e11 },
		`limits.max_connections: 0: want 1 to 1000000`:                   func(c *Config) { c.Limits.MaxConns = 0 },
		`limits.max_header_bytes: 10: want 1024 to 1048576`:              func(c *Config) { c.Limits.MaxHeaderBytes = 10 },
		`limits.max_connections_per_address: -1: want 1 to 1000000`:      func(c *Config) { c.Limits.MaxConnsPerAddress = -1 },
		`limits.max_streams: 1001: want 1 to 1000`:                       func(c *Config) { c.Limits.MaxStreams = 1001 },
		`limits.min_body_rate: -1: want 0 to`:                            func(c *Config) { c.Limits.MinBodyRate = -1 },
	} {
		c := Default()
		change(&c)
		if err := c.Validate(); err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

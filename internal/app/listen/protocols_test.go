package listen_test

import (
	"net/http"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/app/listen"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// TestProtocols: HTTP/2 without TLS is spoken where gRPC needs it and nowhere
// else.
func TestProtocols(t *testing.T) {
	for name, c := range map[string]struct {
		protocol string
		bindings []string
		cert     string
		want     bool
	}{
		"gRPC":           {"a2a", []string{"jsonrpc", "grpc"}, "", true},
		"gRPC over TLS":  {"a2a", []string{"jsonrpc", "grpc"}, "tls.crt", false},
		"other bindings": {"a2a", []string{"jsonrpc", "http+json"}, "", false},
		"other routes":   {"mcp", []string{"jsonrpc", "grpc"}, "", false},
	} {
		rc := config.DefaultRoute()
		rc.Protocol, rc.A2A.Bindings = c.protocol, c.bindings
		cfg := &config.Config{Routes: []config.Route{rc}}
		cfg.Server.TLS.Cert = c.cert
		s := new(http.Server)
		listen.Protocols(s, cfg)
		if got := s.Protocols != nil && s.Protocols.UnencryptedHTTP2(); got != c.want || listen.ClearHTTP2(cfg) != c.want || got && !s.Protocols.HTTP1() {
			t.Errorf("%s: %v", name, s.Protocols)
		}
	}
}

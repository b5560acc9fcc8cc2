package direct

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
	"github.com/portcullis-dev/portcullis/test/pki"
)

// keys gives credentials in order: another after each refusal, while there is
// one.
type keys struct {
	all []inject.Credential
	at  atomic.Int32
	err error
}

func (k *keys) Authorize(context.Context, *portcullis.Call) (inject.Credential, error) {
	return k.all[min(int(k.at.Load()), len(k.all)-1)], k.err
}

func (k *keys) Refused(context.Context, *portcullis.Call, inject.Credential) bool {
	return int(k.at.Add(1)) < len(k.all)
}

func bearer(text string) inject.Credential {
	return inject.Credential{Fields: []portcullis.Field{{Name: "Authorization", Value: "Bearer " + text}}}
}

func toolCall(header ...portcullis.Field) *portcullis.Call {
	return &portcullis.Call{
		Header:  header,
		Message: &portcullis.Message{Shape: portcullis.ShapeRequest, Method: "tools/call", Raw: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)},
	}
}

// TestCredentials holds for both ways that calls are carried: our own, and
// http.Transport for servers that choose HTTP/2.
func TestCredentials(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				seen = append(seen, strings.Join(r.Header.Values("Authorization"), "|")+" "+r.URL.RawQuery+" "+string(body[:9]))
				if r.Header.Get("Authorization") != "Bearer new" && !strings.Contains(r.URL.RawQuery, "k=v") {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			srv.EnableHTTP2 = http2
			srv.StartTLS()
			defer srv.Close()
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, pemOf(srv.Certificate().Raw), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				name string
				keys *keys
				want int
				seen []string
			}{
				{"replaced", &keys{all: []inject.Credential{bearer("old"), bearer("new"), bearer("more")}}, 200, []string{"Bearer old  {\"jsonrpc", "Bearer new  {\"jsonrpc"}},
				{"once more only", &keys{all: []inject.Credential{bearer("a"), bearer("b"), bearer("c")}}, 401, []string{"Bearer a  {\"jsonrpc", "Bearer b  {\"jsonrpc"}},
				{"no other", &keys{all: []inject.Credential{bearer("old")}}, 401, []string{"Bearer old  {\"jsonrpc"}},
				{"in the URL", &keys{all: []inject.Credential{{Query: "k=v"}}}, 200, []string{" k=v {\"jsonrpc"}},
				{"gone", &keys{all: []inject.Credential{{}}, err: inject.Unavailable(errors.New("x"))}, 0, nil},
				{"smuggled", &keys{all: []inject.Credential{bearer("a\r\nX: b")}}, 0, nil},
				{"smuggled in the URL", &keys{all: []inject.Credential{{Query: "k=v HTTP/1.1"}}}, 0, nil},
				{"a field of the connection", &keys{all: []inject.Credential{{Fields: []portcullis.Field{{Name: "Content-Length", Value: "0"}}}}}, 0, nil},
			} {
				seen = nil
				cfg := Default()
				cfg.URL, cfg.CAFile, cfg.ServerName, cfg.Credentials = srv.URL+"/mcp", ca, "example.com", c.keys
				client, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				// What a caller could bring along under the same name does not travel.
				call := toolCall(portcullis.Field{Name: "Content-Type", Value: "application/json"})
				if len(c.keys.all[0].Fields) > 0 {
					call.Header = append(call.Header, portcullis.Field{Name: "authorization", Value: "Bearer caller"})
				}
				reply, err := client.Forward(t.Context(), call)
				status := 0
				if err == nil {
					status = reply.Status
					_ = reply.Body.Close()
				}
				if status != c.want || strings.Join(seen, "\n") != strings.Join(c.seen, "\n") {
					t.Errorf("%s: status %d %v, seen %q", c.name, status, err, seen)
				}
				var pe *portcullis.Error
				if c.want == 0 && (!errors.As(err, &pe) || pe.Kind != portcullis.KindUpstream) {
					t.Errorf("%s: %v", c.name, err)
				}
				_ = client.Close()
			}
		})
	}
}

// held is one half of a client certificate.
type held struct {
	text    atomic.Value
	reading atomic.Uint64
}

func (h *held) set(b []byte) { h.text.Store(string(b)); h.reading.Add(1) }

func (h *held) Get() (string, uint64, error) { return h.text.Load().(string), h.reading.Load(), nil }

func (*held) Refresh(context.Context, uint64) (bool, error) { return false, nil }

// TestInjectedCertificate: a replaced pair is shown by the next connection,
// half of one is not.
func TestInjectedCertificate(t *testing.T) {
	root := pki.Root(t, "upstreams")
	var shown []string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = append(shown, r.TLS.PeerCertificates[0].URIs[0].String())
		w.Header().Set("Connection", "close")
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(srv.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := root.Client(t, "spiffe://x/one"), root.Client(t, "spiffe://x/two")
	var chain, key held
	chain.set(pki.PEM(one))
	key.set(one.KeyPEM(t))
	pair := &inject.Certificate{Chain: &chain, Key: &key}
	cfg := Default()
	cfg.URL, cfg.CAFile, cfg.ServerName, cfg.Certificate = srv.URL+"/mcp", ca, "example.com", pair.Get
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send := func() {
		t.Helper()
		reply, err := client.Forward(t.Context(), toolCall())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, reply.Body)
		_ = reply.Body.Close()
	}
	send()
	chain.set(pki.PEM(two)) // half of the rotation
	send()
	key.set(two.KeyPEM(t))
	send()
	if got := strings.Join(shown, " "); got != "spiffe://x/one spiffe://x/one spiffe://x/two" {
		t.Errorf("shown %s", got)
	}
	broken := &inject.Certificate{Chain: &key, Key: &key}
	if _, err := broken.Get(nil); err == nil || strings.Contains(err.Error(), "PRIVATE") {
		t.Errorf("a key in place of a certificate: %v", err)
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

package direct

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// trailed answers over HTTP/2 with a trailer, and refuses all keys but the
// second as gRPC does.
func trailed(t *testing.T, calls *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" {
			t.Errorf("%s with %v", r.Proto, r.Header)
		}
		w.Header().Set("Content-Type", "application/grpc")
		if r.Header.Get("Authorization") == "Bearer first" {
			w.Header().Set("Grpc-Status", "16")
			return
		}
		_, _ = w.Write([]byte("body"))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
	})
}

func checkTrailer(t *testing.T, c *Client) {
	t.Helper()
	reply, err := c.Forward(t.Context(), toolCall())
	if err != nil || reply.Status != http.StatusOK {
		t.Fatalf("%+v, %v", reply, err)
	}
	raw, err := io.ReadAll(reply.Body)
	if err != nil || string(raw) != "body" {
		t.Errorf("%q, %v", raw, err)
	}
	if got := reply.Body.(interface{ Trailer() http.Header }).Trailer().Get("Grpc-Status"); got != "5" {
		t.Errorf("status %q", got)
	}
	if err := reply.Body.Close(); err != nil {
		t.Error(err)
	}
}

// TestHTTP2 speaks nothing else, with TLS and without.
func TestHTTP2(t *testing.T) {
	var calls atomic.Int64
	clear := httptest.NewUnstartedServer(trailed(t, &calls))
	clear.Config.Protocols = new(http.Protocols)
	clear.Config.Protocols.SetUnencryptedHTTP2(true)
	clear.Start()
	t.Cleanup(clear.Close)
	checkTrailer(t, newClient(t, clear.URL, func(c *Config) { c.HTTP2, c.Timeout = true, 1 })) // headers may be late

	secure := httptest.NewUnstartedServer(trailed(t, &calls))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	ca := writePEM(t, "CERTIFICATE", secure.Certificate().Raw)
	checkTrailer(t, newClient(t, secure.URL, func(c *Config) { c.HTTP2, c.CAFile = true, ca }))

	url, ca := secureServer(t, offering("http/1.1"), nil)
	c := newClient(t, url, func(c *Config) { c.HTTP2, c.CAFile = true, ca })
	if reply, err := c.Forward(t.Context(), toolCall()); err == nil {
		t.Errorf("a server of HTTP/1.1: %+v", reply)
	}
}

// TestCredentialOverHTTP2: who is refused as gRPC refuses gets the key that
// replaced the first.
func TestCredentialOverHTTP2(t *testing.T) {
	var calls atomic.Int64
	srv := httptest.NewUnstartedServer(trailed(t, &calls))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	k := &keys{all: []inject.Credential{bearer("first"), bearer("second")}}
	checkTrailer(t, newClient(t, srv.URL, func(c *Config) { c.HTTP2, c.Credentials = true, k }))
	if calls.Load() != 2 {
		t.Errorf("%d calls", calls.Load())
	}
}

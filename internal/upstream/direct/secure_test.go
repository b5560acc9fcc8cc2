package direct

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// secureServer starts a TLS server that offers what protos holds at the time
// of each handshake, and returns its URL and a file with its root.
func secureServer(t *testing.T, protos *atomic.Pointer[[]string], change func(*tls.Config)) (string, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("Set-Cookie", "a=b")
		if len(r.TLS.PeerCertificates) > 0 {
			w.Header().Set("X-Client", r.TLS.PeerCertificates[0].Subject.CommonName)
		}
		_, _ = w.Write(body)
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if change != nil {
		change(srv.TLS)
	}
	srv.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		cfg := srv.TLS.Clone()
		cfg.NextProtos = *protos.Load()
		return cfg, nil
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL, writePEM(t, "CERTIFICATE", srv.Certificate().Raw)
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func offering(protos ...string) *atomic.Pointer[[]string] {
	p := new(atomic.Pointer[[]string])
	p.Store(&protos)
	return p
}

// TestTLS decides by what the server negotiates, and decides anew.
func TestTLS(t *testing.T) {
	h1, h2 := []string{"http/1.1"}, []string{"h2", "http/1.1"}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			protos := offering(h1...)
			url, ca := secureServer(t, protos, func(c *tls.Config) { c.MaxVersion = version })
			c := newClient(t, url, func(c *Config) { c.CAFile = ca })
			check := func(proto string, fallbacks uint64) {
				t.Helper()
				reply, body, err := forward(t.Context(), c, post("hello"))
				if err != nil {
					t.Fatal(err)
				}
				h := reply.Header
				if body != "hello" || h.Get("X-Proto") != proto || h.Get("Set-Cookie") != "" || c.Stats().Fallbacks != fallbacks {
					t.Errorf("got %q, %v, %+v; want %s", body, h, c.Stats(), proto)
				}
			}
			for range 5 {
				check("HTTP/1.1", 0)
			}
			if s := c.Stats(); s.Dials != 1 || s.Reuses != 4 {
				t.Errorf("stats %+v", s)
			}
			protos.Store(&h2)
			check("HTTP/1.1", 0)                           // on the old connection
			c.pool.fit = func(*conn) bool { return false } // as if the server had closed it
			check("HTTP/2.0", 1)
			check("HTTP/2.0", 2)
			if s := c.Stats(); s.Open != 0 {
				t.Errorf("stats %+v", s)
			}
			protos.Store(&h1)
			check("HTTP/2.0", 3)
			until(t, func() bool { // the transport makes a new connection and learns
				c.transport.CloseIdleConnections()
				reply, _, err := forward(t.Context(), c, post("hello"))
				return err == nil && reply.Header.Get("X-Proto") == "HTTP/1.1"
			})
			check("HTTP/1.1", c.Stats().Fallbacks)
		})
	}
}

func TestTLSRefusals(t *testing.T) {
	url, ca := secureServer(t, offering("http/1.1"), nil)
	weak, weakCA := secureServer(t, offering("http/1.1"), func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
	})
	old, oldCA := secureServer(t, offering("http/1.1"), func(c *tls.Config) {
		c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	})
	for name, change := range map[string]func(*Config){
		"unknown root": func(c *Config) { c.URL = url },
		"other name":   func(c *Config) { c.URL, c.CAFile, c.ServerName = url, ca, "other.test" },
		"CBC suite":    func(c *Config) { c.URL, c.CAFile = weak, weakCA },
		"TLS 1.1":      func(c *Config) { c.URL, c.CAFile = old, oldCA },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, url, change)
			_, _, err := forward(t.Context(), c, post("x"))
			wantKind(t, err, portcullis.KindUpstream)
			if s := c.Stats(); s.Open != 0 || s.DialErrors != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
	c := newClient(t, url, func(c *Config) { c.CAFile, c.ServerName = ca, "example.com" })
	if _, _, err := forward(t.Context(), c, post("x")); err != nil {
		t.Errorf("a name the certificate has: %v", err)
	}
	// A plain request to a TLS port is answered, in plain HTTP, with 400.
	plain := newClient(t, "http"+url[len("https"):])
	if reply, _, err := forward(t.Context(), plain, post("x")); err != nil || reply.Status != 400 {
		t.Errorf("plain HTTP to a TLS port: %v", err)
	}
}

func TestClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	url, ca := secureServer(t, offering("http/1.1"), func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
	c := newClient(t, url, func(c *Config) {
		c.CAFile = ca
		c.ClientCert, c.ClientKey = writePEM(t, "CERTIFICATE", cert), writePEM(t, "PRIVATE KEY", der)
	})
	reply, _, err := forward(t.Context(), c, post("x"))
	if err != nil || reply.Header.Get("X-Client") != "gateway" {
		t.Errorf("%v, %v", reply, err)
	}
	_, _, err = forward(t.Context(), newClient(t, url, func(c *Config) { c.CAFile = ca }), post("x"))
	wantKind(t, err, portcullis.KindUpstream)
}

// TestUnsolicitedTLS covers bytes that the socket no longer shows because TLS
// has taken them in together with the reply.
func TestUnsolicitedTLS(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS() // lends its certificate
	ca := writePEM(t, "CERTIFICATE", srv.Certificate().Raw)
	cfg := srv.TLS.Clone()
	cfg.NextProtos = nil
	srv.Close()
	for name, write := range map[string]func(net.Conn){
		"one record":       func(c net.Conn) { _, _ = io.WriteString(c, okReply+evil) },
		"two records":      func(c net.Conn) { _, _ = io.WriteString(c, okReply); _, _ = io.WriteString(c, evil) },
		"reply and notify": func(c net.Conn) { _, _ = io.WriteString(c, okReply); _ = c.(*tls.Conn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan struct{}, 9)
			serveListener(t, tls.NewListener(l, cfg), func(c net.Conn, r *bufio.Reader, i int) {
				if i > 0 {
					answer(okReply)(c, r, i)
					return
				}
				readRequest(r)
				write(c)
				sent <- struct{}{}
				readRequest(r)
			})
			c := newClient(t, "https://"+l.Addr().String(), func(c *Config) { c.CAFile = ca })
			reply, err := c.Forward(t.Context(), post("x"))
			if err != nil {
				t.Fatal(err)
			}
			within(t, sent, "the server") // everything has arrived before the body is read
			if body, err := io.ReadAll(reply.Body); err != nil || string(body) != "ok" {
				t.Fatalf("first call: %q, %v", body, err)
			}
			if _, body, err := forward(t.Context(), c, post("x")); err != nil || body != "ok" {
				t.Errorf("second call: %q, %v", body, err)
			}
			if s := c.Stats(); s.Dials != 2 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestProxy(t *testing.T) {
	var asked atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		_, _ = io.WriteString(w, "by proxy")
	})
	c := newClient(t, "http://upstream.invalid/mcp", func(c *Config) { c.Proxy = proxy })
	_, body, err := forward(t.Context(), c, post("x"))
	if err != nil || body != "by proxy" || asked.Load() != "http://upstream.invalid/mcp" {
		t.Errorf("%q, %v, asked for %v", body, err, asked.Load())
	}
	// Without one, the environment has no say.
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	if _, _, err := forward(t.Context(), newClient(t, "http://"+u.Host), post("x")); err != nil {
		t.Error(err)
	}
}

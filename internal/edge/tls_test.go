package edge

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pairSpec describes a self-signed certificate.
type pairSpec struct {
	serial    int64
	notBefore time.Time
	notAfter  time.Time
	key       crypto.Signer
}

func ecKey(t testing.TB) crypto.Signer {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
}

func makePair(t testing.TB, s pairSpec) (certPEM, keyPEM []byte) {
	t.Helper()
	if s.key == nil {
		s.key = ecKey(t)
	}
	if s.notBefore.IsZero() {
		s.notBefore = time.Now().Add(-time.Hour)
	}
	if s.notAfter.IsZero() {
		s.notAfter = time.Now().Add(24 * time.Hour)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(s.serial + 1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: s.notBefore, NotAfter: s.notAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.key))(t)
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(s.key))(t)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// pairFiles writes a pair and returns a configuration that names it.
func pairFiles(t testing.TB, s pairSpec) TLSConfig {
	t.Helper()
	dir := t.TempDir()
	c := DefaultTLS()
	c.Cert, c.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, c, s)
	return c
}

func writePair(t testing.TB, c TLSConfig, s pairSpec) {
	t.Helper()
	cert, key := makePair(t, s)
	for name, data := range map[string][]byte{c.Cert: cert, c.Key: key} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestCertificatesRefuse(t *testing.T) {
	now := time.Now()
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	for want, prepare := range map[string]func(c *TLSConfig){
		"expired on": func(c *TLSConfig) {
			writePair(t, *c, pairSpec{notBefore: now.Add(-48 * time.Hour), notAfter: now.Add(-time.Hour)})
		},
		"not valid before": func(c *TLSConfig) {
			writePair(t, *c, pairSpec{notBefore: now.Add(time.Hour), notAfter: now.Add(2 * time.Hour)})
		},
		"private key does not match public key": func(c *TLSConfig) {
			_, key := makePair(t, pairSpec{})
			if err := os.WriteFile(c.Key, key, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"reading certificate":        func(c *TLSConfig) { c.Cert += ".missing" },
		"reading private key":        func(c *TLSConfig) { c.Key += ".missing" },
		"failed to find any PEM":     func(c *TLSConfig) { c.Cert = os.DevNull },
		"reading client authorities": func(c *TLSConfig) { c.ClientCA = c.Cert + ".missing" },
		"holds no certificate":       func(c *TLSConfig) { c.ClientCA = c.Key },
		"cert: empty":                func(c *TLSConfig) { *c = DefaultTLS() },
		"min_version":                func(c *TLSConfig) { c.MinVersion = "1.0" },
		"rsa key of 1024 bits":       func(c *TLSConfig) { writePair(t, *c, pairSpec{key: weak(t)}) },
	} {
		c := pairFiles(t, pairSpec{})
		prepare(&c)
		if _, err := NewCertificates(c, discard(), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

func TestLooseKeyWarns(t *testing.T) {
	c := pairFiles(t, pairSpec{})
	var log bytes.Buffer
	must(NewCertificates(c, slog.New(slog.NewTextHandler(&log, nil)), nil))(t)
	if log.Len() != 0 {
		t.Errorf("warning for a private file: %s", &log)
	}
	if err := os.Chmod(c.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	must(NewCertificates(c, slog.New(slog.NewTextHandler(&log, nil)), nil))(t)
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "-rw-r--r--") {
		t.Errorf("log = %q", &log)
	}
}

// serveTLS answers every request on a real socket.
func serveTLS(t *testing.T, certs *Certificates) string {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	s := &http.Server{TLSConfig: certs.Config(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	DefaultLimits().Configure(s)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.ServeTLS(l, "", "") })
	t.Cleanup(func() { _ = s.Close(); wg.Wait() })
	return l.Addr().String()
}

func dial(t *testing.T, addr string, c *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	c.InsecureSkipVerify = true // self-signed
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	// In TLS 1.3 the server's verdict on the client's certificate comes with
	// its first record.
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}

func TestTLSOnTheWire(t *testing.T) {
	ec := serveTLS(t, must(NewCertificates(pairFiles(t, pairSpec{}), discard(), nil))(t))
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	rs := serveTLS(t, must(NewCertificates(pairFiles(t, pairSpec{key: rsaKey}), discard(), nil))(t))

	state, err := dial(t, ec, &tls.Config{})
	if err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("default: %v, version %x", err, state.Version)
	}
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := dial(t, ec, &tls.Config{MinVersion: v, MaxVersion: v}); err == nil {
			t.Errorf("version %x accepted", v)
		}
	}
	try12 := func(addr string, suite uint16) error {
		_, err := dial(t, addr, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		return err
	}
	allowed := map[uint16]bool{}
	for _, id := range suites12() {
		allowed[id] = true
	}
	if len(allowed) != 6 {
		t.Errorf("%d suites, want the guide's 4 and 2 ChaCha20", len(allowed))
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if strings.HasPrefix(suite.Name, "TLS_AES") || strings.HasPrefix(suite.Name, "TLS_CHACHA") {
			continue // TLS 1.3
		}
		addr := rs
		if strings.Contains(suite.Name, "ECDSA") {
			addr = ec
		}
		if err := try12(addr, suite.ID); (err == nil) != allowed[suite.ID] {
			t.Errorf("%s: %v, want accepted %t", suite.Name, err, allowed[suite.ID])
		}
	}
	for proto, want := range map[string]string{"h2": "h2", "http/1.1": "http/1.1"} {
		conn, err := tls.Dial("tcp", ec, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("ALPN %q → %q", proto, got)
		}
		_ = conn.Close()
	}
	// No tickets: a second connection does not resume.
	cache := tls.NewLRUClientSessionCache(4)
	for range 2 {
		for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			state, err := dial(t, ec, &tls.Config{ClientSessionCache: cache, ServerName: "localhost", MaxVersion: v})
			if err != nil || state.DidResume {
				t.Errorf("version %x: %v, resumed %t", v, err, state.DidResume)
			}
		}
	}
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	reply := must(client.Get("https://" + ec))(t)
	defer reply.Body.Close()
	if reply.ProtoMajor != 2 {
		t.Errorf("proto %s", reply.Proto)
	}

	only13 := pairFiles(t, pairSpec{})
	only13.MinVersion = "1.3"
	addr := serveTLS(t, must(NewCertificates(only13, discard(), nil))(t))
	if _, err := dial(t, addr, &tls.Config{MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 accepted by a 1.3 server")
	}
}

func TestClientCertificates(t *testing.T) {
	c := pairFiles(t, pairSpec{})
	c.ClientCA = filepath.Join(filepath.Dir(c.Cert), "ca.pem")
	good, goodKey := makePair(t, pairSpec{serial: 7})
	bad, badKey := makePair(t, pairSpec{serial: 7})
	if err := os.WriteFile(c.ClientCA, good, 0o600); err != nil {
		t.Fatal(err)
	}
	ours := must(tls.X509KeyPair(good, goodKey))(t)
	theirs := must(tls.X509KeyPair(bad, badKey))(t)
	present := func(cert tls.Certificate) *tls.Config {
		return &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }}
	}
	addr := serveTLS(t, must(NewCertificates(c, discard(), nil))(t))
	for name, config := range map[string]*tls.Config{"ours": present(ours), "a stranger's": present(theirs), "none": {}} {
		if _, err := dial(t, addr, config); err != nil { // a guard decides, which leaves a record
			t.Errorf("%s: %v", name, err)
		}
	}
	theirs.PrivateKey = ours.PrivateKey
	if _, err := dial(t, addr, present(theirs)); err == nil {
		t.Error("a certificate without its key accepted")
	}
	asked := false
	ask := &tls.Config{GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = len(r.AcceptableCAs) == 1
		return new(tls.Certificate), nil
	}}
	if _, err := dial(t, addr, ask); err != nil || !asked {
		t.Errorf("authorities are not named: %v", err)
	}
}

func TestReload(t *testing.T) {
	first := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Second)
	second := first.Add(24 * time.Hour)
	c := pairFiles(t, pairSpec{serial: 1, notAfter: first})
	certs := must(NewCertificates(c, discard(), nil))(t)
	addr := serveTLS(t, certs)
	serial := func() int64 {
		t.Helper()
		state, err := dial(t, addr, &tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	if changed, err := certs.Reload(); changed || err != nil {
		t.Errorf("nothing new: %t, %v", changed, err)
	}
	if !certs.NotAfter().Equal(first) || serial() != 2 {
		t.Errorf("NotAfter = %s, serial %d", certs.NotAfter(), serial())
	}
	if err := os.WriteFile(c.Cert, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := certs.Reload(); changed || err == nil {
		t.Errorf("broken file: %t, %v", changed, err)
	}
	if serial() != 2 {
		t.Error("a broken file replaced a good one")
	}
	writePair(t, c, pairSpec{serial: 2, notAfter: second})
	if changed, err := certs.Reload(); !changed || err != nil {
		t.Errorf("new pair: %t, %v", changed, err)
	}
	if !certs.NotAfter().Equal(second) || serial() != 3 {
		t.Errorf("NotAfter = %s, serial %d", certs.NotAfter(), serial())
	}
}

// TestRun lets the poller find a broken and then a good file, on fake time.
func TestRun(t *testing.T) {
	key := ecKey(t)
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		c := pairFiles(t, pairSpec{serial: 1, key: key, notBefore: now.Add(-time.Hour), notAfter: now.Add(time.Hour)})
		var log bytes.Buffer
		certs := must(NewCertificates(c, slog.New(slog.NewTextHandler(&log, nil)), nil))(t)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := certs.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		if err := os.WriteFile(c.Cert, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * c.Reload / 2)
		synctest.Wait()
		if n := strings.Count(log.String(), "keeping the certificate in use"); n != 1 {
			t.Errorf("%d errors logged, want one for two attempts:\n%s", n, &log)
		}
		writePair(t, c, pairSpec{serial: 2, key: key, notBefore: now.Add(-time.Hour), notAfter: now.Add(2 * time.Hour)})
		<-time.After(c.Reload)
		synctest.Wait()
		if !strings.Contains(log.String(), "certificate replaced") || !certs.NotAfter().Equal(now.Add(2*time.Hour).Truncate(time.Second)) {
			t.Errorf("NotAfter = %s:\n%s", certs.NotAfter(), &log)
		}
		cancel()
		wg.Wait()
	})
	off := pairFiles(t, pairSpec{})
	off.Reload = 0
	if err := must(NewCertificates(off, discard(), nil))(t).Run(context.Background()); err != nil {
		t.Error(err)
	}
}

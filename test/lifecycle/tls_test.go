package lifecycle

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// writeCertificate writes a self-signed pair with a serial number.
func writeCertificate(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}

// https is a client of the TLS listener; old clients speak HTTP/1.1.
func https(t *testing.T, pool *x509.CertPool, old bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(old)
	protocols.SetHTTP2(!old)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, Protocols: protocols}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func over(t *testing.T, c *http.Client, g *harness.Gateway, method, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir, 1)
	up := newSlow(t)
	server := fmt.Sprintf("tls.cert = %q\ntls.key = %q\ntls.reload = \"1s\"\n", filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	g := harness.Start(t, server+route(up.Upstream))
	if !strings.HasPrefix(g.URL, "https://") {
		t.Fatalf("URL %s", g.URL)
	}
	for _, old := range []bool{true, false} {
		c := https(t, pool, old)
		resp := over(t, c, g, http.MethodPost, fmt.Sprintf(call, "echo"), "X-API-Key", g.Key)
		if resp.StatusCode != http.StatusOK || (resp.ProtoMajor == 1) != old || resp.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s: %d", resp.Proto, resp.StatusCode)
		}
		if resp.Header.Get("Strict-Transport-Security") == "" {
			t.Error("no Strict-Transport-Security over TLS")
		}
		refused := over(t, c, g, http.MethodPost, fmt.Sprintf(call, "echo"))
		if refused.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without key: %d", refused.Proto, refused.StatusCode)
		}
		rebinding := over(t, c, g, http.MethodPost, fmt.Sprintf(call, "echo"), "X-API-Key", g.Key, "Origin", "https://evil.example")
		if rebinding.StatusCode != http.StatusForbidden {
			t.Errorf("%s from another site: %d", rebinding.Proto, rebinding.StatusCode)
		}
		streamOver(t, c, g, up)
	}
	t.Run("renewed certificate", func(t *testing.T) {
		renewed := writeCertificate(t, dir, 2)
		until(t, "the renewed certificate", func() bool {
			c, err := tls.Dial("tcp", strings.TrimPrefix(g.Base, "https://"), &tls.Config{RootCAs: renewed})
			if err != nil {
				return false
			}
			defer c.Close()
			return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64() == 2
		})
	})
	t.Run("broken certificate keeps the last good one", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(dir, "tls.crt"), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		until(t, "the complaint", func() bool {
			return strings.Contains(g.Log.String(), "certificate") && strings.Contains(g.Log.String(), `"ERROR"`)
		})
		c, err := tls.Dial("tcp", strings.TrimPrefix(g.Base, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n := c.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); n != 2 {
			t.Errorf("serial %d", n)
		}
	})
	t.Run("old TLS", func(t *testing.T) {
		if c, err := tls.Dial("tcp", strings.TrimPrefix(g.Base, "https://"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
			c.Close()
			t.Error("TLS 1.1 is spoken")
		}
	})
	t.Run("clear text", func(t *testing.T) {
		resp := harness.Do(t, http.MethodPost, strings.Replace(g.URL, "https://", "http://", 1), []byte(fmt.Sprintf(call, "echo")), "X-API-Key", g.Key)
		if resp.Status != http.StatusBadRequest {
			t.Errorf("status %d", resp.Status)
		}
	})
}

// streamOver sends two events, the second after the first has arrived, and
// leaves.
func streamOver(t *testing.T, c *http.Client, g *harness.Gateway, up *slow) {
	t.Helper()
	resp := over(t, c, g, http.MethodPost, fmt.Sprintf(call, "stream"), "X-API-Key", g.Key, "Accept", "application/json, text/event-stream")
	<-up.arrived
	r := bufio.NewReader(resp.Body)
	for range 2 {
		up.events <- progress
		for _, want := range []string{strings.TrimSuffix(progress, "\n"), "\n"} {
			if line, err := r.ReadString('\n'); err != nil || line != want {
				t.Fatalf("%s: %q, %v", resp.Proto, line, err)
			}
		}
	}
	before := outcomes(g, "client_closed")
	resp.Body.Close()
	until(t, "the outcome of a caller who left over "+resp.Proto, func() bool { return outcomes(g, "client_closed") == before+1 })
}

func outcomes(g *harness.Gateway, reason string) int {
	n := 0
	for _, e := range g.Events() {
		if e.Type == "CALL_FINISHED" && e.Reason == reason {
			n++
		}
	}
	return n
}

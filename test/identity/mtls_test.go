package identity

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls/clientcert"
	"github.com/portcullis-dev/portcullis/test/harness"
	"github.com/portcullis-dev/portcullis/test/pki"
)

const agentA = "spiffe://example.org/agent/a"

// site is a gateway with TLS and its own authorities.
type site struct {
	*harness.Gateway
	t                  *testing.T
	up                 *harness.Upstream
	dir                string
	root, mid, servers *pki.Cert
}

// newSite starts a gateway; ends says that it ends TLS itself. server is added to [server], text below it; %DIR%
// stands for the folder of the certificates.
func newSite(t *testing.T, ends bool, server, text string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), root: pki.Root(t, "root"), servers: pki.Root(t, "servers")}
	s.mid = s.root.Authority(t, "mid")
	cert := s.servers.Server(t)
	s.write("tls.crt", pki.PEM(cert))
	s.write("tls.key", cert.KeyPEM(t))
	s.write("ca.pem", pki.PEM(s.root, s.mid))
	s.write("mid.crl", s.mid.CRL(t))
	s.up = harness.NewUpstream(t, func(rw http.ResponseWriter, r *http.Request) {
		harness.Answer(rw, r, `{"content":[{"type":"text","text":"hello"}]}`)
	})
	head := ""
	if ends {
		head = "tls.cert = \"%DIR%/tls.crt\"\ntls.key = \"%DIR%/tls.key\"\n"
	}
	s.Gateway = harness.Start(t, s.inside(head+"tls.reload = \"1s\"\n"+server+text))
	return s
}

func (s *site) inside(text string) string {
	return strings.NewReplacer("%DIR%", s.dir, "UPSTREAM", s.up.URL).Replace(text)
}

func (s *site) write(name string, data []byte) { pki.Write(s.t, filepath.Join(s.dir, name), data) }

const (
	withCA   = "tls.client_ca = \"%DIR%/ca.pem\"\n"
	mtlsOnly = `
[[identity.mtls.rule]]
match = "spiffe://example.org/agent/*"
scopes = ["tools:echo"]
[[route]]
name = "files"
path = "/mcp"
upstream = "UPSTREAM/mcp"
auth = ["mtls"]
[[route]]
name = "keys"
path = "/keys"
upstream = "UPSTREAM/mcp"
`
	lists = "\n[identity.mtls]\ncrl = [\"%DIR%/mid.crl\"]\n"
)

// client returns a client that presents a certificate whether or not the
// gateway asks for its authority. Old clients speak HTTP/1.1.
func (s *site) client(cert *pki.Cert, old bool, staple ...byte) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(s.servers.Certificate)
	c := &tls.Config{RootCAs: pool}
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair := cert.TLS()
			pair.OCSPStaple = staple
			return &pair, nil
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(old)
	protocols.SetHTTP2(!old)
	tr := &http.Transport{TLSClientConfig: c, Protocols: protocols}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (s *site) call(c *http.Client, path string, headers ...string) harness.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.Base+path, strings.NewReader(echo))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-06-18")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return harness.Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

// refused checks a refusal: what the caller reads, and the event it left.
func (s *site) refused(name string, r harness.Response, reason string, cert *pki.Cert) {
	s.t.Helper()
	if r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, "Client certificate refused") || strings.Contains(r.Body, reason) ||
		!strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Certificate ") {
		s.t.Errorf("%s: %d %s %v", name, r.Status, r.Body, r.Header)
	}
	sum := sha256.Sum256(cert.Raw)
	for _, e := range s.EventsOf(r.Header.Get("X-Request-Id")) {
		detail, _ := e.Details["detail"].(string)
		if e.Type == "AUTH_FAILURE" && strings.Contains(detail, reason) && e.Actor["method"] == "mtls" && e.Actor["key_id"] == hex.EncodeToString(sum[:]) {
			return
		}
	}
	s.t.Errorf("%s: no AUTH_FAILURE with %s: %+v", name, reason, s.EventsOf(r.Header.Get("X-Request-Id")))
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, withCA, lists+mtlsOnly)
	good, revoked := s.mid.Client(t, agentA), s.mid.Client(t, agentA)
	s.follow("mid.crl", s.mid.CRL(t, revoked))
	bad := map[string]*pki.Cert{
		"unknown_ca":      pki.Root(t, "mid").Client(t, agentA),
		"expired":         s.mid.Client(t, agentA, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }),
		"not_yet_valid":   s.mid.Client(t, agentA, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }),
		"wrong_usage":     s.mid.Server(t),
		"revoked":         revoked,
		"no_rule":         s.mid.Client(t, "spiffe://example.org/other/a"),
		"odd_name":        s.mid.Client(t, "spiffe://example.org/agent/a%00"),
		"name_constraint": s.mid.Authority(t, "n", func(c *x509.Certificate) { c.PermittedURIDomains = []string{"good.example"} }).Client(t, agentA),
		"too_large":       s.mid.Client(t, agentA, func(c *x509.Certificate) { c.Subject.Organization = []string{strings.Repeat("x", 20<<10)} }),
	}
	for _, old := range []bool{true, false} {
		proto := map[bool]string{true: "HTTP/1.1", false: "HTTP/2"}[old]
		c := s.client(good, old)
		r := s.call(c, "/mcp")
		if r.Status != http.StatusOK || !strings.Contains(r.Body, "hello") {
			t.Fatalf("%s: %d %s", proto, r.Status, r.Body)
		}
		if old {
			(&world{Gateway: s.Gateway}).event(t, r, "AUTH_SUCCESS", "cert:"+agentA, "mtls")
		}
		if r = s.call(c, "/keys", "X-API-Key", s.Key); r.Status != http.StatusOK {
			t.Errorf("%s: a key beside a certificate: %d %s", proto, r.Status, r.Body)
		}
		none := s.client(nil, old)
		r = s.call(none, "/mcp")
		if r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, "Client certificate required") || r.Header.Get("WWW-Authenticate") != `Certificate realm="portcullis"` {
			t.Errorf("%s: none: %d %s", proto, r.Status, r.Body)
		}
		if r = s.call(none, "/keys", "X-API-Key", s.Key); r.Status != http.StatusOK {
			t.Errorf("%s: another method without a certificate: %d", proto, r.Status)
		}
		for reason, cert := range bad {
			c := s.client(cert, old)
			if reason == "too_large" { // without a fingerprint: it is not even hashed
				if r := s.call(c, "/mcp"); r.Status != http.StatusUnauthorized {
					t.Errorf("%s: %s: %d", proto, reason, r.Status)
				}
				continue
			}
			s.refused(proto+" "+reason, s.call(c, "/mcp"), reason, cert)
			if reason != "no_rule" && reason != "odd_name" { // also where something else would open the door
				s.refused(proto+" with a key "+reason, s.call(c, "/keys", "X-API-Key", s.Key), reason, cert)
			}
		}
	}
	for _, seen := range s.up.Seen() {
		for name := range seen.Header {
			if strings.Contains(strings.ToLower(name), "cert") {
				t.Errorf("the upstream got %s", name)
			}
		}
	}
}

// until waits for what must come.
func (s *site) until(what string, holds func() bool) {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-limit:
			s.t.Fatalf("waiting in vain: %s", what)
		case <-tick.C:
		}
	}
}

// follow writes a file and waits until the gateway, which looks every second,
// has read it.
func (s *site) follow(name string, data []byte) {
	s.t.Helper()
	n := strings.Count(s.Log.String(), "revocation lists replaced")
	s.write(name, data)
	s.until("the files are read again", func() bool { return strings.Count(s.Log.String(), "revocation lists replaced") > n })
}

// TestOpenConnection revokes, removes and lets go on one connection each.
func TestOpenConnection(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{true, false} {
		s := newSite(t, true, withCA, lists+mtlsOnly)
		cert := s.mid.Client(t, agentA)
		ending := s.mid.Client(t, agentA, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(3 * time.Second) })
		c, e := s.client(cert, old), s.client(ending, old)
		var dialed atomic.Int64
		tr, _ := c.Transport.(*http.Transport)
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialed.Add(1)
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		for _, client := range []*http.Client{c, e} {
			if r := s.call(client, "/mcp"); r.Status != http.StatusOK {
				t.Fatalf("%d %s", r.Status, r.Body)
			}
		}
		step := func(reason, file string, data []byte) {
			t.Helper()
			s.follow(file, data)
			r := s.call(c, "/mcp")
			if reason == "" && r.Status != http.StatusOK {
				t.Errorf("%d %s", r.Status, r.Body)
			} else if reason != "" {
				s.refused("open connection", r, reason, cert)
			}
		}
		s.until("the end of a certificate on an open connection", func() bool { return s.call(e, "/mcp").Status == http.StatusUnauthorized })
		s.refused("ended", s.call(e, "/mcp"), "expired", ending)
		step("revoked", "mid.crl", s.mid.CRL(t, cert))
		step("", "mid.crl", s.mid.CRL(t))
		step("crl_stale", "mid.crl", s.mid.CRLWith(t, func(l *x509.RevocationList) { l.NextUpdate = l.ThisUpdate.Add(time.Second) }))
		step("", "mid.crl", s.mid.CRL(t))
		other := pki.Root(t, "other")
		s.write("mid.crl", other.CRL(t))
		step("unknown_ca", "ca.pem", pki.PEM(other))
		if n := dialed.Load(); n != 1 {
			t.Errorf("%d connections, want one", n)
		}
	}
}

// TestRevokedCertificateEndsStream revokes a caller whose stream is open.
func TestRevokedCertificateEndsStream(t *testing.T) {
	t.Parallel()
	events := make(chan string)
	up := harness.NewUpstream(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case <-r.Context().Done():
				return
			case e := <-events:
				_, _ = io.WriteString(rw, e)
				_ = http.NewResponseController(rw).Flush()
			}
		}
	})
	s := newSite(t, true, withCA, lists+strings.ReplaceAll(mtlsOnly, "UPSTREAM", up.URL))
	for path, guard := range map[string]string{"/mcp": "mtls", "/keys": "client_cert"} {
		s.revokeMidway(path, guard, events)
	}
}

// revokeMidway opens a stream, revokes the certificate and wants nothing more.
func (s *site) revokeMidway(path, guard string, events chan<- string) {
	t := s.t
	t.Helper()
	cert := s.mid.Client(t, agentA)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Base+path, strings.NewReader(echo))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]string{"Content-Type": "application/json", "Accept": "text/event-stream", "MCP-Protocol-Version": "2025-06-18"} {
		req.Header.Set(name, v)
	}
	if path == "/keys" {
		req.Header.Set("X-API-Key", s.Key)
	}
	go func() { events <- ": first\n\n" }()
	resp, err := s.client(cert, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, len(": first\n\n"))); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	s.follow("mid.crl", s.mid.CRL(t, cert))
	events <- ": second\n\n"
	if rest, err := io.ReadAll(resp.Body); err == nil || strings.Contains(string(rest), "second") {
		t.Errorf("after it was revoked the caller read %q, %v", rest, err)
	}
	if m := s.Metrics(); !strings.Contains(m, `portcullis_refusals_total{guard="`+guard+`",phase="review",reason="unauthenticated"`) {
		t.Errorf("not counted: %s", m)
	}
}

// TestHandshakeFails presents a certificate without its key: there is no call
// to refuse, but a number that grows.
func TestHandshakeFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, withCA, mtlsOnly)
	cert := s.root.Client(t, agentA)
	cert.Key = pki.Key(t)
	tr, _ := s.client(cert, true).Transport.(*http.Transport)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.Base, "https://"), tr.TLSClientConfig)
	if err == nil {
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil {
		t.Fatal("a certificate without its key got an answer")
	}
	s.until("the count of failed handshakes", func() bool { return strings.Contains(s.Metrics(), "portcullis_tls_handshake_failures_total 1") })
	s.until("the end of the authorities", func() bool {
		return strings.Contains(s.Metrics(), `portcullis_tls_certificate_expiry_timestamp_seconds{certificate="client_ca"}`)
	})
}

// TestRequired closes every route to callers without a certificate.
func TestRequired(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, withCA+"tls.require_client_cert = true\n", mtlsOnly)
	none := s.client(nil, true)
	for _, path := range []string{"/mcp", "/keys", "/nowhere"} {
		if r := s.call(none, path, "X-API-Key", s.Key); r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, "Client certificate required") {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	c := s.client(s.root.Client(t, "urn:x"), true)
	if r := s.call(c, "/keys", "X-API-Key", s.Key); r.Status != http.StatusOK {
		t.Errorf("with both: %d %s", r.Status, r.Body)
	}
	if r := s.call(c, "/keys"); r.Status != http.StatusUnauthorized {
		t.Errorf("a certificate where a key is wanted: %d", r.Status)
	}
	if n := len(s.up.Seen()); n != 1 {
		t.Errorf("%d calls reached the upstream", n)
	}
}

// TestStaple presents an OCSP response with the certificate.
func TestStaple(t *testing.T) {
	t.Parallel()
	s := newSite(t, true, withCA, "\n[identity.mtls.ocsp]\nmode = \"hard\"\n"+mtlsOnly)
	staple := func(c *pki.Cert, status int) []byte {
		out, err := xocsp.CreateResponse(s.mid.Certificate, s.mid.Certificate, xocsp.Response{
			Status: status, SerialNumber: c.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour), RevokedAt: time.Now(),
		}, s.mid.Key)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	good, revoked, silent := s.mid.Client(t, agentA), s.mid.Client(t, agentA), s.mid.Client(t, agentA)
	if r := s.call(s.client(good, false, staple(good, xocsp.Good)...), "/mcp"); r.Status != http.StatusOK {
		t.Errorf("stapled: %d %s", r.Status, r.Body)
	}
	s.refused("revoked", s.call(s.client(revoked, false, staple(revoked, xocsp.Revoked)...), "/mcp"), "revoked", revoked)
	s.refused("no staple", s.call(s.client(silent, false), "/mcp"), "ocsp_unknown", silent)
	s.refused("another's", s.call(s.client(silent, false, staple(good, xocsp.Good)...), "/mcp"), "ocsp_unknown", silent)
}

func proxyAt(addr string) string { return "trusted_proxies = [\"" + addr + "\"]\n" }

const fromProxy = `
[identity.mtls]
from_proxy = true
`

// TestBehindProxy is the proxy: a plain connection from a trusted address.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, withCA+proxyAt("127.0.0.1"), fromProxy+mtlsOnly)
	c := http.DefaultClient
	cert := s.mid.Client(t, agentA)
	leaf, chain := clientcert.Encode(cert.Certificate), clientcert.Encode(s.mid.Certificate)
	r := s.call(c, "/mcp", "Client-Cert", leaf, "Client-Cert-Chain", chain, "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Client-Cert", "Hash=x", "X-Ssl-Client-Cert", leaf)
	if r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	(&world{Gateway: s.Gateway}).event(t, r, "AUTH_SUCCESS", "cert:"+agentA, "mtls")
	for _, seen := range s.up.Seen() {
		for name, values := range seen.Header {
			if strings.Contains(strings.ToLower(name), "cert") || strings.Contains(strings.Join(values, ""), leaf[1:40]) {
				t.Errorf("the upstream got %s", name)
			}
		}
	}
	for name, headers := range map[string][]string{
		"twice":       {"Client-Cert", leaf, "Client-Cert", leaf},
		"PEM":         {"Client-Cert", base64.StdEncoding.EncodeToString(cert.Raw)},
		"chain alone": {"Client-Cert-Chain", chain},
		"with a key":  {"Client-Cert", "x", "X-API-Key", s.Key},
	} {
		for _, path := range []string{"/mcp", "/keys"} {
			if r := s.call(c, path, headers...); r.Status != http.StatusBadRequest || !strings.Contains(r.Body, "Invalid Client-Cert header") {
				t.Errorf("%s on %s: %d %s", name, path, r.Status, r.Body)
			}
		}
	}
	stranger := pki.Root(t, "root").Client(t, agentA)
	s.refused("stranger", s.call(c, "/mcp", "Client-Cert", clientcert.Encode(stranger.Certificate)), "unknown_ca", stranger)
	for _, header := range []string{"X-Ssl-Client-Cert", "Ssl-Client-Cert", "X-Forwarded-Client-Cert", "X-Client-Cert", "X-Arr-Clientcert"} {
		if r := s.call(c, "/mcp", header, leaf); r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, "required") {
			t.Errorf("%s is read: %d", header, r.Status)
		}
	}
}

// TestHeaderFromAnyone: whoever is no trusted proxy, or where none passes
// certificates on, has none.
func TestHeaderFromAnyone(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*site{
		"untrusted peer": newSite(t, true, withCA+proxyAt("192.0.2.1"), fromProxy+mtlsOnly),
		"not configured": newSite(t, true, withCA+proxyAt("127.0.0.1"), mtlsOnly),
	} {
		leaf := clientcert.Encode(s.root.Client(t, agentA).Certificate)
		if r := s.call(s.client(nil, true), "/mcp", "Client-Cert", leaf); r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, "Client certificate required") {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
		if r := s.call(s.client(nil, true), "/keys", "Client-Cert", leaf, "X-API-Key", s.Key); r.Status != http.StatusOK {
			t.Errorf("%s: a header that means nothing: %d %s", name, r.Status, r.Body)
		}
		for _, seen := range s.up.Seen() {
			if seen.Header["Client-Cert"] != nil {
				t.Errorf("%s: the upstream got the header", name)
			}
		}
	}
	both := newSite(t, true, withCA+proxyAt("127.0.0.1"), fromProxy+mtlsOnly)
	cert := both.root.Client(t, agentA)
	if r := both.call(both.client(cert, true), "/mcp", "Client-Cert", clientcert.Encode(cert.Certificate)); r.Status != http.StatusBadRequest {
		t.Errorf("both ways: %d %s", r.Status, r.Body)
	}
	if r := both.call(both.client(cert, true), "/mcp"); r.Status != http.StatusOK {
		t.Errorf("a trusted address that is the caller: %d %s", r.Status, r.Body)
	}
}

const boundTOML = `
[identity.oidc]
issuer = "https://login.example.com"
[[route]]
name = "files"
path = "/mcp"
upstream = "UPSTREAM/mcp"
auth = ["oidc"]
`

// TestCertificateBoundTokens uses a token with the certificate it is bound to
// (RFC 8705), and with others.
func TestCertificateBoundTokens(t *testing.T) {
	t.Parallel()
	iss := newIssuer(t)
	text := iss.inside(boundTOML, "UPSTREAM")
	for name, s := range map[string]*site{
		"TLS":   newSite(t, true, withCA, text),
		"proxy": newSite(t, false, proxyAt("127.0.0.1"), fromProxy+text),
	} {
		holder, thief := s.mid.Client(t, agentA), s.mid.Client(t, agentA)
		sum := sha256.Sum256(holder.Raw)
		token := "Bearer " + iss.token(map[string]any{
			"aud": s.URL, "scope": "tools:echo", "cnf": map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])},
		})
		with := func(c *pki.Cert) harness.Response {
			headers := []string{"Authorization", token}
			client := s.client(c, false)
			if name == "proxy" {
				client = http.DefaultClient
				if c != nil {
					headers = append(headers, "Client-Cert", clientcert.Encode(c.Certificate))
				}
			}
			return s.call(client, "/mcp", headers...)
		}
		if r := with(holder); r.Status != http.StatusOK {
			t.Errorf("%s: with its certificate: %d %s", name, r.Status, r.Body)
		}
		for whose, c := range map[string]*pki.Cert{"another": thief, "no": nil} {
			r := with(c)
			if r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "invalid_token") {
				t.Errorf("%s: with %s certificate: %d %s", name, whose, r.Status, r.Body)
			}
		}
	}
}

package mtls

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
	"github.com/portcullis-dev/portcullis/test/pki"
)

var (
	_ portcullis.Authenticator = (*Authenticator)(nil)
	_ portcullis.EdgeGuard     = (*Guard)(nil)
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name, sep string
		ok                 bool
	}{
		{"a", "a", "/", true}, {"a", "A", "/", false}, {"a", "ab", "/", false}, {"ab", "a", "/", false},
		{"*", "a", "/", true}, {"*", "", "/", false}, {"*", "a/b", "/", false}, {"**", "a/b", "/", true}, {"**", "", "/", false},
		{"s://x/*", "s://x/a", "/", true}, {"s://x/*", "s://x/", "/", false}, {"s://x/*", "s://x/a/b", "/", false}, {"s://x/**", "s://x/a/b", "/", true},
		{"s://x/*/z", "s://x/a/z", "/", true}, {"s://x/*/z", "s://x/a/b/z", "/", false}, {"s://*/a", "s://evil/b/a", "/", false},
		{"*.example.com", "a.example.com", ".", true}, {"*.example.com", "a.b.example.com", ".", false}, {"*.example.com", ".example.com", ".", false},
		{"*@example.com", "a@example.com", "@", true}, {"*@example.com", "a@b@example.com", "@", false},
		{"a*c", "abc", "", true}, {"a*c", "ac", "", false}, {"a*b*c", "aXbYc", "", true}, {"*a*a*a*", strings.Repeat("a", 40), "", true},
	} {
		if got := match(c.pattern, c.name, c.sep); got != c.ok {
			t.Errorf("match(%q, %q) = %t", c.pattern, c.name, got)
		}
	}
}

// FuzzMatch compares with the definition: a pattern without stars is equality,
// and one star splits.
func FuzzMatch(f *testing.F) {
	f.Add("a*", "ab")
	f.Add("**", "a/b")
	f.Add("x/*/y", "x/1/y")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got := match(pattern, name, "/")
		switch strings.Count(pattern, "*") {
		case 0:
			if got != (pattern == name) {
				t.Errorf("%q, %q: %t", pattern, name, got)
			}
		case 1:
			head, tail, _ := strings.Cut(pattern, "*")
			mid, ok := strings.CutPrefix(name, head)
			mid, ok2 := strings.CutSuffix(mid, tail)
			if want := ok && ok2 && mid != "" && !strings.Contains(mid, "/"); got != want {
				t.Errorf("%q, %q: %t, want %t", pattern, name, got, want)
			}
		}
	})
}

func uris(list ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.URIs = nil
		for _, s := range list {
			u, err := url.Parse(s)
			if err != nil {
				panic(err)
			}
			c.URIs = append(c.URIs, u)
		}
	}
}

func names(dns, email []string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.URIs, c.DNSNames, c.EmailAddresses = nil, dns, email }
}

func cn(list ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{}
		for _, s := range list {
			c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: s})
		}
	}
}

var rules = Rules{
	{From: FromURI, Match: "spiffe://example.org/agent/*", Scopes: []string{"tools:*"}},
	{From: FromURI, Match: "spiffe://example.org/ops/**", ID: "ops-{value}", Scopes: []string{"manage"}},
	{From: FromURI, Match: "urn:agent:*", Scopes: []string{"tools:a"}},
	{From: FromDNS, Match: "*.Agents.example.com", Scopes: []string{"tools:b"}},
	{From: FromEmail, Match: "*@example.com", ID: "{value}", Roles: []string{"viewer"}},
	{From: FromCommonName, Match: "robot *", Issuer: "second", Scopes: []string{"tools:c"}},
	{From: FromCommonName, Match: "robot 7", ID: "seven", Issuer: "root", Scopes: []string{"tools:d"}},
}

func TestIdentify(t *testing.T) {
	root := pki.Root(t, "root")
	second := root.Authority(t, "second")
	for _, c := range []struct {
		name   string
		issuer *pki.Cert
		change func(*x509.Certificate)
		id     string
		err    error
	}{
		{"SPIFFE", root, uris("spiffe://example.org/agent/a"), "spiffe://example.org/agent/a", nil},
		{"deeper", root, uris("spiffe://example.org/agent/a/b"), "", errNoRule},
		{"template", root, uris("spiffe://example.org/ops/a/b"), "ops-spiffe://example.org/ops/a/b", nil},
		{"another domain", root, uris("spiffe://example.com/agent/a"), "", errNoRule},
		{"capital domain", root, uris("spiffe://Example.org/agent/a"), "", errOddName},
		{"domain with a port", root, uris("spiffe://example.org:1/agent/a"), "", errOddName},
		{"two SPIFFE IDs", root, uris("spiffe://example.org/agent/a", "spiffe://example.org/agent/b"), "", errOddName},
		{"two SPIFFE IDs, one unknown", root, uris("spiffe://example.org/agent/a", "spiffe://x/y"), "", errOddName},
		{"SPIFFE ID and another", root, uris("spiffe://example.org/agent/a", "urn:agent:b"), "", errOddName},
		{"two names one rule", root, uris("urn:agent:a", "urn:agent:b"), "", errAmbiguous},
		{"one name twice", root, uris("urn:agent:a", "urn:agent:a"), "urn:agent:a", nil},
		{"two names one fits", root, uris("urn:agent:a", "urn:other:b"), "urn:agent:a", nil},
		{"escaped", root, uris("spiffe://example.org/agent/a%2Fb"), "", errOddName},
		{"dots", root, uris("spiffe://example.org/agent/../ops/a"), "", errOddName},
		{"empty segment", root, uris("spiffe://example.org/agent//a"), "", errOddName},
		{"query", root, uris("spiffe://example.org/agent/a?x"), "", errOddName},
		{"fragment", root, uris("spiffe://example.org/agent/a#x"), "", errOddName},
		{"user", root, uris("spiffe://u@example.org/agent/a"), "", errOddName},
		{"star in a name", root, uris("urn:agent:*"), "", errOddName},
		{"long", root, uris("urn:agent:" + strings.Repeat("a", 300)), "", errOddName},
		{"DNS", root, names([]string{"a.AGENTS.example.com"}, nil), "a.agents.example.com", nil},
		{"DNS wildcard", root, names([]string{"*.agents.example.com"}, nil), "", errOddName},
		{"DNS with NUL", root, names([]string{"a.agents.example.com\x00.evil.com"}, nil), "", errOddName},
		{"DNS with a space", root, names([]string{" a.agents.example.com"}, nil), "", errOddName},
		{"DNS below", root, names([]string{"a.b.agents.example.com"}, nil), "", errNoRule},
		{"two DNS names", root, names([]string{"a.agents.example.com", "b.agents.example.com"}, nil), "", errAmbiguous},
		{"email", root, names(nil, []string{"Ann@EXAMPLE.com"}), "Ann@example.com", nil},
		{"email with NUL", root, names(nil, []string{"a\x00@example.com"}), "", errOddName},
		{"email twice at", root, names(nil, []string{"a@evil.com@example.com"}), "", errOddName},
		{"email without name", root, names(nil, []string{"@example.com"}), "", errOddName},
		{"common name", second, cn("robot 1"), "robot 1", nil},
		{"common name, other issuer", root, cn("robot 1"), "", errNoRule},
		{"exact common name", root, cn("robot 7"), "seven", nil},
		{"first rule wins", second, cn("robot 7"), "robot 7", nil},
		{"two common names", second, cn("robot 1", "robot 2"), "", errOddName},
		{"the same common name twice", second, cn("robot 1", "robot 1"), "", errOddName},
		{"common name with a line break", second, cn("robot 1\nx"), "", errOddName},
		{"common name that turns round", second, cn("robot \u202e1"), "", errOddName},
		{"common name with a space behind", second, cn("robot 1 "), "", errOddName},
		{"no name at all", root, cn(), "", errNoRule},
	} {
		cert := c.issuer.Client(t, "", c.change)
		chain := []*x509.Certificate{cert.Certificate}
		for x := c.issuer; x != nil; x = x.Issuer {
			chain = append(chain, x.Certificate)
		}
		got, err := rules.identify(cert.Certificate, chain)
		if got.id != c.id || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", c.name, got.id, err)
		}
	}
	invalid := &x509.Certificate{Subject: pkix.Name{Names: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "robot \xff"}}}}
	if _, err := rules.identify(invalid, []*x509.Certificate{invalid, second.Certificate}); !errors.Is(err, errOddName) {
		t.Errorf("invalid UTF-8: %v", err)
	}
}

func TestRuleValidate(t *testing.T) {
	good := Rule{From: FromURI, Match: "urn:a:*", ID: "a-{value}", Scopes: []string{"x"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for text, change := range map[string]func(*Rule){
		"from:":   func(r *Rule) { r.From = "ip" },
		"match:":  func(r *Rule) { r.Match = "" },
		"match: ": func(r *Rule) { r.Match = "a***" },
		"id:":     func(r *Rule) { r.ID = "{name}" },
		"id: ":    func(r *Rule) { r.ID = "all" },
		"scopes:": func(r *Rule) { r.Scopes = nil },
	} {
		r := good
		if change(&r); r.Validate() == nil || !strings.Contains(r.Validate().Error(), strings.TrimSpace(text)) {
			t.Errorf("%+v: %v", r, r.Validate())
		}
	}
}

func verifier(t testing.TB, root *pki.Cert) *trust.Verifier {
	t.Helper()
	c := trust.Default()
	c.Bundle = pki.Write(t, filepath.Join(t.TempDir(), "ca.pem"), pki.PEM(root))
	v, err := trust.New(c, trust.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAuthenticate(t *testing.T) {
	root := pki.Root(t, "root")
	a := NewAuthenticator(verifier(t, root), rules)
	try := func(cert portcullis.ClientCert) (portcullis.Principal, *portcullis.Error, error) {
		who, err := a.Authenticate(context.Background(), &portcullis.Conn{Cert: cert})
		var e *portcullis.Error
		if errors.As(err, &e) && (e.Kind != portcullis.KindUnauthenticated || e.Public != publicRefused || e.Event != portcullis.EventAuthFailure || e.Header == nil) {
			t.Errorf("%+v", e)
		}
		return who, e, err
	}
	client := root.Client(t, "spiffe://example.org/agent/a")
	for range 2 {
		who, _, err := try(portcullis.ClientCert{Chain: client.Chain()})
		if err != nil || who.ID != "cert:spiffe://example.org/agent/a" || who.Method != "mtls" || len(who.KeyID) != 64 ||
			!slices.Equal(who.Scopes, []string{"tools:*"}) || !who.Expires.Equal(client.NotAfter) {
			t.Errorf("%+v, %v", who, err)
		}
	}
	if _, _, err := try(portcullis.ClientCert{}); !errors.Is(err, portcullis.ErrNoCredentials) {
		t.Errorf("none: %v", err)
	}
	if _, e, _ := try(portcullis.ClientCert{Chain: root.Client(t, "urn:x").Chain()}); e == nil || !strings.Contains(e.Detail, "no_rule") || e.Attempted.ID != "cert:CN=client" || e.Attempted.KeyID == "" {
		t.Errorf("no rule: %+v", e)
	}
	stranger := pki.Root(t, "root").Client(t, "spiffe://example.org/agent/a")
	if who, e, _ := try(portcullis.ClientCert{Chain: stranger.Chain()}); e == nil || !who.IsZero() || !strings.Contains(e.Detail, "unknown_ca") || e.Attempted.ID != "" || e.Attempted.KeyID == "" {
		t.Errorf("stranger: %+v", e)
	}
	if who, e, _ := try(portcullis.ClientCert{Err: errors.New("bad")}); e == nil || !who.IsZero() {
		t.Errorf("unreadable: %+v", e)
	}
	nobody := NewAuthenticator(nil, rules)
	if _, err := nobody.Authenticate(context.Background(), &portcullis.Conn{Cert: portcullis.ClientCert{Chain: client.Chain()}}); err == nil {
		t.Error("nobody is trusted, and the certificate counts")
	}
}

func TestGuard(t *testing.T) {
	root := pki.Root(t, "root")
	v := verifier(t, root)
	none, good := portcullis.ClientCert{}, portcullis.ClientCert{Chain: root.Client(t, "urn:x").Chain()}
	stranger := portcullis.ClientCert{Chain: pki.Root(t, "root").Client(t, "urn:x").Chain()}
	unreadable := portcullis.ClientCert{Proxied: true, Err: errors.New("bad")}
	for _, c := range []struct {
		name  string
		guard *Guard
		cert  portcullis.ClientCert
		kind  portcullis.Kind // 0 = passes
	}{
		{"optional, none", NewGuard(v, true, false), none, 0},
		{"optional, good", NewGuard(v, true, false), good, 0},
		{"optional, wrong", NewGuard(v, true, false), stranger, portcullis.KindUnauthenticated},
		{"required, none", NewGuard(v, true, true), none, portcullis.KindUnauthenticated},
		{"required, good", NewGuard(v, true, true), good, 0},
		{"required, wrong", NewGuard(v, true, true), stranger, portcullis.KindUnauthenticated},
		{"no files", NewGuard(nil, true, false), good, portcullis.KindUnauthenticated},
		{"only read", NewGuard(nil, false, false), stranger, 0},
		{"unreadable", NewGuard(nil, false, false), unreadable, portcullis.KindMalformed},
	} {
		err := c.guard.CheckConn(context.Background(), &portcullis.Conn{Cert: c.cert})
		var e *portcullis.Error
		if c.kind == 0 && err != nil || c.kind != 0 && (!errors.As(err, &e) || e.Kind != c.kind) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	root := pki.Root(b, "root")
	a := NewAuthenticator(verifier(b, root), rules)
	c := &portcullis.Conn{Cert: portcullis.ClientCert{Chain: root.Client(b, "spiffe://example.org/agent/a").Chain()}, Received: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

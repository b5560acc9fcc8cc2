package trust_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
	"github.com/portcullis-dev/portcullis/test/pki"
)

const agent = "spiffe://example.org/agent/a"

// fixture is a verifier over files, at a time that tests move.
type fixture struct {
	t   testing.TB
	cfg trust.Config
	v   *trust.Verifier
	now time.Time
}

func newFixture(t testing.TB, bundle []byte, lists ...[]byte) *fixture {
	t.Helper()
	f := &fixture{t: t, cfg: trust.Default(), now: time.Now()}
	dir := t.TempDir()
	f.cfg.Bundle = pki.Write(t, filepath.Join(dir, "ca.pem"), bundle)
	for i, l := range lists {
		f.cfg.Lists = append(f.cfg.Lists, pki.Write(t, filepath.Join(dir, string(rune('a'+i))+".crl"), l))
	}
	return f
}

func (f *fixture) open() *fixture {
	f.t.Helper()
	v, err := trust.New(f.cfg, trust.Options{Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return f.now }})
	if err != nil {
		f.t.Fatal(err)
	}
	f.v = v
	return f
}

func (f *fixture) check(chain ...*x509.Certificate) error {
	_, err := f.v.Check(context.Background(), &portcullis.ClientCert{Chain: chain})
	return err
}

// want checks the reason of a refusal; "" is none.
func want(t *testing.T, err error, r trust.Reason) {
	t.Helper()
	var e *trust.Error
	switch {
	case r == "" && err != nil:
		t.Errorf("refused: %v", err)
	case r != "" && (!errors.As(err, &e) || e.Reason != r):
		t.Errorf("error %v, want %s", err, r)
	}
}

func rsaKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCheck(t *testing.T) {
	root, other := pki.Root(t, "root"), pki.Root(t, "root") // the same name, another key
	mid := root.Authority(t, "mid")
	narrow := root.Authority(t, "narrow", func(c *x509.Certificate) {
		c.PermittedURIDomains, c.PermittedDNSDomainsCritical = []string{"good.example"}, true
	})
	noCA := root.Client(t, agent)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, pki.PEM(root)).open()
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		cert *pki.Cert
		want trust.Reason
	}{
		"by the root":           {root.Client(t, agent), ""},
		"by an intermediate":    {mid.Client(t, agent), ""},
		"another authority":     {other.Client(t, agent), trust.UnknownCA},
		"below another":         {other.Authority(t, "mid").Client(t, agent), trust.UnknownCA},
		"signed by itself":      {pki.Root(t, "me"), trust.UnknownCA},
		"signed by a client":    {noCA.Client(t, agent), trust.UnknownCA},
		"the root itself":       {root, trust.WrongUsage},
		"an authority":          {mid, trust.WrongUsage},
		"for servers":           {root.Server(t), trust.WrongUsage},
		"not for signatures":    {root.Client(t, agent, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), trust.WrongUsage},
		"without purposes":      {root.Client(t, agent, func(c *x509.Certificate) { c.ExtKeyUsage, c.KeyUsage = nil, 0 }), ""},
		"expired":               {root.Client(t, agent, func(c *x509.Certificate) { c.NotAfter = f.now.Add(-time.Second) }), trust.Expired},
		"not yet valid":         {root.Client(t, agent, func(c *x509.Certificate) { c.NotBefore = f.now.Add(time.Hour) }), trust.NotYetValid},
		"by an expired one":     {root.Authority(t, "old", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = f.now.Add(-2*day), f.now.Add(-day) }).Client(t, agent), trust.Expired},
		"1024 bits":             {root.ClientWithKey(t, agent, rsaKey(t, 1024)), trust.WeakKey},
		"2048 bits":             {root.ClientWithKey(t, agent, rsaKey(t, 2048)), ""},
		"P-224":                 {root.ClientWithKey(t, agent, p224), trust.WeakKey},
		"within constraints":    {narrow.Client(t, "spiffe://good.example/a"), ""},
		"against constraints":   {narrow.Client(t, "spiffe://evil.example/a"), trust.NameConstraint},
		"unknown critical part": {root.Client(t, agent, critical("1.2.3")), trust.BadChain},
		"over 16 KiB":           {root.Client(t, agent, func(c *x509.Certificate) { c.Subject.Organization = []string{strings.Repeat("x", 17<<10)} }), trust.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // decided, and remembered
				want(t, f.check(c.cert.Chain()...), c.want)
			}
		})
	}
	t.Run("long chain", func(t *testing.T) {
		chain := root.Client(t, agent).Chain()
		for len(chain) < 9 {
			chain = append(chain, mid.Certificate)
		}
		want(t, f.check(chain...), trust.TooLarge)
	})
	t.Run("nobody trusts", func(t *testing.T) {
		_, err := (*trust.Verifier)(nil).Check(context.Background(), &portcullis.ClientCert{Chain: noCA.Chain()})
		want(t, err, trust.UnknownCA)
	})
}

func critical(oid string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte(oid)})
	}
}

// TestErrorsTellNothing wants no word of the caller in an error about a
// certificate that no authority has signed.
func TestErrorsTellNothing(t *testing.T) {
	f := newFixture(t, pki.PEM(pki.Root(t, "root"))).open()
	evil := pki.Root(t, "EVIL-issuer").Client(t, "spiffe://EVIL/uri", func(c *x509.Certificate) { c.Subject.CommonName = "EVIL-subject" })
	err := f.check(evil.Chain()...)
	var e *trust.Error
	if !errors.As(err, &e) || strings.Contains(err.Error(), "EVIL") || e.Subject != "" || len(e.Fingerprint) != 64 {
		t.Errorf("%v, %+v", err, e)
	}
}

func TestLists(t *testing.T) {
	root := pki.Root(t, "root")
	mid := root.Authority(t, "mid")
	good, bad := mid.Client(t, agent), mid.Client(t, agent)
	bundle := pki.PEM(root, mid)
	for name, c := range map[string]struct {
		lists  [][]byte
		needed bool
		cert   *pki.Cert
		want   trust.Reason
	}{
		"revoked":                 {[][]byte{mid.CRL(t, bad)}, false, bad, trust.Revoked},
		"not revoked":             {[][]byte{mid.CRL(t, bad)}, false, good, ""},
		"authority revoked":       {[][]byte{root.CRL(t, mid), mid.CRL(t)}, false, good, trust.Revoked},
		"one list of two missing": {[][]byte{mid.CRL(t)}, true, good, trust.ListMissing},
		"both lists":              {[][]byte{mid.CRL(t), root.CRL(t)}, true, good, ""},
		"both in one file":        {[][]byte{append(mid.CRL(t, bad), root.CRL(t)...)}, true, bad, trust.Revoked},
		"another's serial":        {[][]byte{root.CRL(t, good)}, false, good, ""},
		"in either of two lists":  {[][]byte{mid.CRL(t, bad), mid.CRL(t)}, false, bad, trust.Revoked},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, bundle, c.lists...)
			f.cfg.ListNeeded = c.needed
			want(t, f.open().check(c.cert.Chain()...), c.want)
		})
	}
	t.Run("DER", func(t *testing.T) {
		block, _ := pem.Decode(mid.CRL(t, bad))
		want(t, newFixture(t, bundle, block.Bytes).open().check(bad.Chain()...), trust.Revoked)
	})
	t.Run("ended", func(t *testing.T) {
		f := newFixture(t, bundle, mid.CRL(t)).open()
		want(t, f.check(good.Chain()...), "")
		f.now = f.now.Add(2 * time.Hour) // over the head of what is remembered
		want(t, f.check(good.Chain()...), trust.ListStale)
	})
	t.Run("ended and allowed", func(t *testing.T) {
		f := newFixture(t, bundle, mid.CRL(t, bad))
		f.cfg.StaleLists = trust.StaleAllow
		f.open().now = f.now.Add(2 * time.Hour)
		want(t, f.check(good.Chain()...), "")
		want(t, f.check(bad.Chain()...), trust.Revoked)
	})
	t.Run("an authority in the bundle is no way around its issuer", func(t *testing.T) {
		f := newFixture(t, bundle, root.CRL(t, mid)).open()
		want(t, f.check(good.Certificate), trust.Revoked)
	})
	t.Run("an authority alone in the bundle is trusted", func(t *testing.T) {
		want(t, newFixture(t, pki.PEM(mid)).open().check(good.Certificate), "")
	})
}

func TestFilesRefused(t *testing.T) {
	root, other := pki.Root(t, "root"), pki.Root(t, "root")
	ext := func(id ...int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: id, Critical: true, Value: []byte{0x30, 0}}}
		}
	}
	block, _ := pem.Decode(root.CRL(t))
	block.Bytes[len(block.Bytes)-1] ^= 1
	bundle := pki.PEM(root)
	for text, files := range map[string][][]byte{
		"holds no certificate":              {nil},
		"holds a PEM block \"PRIVATE KEY\"": {append(pki.PEM(root), root.KeyPEM(t)...)},
		"is not one of an authority":        {pki.PEM(root.Client(t, agent))},
		"certificate 1: ":                   {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})},
		"signed by none":                    {bundle, other.CRL(t)},
		"by none of the":                    {bundle, pem.EncodeToMemory(block)},
		"2.5.29.27: partial":                {bundle, root.CRLWith(t, ext(2, 5, 29, 27))},
		"2.5.29.28: partial":                {bundle, root.CRLWith(t, ext(2, 5, 29, 28))},
		"from the future":                   {bundle, root.CRLWith(t, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = l.NextUpdate, l.NextUpdate.Add(time.Hour) })},
		"revocation list":                   {bundle, []byte("not a list")},
		"holds a PEM block \"CERTIFICATE\"": {bundle, pki.PEM(root)},
	} {
		f := newFixture(t, files[0], files[1:]...)
		if _, err := trust.New(f.cfg, trust.Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q", err, text)
		}
	}
}

// TestReload changes the files under a verifier that knows the certificate.
func TestReload(t *testing.T) {
	root, next := pki.Root(t, "root"), pki.Root(t, "next")
	client := root.Client(t, agent)
	f := newFixture(t, pki.PEM(root), root.CRL(t)).open()
	want(t, f.check(client.Chain()...), "")
	reload := func(changed, ok bool) {
		t.Helper()
		if got, err := f.v.Reload(); got != changed || (err == nil) != ok {
			t.Errorf("reload: %t, %v", got, err)
		}
	}
	reload(false, true)
	pki.Write(t, f.cfg.Lists[0], next.CRL(t))
	reload(false, false) // forged: the old list stays
	want(t, f.check(client.Chain()...), "")
	pki.Write(t, f.cfg.Lists[0], root.CRL(t, client))
	reload(true, true)
	want(t, f.check(client.Chain()...), trust.Revoked)
	pki.Write(t, f.cfg.Lists[0], root.CRL(t))
	reload(true, true)
	want(t, f.check(client.Chain()...), "")
	if err := os.Remove(f.cfg.Bundle); err != nil {
		t.Fatal(err)
	}
	reload(false, false)
	want(t, f.check(client.Chain()...), "")
	pki.Write(t, f.cfg.Bundle, pki.PEM(root, next))
	pki.Write(t, f.cfg.Lists[0], next.CRL(t))
	reload(true, true)
	want(t, f.check(client.Chain()...), "")
	pki.Write(t, f.cfg.Bundle, pki.PEM(next))
	reload(true, true)
	want(t, f.check(client.Chain()...), trust.UnknownCA)
}

// TestTime lets a certificate that is known come of age and end.
func TestTime(t *testing.T) {
	root := pki.Root(t, "root")
	f := newFixture(t, pki.PEM(root)).open()
	start := f.now
	client := root.Client(t, agent, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = start.Add(time.Hour), start.Add(2*time.Hour) })
	for _, step := range []struct {
		at   time.Duration
		want trust.Reason
	}{{0, trust.NotYetValid}, {90 * time.Minute, ""}, {3 * time.Hour, trust.Expired}, {90 * time.Minute, ""}, {0, trust.NotYetValid}} {
		f.now = start.Add(step.at)
		want(t, f.check(client.Chain()...), step.want)
	}
}

func TestEnds(t *testing.T) {
	root := pki.Root(t, "root")
	mid := root.Authority(t, "mid", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(10 * time.Hour) })
	authorities, lists := newFixture(t, pki.PEM(root, mid)).open().v.Ends()
	if !authorities.Equal(mid.NotAfter) || !lists.IsZero() {
		t.Errorf("without lists: %s, %s", authorities, lists)
	}
	late := func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = time.Now(), time.Now().Add(5*time.Hour) }
	_, lists = newFixture(t, pki.PEM(root, mid), mid.CRL(t), mid.CRLWith(t, late)).open().v.Ends()
	if left := time.Until(lists); left < 4*time.Hour || left > 5*time.Hour {
		t.Errorf("an old list counts: %s", lists)
	}
}

func BenchmarkCheck(b *testing.B) {
	root := pki.Root(b, "root")
	mid := root.Authority(b, "mid")
	f := newFixture(b, pki.PEM(root, mid), mid.CRL(b, mid.Client(b, agent))).open()
	cert := portcullis.ClientCert{Chain: mid.Client(b, agent).Chain()}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.v.Check(context.Background(), &cert); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			g := *f
			g.open()
			b.StartTimer()
			if _, err := g.v.Check(context.Background(), &cert); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Package pki makes authorities and certificates for tests.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"testing"
	"time"
)

// Cert is a certificate with its key, and those above it.
type Cert struct {
	*x509.Certificate
	Key    crypto.Signer
	Issuer *Cert // nil = signed by itself
}

// serial draws a number at random, as authorities do.
func serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

// Key makes a P-256 key.
func Key(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Root makes an authority that signs itself.
func Root(t testing.TB, name string) *Cert { return issue(t, nil, authority(name), nil) }

// Authority makes an authority below c.
func (c *Cert) Authority(t testing.TB, name string, change ...func(*x509.Certificate)) *Cert {
	return issue(t, c, authority(name), nil, change...)
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
}

// Client makes a client certificate with one URI.
func (c *Cert) Client(t testing.TB, uri string, change ...func(*x509.Certificate)) *Cert {
	t.Helper()
	return issue(t, c, client(t, uri), nil, change...)
}

// ClientWithKey is Client with a key that the caller has made.
func (c *Cert) ClientWithKey(t testing.TB, uri string, key crypto.Signer, change ...func(*x509.Certificate)) *Cert {
	t.Helper()
	return issue(t, c, client(t, uri), key, change...)
}

func client(t testing.TB, uri string) *x509.Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	return template
}

// Server makes a server certificate for 127.0.0.1.
func (c *Cert) Server(t testing.TB) *Cert {
	t.Helper()
	return issue(t, c, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, nil)
}

func issue(t testing.TB, issuer *Cert, template *x509.Certificate, key crypto.Signer, change ...func(*x509.Certificate)) *Cert {
	t.Helper()
	if key == nil {
		key = Key(t)
	}
	template.SerialNumber = serial(t)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	for _, f := range change {
		f(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Cert{Certificate: c, Key: key, Issuer: issuer}
}

// TLS returns the pair for a handshake, with the authorities below the root.
func (c *Cert) TLS() tls.Certificate {
	out := tls.Certificate{PrivateKey: c.Key}
	for x := c; x != nil; x = x.Issuer {
		if x == c || x.Issuer != nil {
			out.Certificate = append(out.Certificate, x.Raw)
		}
	}
	return out
}

// Chain returns c and the authorities below the root.
func (c *Cert) Chain() []*x509.Certificate {
	out := []*x509.Certificate{c.Certificate}
	for x := c.Issuer; x != nil && x.Issuer != nil; x = x.Issuer {
		out = append(out, x.Certificate)
	}
	return out
}

// PEM returns certificates as a bundle.
func PEM(certs ...*Cert) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// KeyPEM returns the key of c.
func (c *Cert) KeyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// CRL makes a revocation list that is in force for an hour.
func (c *Cert) CRL(t testing.TB, revoked ...*Cert) []byte {
	t.Helper()
	return c.CRLWith(t, func(*x509.RevocationList) {}, revoked...)
}

// CRLWith is CRL with changes.
func (c *Cert) CRLWith(t testing.TB, change func(*x509.RevocationList), revoked ...*Cert) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: serial(t), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	change(template)
	der, err := x509.CreateRevocationList(rand.Reader, template, c.Certificate, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

// Write writes a file, whole or not at all, as an authority's tools do.
func Write(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(name+".next", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".next", name); err != nil {
		t.Fatal(err)
	}
	return name
}

package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	maxBundle   = 8 << 20
	maxList     = 64 << 20
	minRSA      = 2048
	minEC       = 256
	futureLists = 5 * time.Minute // by how much clocks may differ
)

// issuerKey names an authority by what signs for it: name and key. Two
// certificates of one authority (renewed, cross-signed) share it.
type issuerKey [sha256.Size]byte

func issuerOf(c *x509.Certificate) issuerKey {
	h := sha256.New()
	for _, part := range [][]byte{c.RawSubject, c.RawSubjectPublicKeyInfo} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return issuerKey(h.Sum(nil))
}

// authorities is the content of a bundle.
type authorities struct {
	anchors, between *x509.CertPool
	all              []*x509.Certificate
}

// readBundle reads the authorities. One whose own issuer is in the bundle too
// is only a step on the way: it does not count by itself, so that what its
// issuer says of it (constraints, revocation) is not passed over.
func readBundle(data []byte, name string) (*authorities, error) {
	a := &authorities{anchors: x509.NewCertPool(), between: x509.NewCertPool()}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("client authorities %q: holds a PEM block %q, want only certificates", name, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("client authorities %q: certificate %d: %w", name, len(a.all)+1, err)
		}
		if !c.IsCA || !c.BasicConstraintsValid {
			return nil, fmt.Errorf("client authorities %q: certificate %d (%q) is not one of an authority", name, len(a.all)+1, c.Subject.CommonName)
		}
		if why := weak(c); why != "" {
			return nil, fmt.Errorf("client authorities %q: certificate %d (%q): %s", name, len(a.all)+1, c.Subject.CommonName, why)
		}
		a.all = append(a.all, c)
	}
	if len(a.all) == 0 {
		return nil, fmt.Errorf("client authorities %q: holds no certificate", name)
	}
	for _, c := range a.all {
		if a.hasIssuerOf(c) {
			a.between.AddCert(c)
		} else {
			a.anchors.AddCert(c)
		}
	}
	return a, nil
}

// hasIssuerOf reports whether another authority of the bundle has issued c.
func (a *authorities) hasIssuerOf(c *x509.Certificate) bool {
	if bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignatureFrom(c) == nil {
		return false // signed by itself
	}
	for _, other := range a.all {
		if issuerOf(other) != issuerOf(c) && bytes.Equal(c.RawIssuer, other.RawSubject) && c.CheckSignatureFrom(other) == nil {
			return true
		}
	}
	return false
}

// weak says what is wrong with the key of a certificate, or "".
func weak(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA {
			return fmt.Sprintf("rsa key of %d bits: want at least %d", n, minRSA)
		}
	case *ecdsa.PublicKey:
		if n := k.Curve.Params().BitSize; n < minEC {
			return fmt.Sprintf("ecdsa key of %d bits: want at least %d", n, minEC)
		}
	case ed25519.PublicKey:
	default:
		return "key of an unknown kind"
	}
	return ""
}

// list is one revocation list.
type list struct {
	file    string
	ends    time.Time
	begins  time.Time
	serials map[string]struct{}
}

// readList reads a file with one or more revocation lists of authorities of the
// bundle into lists.
func (a *authorities) readList(data []byte, name string, now time.Time, lists map[issuerKey][]*list) error {
	ders := [][]byte{data}
	if block, _ := pem.Decode(data); block != nil {
		ders = nil
		for rest := data; ; {
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if block.Type != "X509 CRL" {
				return fmt.Errorf("revocation list %q: holds a PEM block %q", name, block.Type)
			}
			ders = append(ders, block.Bytes)
		}
	}
	for _, der := range ders {
		if err := a.addList(der, name, now, lists); err != nil {
			return fmt.Errorf("revocation list %q: %w", name, err)
		}
	}
	return nil
}

func (a *authorities) addList(der []byte, name string, now time.Time, lists map[issuerKey][]*list) error {
	raw, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	for _, e := range raw.Extensions {
		if e.Critical { // a delta, a part, or a list for somebody else: not the whole truth
			return fmt.Errorf("critical extension %s: partial and indirect lists are not supported", e.Id)
		}
	}
	switch {
	case raw.NextUpdate.IsZero():
		return errors.New("does not say when the next one comes (nextUpdate)")
	case raw.ThisUpdate.After(now.Add(futureLists)):
		return fmt.Errorf("is from the future: %s", raw.ThisUpdate.UTC().Format(time.RFC3339))
	}
	l := &list{file: name, begins: raw.ThisUpdate, ends: raw.NextUpdate, serials: make(map[string]struct{}, len(raw.RevokedCertificateEntries))}
	for i := range raw.RevokedCertificateEntries {
		e := &raw.RevokedCertificateEntries[i]
		for _, x := range e.Extensions {
			if x.Critical {
				return fmt.Errorf("entry %d: critical extension %s: indirect lists are not supported", i, x.Id)
			}
		}
		l.serials[string(e.SerialNumber.Bytes())] = struct{}{}
	}
	found := false
	for _, c := range a.all {
		if bytes.Equal(c.RawSubject, raw.RawIssuer) && raw.CheckSignatureFrom(c) == nil {
			found = true
			if key := issuerOf(c); !contains(lists[key], l) {
				lists[key] = append(lists[key], l)
			}
		}
	}
	if !found {
		return errors.New("is signed by none of the client authorities")
	}
	return nil
}

func contains(lists []*list, l *list) bool {
	for _, have := range lists {
		if have == l {
			return true
		}
	}
	return false
}

// readFile reads a file of bounded size.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: over %d MiB", name, limit>>20)
	}
	return data, nil
}

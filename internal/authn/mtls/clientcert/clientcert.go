// Package clientcert reads the certificate that a caller presented: to this
// gateway in the TLS handshake, or to a trusted proxy that passes it on in the
// headers Client-Cert and Client-Cert-Chain (RFC 9440).
//
// The headers are read strictly: one field line, byte sequences without
// parameters in canonical base64 (RFC 8941), a bounded number of bounded
// certificates. Other headers that proxies use for this (X-SSL-Client-Cert,
// X-Forwarded-Client-Cert and the like) are not read: each has a reading of its
// own, and callers can send them too.
package clientcert

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/portcullis-dev/portcullis"
)

// Bounds on what is presented.
const (
	MaxCertificate = 16 << 10 // bytes of one certificate
	MaxChain       = 8        // certificates, the caller's own included
	maxRemembered  = 1024     // headers whose chains are kept parsed
	maxKept        = 16 << 10 // length of a header that is kept
)

// The header names, in canonical form.
const (
	Header      = "Client-Cert"
	ChainHeader = "Client-Cert-Chain"
)

// Errors about headers. Their texts hold nothing of what was sent.
var (
	errTwice     = errors.New("more than one Client-Cert header")
	errAlone     = errors.New("Client-Cert-Chain without Client-Cert")
	errForm      = errors.New("not a byte sequence (RFC 8941)")
	errTooLarge  = errors.New("certificate of over 16 KiB")
	errTooMany   = errors.New("chain of over 8 certificates")
	errBoth      = errors.New("certificates both in the handshake and in the headers")
	errUnparsed  = errors.New("not a certificate")
	errHalfEmpty = errors.New("empty list member")
)

// Reader finds the certificate of a request. It remembers what it parsed, so
// that a proxy that sends the same header with every call costs one look-up.
// It is safe for concurrent use.
type Reader struct {
	mu   sync.Mutex
	seen map[string][]*x509.Certificate
}

// NewReader returns a Reader.
func NewReader() *Reader { return &Reader{seen: map[string][]*x509.Certificate{}} }

// Handshake returns the certificate that the peer itself presented.
func Handshake(r *http.Request) portcullis.ClientCert {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return portcullis.ClientCert{}
	}
	return portcullis.ClientCert{Chain: r.TLS.PeerCertificates, Staple: r.TLS.OCSPResponse}
}

// Proxied returns the certificate of a request that a trusted proxy sent. A
// proxy that has a certificate of its own and passes one on too leaves open
// whose word it is: that is an error.
func (d *Reader) Proxied(r *http.Request) portcullis.ClientCert {
	leaf, chain := r.Header[Header], r.Header[ChainHeader]
	if len(leaf) == 0 && len(chain) == 0 {
		return Handshake(r)
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return portcullis.ClientCert{Proxied: true, Err: errBoth}
	}
	certs, err := d.read(leaf, chain)
	if err != nil {
		return portcullis.ClientCert{Proxied: true, Err: err}
	}
	return portcullis.ClientCert{Chain: certs, Proxied: true}
}

func (d *Reader) read(leaf, chain []string) ([]*x509.Certificate, error) {
	key := ""
	if len(leaf) == 1 {
		key = leaf[0]
	}
	for _, line := range chain {
		key += "," + line // a comma is in no byte sequence: keys have one reading
	}
	d.mu.Lock()
	certs := d.seen[key]
	d.mu.Unlock()
	if certs != nil && len(leaf) == 1 {
		return certs, nil
	}
	certs, err := Parse(leaf, chain)
	if err != nil || len(key) > maxKept {
		return certs, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seen) >= maxRemembered {
		clear(d.seen)
	}
	d.seen[key] = certs
	return certs, nil
}

// Parse reads the values of Client-Cert and Client-Cert-Chain.
func Parse(leaf, chain []string) ([]*x509.Certificate, error) {
	switch len(leaf) {
	case 0:
		return nil, errAlone
	case 1:
	default:
		return nil, errTwice
	}
	own, err := certificate(leaf[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Header, err)
	}
	out := []*x509.Certificate{own}
	for _, line := range chain {
		for member := range strings.SplitSeq(line, ",") {
			member = strings.Trim(member, " \t")
			if member == "" {
				return nil, fmt.Errorf("%s: %w", ChainHeader, errHalfEmpty)
			}
			if len(out) == MaxChain {
				return nil, fmt.Errorf("%s: %w", ChainHeader, errTooMany)
			}
			c, err := certificate(member)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ChainHeader, err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// certificate reads one byte sequence that holds one certificate.
func certificate(item string) (*x509.Certificate, error) {
	if len(item) < 2 || item[0] != ':' || item[len(item)-1] != ':' {
		return nil, errForm
	}
	text := item[1 : len(item)-1]
	if base64.StdEncoding.DecodedLen(len(text)) > MaxCertificate+3 {
		return nil, errTooLarge
	}
	if strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return nil, errForm
	}
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errForm
	}
	if len(der) > MaxCertificate {
		return nil, errTooLarge
	}
	c, err := x509.ParseCertificate(der)
	if err != nil { // its text quotes what was sent
		return nil, errUnparsed
	}
	return c, nil
}

// Encode returns a certificate as the value of a header.
func Encode(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

// Package handshake finds out which versions, suites and certificate a TLS server
// offers, by a few handshakes that send nothing.
package handshake

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// TLS is what the handshakes gave.
type TLS struct {
	Version   uint16
	Suite     uint16
	Old       []string // versions below 1.2 that were taken
	Weak      string   // a suite without forward secrecy or authenticated encryption that was taken
	Modern    bool     // 1.3 is offered
	Unread    []string // handshakes that nobody could tell anything from
	Untrusted string   // why the certificate is not trusted, empty if it is
	Key       string   // of the certificate: "RSA 1024", where it is too weak
	Signed    string   // algorithm of its signature, where it is too weak
	Ends      time.Time
}

// oneHandshake bounds the time of one.
const oneHandshake = 3 * time.Second

// WeakSuites are those of TLS 1.2 without forward secrecy or without
// authenticated encryption.
func WeakSuites() []uint16 {
	var out []uint16
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			if strings.HasPrefix(s.Name, "TLS_RSA_") || strings.Contains(s.Name, "_CBC_") || strings.Contains(s.Name, "RC4") {
				out = append(out, s.ID)
			}
		}
	}
	return out
}

// Look finds out what a server offers. The error is of the first
// handshake, without which there is nothing.
func Look(ctx context.Context, u *url.URL, roots *x509.CertPool, now time.Time) (*TLS, error) {
	state, err := shake(ctx, u, &tls.Config{MinVersion: tls.VersionTLS10}) //nolint:gosec // what it offers is what is looked at
	if err != nil {
		return nil, err
	}
	out := &TLS{Version: state.Version, Suite: state.CipherSuite, Modern: state.Version == tls.VersionTLS13}
	out.certificate(state.PeerCertificates, u.Hostname(), roots, now)
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		_, err := shake(ctx, u, &tls.Config{MinVersion: v, MaxVersion: v}) //nolint:gosec // likewise
		switch {
		case err == nil:
			out.Old = append(out.Old, tls.VersionName(v))
		case !refusal(err):
			out.Unread = append(out.Unread, tls.VersionName(v))
		}
	}
	weak, err := shake(ctx, u, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: WeakSuites()})
	switch {
	case err == nil:
		out.Weak = tls.CipherSuiteName(weak.CipherSuite)
	case !refusal(err):
		out.Unread = append(out.Unread, "weak suites")
	}
	return out, nil
}

// refusal reports whether a handshake failed because the server did not want
// it, and not because nothing came back.
func refusal(err error) bool {
	var alert tls.AlertError
	return errors.As(err, &alert) || strings.Contains(err.Error(), "tls: ") || strings.HasSuffix(err.Error(), "EOF") || errors.Is(err, syscall.ECONNRESET)
}

func shake(ctx context.Context, u *url.URL, c *tls.Config) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, oneHandshake)
	defer cancel()
	port := u.Port()
	if port == "" {
		port = "443"
	}
	c.InsecureSkipVerify = true // certificate judges it, and nothing is sent
	if net.ParseIP(u.Hostname()) == nil {
		c.ServerName = u.Hostname()
	}
	conn, err := (&tls.Dialer{Config: c}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	t, ok := conn.(*tls.Conn)
	if !ok {
		return tls.ConnectionState{}, errors.New("no TLS connection")
	}
	return t.ConnectionState(), nil
}

// certificate judges a chain.
func (t *TLS) certificate(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) {
	if len(chain) == 0 {
		t.Untrusted = "there is none"
		return
	}
	leaf := chain[0]
	t.Ends = leaf.NotAfter
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: now})
	var wrongHost x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
	case errors.As(err, &wrongHost):
		t.Untrusted = "it is for another name"
	case errors.As(err, &unknown):
		t.Untrusted = "its authority is not known"
	default:
		t.Untrusted = "it is not valid now, or not for a server"
	}
	switch k := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < 2048 {
			t.Key = fmt.Sprintf("RSA of %d bits", n)
		}
	case *ecdsa.PublicKey:
		if n := k.Curve.Params().BitSize; n < 256 {
			t.Key = fmt.Sprintf("ECDSA of %d bits", n)
		}
	}
	switch a := leaf.SignatureAlgorithm; a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		t.Signed = a.String()
	default:
	}
}

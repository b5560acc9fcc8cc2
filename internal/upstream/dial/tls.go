package dial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
)

// sessionCache is how many TLS sessions one upstream's config remembers: a
// connection opened after an idle pause then costs one round trip less.
const sessionCache = 16

// Files names what a TLS client needs beyond its defaults. All are optional;
// a certificate needs its key.
type Files struct {
	CA         string // PEM file of the roots to trust instead of the system's
	ServerName string // name to verify and to send as SNI instead of the URL's host
	Cert, Key  string // PEM files of the client certificate and its key
}

// ClientTLS returns a config for upstream connections: TLS 1.2 or newer, strong
// suites, verified. A client certificate is read anew for each handshake, so that a
// renewed one is used without a restart; if reading fails, the last good one
// stays. Errors name the file.
func ClientTLS(f Files) (*tls.Config, error) {
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		CipherSuites:       suites(),
		ServerName:         f.ServerName,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionCache),
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("reading upstream CA: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading upstream CA: %q holds no certificate", f.CA)
		}
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, errors.New("reading upstream client certificate: certificate and key go together")
	}
	if f.Cert != "" {
		pair := &keyPair{files: f}
		if _, err := pair.get(nil); err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = pair.get
	}
	return cfg, nil
}

// suites returns what may be negotiated in TLS 1.2: forward secret and
// authenticated encryption (requirement S0-11). TLS 1.3 has nothing weaker.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// keyPair reads a client certificate and remembers the last good one.
type keyPair struct {
	files Files
	mu    sync.Mutex
	last  *tls.Certificate
}

func (k *keyPair) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(k.files.Cert, k.files.Key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.last = &cert
	}
	if k.last == nil {
		return nil, fmt.Errorf("reading upstream client certificate: %w", err)
	}
	return k.last, nil
}

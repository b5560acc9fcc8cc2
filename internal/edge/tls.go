package edge

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// TLSConfig names the key pair of the server (requirements S0-11, S0-12).
type TLSConfig struct {
	Cert string `toml:"cert"` // PEM file: the certificate and its chain
	Key  string `toml:"key"`  // PEM file: the private key, mode 0600
	// MinVersion is "1.2" or "1.3".
	MinVersion string `toml:"min_version"`
	// ClientCA is a PEM file with the authorities of client certificates;
	// "" = clients are not asked for one. The handshake names them and proves
	// that a client holds the key of what it sends. Whether the certificate
	// counts is decided by a guard, which leaves a record of what it refuses.
	ClientCA string `toml:"client_ca"`
	// Reload is how often the files are looked at, at least 1s; 0 = only on
	// demand.
	Reload time.Duration `toml:"reload"`
}

// DefaultTLS names no files: TLS is off.
func DefaultTLS() TLSConfig { return TLSConfig{MinVersion: "1.2", Reload: 30 * time.Second} }

// Enabled reports whether c names a key pair.
func (c TLSConfig) Enabled() bool { return c.Cert != "" || c.Key != "" }

// Validate reports the first mistake, naming the field. It does not read files.
func (c TLSConfig) Validate() error {
	switch {
	case c.Cert == "" && c.Key != "":
		return errors.New("cert: empty, but key is set")
	case c.Key == "" && c.Cert != "":
		return errors.New("key: empty, but cert is set")
	case !c.Enabled() && c.ClientCA != "":
		return errors.New("client_ca: set without cert and key")
	case c.Reload != 0 && c.Reload < time.Second:
		return fmt.Errorf("reload: %s: want 0s or at least 1s", c.Reload)
	}
	_, err := c.minVersion()
	return err
}

func (c TLSConfig) minVersion() (uint16, error) {
	switch c.MinVersion {
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf(`min_version: %q: want "1.2" or "1.3"`, c.MinVersion)
}

// suites12 are the suites of TLS 1.2: the four of the guide and their ChaCha20
// siblings. Those of TLS 1.3 are all sound and not configurable.
func suites12() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// Certificates holds the key pair of a server and replaces it when its files
// change. A pair that cannot be used never replaces one that can. It is safe
// for concurrent use.
type Certificates struct {
	cfg     TLSConfig
	log     *slog.Logger
	clock   func() time.Time
	mu      sync.Mutex // one Reload at a time
	current atomic.Pointer[material]
}

// material is one state of the files.
type material struct {
	sum      [sha256.Size]byte
	config   *tls.Config
	notAfter time.Time
}

// NewCertificates reads the files. It refuses a certificate that has expired or
// is not valid yet, a key that does not match it, and RSA keys under 2048 bits.
// It warns through log when others may read the private key. A nil clock is
// [time.Now].
func NewCertificates(c TLSConfig, log *slog.Logger, clock func() time.Time) (*Certificates, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if !c.Enabled() {
		return nil, errors.New("cert: empty")
	}
	if clock == nil {
		clock = time.Now
	}
	s := &Certificates{cfg: c, log: log, clock: clock}
	if _, err := s.Reload(); err != nil {
		return nil, err
	}
	if mode, loose := looseKey(c.Key); loose {
		log.Warn("private key file is readable by others", "file", c.Key, "mode", mode.String(), "want", "-rw-------")
	}
	return s, nil
}

// looseKey reports whether group or others may read the file.
func looseKey(name string) (fs.FileMode, bool) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, false
	}
	return info.Mode(), info.Mode().Perm()&0o077 != 0
}

// Reload reads the files and reports whether they hold something new. On an
// error the pair in use stays.
func (s *Certificates) Reload() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.load()
	if err != nil {
		return false, err
	}
	if old := s.current.Load(); old != nil && old.sum == next.sum {
		return false, nil
	}
	s.current.Store(next)
	return true, nil
}

func (s *Certificates) load() (*material, error) {
	cert, err := os.ReadFile(s.cfg.Cert)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	key, err := os.ReadFile(s.cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	var ca []byte
	if s.cfg.ClientCA != "" {
		if ca, err = os.ReadFile(s.cfg.ClientCA); err != nil {
			return nil, fmt.Errorf("reading client authorities: %w", err)
		}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %q with key %q: %w", s.cfg.Cert, s.cfg.Key, err)
	}
	if err := checkLeaf(pair.Leaf, s.clock()); err != nil {
		return nil, fmt.Errorf("certificate %q: %w", s.cfg.Cert, err)
	}
	config, err := s.cfg.build(pair)
	if err != nil {
		return nil, err
	}
	if s.cfg.ClientCA != "" {
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("client_ca: %q holds no certificate", s.cfg.ClientCA)
		}
	}
	m := &material{config: config, notAfter: earliest(pair)}
	h := sha256.New()
	for _, part := range [][]byte{cert, key, ca} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	h.Sum(m.sum[:0])
	return m, nil
}

func checkLeaf(leaf *x509.Certificate, now time.Time) error {
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("expired on %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if k, ok := leaf.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < 2048 {
		return fmt.Errorf("rsa key of %d bits: want at least 2048", k.N.BitLen())
	}
	return nil
}

// earliest is when the first certificate of the chain ends.
func earliest(pair tls.Certificate) time.Time {
	t := pair.Leaf.NotAfter
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil && c.NotAfter.Before(t) {
			t = c.NotAfter
		}
	}
	return t
}

func (c TLSConfig) build(pair tls.Certificate) (*tls.Config, error) {
	minVersion, err := c.minVersion()
	if err != nil {
		return nil, err
	}
	out := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   minVersion,
		CipherSuites: suites12(),
		NextProtos:   []string{"h2", "http/1.1"},
		// Tickets are encrypted under a key that outlives connections: without
		// them every connection has forward secrecy of its own.
		SessionTicketsDisabled: true,
	}
	if c.ClientCA != "" {
		out.ClientAuth = tls.RequestClientCert
	}
	return out, nil
}

// Config returns the configuration for a listener. Connections that are
// accepted after a reload use the new files.
func (s *Certificates) Config() *tls.Config {
	out := s.current.Load().config.Clone()
	out.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return s.current.Load().config, nil
	}
	return out
}

// NotAfter returns when the certificate in use, or one of its chain, ends.
func (s *Certificates) NotAfter() time.Time { return s.current.Load().notAfter }

// Run looks at the files every TLSConfig.Reload until ctx ends, and logs each
// replacement and each error once. It returns nil at once if that is 0.
func (s *Certificates) Run(ctx context.Context) error {
	if s.cfg.Reload == 0 {
		return nil
	}
	ticker := time.NewTicker(s.cfg.Reload)
	defer ticker.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		changed, err := s.Reload()
		switch {
		case err != nil && err.Error() != last:
			last = err.Error()
			s.log.Error("keeping the certificate in use", "error", err, "not_after", s.NotAfter())
		case err == nil:
			last = ""
			if changed {
				s.log.Info("certificate replaced", "file", s.cfg.Cert, "not_after", s.NotAfter())
			}
		}
	}
}

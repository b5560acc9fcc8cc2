package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// Wire says what connections are like.
type Wire struct {
	PublicOnly  bool
	Roots       *x509.CertPool // nil = the system's
	Timeout     time.Duration
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error) // nil = none
}

// NewTransport returns connections that are guarded: every address is judged in
// the moment it is connected to, plain HTTP reaches this machine only, and no
// proxy of the environment is in between.
func NewTransport(w Wire) (*http.Transport, error) {
	cfg, err := dial.ClientTLS(dial.Files{})
	if err != nil {
		return nil, fmt.Errorf("preparing TLS: %w", err)
	}
	cfg.RootCAs = w.Roots
	cfg.GetClientCertificate = w.Certificate
	plain := dial.Dialer{Policy: dial.Policy{DenyPrivate: w.PublicOnly}, Timeout: w.Timeout}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := plain.DialContext(ctx, network, addr)
			if err != nil || !nameIsLocal(addr) {
				return conn, err
			}
			return localOnly(conn)
		},
		TLSClientConfig: cfg, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: w.Timeout, ResponseHeaderTimeout: w.Timeout,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		DisableCompression: true, // what is bounded is what was sent
	}, nil
}

// nameIsLocal reports whether an address to dial is this machine by its name.
func nameIsLocal(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}

// errNotLocal says that a name such as localhost leads elsewhere.
var errNotLocal = errors.New("the name of this machine leads to another one")

// localOnly lets a connection through that reached this machine. Nothing was
// sent over it yet.
func localOnly(conn net.Conn) (net.Conn, error) {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err == nil && at.Addr().Unmap().IsLoopback() {
		return conn, nil
	}
	return nil, errors.Join(errNotLocal, conn.Close())
}

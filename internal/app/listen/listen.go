// Package listen opens the listeners of the process, with their bounds.
package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/ipfilter"
)

// Public opens the listener for callers. The certificates are nil without TLS.
func Public(cfg *config.Config, log *slog.Logger) (net.Listener, *edge.Certificates, error) {
	l, err := net.Listen("tcp", cfg.Server.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the listener: %w", err)
	}
	proxies, err := ipfilter.ParsePrefixes(cfg.Server.TrustedProxies)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	limited, err := edge.NewLimitListener(l, Limits(cfg), proxies.Contains)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	if cfg.Server.TLS.Cert == "" {
		return limited, nil, nil
	}
	t := cfg.Server.TLS
	certs, err := edge.NewCertificates(edge.TLSConfig{Cert: t.Cert, Key: t.Key, ClientCA: t.ClientCA, MinVersion: t.MinVersion, Reload: t.Reload}, log, nil)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("server.tls: %w", err), l.Close())
	}
	return tls.NewListener(limited, certs.Config()), certs, nil
}

// Admin opens the admin listener, with the bounds of the public one.
func Admin(cfg *config.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", cfg.Server.AdminListen)
	if err != nil {
		return nil, err
	}
	limited, err := edge.NewLimitListener(l, Limits(cfg), nil)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return limited, nil
}

// Socket opens the socket in the data folder. One that is there belongs to a
// process that is gone: the folder's lock is ours.
func Socket(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replacing the admin socket: %w", err)
	}
	old := syscall.Umask(0o177) // the socket is born 0600
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("opening the admin socket (a path of over about 100 bytes is too long: name a shorter --data): %w", err)
	}
	return l, nil
}

// Protocols lets callers of gRPC, who speak HTTP/2 only, in where there is no
// TLS to agree on it: on a listener of this machine, or behind a proxy. Only
// who speaks it from the first byte is understood; no connection is upgraded.
func Protocols(s *http.Server, cfg *config.Config) {
	if !ClearHTTP2(cfg) {
		return
	}
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
}

// ClearHTTP2 reports whether callers may speak HTTP/2 without TLS.
func ClearHTTP2(cfg *config.Config) bool {
	return cfg.Server.TLS.Cert == "" && slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return r.SpeaksA2A() && r.A2A.OffersGRPC() })
}

// Limits are those of the listeners.
func Limits(cfg *config.Config) edge.Limits {
	l, c := edge.DefaultLimits(), cfg.Server.Limits
	l.ReadHeaderTimeout, l.BodyTimeout, l.IdleTimeout = c.HeaderTimeout, c.BodyTimeout, c.IdleTimeout
	l.MaxHeaderBytes, l.MaxConns, l.MaxConnsPerAddress = int(c.HeaderBytes), c.MaxConnections, c.MaxConnectionsPerAddress
	return l
}

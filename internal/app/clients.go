package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// aiaClient reaches the OCSP responders that client certificates name: only at
// public addresses, whoever wrote the certificate.
func aiaClient() *http.Client {
	d := &dial.Dialer{Timeout: 3 * time.Second, Policy: dial.Policy{DenyPrivate: true}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: d.DialContext, MaxConnsPerHost: 8, IdleConnTimeout: time.Minute,
			ResponseHeaderTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a responder must not redirect") },
	}
}

// nextClients returns the verifier of client certificates of a configuration,
// nil if none is asked for. One whose settings did not change is kept, with
// what it knows; its files are read again.
func (a *App) nextClients(cfg *config.Config) (*trust.Verifier, error) {
	if a.publicAddr == nil { // nothing listens: commands on the data folder need no such files
		return nil, nil
	}
	want, ok := cfg.ClientTrust()
	if !ok {
		return nil, nil
	}
	if have := a.clients; have != nil && have.Config().Equal(want) {
		return have, nil
	}
	v, err := trust.New(want, trust.Options{Log: a.log, Responder: a.issuerClient, AIA: a.aiaClient})
	if err != nil {
		return nil, fmt.Errorf("identity.mtls: %w", err)
	}
	return v, nil
}

// followClients reads the authorities and revocation lists of clients again
// when they change. A configuration may bring others: it asks each time.
func (a *App) followClients(ctx context.Context, every time.Duration) {
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			last = a.reloadClients(last)
		}
	}
}

// reloadClients logs an error that is not the last one, and returns it.
func (a *App) reloadClients(last string) string {
	a.mu.Lock()
	v := a.clients
	a.mu.Unlock()
	if v == nil {
		return ""
	}
	changed, err := v.Reload()
	switch {
	case err != nil:
		if err.Error() != last {
			a.log.Error("keeping the client authorities and revocation lists in use", "error", err)
		}
		return err.Error()
	case changed:
		a.log.Info("client authorities and revocation lists replaced", slog.String("file", v.Config().Bundle))
	}
	return ""
}

// Package admins says who administers the gateway.
package admins

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"os/user"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/telemetry"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Listener is who may use the admin listener: keys, and for scraping the token
// of the configuration.
func Listener(cfg *config.Config, kept part.Secrets, keys portcullis.Authenticator) ([]portcullis.Authenticator, error) {
	auth := []portcullis.Authenticator{keys}
	text := cfg.Telemetry.MetricsToken.Reveal()
	switch {
	case text == "":
	case source.IsRef(text):
		secret, err := kept.Secret(text)
		if err != nil {
			return nil, fmt.Errorf("telemetry.metrics_token: %w", err)
		}
		auth = append(auth, scrapeToken{func() (string, error) {
			now, _, err := secret.Get()
			return now, err
		}})
	default:
		auth = append(auth, scrapeToken{func() (string, error) { return text, nil }})
	}
	return auth, nil
}

// scrapeToken admits a Prometheus scraper, and to /metrics only.
type scrapeToken struct {
	now func() (string, error) // a file may be renewed while we run
}

func (scrapeToken) Name() string { return "metrics_token" }

func (s scrapeToken) Authenticate(_ context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	got, ok := strings.CutPrefix(c.HTTP.Header.Get("Authorization"), "Bearer ")
	want, err := s.now()
	if err != nil || len(want) < telemetry.MinToken { // a file that became short or empty lets nobody in
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	if !ok || subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	return portcullis.Principal{ID: "metrics-scraper", Method: "metrics_token", Scopes: []string{scope.Metrics}}, nil
}

// operator is whoever can open the socket in the data folder: its rights
// (0600 in a folder of 0700) are the credential.
type operator struct{ who portcullis.Principal }

// Socket is who may use the socket in the data folder.
func Socket() portcullis.Authenticator {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return operator{portcullis.Principal{ID: "local:" + name, Name: name, Method: "socket", Scopes: []string{scope.Manage}}}
}

func (operator) Name() string { return "socket" }

func (o operator) Authenticate(context.Context, *portcullis.Conn) (portcullis.Principal, error) {
	return o.who, nil
}

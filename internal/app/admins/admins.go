// Package admins says who administers the gateway.
package admins

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"os/user"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// Listener is who may use the admin listener: keys, and for scraping the token
// of the configuration.
func Listener(cfg *config.Config, keys portcullis.Authenticator) []portcullis.Authenticator {
	auth := []portcullis.Authenticator{keys}
	if token := cfg.Telemetry.MetricsToken.Reveal(); token != "" {
		auth = append(auth, scrapeToken{sha256.Sum256([]byte(token))})
	}
	return auth
}

// scrapeToken admits a Prometheus scraper, and to /metrics only.
type scrapeToken struct{ sum [sha256.Size]byte }

func (scrapeToken) Name() string { return "metrics_token" }

func (s scrapeToken) Authenticate(_ context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	got, ok := strings.CutPrefix(c.HTTP.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(got))
	if !ok || subtle.ConstantTimeCompare(sum[:], s.sum[:]) != 1 {
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

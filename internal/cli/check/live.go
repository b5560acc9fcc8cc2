package check

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	adminwallet "github.com/portcullis-dev/portcullis/internal/admin/wallet"
	"github.com/portcullis-dev/portcullis/internal/app/secrets"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	configsecrets "github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// tokenVariable holds the credential where no flag names one.
const tokenVariable = "PORTCULLIS_CHECK_TOKEN"

// live is what flags say of addresses.
type live struct {
	token string // a reference or "-": never the credential
	roots string
}

func (o *live) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.token, "token", "", "`reference` of a bearer token for addresses, as secret://env/NAME, or - to read it from standard input (default the variable "+tokenVariable+")")
	f.StringVar(&o.roots, "ca", "", "PEM `file` of authorities to trust beside those of the machine, for addresses")
}

// address asks an address once and adds a target for what it speaks.
func (c verbs) address(ctx context.Context, t *targets, name string, s settings) error {
	u, err := url.Parse(name)
	if err != nil || u.User != nil {
		return frame.Usagef("the address is no URL, or holds a credential, which would end up in reports: name it with --token")
	}
	shown := u.Scheme + "://" + u.Host + u.Path // a query may hold a credential too
	token, err := c.token(ctx, s.live.token)
	if err != nil {
		return err
	}
	o := endpoint.Options{Active: s.intensity == "active", Token: token, Now: c.now}
	if s.live.roots != "" {
		if o.Roots, err = authorities(s.live.roots); err != nil {
			return err
		}
	}
	switch {
	case slices.Contains(s.wanted, rule.MCPEndpoint):
		o.Want = "mcp"
	case slices.Contains(s.wanted, rule.A2AEndpoint):
		o.Want = "a2a"
	}
	seen, err := endpoint.Probe(ctx, name, o)
	add := func(k rule.Kind) {
		if len(s.wanted) == 0 || slices.Contains(s.wanted, k) {
			target := check.Target{Kind: k, Name: shown, URL: shown, Failed: err}
			if err == nil {
				target.Seen = seen
			}
			t.list = append(t.list, target)
		}
	}
	if err == nil && seen.Withheld != "" {
		fmt.Fprintf(c.Err, "note: the credential was not sent: %s\n", seen.Withheld)
	}
	if err == nil && seen.MCP {
		add(rule.MCPEndpoint)
	}
	if err == nil && seen.A2A {
		add(rule.A2AEndpoint)
	}
	add(rule.HTTPEndpoint)
	return nil
}

func authorities(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, frame.Usagef("--ca: %v", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, frame.Usagef("--ca %q: holds no certificate", file)
	}
	return pool, nil
}

// token reads the credential.
func (c verbs) token(ctx context.Context, named string) (string, error) {
	switch named {
	case "":
		text, _ := c.Env(tokenVariable)
		return text, nil
	case "-":
		return c.SecretLine("the token")
	}
	ref, err := source.Parse(named)
	if err != nil {
		return "", frame.Usagef("--token: want a reference such as secret://env/NAME, or -; a token on the command line would be seen by others")
	}
	cfg := configsecrets.Default()
	if loaded, _, err := c.LoadConfig(); err == nil {
		cfg = loaded.Secrets
	}
	value := ""
	read := func(recorder portcullis.Recorder) error {
		keeper, err := secrets.New(secrets.Options{Getenv: c.Env, DataDir: c.DataDir, Log: slog.New(slog.DiscardHandler), Recorder: recorder})
		if err != nil {
			return err
		}
		value, err = keeper.Read(ctx, cfg, ref)
		return err
	}
	if ref.Source == configsecrets.Wallet {
		err = c.WithAdmin(ctx, func(a *admin.Client) error { return read(adminwallet.NewRecorder(a)) })
	} else {
		err = read(nil)
	}
	if err != nil {
		return "", fmt.Errorf("--token: %w", err)
	}
	return value, nil
}

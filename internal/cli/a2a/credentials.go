package a2a

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/a2aclient"
	"github.com/portcullis-dev/portcullis/internal/admin"
	adminwallet "github.com/portcullis-dev/portcullis/internal/admin/wallet"
	"github.com/portcullis-dev/portcullis/internal/app/secrets"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	configsecrets "github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// credentials are what flags say about them: references, never secrets.
type credentials struct {
	token, user, password, apiKey, apiKeyIn string
	client, clientSecret, tokenURL          string
	scopes                                  []string
	cert, key                               string
}

// flags adds the flags of credentials.
func (o *credentials) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.token, "token", "", "`reference` of a bearer token, as secret://wallet/agent (default the variable A2A_TOKEN or A2A_AUTH_TOKEN)")
	f.StringVar(&o.user, "user", "", "`name` for HTTP Basic (default the variable A2A_USERNAME)")
	f.StringVar(&o.password, "password", "", "`reference` of the password (default the variable A2A_PASSWORD)")
	f.StringVar(&o.apiKey, "api-key", "", "`reference` of an API key, sent where the card says")
	f.StringVar(&o.apiKeyIn, "api-key-in", "", "`place:name` of the API key (header:X-API-Key, query:key or cookie:key), for cards that do not say")
	f.StringVar(&o.client, "oauth-client", "", "`id` of an OAuth 2.0 client")
	f.StringVar(&o.clientSecret, "oauth-secret", "", "`reference` of its secret")
	f.StringVar(&o.tokenURL, "token-url", "", "`URL` where the issuer gives tokens (default what the card says, on the agent's own origin)")
	f.StringSliceVar(&o.scopes, "scope", nil, "`scope` of the token (default those that the card requires)")
	f.StringVar(&o.cert, "cert", "", "PEM `file` of a client certificate")
	f.StringVar(&o.key, "key", "", "PEM `file` of its key")
}

// open makes a client with the credentials that flags name, or else those of
// the environment that the card asks for.
func (c verbs) open(ctx context.Context, t *target, card *a2aclient.Card, opts a2aclient.Options) (*a2aclient.Client, error) {
	named, err := c.named(ctx, &t.credentials)
	if err != nil {
		return nil, err
	}
	if len(named) > 0 {
		opts.Credentials = named
		return a2aclient.New(ctx, card, opts)
	}
	env, names, err := c.environment(&t.credentials)
	if err != nil {
		return nil, err
	}
	if len(card.Requirements) == 0 {
		if len(names) > 0 { // a variable is for some agent, not for every one
			fmt.Fprintf(c.Err, "note: the agent asks for no credential, so %s is not sent; --token secret://env/NAME sends one\n", strings.Join(names, " and "))
		}
		return a2aclient.New(ctx, card, opts)
	}
	var refused error
	for _, one := range env {
		opts.Credentials = []a2aclient.Credential{one}
		client, err := a2aclient.New(ctx, card, opts)
		if err == nil || !errors.Is(err, a2aclient.ErrAuth) {
			return client, err
		}
		refused = err
	}
	opts.Credentials = nil
	client, err := a2aclient.New(ctx, card, opts)
	if err != nil && refused != nil {
		err = refused // says what there is beside what is wanted
	}
	return client, err
}

// environment returns the credentials that variables hold, and the names of
// those variables.
func (c verbs) environment(o *credentials) (list []a2aclient.Credential, names []string, err error) {
	for _, name := range []string{"A2A_TOKEN", "A2A_AUTH_TOKEN"} {
		if text, _ := c.Env(name); text != "" {
			list, names = append(list, a2aclient.Bearer(a2aclient.Text(text))), append(names, name)
			break
		}
	}
	user, _ := c.Env("A2A_USERNAME")
	password, _ := c.Env("A2A_PASSWORD")
	switch {
	case user == "" && password == "":
	case user == "" || password == "":
		return nil, nil, frame.Usagef("A2A_USERNAME and A2A_PASSWORD go together")
	default:
		list, names = append(list, a2aclient.Basic(user, a2aclient.Text(password))), append(names, "A2A_PASSWORD")
	}
	return list, names, nil
}

// named returns the credentials that flags name.
func (c verbs) named(ctx context.Context, o *credentials) ([]a2aclient.Credential, error) {
	var out []a2aclient.Credential
	if o.token != "" {
		s, err := c.secret(ctx, "--token", o.token)
		if err != nil {
			return nil, err
		}
		out = append(out, a2aclient.Bearer(s))
	}
	if o.user != "" || o.password != "" {
		one, err := c.basic(ctx, o)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	if o.apiKey != "" || o.apiKeyIn != "" {
		one, err := c.apiKey(ctx, o)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	if o.client != "" || o.clientSecret != "" || o.tokenURL != "" {
		if o.client == "" || o.clientSecret == "" {
			return nil, frame.Usagef("--oauth-client and --oauth-secret go together")
		}
		s, err := c.secret(ctx, "--oauth-secret", o.clientSecret)
		if err != nil {
			return nil, err
		}
		out = append(out, a2aclient.ClientCredentials(a2aclient.OAuth{TokenURL: o.tokenURL, ClientID: o.client, Secret: s, Scopes: o.scopes}))
	}
	if o.cert != "" || o.key != "" {
		cfg, err := dial.ClientTLS(dial.Files{Cert: o.cert, Key: o.key})
		if err != nil {
			return nil, frame.UsageError{Err: fmt.Errorf("--cert and --key: %w", err)}
		}
		out = append(out, a2aclient.Certificate(cfg.GetClientCertificate))
	}
	return out, nil
}

func (c verbs) basic(ctx context.Context, o *credentials) (a2aclient.Credential, error) {
	user, password := o.user, a2aclient.Secret(nil)
	if user == "" {
		user, _ = c.Env("A2A_USERNAME")
	}
	if o.password != "" {
		var err error
		if password, err = c.secret(ctx, "--password", o.password); err != nil {
			return a2aclient.Credential{}, err
		}
	} else if text, _ := c.Env("A2A_PASSWORD"); text != "" {
		password = a2aclient.Text(text)
	}
	if user == "" || password == nil {
		return a2aclient.Credential{}, frame.Usagef("--user and --password go together; the variables A2A_USERNAME and A2A_PASSWORD stand for them")
	}
	return a2aclient.Basic(user, password), nil
}

func (c verbs) apiKey(ctx context.Context, o *credentials) (a2aclient.Credential, error) {
	if o.apiKey == "" {
		return a2aclient.Credential{}, frame.Usagef("--api-key-in needs --api-key")
	}
	s, err := c.secret(ctx, "--api-key", o.apiKey)
	if err != nil || o.apiKeyIn == "" {
		return a2aclient.APIKey(s), err
	}
	place, name, ok := strings.Cut(o.apiKeyIn, ":")
	if !ok || name == "" || !slices.Contains([]string{"header", "query", "cookie"}, place) {
		return a2aclient.Credential{}, frame.Usagef("--api-key-in %q: want header:NAME, query:NAME or cookie:NAME", o.apiKeyIn)
	}
	return a2aclient.APIKeyIn(place, name, s), nil
}

// secret reads what a reference leads to, once. What comes out of the wallet is
// recorded before it is used.
func (c verbs) secret(ctx context.Context, flag, text string) (a2aclient.Secret, error) {
	ref, err := source.Parse(text)
	if err != nil {
		return nil, frame.UsageError{Err: fmt.Errorf("%s: %w", flag, err)}
	}
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return nil, err
	}
	value := ""
	read := func(recorder portcullis.Recorder) error {
		// What would be logged is said in the error.
		keeper, err := secrets.New(secrets.Options{Getenv: c.Env, DataDir: c.DataDir, Log: slog.New(slog.DiscardHandler), Recorder: recorder})
		if err != nil {
			return err
		}
		value, err = keeper.Read(ctx, cfg.Secrets, ref)
		return err
	}
	if ref.Source == configsecrets.Wallet {
		err = c.WithAdmin(ctx, func(a *admin.Client) error { return read(adminwallet.NewRecorder(a)) })
	} else {
		err = read(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return a2aclient.Text(value), nil
}

// Package azure reads secrets from Azure Key Vault with the vendor's own
// client: secret://azure/VAULT/NAME, or secret://azure/NAME in the vault of the
// configuration. The credentials are those that its tools find: workload
// identity, a managed identity, or the environment.
package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Config says where to ask.
type Config struct {
	Vault      string                 // name of the vault that references without one mean
	Suffix     string                 // of vault addresses; "" = vault.azure.net
	Endpoint   string                 // one address for all vaults, for private endpoints
	Credential azcore.TokenCredential // nil = those that Azure's tools find
	Transport  policy.Transporter     // nil = our own
}

// Source reads secrets. It is a [source.Source].
type Source struct {
	cfg Config

	mu      sync.Mutex
	clients map[string]*azsecrets.Client
}

var _ source.Source = (*Source)(nil)

// New returns a source. Credentials are looked for when they are needed.
func New(cfg Config) (*Source, error) {
	if cfg.Suffix == "" {
		cfg.Suffix = "vault.azure.net"
	}
	if cfg.Endpoint != "" {
		if err := httpapi.CheckURL(cfg.Endpoint); err != nil {
			return nil, err
		}
	}
	if cfg.Transport == nil {
		t, err := httpapi.Transport("")
		if err != nil {
			return nil, err
		}
		cfg.Transport = &http.Client{Transport: t}
	}
	return &Source{cfg: cfg, clients: map[string]*azsecrets.Client{}}, nil
}

// maxClients bounds what is remembered; names come from the configuration.
const maxClients = 256

// client returns the client of a vault.
func (s *Source) client(vault string) (*azsecrets.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[vault]; c != nil {
		return c, nil
	}
	options := policy.ClientOptions{Transport: s.cfg.Transport, Retry: policy.RetryOptions{MaxRetries: 1}}
	if s.cfg.Credential == nil {
		found, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
		if err != nil {
			return nil, errors.New("no credentials for Azure are found here")
		}
		s.cfg.Credential = found
	}
	address := s.cfg.Endpoint
	if address == "" {
		address = "https://" + vault + "." + s.cfg.Suffix
	}
	c, err := azsecrets.NewClient(address, s.cfg.Credential, &azsecrets.ClientOptions{
		ClientOptions: options, DisableChallengeResourceVerification: s.cfg.Endpoint != "",
	})
	if err != nil {
		return nil, errors.New("making a client of the vault")
	}
	if len(s.clients) < maxClients {
		s.clients[vault] = c
	}
	return c, nil
}

// Fetch reads a secret.
func (s *Source) Fetch(ctx context.Context, ref source.Ref) (source.Secret, error) {
	vault, name, ok := strings.Cut(ref.Path, "/")
	if !ok {
		vault, name = s.cfg.Vault, ref.Path
	}
	if vault == "" || strings.ContainsAny(vault, ".:@") || strings.Contains(name, "/") {
		return source.Secret{}, errors.New("want VAULT/NAME behind the source, or secrets.azure.vault in the configuration")
	}
	c, err := s.client(vault)
	if err != nil {
		return source.Secret{}, err
	}
	got, err := c.GetSecret(ctx, name, ref.Version, nil)
	if err != nil {
		return source.Secret{}, failure(err)
	}
	if got.Value == nil {
		return source.Secret{}, source.ErrNotFound
	}
	out := source.Secret{Text: *got.Value}
	if got.ID != nil {
		out.Version = got.ID.Version()
	}
	return out, nil
}

// failure says what kind of error it was, without the text of the service.
func failure(err error) error {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return &httpapi.StatusError{Status: answer.StatusCode}
	}
	var auth *azidentity.AuthenticationFailedError
	if errors.As(err, &auth) {
		return fmt.Errorf("logging in: %w", source.ErrDenied)
	}
	return errors.New("the service does not answer")
}

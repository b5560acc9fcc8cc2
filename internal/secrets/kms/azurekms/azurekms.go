// Package azurekms keeps keys with Azure Key Vault, by the vendor's own client.
// The service wraps with RSA-OAEP-256, which binds to nothing, so it wraps a
// random key of its own for each wallet key: that one seals the wallet key for
// its place, as [envelope.Box] does everywhere.
package azurekms

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Config says which key.
type Config struct {
	Key        string                 // https://VAULT.vault.azure.net/keys/NAME
	Endpoint   string                 // instead of that of the vault, for private endpoints
	CAFile     string                 // roots to trust instead of the system's
	Credential azcore.TokenCredential // nil = those that Azure's tools find
}

// Wrapper is an [envelope.KeyWrapper].
type Wrapper struct {
	name   string
	client *azkeys.Client
}

var _ envelope.KeyWrapper = (*Wrapper)(nil)

const (
	prefix   = "azure-kv:1:"
	word     = `[0-9a-zA-Z-]{1,127}`
	callTime = 20 * time.Second
)

// New checks the name of the key.
func New(c Config) (*Wrapper, error) {
	u, err := url.Parse(c.Key)
	name := ""
	if err == nil {
		name = strings.TrimPrefix(u.Path, "/keys/")
	}
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || "/keys/"+name != u.Path || !is(name) {
		return nil, errors.New("azure key vault: want https://VAULT.vault.azure.net/keys/NAME")
	}
	address := "https://" + u.Host
	if c.Endpoint != "" {
		if err := httpapi.CheckURL(c.Endpoint); err != nil {
			return nil, fmt.Errorf("azure key vault: %w", err)
		}
		address = c.Endpoint
	}
	t, err := httpapi.Transport(c.CAFile)
	if err != nil {
		return nil, err
	}
	options := policy.ClientOptions{Transport: &http.Client{Transport: t}, Retry: policy.RetryOptions{MaxRetries: 1}}
	if c.Credential == nil {
		c.Credential, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options})
		if err != nil {
			return nil, errors.New("no credentials for Azure are found here")
		}
	}
	client, err := azkeys.NewClient(address, c.Credential, &azkeys.ClientOptions{
		ClientOptions: options, DisableChallengeResourceVerification: c.Endpoint != "",
	})
	if err != nil {
		return nil, errors.New("making a client of the key vault")
	}
	return &Wrapper{name, client}, nil
}

func is(name string) bool { return regexp.MustCompile(`^` + word + `$`).MatchString(name) }

// Wrap seals a key. The text says which version of the vault's key wrapped it:
// there may be newer ones when it is opened.
func (w *Wrapper) Wrap(ctx context.Context, key, aad []byte) (string, error) {
	own := envelope.NewKey()
	defer clear(own)
	box, err := envelope.NewBox(own)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	algorithm := azkeys.EncryptionAlgorithmRSAOAEP256
	out, err := w.client.WrapKey(ctx, w.name, "", azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: own}, nil)
	if err != nil {
		return "", failure(err)
	}
	if out.KID == nil || out.KID.Name() != w.name || !is(out.KID.Version()) || len(out.Result) == 0 {
		return "", errors.New("azure key vault answered with no wrapped key")
	}
	b64 := base64.RawURLEncoding
	return prefix + strings.Join([]string{out.KID.Version(), b64.EncodeToString(out.Result), b64.EncodeToString(box.Seal(nil, key, aad))}, ":"), nil
}

// Unwrap opens a key.
func (w *Wrapper) Unwrap(ctx context.Context, wrapped string, aad []byte) ([]byte, error) {
	version, outer, inner, err := parse(wrapped)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	algorithm := azkeys.EncryptionAlgorithmRSAOAEP256
	out, err := w.client.UnwrapKey(ctx, w.name, version, azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: outer}, nil)
	if err != nil {
		return nil, failure(err)
	}
	defer clear(out.Result)
	box, err := envelope.NewBox(out.Result)
	if err != nil {
		return nil, fmt.Errorf("azure key vault: %w", envelope.ErrOpen)
	}
	return box.Open(inner, aad)
}

// parse takes apart what Wrap returned.
func parse(wrapped string) (version string, outer, inner []byte, err error) {
	bad := fmt.Errorf("azure key vault: %w", envelope.ErrOpen)
	rest, ok := strings.CutPrefix(wrapped, prefix)
	parts := strings.Split(rest, ":")
	if !ok || len(parts) != 3 || !is(parts[0]) {
		return "", nil, nil, bad
	}
	b64 := base64.RawURLEncoding.Strict()
	outer, err1 := b64.DecodeString(parts[1])
	inner, err2 := b64.DecodeString(parts[2])
	if err1 != nil || err2 != nil {
		return "", nil, nil, bad
	}
	return parts[0], outer, inner, nil
}

// failure says what kind of error it was, without the text of the service.
func failure(err error) error {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		if answer.StatusCode == http.StatusBadRequest {
			return fmt.Errorf("azure key vault: %w", envelope.ErrOpen)
		}
		return fmt.Errorf("azure key vault answered %d", answer.StatusCode)
	}
	var auth *azidentity.AuthenticationFailedError
	if errors.As(err, &auth) {
		return errors.New("azure key vault: logging in failed")
	}
	return errors.New("azure key vault does not answer")
}

// Package transit keeps keys with the transit engine of HashiCorp Vault or
// OpenBao: it encrypts and decrypts there, and its own key never leaves it.
package transit

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
)

// maxReply bounds what is read of a reply, in bytes.
const maxReply = 64 << 10

// Config says where the engine is.
type Config struct {
	Address string     // https://vault.example:8200
	Mount   string     // of the engine; "" = transit
	Key     string     // its name there; AEAD, as aes256-gcm96 is
	Token   obs.Secret // that may encrypt and decrypt with the key
	Client  *http.Client
}

// Wrapper is an [envelope.KeyWrapper].
type Wrapper struct {
	c    Config
	base string
}

var _ envelope.KeyWrapper = (*Wrapper)(nil)

// New checks where the engine is. Plain http goes only to this machine.
func New(c Config) (*Wrapper, error) {
	u, err := url.Parse(c.Address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of the key service: want https://HOST[:PORT]")
	case u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" && u.Hostname() != "localhost":
		return nil, errors.New("the address of the key service: http goes only to this machine, use https")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the address of the key service: want https://HOST[:PORT]")
	case c.Key == "" || strings.ContainsAny(c.Key, "/?#"):
		return nil, errors.New("the key service wants the name of a key")
	case c.Token == "":
		return nil, errors.New("the key service wants a token")
	}
	if c.Mount == "" {
		c.Mount = "transit"
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 10 * time.Second}
	}
	client := *c.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { // the token would go along
		return errors.New("a key service does not redirect")
	}
	c.Client = &client
	return &Wrapper{c, strings.TrimSuffix(c.Address, "/") + "/v1/" + strings.Trim(c.Mount, "/") + "/"}, nil
}

// Wrap encrypts a key.
func (w *Wrapper) Wrap(ctx context.Context, key, aad []byte) (string, error) {
	out, err := w.ask(ctx, "encrypt", map[string]string{
		"plaintext": base64.StdEncoding.EncodeToString(key), "associated_data": base64.StdEncoding.EncodeToString(aad),
	})
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(out.Data.Ciphertext, "vault:") {
		return "", errors.New("the key service answered with no ciphertext")
	}
	return out.Data.Ciphertext, nil
}

// Unwrap decrypts a key. The error wraps [envelope.ErrOpen] when the service
// says that this was not wrapped by it, for this aad.
func (w *Wrapper) Unwrap(ctx context.Context, wrapped string, aad []byte) ([]byte, error) {
	out, err := w.ask(ctx, "decrypt", map[string]string{
		"ciphertext": wrapped, "associated_data": base64.StdEncoding.EncodeToString(aad),
	})
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(out.Data.Plaintext)
	if err != nil || len(key) == 0 {
		return nil, errors.New("the key service answered with no plaintext")
	}
	return key, nil
}

type reply struct {
	Data struct {
		Ciphertext string `json:"ciphertext"`
		Plaintext  string `json:"plaintext"`
	} `json:"data"`
}

func (w *Wrapper) ask(ctx context.Context, verb string, in map[string]string) (*reply, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	defer clear(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+verb+"/"+url.PathEscape(w.c.Key), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("making the request to the key service")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Token", w.c.Token.Reveal())
	req.Header.Set("X-Vault-Request", "true")
	resp, err := w.c.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the key service: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("reading the reply of the key service: %w", err)
	}
	switch { // what it says of its errors stays there: it may quote the request
	case resp.StatusCode == http.StatusBadRequest && verb == "decrypt":
		return nil, fmt.Errorf("the key service: %w", envelope.ErrOpen)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the key service refused to %s: status %d", verb, resp.StatusCode)
	}
	var out reply
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, errors.New("the reply of the key service is no JSON")
	}
	return &out, nil
}

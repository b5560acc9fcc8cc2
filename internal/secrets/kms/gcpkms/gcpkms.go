// Package gcpkms keeps keys with Google Cloud KMS over its REST API. The
// credentials are those that Google's tools find. Both directions are guarded by
// checksums, as the service asks of its callers.
package gcpkms

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Endpoint is the service.
const Endpoint = "https://cloudkms.googleapis.com"

const (
	scope  = "https://www.googleapis.com/auth/cloudkms"
	prefix = "gcp-kms:1:"
)

// Config says which key.
type Config struct {
	Key      string             // projects/P/locations/L/keyRings/R/cryptoKeys/K
	Endpoint string             // "" = the service itself
	CAFile   string             // roots to trust instead of the system's
	Tokens   oauth2.TokenSource // nil = those that Google's tools find
}

// Wrapper is an [envelope.KeyWrapper].
type Wrapper struct {
	key    string
	client *httpapi.Client

	mu     sync.Mutex
	tokens oauth2.TokenSource
}

var _ envelope.KeyWrapper = (*Wrapper)(nil)

const part = `[A-Za-z0-9._:-]{1,128}`

// New checks the name of the key. Credentials are looked for when needed.
func New(c Config) (*Wrapper, error) {
	name := regexp.MustCompile(`^projects/` + part + `/locations/` + part + `/keyRings/` + part + `/cryptoKeys/` + part + `$`)
	if !name.MatchString(c.Key) || strings.Contains(c.Key, "..") {
		return nil, errors.New("gcp kms: want projects/P/locations/L/keyRings/R/cryptoKeys/K")
	}
	if c.Endpoint == "" {
		c.Endpoint = Endpoint
	}
	client, err := httpapi.New(c.Endpoint, c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("gcp kms: %w", err)
	}
	return &Wrapper{key: c.Key, client: client, tokens: c.Tokens}, nil
}

// answer is that of both methods; numbers of 64 bits are texts.
type answer struct {
	Ciphertext    string `json:"ciphertext"`
	CiphertextCRC string `json:"ciphertextCrc32c"`
	Plaintext     string `json:"plaintext"`
	PlaintextCRC  string `json:"plaintextCrc32c"`
	SawPlaintext  bool   `json:"verifiedPlaintextCrc32c"`
	SawAAD        bool   `json:"verifiedAdditionalAuthenticatedDataCrc32c"`
}

// Wrap encrypts a key.
func (w *Wrapper) Wrap(ctx context.Context, key, aad []byte) (string, error) {
	out, err := w.ask(ctx, "encrypt", map[string]string{
		"plaintext": encode(key), "plaintextCrc32c": sum(key),
		"additionalAuthenticatedData": encode(aad), "additionalAuthenticatedDataCrc32c": sum(aad),
	})
	if err != nil {
		return "", err
	}
	blob, err := base64.StdEncoding.DecodeString(out.Ciphertext)
	if err != nil || len(blob) == 0 || out.CiphertextCRC != sum(blob) || !out.SawPlaintext || !out.SawAAD {
		return "", errors.New("gcp kms: the answer was changed on its way, or is no ciphertext")
	}
	return prefix + out.Ciphertext, nil
}

// Unwrap decrypts a key.
func (w *Wrapper) Unwrap(ctx context.Context, wrapped string, aad []byte) ([]byte, error) {
	text, ok := strings.CutPrefix(wrapped, prefix)
	blob, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil {
		return nil, fmt.Errorf("gcp kms: %w", envelope.ErrOpen)
	}
	out, err := w.ask(ctx, "decrypt", map[string]string{
		"ciphertext": text, "ciphertextCrc32c": sum(blob),
		"additionalAuthenticatedData": encode(aad), "additionalAuthenticatedDataCrc32c": sum(aad),
	})
	var status *httpapi.StatusError
	if errors.As(err, &status) && status.Status == http.StatusBadRequest {
		return nil, fmt.Errorf("gcp kms: %w", envelope.ErrOpen)
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(out.Plaintext)
	if err != nil || len(key) == 0 || out.PlaintextCRC != sum(key) {
		return nil, errors.New("gcp kms: the answer was changed on its way, or is no plaintext")
	}
	return key, nil
}

func (w *Wrapper) ask(ctx context.Context, verb string, in map[string]string) (*answer, error) {
	token, err := w.token(ctx)
	if err != nil {
		return nil, err
	}
	var out answer
	err = w.client.Do(ctx, httpapi.Request{
		Method: http.MethodPost, Path: "v1/" + w.key + ":" + verb, Header: http.Header{"Authorization": {"Bearer " + token}}, Body: in,
	}, &out)
	if err != nil {
		return nil, fmt.Errorf("gcp kms: %w", err)
	}
	return &out, nil
}

// token returns an access token. What the library says of a failure can hold
// the answer of the token service, so only the kind is passed on.
func (w *Wrapper) token(ctx context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tokens == nil {
		found, err := google.FindDefaultCredentials(context.WithoutCancel(ctx), scope)
		if err != nil {
			return "", errors.New("no credentials for Google Cloud are found here")
		}
		w.tokens = found.TokenSource
	}
	t, err := w.tokens.Token()
	if err != nil {
		return "", errors.New("the token service gave no token")
	}
	return t.AccessToken, nil
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func sum(b []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10)
}

package azurekms

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
)

type fixed struct{}

func (fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "tok", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

const address = "https://my-vault.vault.azure.net/keys/wallet"

// fake is Key Vault as far as two operations of an RSA key go.
func fake(t *testing.T) Config {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer tok" {
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var in struct{ Alg, Value string }
		b64 := base64.RawURLEncoding
		refuse := func(status int) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"code":"BadParameter","message":"canary"}}`))
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Alg != "RSA-OAEP-256" {
			refuse(http.StatusBadRequest)
			return
		}
		value, err := b64.DecodeString(in.Value)
		if err != nil {
			refuse(http.StatusBadRequest)
			return
		}
		var out []byte
		switch strings.ReplaceAll(r.URL.Path, "//", "/") {
		case "/keys/wallet/wrapkey":
			out, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &private.PublicKey, value, nil)
		case "/keys/wallet/v7/unwrapkey":
			out, err = rsa.DecryptOAEP(sha256.New(), nil, private, value, nil)
		default:
			refuse(http.StatusForbidden)
			return
		}
		if err != nil {
			refuse(http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"kid": address + "/v7", "value": b64.EncodeToString(out)})
	}))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{Key: address, Endpoint: s.URL, CAFile: ca, Credential: fixed{}}
}

// TestWrap drives the vendor's client against the fake.
func TestWrap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	cfg := fake(t)
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	key := envelope.NewKey()
	wrapped, err := w.Wrap(ctx, key, []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(wrapped, "azure-kv:1:v7:") {
		t.Errorf("the version is not in %q", wrapped)
	}
	if got, err := w.Unwrap(ctx, wrapped, []byte("place")); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%v", err)
	}
	again, err := w.Wrap(ctx, key, []byte("place"))
	if err != nil || again == wrapped {
		t.Errorf("the same text twice: %v", err)
	}
	mine, theirs := strings.Split(wrapped, ":"), strings.Split(again, ":")
	mixed := strings.Join([]string{mine[0], mine[1], mine[2], mine[3], theirs[4]}, ":")
	for name, in := range map[string][2]string{
		"another place": {wrapped, "elsewhere"}, "parts of two": {mixed, "place"}, "no prefix": {"vault:v1:x", "place"}, "cut": {prefix + "v7:AAAA", "place"},
		"a version that leads elsewhere": {strings.Replace(wrapped, ":v7:", ":../x:", 1), "place"}, "no ciphertext": {prefix + "v7:AAAA:AAAA", "place"},
		"no base64": {prefix + "v7:?:?", "place"},
	} {
		if got, err := w.Unwrap(ctx, in[0], []byte(in[1])); !errors.Is(err, envelope.ErrOpen) || got != nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg.Key += "2"
	other, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Wrap(ctx, key, nil); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("forbidden: %v", err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"nothing": "", "http": "http://my-vault.vault.azure.net/keys/wallet", "a secret": "https://my-vault.vault.azure.net/secrets/wallet",
		"a version": address + "/v7", "a query": address + "?x=1", "a name in it": "https://u@my-vault.vault.azure.net/keys/wallet",
	} {
		if _, err := New(Config{Key: key, Credential: fixed{}}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := New(Config{Key: address, Endpoint: "http://vault.example.com", Credential: fixed{}}); err == nil {
		t.Error("clear text: taken")
	}
}

// FuzzParse: of every text there is one reading, and nothing else is asked for.
func FuzzParse(f *testing.F) {
	f.Add(prefix + "v7:AAAA:BBBB")
	f.Add(prefix + "../x:AAAA:BBBB")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		version, outer, inner, err := parse(text)
		if err != nil {
			if !errors.Is(err, envelope.ErrOpen) {
				t.Fatal(err)
			}
			return
		}
		b64 := base64.RawURLEncoding
		again := prefix + version + ":" + b64.EncodeToString(outer) + ":" + b64.EncodeToString(inner)
		if strings.NewReplacer("\r", "", "\n", "").Replace(text) != again || strings.ContainsAny(version, "/.?#%") {
			t.Fatalf("%q reads as %q", text, again)
		}
	})
}

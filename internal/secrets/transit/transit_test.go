package transit_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/transit"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

const token = "token-canary-2718"

// engine is a fake of the transit engine, after its documentation: encrypt and
// decrypt with associated data, errors as it words them.
func engine(t *testing.T) *httptest.Server {
	t.Helper()
	box, err := envelope.NewBox(envelope.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(w http.ResponseWriter, status int, text string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Plaintext, Ciphertext string
			AAD                   string `json:"associated_data"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost || r.Header.Get("X-Vault-Request") != "true" {
			refuse(w, 400, "bad request")
			return
		}
		if r.Header.Get("X-Vault-Token") != token {
			refuse(w, 403, "permission denied for "+in.Plaintext)
			return
		}
		aad, _ := base64.StdEncoding.DecodeString(in.AAD)
		data := map[string]string{}
		switch r.URL.Path {
		case "/v1/transit/encrypt/wallet":
			p, _ := base64.StdEncoding.DecodeString(in.Plaintext)
			data["ciphertext"] = "vault:v1:" + base64.StdEncoding.EncodeToString(box.Seal(nil, p, aad))
		case "/v1/transit/decrypt/wallet":
			c, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
			p, err := box.Open(c, aad)
			if err != nil {
				refuse(w, 400, "cipher: message authentication failed")
				return
			}
			data["plaintext"] = base64.StdEncoding.EncodeToString(p)
		case "/v1/moved/encrypt/wallet":
			http.Redirect(w, r, "/v1/transit/encrypt/wallet", http.StatusTemporaryRedirect)
			return
		default:
			refuse(w, 404, "no handler")
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestWrap(t *testing.T) {
	srv := engine(t)
	ctx := t.Context()
	w, err := transit.New(transit.Config{Address: srv.URL, Key: "wallet", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	key := envelope.NewKey()
	wrapped, err := w.Wrap(ctx, key, []byte("here"))
	if err != nil || !strings.HasPrefix(wrapped, "vault:v1:") {
		t.Fatalf("%q, %v", wrapped, err)
	}
	if got, err := w.Unwrap(ctx, wrapped, []byte("here")); err != nil || !bytes.Equal(got, key) {
		t.Fatal(err)
	}
	if _, err := w.Unwrap(ctx, wrapped, []byte("there")); !errors.Is(err, envelope.ErrOpen) {
		t.Errorf("another place: %v", err)
	}
	for name, c := range map[string]transit.Config{
		"token": {Address: srv.URL, Key: "wallet", Token: "wrong"}, "key": {Address: srv.URL, Key: "other", Token: token}, "redirect": {Address: srv.URL, Key: "wallet", Token: token, Mount: "moved"},
	} {
		w, err := transit.New(c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Wrap(ctx, key, nil)
		if err == nil || errors.Is(err, envelope.ErrOpen) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s := err.Error(); strings.Contains(s, token) || strings.Contains(s, base64.StdEncoding.EncodeToString(key)) {
			t.Errorf("%s: the error tells too much: %s", name, s)
		}
	}
}

func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://vault.example:8200": true, "https://vault.example/": true, "http://127.0.0.1:8200": true, "http://localhost:8200": true,
		"http://vault.example": false, "": false, "vault.example": false, "ftp://127.0.0.1": false, "https://u:p@vault.example": false, "https://vault.example?x=1": false,
	} {
		if _, err := transit.New(transit.Config{Address: address, Key: "k", Token: token}); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, c := range []transit.Config{{Address: "https://v", Token: token}, {Address: "https://v", Key: "k"}, {Address: "https://v", Key: "../sys", Token: token}} {
		if _, err := transit.New(c); err == nil {
			t.Errorf("%+v", c.Key)
		}
	}
}

type silent struct{}

func (silent) Record(context.Context, *portcullis.Event) error { return nil }

func TestWalletBehindTransit(t *testing.T) {
	srv := engine(t)
	w, err := transit.New(transit.Config{Address: srv.URL, Key: "wallet", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	path, o := filepath.Join(t.TempDir(), wallet.FileName), wallet.Options{Recorder: silent{}}
	s := wallet.Service{Name: "wallet", Wrapper: w}
	if err := wallet.Create(t.Context(), path, s, o); err != nil {
		t.Fatal(err)
	}
	opened, err := wallet.Open(t.Context(), path, s, o)
	if err != nil {
		t.Fatal(err)
	}
	opened.Close()
	srv.Close()
	if _, err := wallet.Open(t.Context(), path, s, o); err == nil || errors.Is(err, wallet.ErrPassword) {
		t.Errorf("the service is away: %v", err)
	}
}

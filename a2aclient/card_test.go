package a2aclient_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/a2aclient"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// signed returns a card with a signature, and the key that made it.
func signed(t *testing.T, text string) (out string, key ed25519.PublicKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: priv, KeyID: "mine"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := card.Canonical([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := card.Sign(payload, func(payload []byte) (string, string, error) {
		s, err := signer.Sign(payload)
		if err != nil {
			return "", "", err
		}
		compact, err := s.CompactSerialize()
		parts := strings.Split(compact, ".")
		return parts[0], parts[2], err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), pub
}

func TestSignatures(t *testing.T) {
	h := newHostile(t, nil)
	good, key := signed(t, cardOf(h.URL))
	_, other := signed(t, cardOf(h.URL))
	jwk := func(k ed25519.PublicKey) string {
		return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":"mine","x":%q}`, base64.RawURLEncoding.EncodeToString(k))
	}
	for name, tt := range map[string]struct {
		card, key string
		ok        bool
	}{
		"signed":         {good, jwk(key), true},
		"by another key": {good, jwk(other), false},
		"changed":        {strings.Replace(good, `"description":"d"`, `"description":"e"`, 1), jwk(key), false},
		"not signed":     {cardOf(h.URL), jwk(key), false},
	} {
		t.Run(name, func(t *testing.T) {
			h.card = func(string) string { return tt.card }
			o := bearer()
			var err error
			if o.Verifier, err = a2aclient.TrustKeys([]byte(tt.key)); err != nil {
				t.Fatal(err)
			}
			c, err := a2aclient.Discover(t.Context(), h.URL, o)
			if tt.ok && (err != nil || c.SignedBy != "mine") || !tt.ok && !errors.Is(err, a2aclient.ErrSignature) {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	if _, err := a2aclient.TrustKeys([]byte("no keys")); err == nil {
		t.Error("keys were made of nothing")
	}
}

// TestPlaces looks for the card where it may be, and nowhere else.
func TestPlaces(t *testing.T) {
	for at, tt := range map[string]struct {
		ask string
		ok  bool
	}{
		"/.well-known/agent-card.json":      {"", true},
		"/.well-known/agent.json":           {"", true},
		"/team/.well-known/agent-card.json": {"/team", true},
		"/my/card.json":                     {"/my/card.json", true},
		"/elsewhere":                        {"", false},
	} {
		h := newHostile(t, nil)
		h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != at {
				http.NotFound(w, r)
				return
			}
			writeJSON(w, cardOf(h.URL))
		})
		c, err := a2aclient.Discover(t.Context(), h.URL+tt.ask, bearer())
		if tt.ok && (err != nil || c.URL != h.URL+at) || !tt.ok && !errors.Is(err, a2aclient.ErrNoCard) {
			t.Errorf("%s: %+v, %v", at, c, err)
		}
	}
}

package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// prove makes a proof of possession for one call.
func prove(t *testing.T, key *ecdsa.PrivateKey, method, u, token string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(token))
	body, err := json.Marshal(map[string]any{
		"jti": rand.Text(), "htm": method, "htu": u, "iat": time.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestProofIsForTheCall: a proof of possession is for the URL that is called,
// on a route and at the paths that the gateway answers for callers of all
// routes; one for any other URL or method is refused there.
func TestProofIsForTheCall(t *testing.T) {
	w := newWorld(t, "[[privacy.purpose]]\nname = \"marketing\"\npolicy_version = \"2\"\n")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := jose.JSONWebKey{Key: key.Public()}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	token := w.iss.token(map[string]any{
		"aud": w.Base + "/other", "scope": "tools:*", "sub": "bound", "cnf": map[string]any{"jkt": base64.RawURLEncoding.EncodeToString(sum)},
	})
	const consents, data = "/api/v1/user/consents", "/api/v1/user/data"
	for _, c := range []struct {
		name, method, path, body string
		htm, htu                 string
		status                   int
	}{
		{"route", http.MethodPost, "/other", echo, "POST", w.Base + "/other", 200},
		{"route, another method", http.MethodPost, "/other", echo, "GET", w.Base + "/other", 401},
		{"route, URL of consents", http.MethodPost, "/other", echo, "POST", w.Base + consents, 401},
		{"route, another host", http.MethodPost, "/other", echo, "POST", "http://evil.example/other", 401},
		{"consents", http.MethodGet, consents, "", "GET", w.Base + consents, 200},
		{"consents, query in the call", http.MethodGet, consents + "?x=1", "", "GET", w.Base + consents, 200},
		{"consents, URL of the route", http.MethodGet, consents, "", "GET", w.Base + "/other", 401},
		{"consents, another method", http.MethodGet, consents, "", "DELETE", w.Base + consents, 401},
		{"consents, https", http.MethodGet, consents, "", "GET", "https" + w.Base[len("http"):] + consents, 401},
		{"consents, path below", http.MethodGet, consents, "", "GET", w.Base + consents + "/marketing", 401},
		{"agree", http.MethodPut, consents + "/marketing", `{"policy_version":"2"}`, "PUT", w.Base + consents + "/marketing", 200},
		{"agree, URL of the list", http.MethodPut, consents + "/marketing", `{"policy_version":"2"}`, "PUT", w.Base + consents, 401},
		{"data", http.MethodGet, data, "", "GET", w.Base + data, 200},
		{"data, URL of consents", http.MethodGet, data, "", "GET", w.Base + consents, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{"Authorization", "DPoP " + token, "DPoP", prove(t, key, c.htm, c.htu, token), "MCP-Protocol-Version", "2025-06-18"}
			if c.method == http.MethodPut {
				headers = append(headers, "Content-Type", "application/json")
			}
			r := harness.Do(t, c.method, w.Base+c.path, []byte(c.body), headers...)
			if r.Status != c.status {
				t.Errorf("%d, want %d: %s", r.Status, c.status, r.Body)
			}
		})
	}
	proof := prove(t, key, "GET", w.Base+consents, token)
	for i, want := range []int{200, 401} { // good once
		if r := harness.Do(t, http.MethodGet, w.Base+consents, nil, "Authorization", "DPoP "+token, "DPoP", proof); r.Status != want {
			t.Errorf("time %d: %d %s", i, r.Status, r.Body)
		}
	}
	if r := harness.Do(t, http.MethodGet, w.Base+consents, nil, "Authorization", "Bearer "+token); r.Status != http.StatusUnauthorized {
		t.Errorf("without a proof: %d", r.Status)
	}
}

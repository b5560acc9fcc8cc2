//go:build conformance

package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// startProvider runs the OpenID provider and returns its issuer.
func startProvider(t *testing.T) string {
	addr := freePort(t)
	_, port, _ := net.SplitHostPort(addr)
	start(t, nil, node(), "provider.mjs", port)
	await(t, addr)
	return "http://" + addr
}

func startOAuthGateway(t *testing.T, issuer string) gw {
	return startGateway(t, fmt.Sprintf("%s\nauth = [\"oidc\", \"api_key\"]\n[identity.oidc]\nissuer = %q\nintrospection = { client_id = \"gateway\", client_secret = \"gateway-secret\" }\n",
		goCommand(t), issuer))
}

// grant asks the provider for a token for a resource.
func grant(t *testing.T, issuer, client, secret, resource string, header http.Header) (token, kind string) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {"tools:*"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, secret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Token == "" {
		t.Fatalf("token: %d %s", resp.StatusCode, body)
	}
	return got.Token, got.Type
}

// call calls a tool with headers and returns the status and what was said.
func call(t *testing.T, g gw, headers ...string) (int, string) {
	t.Helper()
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"test_simple_text","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"check","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	headers = append(headers, "Content-Type", "application/json", "Accept", "application/json, text/event-stream",
		"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "test_simple_text")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// dpop makes a proof of possession; token is empty at the token endpoint.
func dpop(t *testing.T, key *ecdsa.PrivateKey, method, u, token string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": u, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	body, err := json.Marshal(claims)
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

// TestOpenIDProvider takes tokens of every kind that a real provider makes.
func TestOpenIDProvider(t *testing.T) {
	issuer := startProvider(t)
	g := startOAuthGateway(t, issuer)
	token, _ := grant(t, issuer, "app", "app-secret", g.url, nil)
	if status, said := call(t, g, "Authorization", "Bearer "+token); status != http.StatusOK || !strings.Contains(said, "simple text") {
		t.Errorf("a JWT: %d %s", status, said)
	}
	if status, said := call(t, g, "Authorization", "Bearer "+token, "X-API-Key", g.key); status != http.StatusUnauthorized {
		t.Errorf("two credentials: %d %s", status, said)
	}
	other, _ := grant(t, issuer, "app", "app-secret", "http://127.0.0.1/other", nil)
	if status, said := call(t, g, "Authorization", "Bearer "+other); status != http.StatusUnauthorized || !strings.Contains(said, "Invalid token") {
		t.Errorf("a token for another resource: %d %s", status, said)
	}
	opaque, _ := grant(t, issuer, "opaque-app", "opaque-secret", g.url, nil)
	if strings.Contains(opaque, ".") {
		t.Errorf("the provider's opaque token is a JWT")
	}
	if status, said := call(t, g, "Authorization", "Bearer "+opaque); status != http.StatusOK {
		t.Errorf("an opaque token: %d %s", status, said)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bound, kind := grant(t, issuer, "app", "app-secret", g.url, http.Header{"Dpop": {dpop(t, key, "POST", issuer+"/token", "")}})
	if kind != "DPoP" {
		t.Fatalf("token type %q", kind)
	}
	proof := dpop(t, key, "POST", g.url, bound)
	if status, said := call(t, g, "Authorization", "DPoP "+bound, "DPoP", proof); status != http.StatusOK {
		t.Errorf("a bound token: %d %s", status, said)
	}
	if status, _ := call(t, g, "Authorization", "DPoP "+bound, "DPoP", proof); status != http.StatusUnauthorized {
		t.Errorf("a proof used twice: %d", status)
	}
	if status, _ := call(t, g, "Authorization", "Bearer "+bound); status != http.StatusUnauthorized {
		t.Errorf("a bound token without proof: %d", status)
	}
}

// TestOAuthFlow lets the official TypeScript client find its own way in.
func TestOAuthFlow(t *testing.T) {
	issuer := startProvider(t)
	g := startOAuthGateway(t, issuer)
	out, err := exec.CommandContext(t.Context(), node(), "client-oauth.mjs", g.url, "test_simple_text", "{}").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "simple text") {
		t.Fatalf("%v: %s", err, out)
	}
}

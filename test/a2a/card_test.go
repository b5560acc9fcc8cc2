package a2a

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// scopeArrays lets the Go SDK read what the card asks for.
const scopeArrays = "a2a.card.scope_arrays = true\n"

// TestTheCardLeadsToTheGateway discovers an agent as the official client does
// and calls it by what the card says.
func TestTheCardLeadsToTheGateway(t *testing.T) {
	g, log := start(t, scopeArrays)
	card, err := agentcard.DefaultResolver.Resolve(t.Context(), g.Base)
	if err != nil {
		t.Fatal(err)
	}
	if len(card.SupportedInterfaces) == 0 || len(card.Signatures) == 0 {
		t.Fatalf("card %+v", card)
	}
	for _, i := range card.SupportedInterfaces {
		if i.URL != g.URL {
			t.Errorf("interface at %s, want %s", i.URL, g.URL)
		}
	}
	if len(card.SecuritySchemes) != 1 || card.SecuritySchemes["apiKey"] == nil {
		t.Errorf("schemes %+v", card.SecuritySchemes)
	}
	checkMessage(t, newClient(t, card.SupportedInterfaces[0].URL, g.Key, way{"", card.SupportedInterfaces[0].ProtocolVersion, card.SupportedInterfaces[0].ProtocolBinding}))
	for _, path := range []string{"/.well-known/agent-card.json", "/.well-known/agent.json", "/agent/.well-known/agent-card.json", "/agent/.well-known/agent.json"} {
		r := harness.Do(t, http.MethodGet, g.Base+path, nil)
		if r.Status != http.StatusOK || strings.Contains(r.Body, "inside.example") || !json.Valid([]byte(r.Body)) {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
		again := harness.Do(t, http.MethodGet, g.Base+path, nil, "If-None-Match", r.Header.Get("Etag"))
		if again.Status != http.StatusNotModified {
			t.Errorf("%s: %d the second time", path, again.Status)
		}
	}
	if keys := harness.Do(t, http.MethodGet, g.Base+"/.well-known/jwks.json", nil); keys.Status != http.StatusOK || !strings.Contains(keys.Body, `"kid"`) {
		t.Errorf("keys: %d %s", keys.Status, keys.Body)
	}
	for _, r := range log.all() {
		if r.Header.Get("X-Api-Key") != "" {
			t.Errorf("%s %s: the caller's key reached the agent", r.Method, r.URL)
		}
	}
}

// TestTheExtendedCardIsTheCallers shows what its caller may use.
func TestTheExtendedCardIsTheCallers(t *testing.T) {
	g, _ := start(t, scopeArrays)
	key, _ := g.NewKey("skills:translate")
	for _, w := range ways[:2] {
		all, err := newClient(t, g.URL, g.Key, w).GetExtendedAgentCard(t.Context(), &a2a.GetExtendedAgentCardRequest{})
		if err != nil || len(all.Skills) != 2 {
			t.Fatalf("%s: %+v, %v", w.name, all, err)
		}
		some, err := newClient(t, g.URL, key, w).GetExtendedAgentCard(t.Context(), &a2a.GetExtendedAgentCardRequest{})
		if err != nil || len(some.Skills) != 1 || some.Skills[0].ID != "translate" {
			t.Errorf("%s: %+v, %v", w.name, some, err)
		}
	}
}

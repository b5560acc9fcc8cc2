package a2a

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// plainCard is what an agent says of itself, with a description.
func plainCard(description string) string {
	return fmt.Sprintf(`{"name":"worker","description":%q,"version":"1","capabilities":{},"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],`+
		`"supportedInterfaces":[{"url":"https://inside.example/agent","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],`+
		`"skills":[{"id":"plan","name":"Plan","description":"plans","tags":["x"]}]}`, description)
}

// cardAgent serves a card that can be changed.
type cardAgent struct {
	*harness.Upstream
	card string
}

func startCardAgent(t *testing.T, text string) *cardAgent {
	a := &cardAgent{card: text}
	a.Upstream = harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, a.card)
			return
		}
		harness.Answer(w, r, `{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`)
	})
	return a
}

// signer makes a key, a file with its public half, and signs cards with it.
func signer(t *testing.T) (file string, sign func(string) string) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: pub, KeyID: "k1"}}})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, func(text string) string {
		canonical, err := card.Canonical([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out, err := card.Sign(canonical, func(payload []byte) (string, string, error) {
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: priv, KeyID: "k1"}}, nil)
			if err != nil {
				return "", "", err
			}
			j, err := s.Sign(payload)
			if err != nil {
				return "", "", err
			}
			text, err := j.CompactSerialize()
			parts := strings.Split(text, ".")
			return parts[0], parts[2], err
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
}

func getCard(t *testing.T, g *harness.Gateway) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodGet, g.Base+"/agent/.well-known/agent-card.json", nil, "A2A-Version", "1.0")
}

// has reports whether the journal has an event with a reason.
func has(g *harness.Gateway, event, reason string) bool {
	for _, e := range g.Events() {
		if e.Type == event && (reason == "" || e.Reason == reason) {
			return true
		}
	}
	return false
}

// TestForgedCards are cards whose signature is missing, another's, or over other
// words: none is shown.
func TestForgedCards(t *testing.T) {
	file, good := signer(t)
	_, evil := signer(t)
	for name, c := range map[string]struct {
		card string
		ok   bool
	}{
		"signed":               {good(plainCard("as it is")), true},
		"stripped":             {plainCard("hidden words"), false},
		"signed by another":    {evil(plainCard("hidden words")), false},
		"changed behind":       {strings.Replace(good(plainCard("as it is")), "as it is", "hidden words", 1), false},
		"signature of another": {strings.Replace(good(plainCard("as it is")), `"name":"worker"`, `"name":"hidden words"`, 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			a := startCardAgent(t, c.card)
			g := harness.Start(t, route(a.Server.URL+"/agent", fmt.Sprintf("a2a.card = { signature = \"require\", keys = [%q] }\n", file)))
			r := getCard(t, g)
			if c.ok {
				if r.Status != http.StatusOK || !strings.Contains(r.Body, "as it is") || strings.Contains(r.Body, "inside.example") {
					t.Errorf("%d %s", r.Status, r.Body)
				}
				return
			}
			if r.Status != http.StatusBadGateway || strings.Contains(r.Body, "hidden words") || !has(g, "CARD_REFUSED", "signature") {
				t.Errorf("%d %s", r.Status, r.Body)
			}
			if strings.Contains(g.Log.String(), "hidden words") {
				t.Error("the log tells what the card says")
			}
		})
	}
}

// TestChangedCardIsHeld until an operator approves it, across a restart.
func TestChangedCardIsHeld(t *testing.T) {
	a := startCardAgent(t, plainCard("as it was"))
	g := harness.Start(t, route(a.Server.URL+"/agent", ""))
	if r := getCard(t, g); r.Status != http.StatusOK || !strings.Contains(r.Body, "as it was") {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	a.card = strings.Replace(plainCard("new words"), `"skills":[`, `"skills":[{"id":"drain","name":"Drain","description":"drains","tags":["x"]},`, 1)
	g.Restart()
	if r := getCard(t, g); strings.Contains(r.Body, "new words") || strings.Contains(r.Body, "drain") || !has(g, "CARD_CHANGED", "") || !has(g, "TOOL_CHANGED", "") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := post(t, g, "/agent", rpc("SendMessage", saying("hello", "drain")), "X-API-Key", g.Key); r.Status != http.StatusForbidden {
		t.Errorf("a held skill: %d %s", r.Status, r.Body)
	}
	if r := post(t, g, "/agent", rpc("SendMessage", saying("hello", "plan")), "X-API-Key", g.Key); r.Status != http.StatusOK {
		t.Errorf("an approved skill: %d %s", r.Status, r.Body)
	}
	held := harness.Do(t, http.MethodGet, g.Admin+"/api/v1/tools?state=held", nil, "X-API-Key", g.Key)
	var list []struct{ Tool, Hash string }
	if err := json.Unmarshal([]byte(held.Body), &list); err != nil || len(list) != 2 {
		t.Fatalf("held: %d %s (%v)", held.Status, held.Body, err)
	}
	for _, one := range list {
		body := fmt.Sprintf(`{"route":"agent","tool":%q,"hash":%q,"reason":"read"}`, one.Tool, one.Hash)
		if r := harness.Do(t, http.MethodPost, g.Admin+"/api/v1/tools/approve", []byte(body), "X-API-Key", g.Key); r.Status != http.StatusOK {
			t.Fatalf("approving %s: %d %s", one.Tool, r.Status, r.Body)
		}
	}
	g.Restart() // the agent is asked at once, not after the time that a card is kept
	if r := getCard(t, g); !strings.Contains(r.Body, "new words") || !strings.Contains(r.Body, "drain") {
		t.Errorf("approved: %d %s", r.Status, r.Body)
	}
	if r := post(t, g, "/agent", rpc("SendMessage", saying("hello", "drain")), "X-API-Key", g.Key); r.Status != http.StatusOK {
		t.Errorf("an approved skill: %d %s", r.Status, r.Body)
	}
}

package a2a

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/internal/admin/revoke"
	"github.com/portcullis-dev/portcullis/internal/admin/tokens"
	"github.com/portcullis-dev/portcullis/internal/admin/users"
	"github.com/portcullis-dev/portcullis/test/harness"
)

const sharedSecret = "a secret of at least thirty-two bytes"

// sessions is a gateway that takes tokens of its own and of another issuer.
func sessions(t *testing.T, h *receiver, n *notifier) *harness.Gateway {
	t.Helper()
	t.Setenv("PUSH_TEST_SECRET", sharedSecret)
	g := harness.Start(t, `[identity.session]
issuer = "https://gate.example.com"
[identity.jwt]
issuer = "https://ci.example.com"
audience = ["https://api.example.com"]
secret = "${PUSH_TEST_SECRET}"
`+route(n.url, "auth = [\"basic\", \"jwt\"]\n"+h.config("")))
	if _, err := users.Create(t.Context(), g.API(), users.AddUser{Name: "ada", Password: "canary correct horse", Scopes: []string{"skills:*"}}); err != nil {
		t.Fatal(err)
	}
	return g
}

// login returns an access token and its session.
func login(t *testing.T, g *harness.Gateway) (access, session, subject string) {
	t.Helper()
	r := post(t, g, "/auth/login", []byte(`{"username":"ada","password":"canary correct horse"}`))
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(r.Body), &got); err != nil || got.Token == "" {
		t.Fatalf("%d %s: %v", r.Status, r.Body, err)
	}
	list, err := tokens.List(t.Context(), g.API(), "")
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	newest := list[0]
	for _, s := range list {
		if s.CreatedAt.After(newest.CreatedAt) {
			newest = s
		}
	}
	return got.Token, newest.ID, newest.Subject
}

// foreign returns a token of the other issuer.
func foreign(t *testing.T, jti string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(sharedSecret)}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	body, err := json.Marshal(map[string]any{
		"iss": "https://ci.example.com", "aud": "https://api.example.com", "sub": "bot", "jti": jti, "iat": now, "exp": now + 600, "scope": "skills:*",
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

// TestEndedSession: what was registered with a token is told while its session
// lives, and forgotten when that is logged out of, revoked, or ended with all
// that its caller had open; so is what was registered with a token of another
// issuer that is revoked. A session that was opened since is told.
func TestEndedSession(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, g *harness.Gateway, access, session, subject string) error{
		"logged out": func(t *testing.T, g *harness.Gateway, access, _, _ string) error {
			resp, err := http.PostForm(g.Base+"/auth/revoke", url.Values{"token": {access}})
			if err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d", resp.StatusCode)
			}
			return resp.Body.Close()
		},
		"revoked": func(t *testing.T, g *harness.Gateway, _, session, _ string) error {
			_, err := tokens.End(t.Context(), g.API(), tokens.RevokeTokens{ID: session, Reason: "stolen"})
			return err
		},
		"all ended": func(t *testing.T, g *harness.Gateway, _, _, subject string) error {
			_, err := revoke.End(t.Context(), g.API(), revoke.Request{Principal: subject, Reason: "stolen", Force: true})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, n := newReceiver(t), newNotifier(t)
			g := sessions(t, h, n)
			access, session, subject := login(t, g)
			c := register(t, g, n, h, access, "mine")
			tell(t, h, c, "mine")
			if err := end(t, g, access, session, subject); err != nil {
				t.Fatal(err)
			}
			forgotten(t, h, c, "mine")
			if name == "all ended" { // the smallest step of that is a second
				return
			}
			fresh, _, _ := login(t, g)
			tell(t, h, register(t, g, n, h, fresh, "again"), "again")
		})
	}
	t.Run("of another issuer", func(t *testing.T) {
		h, n := newReceiver(t), newNotifier(t)
		g := sessions(t, h, n)
		mine := register(t, g, n, h, foreign(t, "one"), "mine")
		other := register(t, g, n, h, foreign(t, "two"), "other")
		tell(t, h, mine, "mine")
		if _, err := tokens.End(t.Context(), g.API(), tokens.RevokeTokens{ID: "one", Reason: "stolen"}); err != nil {
			t.Fatal(err)
		}
		forgotten(t, h, mine, "mine")
		g.Restart()
		at, err := url.Parse(other.URL)
		if err != nil {
			t.Fatal(err)
		}
		other.URL = g.Base + at.Path // its address changed
		tell(t, h, other, "other")
	})
}

// register asks for notifications of a task with a token.
func register(t *testing.T, g *harness.Gateway, n *notifier, h *receiver, access, task string) config {
	t.Helper()
	r := post(t, g, "/agent", rpc("SendMessage", fmt.Sprintf(`{"message":{"messageId":"m-%s","role":"ROLE_USER","parts":[{"text":%q}]},
		"configuration":{"taskPushNotificationConfig":{"url":%q}}}`, task, task, h.URL)), "Authorization", "Bearer "+access)
	if r.Status != http.StatusOK || strings.Contains(r.Body, `"error"`) {
		t.Fatalf("asked: %d %s", r.Status, r.Body)
	}
	return n.last(t)
}

// tell gives a notification to the gateway and waits for the receiver.
func tell(t *testing.T, h *receiver, c config, task string) {
	t.Helper()
	if r := notify(t, c.URL, c.Token, told(task)); r.Status != http.StatusAccepted {
		t.Fatalf("got %d %s", r.Status, r.Body)
	}
	h.next(t)
}

// forgotten gives notifications to the gateway until it knows nothing of them;
// none may come to the receiver.
func forgotten(t *testing.T, h *receiver, c config, task string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		if r := notify(t, c.URL, c.Token, told(task)); r.Status == http.StatusUnauthorized {
			break
		}
		select {
		case <-h.told:
			t.Fatal("told")
		case <-limit:
			t.Fatal("the ticket is still good")
		default:
		}
	}
	if len(h.told) > 0 {
		t.Error("told")
	}
}

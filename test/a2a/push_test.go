package a2a

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// notice is what a receiver was sent.
type notice struct {
	header http.Header
	body   string
}

// receiver is a server that wants to be notified: it echoes challenges.
type receiver struct {
	*httptest.Server
	told   chan notice
	answer func(w http.ResponseWriter, r *http.Request) bool // true = it has answered
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	h := &receiver{told: make(chan notice, 64)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.answer != nil && h.answer(w, r) {
			return
		}
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
			return
		}
		body, _ := io.ReadAll(r.Body)
		h.told <- notice{r.Header.Clone(), string(body)}
	}))
	t.Cleanup(h.Close)
	return h
}

// config is a route that may notify the receiver.
func (h *receiver) config(more string) string {
	return "a2a.push = { hosts = [\"" + strings.TrimPrefix(h.URL, "http://") + "\"], insecure_private = true" + more + " }\n"
}

func (h *receiver) next(t *testing.T) notice {
	t.Helper()
	select {
	case n := <-h.told:
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("not notified")
		return notice{}
	}
}

// TestPushNotifications registers a target and is notified by the gateway; the
// agent knows neither the target nor what it is to be shown.
func TestPushNotifications(t *testing.T) {
	h := newReceiver(t)
	upstream, seen := startAgent(t)
	g := harness.Start(t, route(upstream, withGRPC+h.config("")))
	for _, w := range append(slices.Clone(ways[:3]), overGRPC) {
		t.Run(w.name, func(t *testing.T) {
			c := newGRPCClient(t, g, g.Key)
			if w != overGRPC {
				c = newClient(t, g.URL, g.Key, w)
			}
			asked, err := c.SendMessage(t.Context(), text("ask"))
			if err != nil {
				t.Fatal(err)
			}
			task := asked.TaskInfo().TaskID
			cfg := &a2a.PushConfig{TaskID: task, ID: "one", URL: h.URL + "/hook?who=me", Token: "t0ken", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "s3cret"}}
			made, err := c.CreateTaskPushConfig(t.Context(), cfg)
			if err != nil || made.URL != cfg.URL || made.Token != cfg.Token || made.Auth == nil || made.Auth.Credentials != "s3cret" || made.ID != "one" {
				t.Fatalf("CreateTaskPushConfig: %+v, %v", made, err)
			}
			got, err := c.GetTaskPushConfig(t.Context(), &a2a.GetTaskPushConfigRequest{TaskID: task, ID: made.ID})
			if err != nil || got.URL != cfg.URL || got.Auth.Credentials != "s3cret" {
				t.Errorf("GetTaskPushConfig: %+v, %v", got, err)
			}
			list, err := c.ListTaskPushConfigs(t.Context(), &a2a.ListTaskPushConfigRequest{TaskID: task})
			if err != nil || len(list) != 1 || list[0].URL != cfg.URL || list[0].Token != "t0ken" {
				t.Errorf("ListTaskPushConfigs: %+v, %v", list, err)
			}
			next := text("work")
			next.Message.TaskID, next.Message.ContextID = task, asked.TaskInfo().ContextID
			if _, err := c.SendMessage(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			n := h.next(t)
			for !strings.Contains(n.body, string(task)) { // of the way before, late
				n = h.next(t)
			}
			if n.header.Get("Authorization") != "Bearer s3cret" || n.header.Get("X-A2A-Notification-Token") != "t0ken" {
				t.Errorf("notified with %v %s", n.header, n.body)
			}
			checkSignature(t, g, h, n)
			if err := c.DeleteTaskPushConfig(t.Context(), &a2a.DeleteTaskPushConfigRequest{TaskID: task, ID: made.ID}); err != nil {
				t.Errorf("DeleteTaskPushConfig: %v", err)
			}
			cfg.URL = "http://elsewhere.example/"
			if _, err := c.CreateTaskPushConfig(t.Context(), cfg); err == nil {
				t.Error("a host that is not listed passed")
			}
			for len(h.told) > 0 {
				<-h.told
			}
		})
	}
	for _, r := range seen.all() {
		if strings.Contains(r.URL.String(), "hook") {
			t.Errorf("the agent was told the target: %s", r.URL)
		}
	}
}

// checkSignature verifies the token of a delivery with the published keys.
func checkSignature(t *testing.T, g *harness.Gateway, h *receiver, n notice) {
	t.Helper()
	u, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(u.Scheme + "://" + u.Host + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(resp.Body).Decode(&keys); err != nil {
		t.Fatal(err)
	}
	sig, err := jose.ParseSignedCompact(n.header.Get("X-Portcullis-Signature"), []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	key := keys.Key(sig.Signatures[0].Header.KeyID)
	if len(key) != 1 {
		t.Fatalf("no key %q", sig.Signatures[0].Header.KeyID)
	}
	payload, err := sig.Verify(key[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss, Aud, Jti string
		Iat, Exp      int64
		Body          string `json:"request_body_sha256"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(n.body))
	if claims.Aud != h.URL || claims.Jti != n.header.Get("X-Portcullis-Delivery") || claims.Jti == "" || claims.Body != hex.EncodeToString(sum[:]) ||
		claims.Exp-claims.Iat != 300 || claims.Iss == "" {
		t.Errorf("claims %s", payload)
	}
}

// TestPushWithMessage is told of a task that its message makes, from its first
// event on, in the order of the events.
func TestPushWithMessage(t *testing.T) {
	h := newReceiver(t)
	g, _ := start(t, h.config(""))
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			ask := text("work")
			ask.Config = &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{URL: h.URL + "/hook", Token: "t0ken"}}
			res, err := newClient(t, g.URL, g.Key, w).SendMessage(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			task := string(res.TaskInfo().TaskID)
			var all []string
			for !slices.ContainsFunc(all, func(s string) bool {
				return strings.Contains(s, "TASK_STATE_COMPLETED") || strings.Contains(s, `"completed"`)
			}) {
				n := h.next(t)
				if !strings.Contains(n.body, task) || n.header.Get("X-A2A-Notification-Token") != "t0ken" ||
					n.header.Get("Authorization") != "Bearer "+n.header.Get("X-Portcullis-Signature") {
					t.Errorf("told %v %s", n.header, n.body)
				}
				all = append(all, n.body)
			}
			if len(all) < 3 {
				t.Errorf("told %d times: %v", len(all), all)
			}
			if strings.Contains(all[0], "COMPLETED") {
				t.Errorf("out of order: %v", all)
			}
			for len(h.told) > 0 {
				<-h.told
			}
		})
	}
}

// TestPushDirect leaves delivery to the agent, where the operator wants it so.
func TestPushDirect(t *testing.T) {
	h := newReceiver(t)
	g, _ := start(t, h.config(`, delivery = "direct"`))
	ask := text("work")
	ask.Config = &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{URL: h.URL + "/hook", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "s3cret"}}}
	if _, err := newClient(t, g.URL, g.Key, ways[0]).SendMessage(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	if n := h.next(t); n.header.Get("Authorization") != "Bearer s3cret" || n.header.Get("X-Portcullis-Delivery") != "" {
		t.Errorf("told %v", n.header)
	}
}

// TestPushIsOff where no hosts are listed, and where it is turned off.
func TestPushIsOff(t *testing.T) {
	for _, more := range []string{"", "a2a.push = { hosts = [\"hooks.example.com\"], delivery = \"off\" }\n"} {
		g, _ := start(t, more)
		_, err := newClient(t, g.URL, g.Key, ways[0]).SendMessage(t.Context(), &a2a.SendMessageRequest{
			Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("work")),
			Config:  &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{URL: "https://hooks.example.com/"}},
		})
		if !errors.Is(err, a2a.ErrPushNotificationNotSupported) {
			t.Errorf("%s: got %v", more, err)
		}
	}
}

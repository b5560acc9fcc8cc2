package refusals

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/test/harness"
)

func TestAuthentication(t *testing.T) {
	b := newBench(t, "", oneRoute)
	revoked, revokedID := b.NewKey("tools:*")
	if _, err := b.API().RevokeKey(t.Context(), revokedID, "test"); err != nil {
		t.Fatal(err)
	}
	made, err := b.API().CreateKey(t.Context(), admin.CreateKey{Name: "brief", Scopes: []string{"tools:*"}, Expires: time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)})
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.API().CreateKey(t.Context(), admin.CreateKey{Name: "elsewhere", Scopes: []string{"tools:*"}, Routes: []string{"other"}})
	if err != nil {
		t.Fatal(err)
	}
	expire(t, b, made.Key)
	wrong := b.Key[:len(b.Key)-4] + "AAAA"
	unknown := "mcp_" + strings.Repeat("0123456789abcdef", 2) + "." + secretOf(b.Key)
	b.secrets = []string{secretOf(revoked), secretOf(made.Key), secretOf(other.Key), secretOf(wrong)}
	none := func(r row) row {
		r.key, r.status, r.code, r.reason, r.public = "-", 401, -32000, "unauthenticated", "API key required"
		r.event, r.phase, r.guard, r.want = "AUTH_FAILURE", "authn", "api_key", map[string]string{"WWW-Authenticate": `Bearer realm="portcullis"`}
		return r
	}
	bad := func(r row) row {
		r = none(r)
		r.public, r.event, r.want = "Invalid API key", "INVALID_API_KEY", map[string]string{"WWW-Authenticate": `Bearer realm="portcullis", error="invalid_token"`}
		return r
	}
	two := func(r row) row {
		r = none(r)
		r.guard, r.public, r.want = "one_credential", "", map[string]string{"WWW-Authenticate": `Bearer realm="portcullis", error="invalid_request"`}
		return r
	}
	key := func(k string) []string { return []string{"X-API-Key", k} }
	b.run(t, []row{
		none(row{name: "none"}),
		none(row{name: "empty", headers: key("")}),
		none(row{name: "other scheme", headers: []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("a:b"))}}),
		none(row{name: "foreign token", headers: []string{"Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."}}),
		bad(row{name: "unknown", headers: key(unknown)}),
		bad(row{name: "wrong secret", headers: key(wrong)}),
		bad(row{name: "wrong secret as bearer", headers: []string{"Authorization", "Bearer " + wrong}}),
		bad(row{name: "malformed", headers: key("mcp_short")}),
		bad(row{name: "two spaces", headers: []string{"Authorization", "Bearer  " + b.Key}}),
		bad(row{name: "expired", headers: key(made.Key)}),
		bad(row{name: "revoked", headers: key(revoked)}),
		bad(row{name: "key of another route", headers: key(other.Key)}),
		two(row{name: "both headers", headers: []string{"X-API-Key", b.Key, "Authorization", "Bearer " + b.Key}}),
		two(row{name: "repeated header", headers: []string{"X-API-Key", b.Key, "X-API-Key", b.Key}}),
		two(row{name: "repeated bearer", headers: []string{"Authorization", "Bearer " + b.Key, "Authorization", "Bearer " + b.Key}}),
		{
			name: "in the URL", path: "/mcp?api_key=" + b.Key, key: "-", status: 400, code: -32000, reason: "input_rejected",
			event: "INPUT_REJECTED", phase: "authn", guard: "api_key",
		},
		{
			name: "stream without key", method: "GET", key: "-", status: 401, reason: "unauthenticated",
			event: "AUTH_FAILURE", phase: "authn", guard: "api_key", public: "API key required",
		},
	})
}

// expire calls until the key is not accepted any more.
func expire(t *testing.T, b *bench, key string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	list := []byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	for harness.Do(t, http.MethodPost, b.URL, list, "X-API-Key", key).Status != http.StatusUnauthorized {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("the key does not expire")
		}
	}
}

// TestRefusedKeyIsNamed holds the audit log to S0-37: an event of a failed
// attempt says which key was tried, never that its holder was there.
func TestRefusedKeyIsNamed(t *testing.T) {
	b := newBench(t, "", oneRoute)
	revoked, id := b.NewKey("tools:*")
	if _, err := b.API().RevokeKey(t.Context(), id, "test"); err != nil {
		t.Fatal(err)
	}
	resp := harness.Do(t, http.MethodPost, b.URL, []byte(call), "X-API-Key", revoked)
	if resp.Status != http.StatusUnauthorized {
		t.Fatalf("status %d", resp.Status)
	}
	events := b.EventsOf(resp.Header.Get("X-Request-Id"))
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	actor := events[0].Actor
	if actor["key_id"] != id || actor["method"] != "api_key" || actor["id"] != nil {
		t.Errorf("actor %v, want key_id %q alone", actor, id)
	}
}

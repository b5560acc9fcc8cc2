package rights

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/admin/privacy"
	"github.com/portcullis-dev/portcullis/internal/admin/retention"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestCallersSeeTheirOwn: what a caller is shown is theirs, fits the schema, and
// is recorded; nobody is shown anything without a proof.
func TestCallersSeeTheirOwn(t *testing.T) {
	p := newPerson(t, "http://127.0.0.1:1/none")
	other, err := p.API().CreateKey(t.Context(), admin.CreateKey{Name: "key of bob", Owner: "bob", Scopes: []string{"tools:*"}})
	if err != nil {
		t.Fatal(err)
	}
	must(t, p.call("/api/v1/user/data", ""), http.StatusUnauthorized)
	for _, version := range []string{"2", "v0", "latest", "1,1"} {
		r := p.call("/api/v1/user/data", "", "X-API-Key", p.key, "API-Version", version)
		if r.Status != http.StatusBadRequest || !strings.Contains(r.Body, "Unknown API version") {
			t.Errorf("version %s: %d %s", version, r.Status, r.Body)
		}
	}
	for path, want := range map[string]int{"/api/v2/user/data": http.StatusBadRequest, "/api/v1/user/other": http.StatusNotFound, "/api": http.StatusNotFound, "/api/vx": http.StatusNotFound} {
		if r := p.call(path, "", "X-API-Key", p.key); r.Status != want {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	r := p.call("/api/v1/user/data", "", "X-API-Key", other.Key, "API-Version", "1")
	must(t, r, http.StatusOK)
	for _, hers := range []string{name, p.id, email, agent + "!"} {
		if strings.Contains(r.Body, hers) {
			t.Errorf("bob sees %q of alice", hers)
		}
	}
	r = p.call("/api/v1/user/export", "", "X-API-Key", p.key)
	must(t, r, http.StatusOK)
	if got := r.Header.Get("Content-Disposition"); got != `attachment; filename="user-data.json"` || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", r.Header)
	}
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(string(subject.Schema)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(doc); err != nil {
		t.Errorf("the export does not fit its schema: %v", err)
	}
	for _, hers := range []string{name, email, phone, address, agent} {
		if !strings.Contains(r.Body, hers) {
			t.Errorf("the export has not %q", hers)
		}
	}
	if strings.Contains(r.Body, p.key) || strings.Contains(r.Body, "$argon2") {
		t.Error("the export has a credential")
	}
	seen := map[string]bool{}
	for _, e := range p.Events() {
		if e.Details["principal"] == p.id || e.Details["principal"] == "bob" {
			seen[e.Type] = true
		}
	}
	if !seen["DATA_ACCESSED"] || !seen["DATA_EXPORTED"] {
		t.Errorf("recorded: %v", seen)
	}
}

// TestDeletingNeedsAWord: a browser that sends a password by itself does not
// delete an account.
func TestDeletingNeedsAWord(t *testing.T) {
	p := newPerson(t, "http://127.0.0.1:1/none")
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
	del := func(headers ...string) harness.Response {
		return harness.Do(t, http.MethodDelete, p.Base+"/api/v1/user/account", nil, append(headers, "X-Forwarded-For", address)...)
	}
	must(t, del(), http.StatusUnauthorized)
	r := del("Authorization", basic)
	if r.Status != http.StatusPreconditionRequired || !strings.Contains(r.Body, "confirmation_required") {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	must(t, p.tool("send", "Authorization", basic), http.StatusOK)
	r = del("Authorization", basic, "X-Confirm-Erasure", "erase")
	if r.Status != http.StatusAccepted || !strings.Contains(r.Body, `"state":"telling"`) {
		t.Fatalf("with an upstream that is away: %d %s", r.Status, r.Body)
	}
	must(t, p.tool("send", "Authorization", basic), http.StatusUnauthorized)
	must(t, p.tool("send", "X-API-Key", p.key), http.StatusUnauthorized)
}

// TestHoldsAreNamed: a legal hold keeps the audit log readable and nothing else;
// when it ends, the erasure goes on by itself.
func TestHoldsAreNamed(t *testing.T) {
	hook := harness.NewUpstream(t, func(http.ResponseWriter, *http.Request) {})
	p := newPerson(t, hook.URL)
	ctx := t.Context()
	hold, err := retention.AddHold(ctx, p.API(), retention.NewHold{Reason: "case 4711"})
	if err != nil {
		t.Fatal(err)
	}
	done, err := privacy.Remove(ctx, p.API(), privacy.Erase{Subject: name})
	if err != nil || done.State != "held" {
		t.Fatalf("%+v, %v", done, err)
	}
	text, err := json.Marshal(done)
	if err != nil || !strings.Contains(string(text), "case 4711") || !strings.Contains(done.Receipt, "case 4711") {
		t.Errorf("the hold is not named: %s", text)
	}
	must(t, p.tool("send", "X-API-Key", p.key), http.StatusUnauthorized)
	open := func() bool {
		for _, e := range p.Events() {
			if e.Actor["id"] == p.id {
				return true
			}
		}
		return false
	}
	if !open() {
		t.Error("the log lost what is on hold")
	}
	if _, err := retention.Lift(ctx, p.API(), hold.ID, "closed"); err != nil {
		t.Fatal(err)
	}
	again, err := privacy.Remove(ctx, p.API(), privacy.Erase{Subject: p.id}) // or wait for the next look
	if err != nil || again.ID != done.ID || again.State != "erased" || open() {
		t.Errorf("after the hold: %+v, %v", again, err)
	}
}

// TestWordsOfOperators: somebody who was an operator is a person too, and so is
// whom an operator names: both are shown what stands there, and are gone from it
// when they are erased. What the audit log keeps is counted in the answer.
func TestWordsOfOperators(t *testing.T) {
	hook := harness.NewUpstream(t, func(http.ResponseWriter, *http.Request) {})
	p := newPerson(t, hook.URL)
	ctx := t.Context()
	body := `{"reason":"case 4712, as ` + name + ` knows"}`
	made := harness.Do(t, http.MethodPost, p.Admin+"/api/v1/audit/holds", []byte(body), "X-API-Key", p.key, "Content-Type", "application/json")
	must(t, made, http.StatusCreated)
	if _, err := incidents.Hold(ctx, p.API(), incidents.Contain{Subject: "somebody-else", Measure: "throttle", PerHour: 60, Seconds: 3600, Reason: "asked for by " + name}); err != nil {
		t.Fatal(err)
	}
	other, err := p.API().CreateKey(ctx, admin.CreateKey{Name: "other", Owner: "somebody-else", Scopes: []string{"tools:*"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.API().RevokeKey(ctx, other.ID, name+" saw it on a screen"); err != nil {
		t.Fatal(err)
	}
	shown, err := privacy.Show(ctx, p.API(), privacy.Access{Subject: name})
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]int{}
	for _, h := range shown.Holdings {
		items[h.Name] = len(h.Items)
	}
	if items["holds"] != 1 || items["words"] < 2 {
		t.Errorf("shown: %v", items)
	}
	done, err := privacy.Remove(ctx, p.API(), privacy.Erase{Subject: name})
	if err != nil || done.State != "held" {
		t.Fatalf("%+v, %v", done, err)
	}
	if text, err := json.Marshal(done); err != nil || strings.Contains(string(text), name) || !strings.Contains(string(text), "as [erased] knows") {
		t.Errorf("the answer names her, or no hold: %s, %v", text, err)
	}
	holds, err := retention.Holds(ctx, p.API())
	if err != nil || len(holds) != 1 || holds[0].By != subject.Erased || holds[0].Reason != "case 4712, as [erased] knows" {
		t.Errorf("holds %+v, %v", holds, err)
	}
	if _, err := retention.Lift(ctx, p.API(), holds[0].ID, "closed"); err != nil {
		t.Fatal(err)
	}
	done, err = privacy.Remove(ctx, p.API(), privacy.Erase{Subject: p.id})
	if err != nil || done.State != "erased" {
		t.Fatalf("%+v, %v", done, err)
	}
	kept := strings.Join(step(done.Status, "audit").Kept, "\n")
	if !strings.Contains(kept, "art. 17(3)") || strings.Contains(kept, ": 0 records") {
		t.Errorf("what is kept: %s", kept)
	}
	if step(done.Status, "holds").Count != 1 || step(done.Status, "words").Count < 2 {
		t.Errorf("steps %+v", done.Steps)
	}
	p.Stop(0)
	for _, f := range leaks(t, p.DataDir) {
		if !strings.HasPrefix(f, "audit/journal/") { // there they stay, as it was told
			t.Error(f)
		}
	}
}

// TestRestricted: calls are refused, rights are not; it survives a restart.
func TestRestricted(t *testing.T) {
	p := newPerson(t, "http://127.0.0.1:1/none")
	ctx := t.Context()
	if err := privacy.SetRestricted(ctx, p.API(), privacy.Restrict{Subject: name, Restricted: true, Reason: "disputed"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r := p.tool("send", "X-API-Key", p.key)
		if r.Status != http.StatusForbidden || !strings.Contains(r.Body, `"reason":"processing_restricted"`) {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		r = p.call("/api/v1/user/data", "", "X-API-Key", p.key)
		if r.Status != http.StatusOK || !strings.Contains(r.Body, `"restricted":true`) || !strings.Contains(r.Body, "disputed") {
			t.Fatalf("%d %.300s", r.Status, r.Body)
		}
		p.Restart()
	}
	if err := privacy.SetRestricted(ctx, p.API(), privacy.Restrict{Subject: name}); err != nil {
		t.Fatal(err)
	}
	must(t, p.tool("send", "X-API-Key", p.key), http.StatusOK)
}

package rights

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/admin/privacy"
	"github.com/portcullis-dev/portcullis/internal/admin/users"
	"github.com/portcullis-dev/portcullis/internal/privacy/receipt"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// What the gateway is told of a person.
const (
	name     = "alice.unmistakable"
	password = "correct horse battery staple 7"
	address  = "203.0.113.77"
	agent    = "agent-of-alice/7.1"
	email    = "alice.private@acme-mail.io"
	phone    = "+49 30 901820455"
	keyName  = "laptop of alice"
)

const settings = `trusted_proxies = ["127.0.0.1"]
[identity.session]
issuer = "https://gate.example.com"
[audit.retention]
divide_after = "0s"
[detect.anomaly]
enabled = true
[[incident.response]]
name = "guessing"
score = 50
on = "any"
actions = ["alert"]
[[detect.alerts.channel]]
name = "soc"
type = "webhook"
url = "http://127.0.0.1:1/alerts"
secret = "secret://env/PRIVACY_TEST_SECRET"
[[audit.sinks]]
name = "siem"
type = "webhook"
url = "http://127.0.0.1:1/events"
secret = "secret://env/PRIVACY_TEST_SECRET"
[[privacy.purpose]]
name = "marketing"
policy_version = "2"
[[privacy.erasure_hook]]
name = "crm"
route = "mcp"
url = %q
secret = "secret://env/PRIVACY_TEST_SECRET"
[[route]]
name = "mcp"
path = "/mcp"
upstream = %q
auth = ["api_key", "basic", "jwt"]
rate = ["100000/1s per address", "100000/1s per key"]
[route.approval]
tools = ["pay"]
[route.taint]
confidential = ["read_mail"]
[route.use]
calls_per_session = 1000
[[route.inspect.arguments]]
detect = ["pii.email"]
action = "mask"
[[route.inspect.results]]
detect = ["pii"]
action = "tokenize"
[[route]]
name = "agent"
path = "/agent"
protocol = "a2a"
upstream = %q
auth = ["api_key", "basic"]
`

// person is alice, and the gateway that knows her.
type person struct {
	*harness.Gateway
	t   *testing.T
	id  string // of the principal
	key string
}

func (p *person) call(path, body string, headers ...string) harness.Response {
	p.t.Helper()
	headers = append([]string{"X-Forwarded-For", address, "User-Agent", agent}, headers...)
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	return harness.Do(p.t, method, p.Base+path, []byte(body), headers...)
}

func (p *person) tool(tool, credential, value string) harness.Response {
	p.t.Helper()
	return p.call("/mcp", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":{"to":%q,"phone":%q}}}`, tool, email, phone), credential, value)
}

func must(t *testing.T, r harness.Response, status int) {
	t.Helper()
	if r.Status != status {
		t.Fatalf("%d, want %d: %s", r.Status, status, r.Body)
	}
}

// until polls for what the gateway does in the background.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}

// newPerson starts a gateway and has alice touch everything that remembers
// callers.
func newPerson(t *testing.T, hook string) *person {
	t.Helper()
	t.Setenv("PRIVACY_TEST_SECRET", strings.Repeat("s", 40))
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/agent" {
			harness.Answer(w, r, `{"task":{"id":"task-1","contextId":"context-1","status":{"state":"TASK_STATE_WORKING"}}}`)
			return
		}
		harness.Answer(w, r, fmt.Sprintf(`{"content":[{"type":"text","text":"write to %s"}]}`, email))
	})
	g := harness.Start(t, fmt.Sprintf(settings, hook, up.URL+"/mcp", up.URL+"/agent"))
	p := &person{Gateway: g, t: t}
	ctx := t.Context()
	made, err := users.Create(ctx, g.API(), users.AddUser{Name: name, Password: password, Scopes: []string{"tools:*", "skills:*"}})
	if err != nil {
		t.Fatal(err)
	}
	p.id = made.ID
	key, err := g.API().CreateKey(ctx, admin.CreateKey{Name: keyName, Owner: p.id, Scopes: []string{"tools:*", "skills:*", "manage"}})
	if err != nil {
		t.Fatal(err)
	}
	p.key = key.Key
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
	login := p.call("/auth/login", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password))
	must(t, login, http.StatusOK)
	var session struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(login.Body), &session); err != nil || session.Token == "" {
		t.Fatalf("%s: %v", login.Body, err)
	}
	must(t, p.call("/auth/login", fmt.Sprintf(`{"username":%q,"password":"wrong"}`, name)), http.StatusUnauthorized)
	for range 3 {
		must(t, p.tool("send", "Authorization", basic), http.StatusOK)
		must(t, p.tool("read_mail", "X-API-Key", p.key), http.StatusOK)
		must(t, p.tool("send", "Authorization", "Bearer "+session.Token), http.StatusOK)
	}
	must(t, p.tool("pay", "X-API-Key", p.key), http.StatusForbidden)
	r := p.call("/agent", `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"work"}]}}}`, "X-API-Key", p.key, "A2A-Version", "1.0")
	must(t, r, http.StatusOK)
	for range 8 { // an incident about her address, and alerts
		p.tool("send", "X-API-Key", "mcp_"+p.key[:36]+"."+strings.Repeat("A", len(p.key)-37))
	}
	for _, what := range []incidents.Contain{
		{Subject: p.id, Measure: "throttle", PerHour: 60_000, Seconds: 3600, Reason: "looks odd"},
		{Subject: "ip:" + address, Measure: "throttle", PerHour: 60_000, Seconds: 3600, Reason: "looks odd"},
	} {
		if _, err := incidents.Hold(ctx, g.API(), what); err != nil {
			t.Fatal(err)
		}
	}
	must(t, harness.Do(t, http.MethodPut, p.Base+"/api/v1/user/consents/marketing", []byte(`{"policy_version":"2"}`), "Content-Type", "application/json", "X-API-Key", p.key, "X-Forwarded-For", address, "User-Agent", agent), http.StatusOK)
	if err := privacy.PutRight(ctx, g.API(), privacy.Rectify{Subject: name, Attributes: map[string]string{"email": email, "phone": phone}}); err != nil {
		t.Fatal(err)
	}
	until(t, "an incident", func() bool {
		list, err := incidents.Incidents(ctx, g.API(), true)
		return err == nil && len(list) > 0
	})
	return p
}

// leaks searches every byte of a folder for what names alice.
func leaks(t *testing.T, folder string, also ...string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		for _, value := range named(also...) {
			if i := bytes.Index(text, []byte(value)); i >= 0 {
				out = append(out, fmt.Sprintf("%s has %q: …%q…", rel, value, text[max(0, i-80):min(len(text), i+80)]))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func named(also ...string) []string {
	return append([]string{name, address, agent, email, phone, keyName, password}, also...)
}

// TestNoByteIsLeft: somebody who used everything is erased, and named in no
// byte of the data folder, of a copy made then, or of the log output. The audit
// log verifies, and so does the receipt.
func TestNoByteIsLeft(t *testing.T) {
	told := make(chan string, 8)
	refused := false
	hook := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if !refused { // the first time
			refused = true
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		told <- string(body)
	})
	p := newPerson(t, hook.URL)
	ctx := t.Context()

	before, err := privacy.Show(ctx, p.API(), privacy.Access{Subject: name})
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]int{}
	for _, h := range before.Holdings {
		items[h.Name] = len(h.Items)
	}
	for _, place := range []string{"keys", "account", "sessions", "approvals", "tasks", "taints", "usage", "wishes", "consents", "audit", "containments", "incidents"} {
		if items[place] == 0 {
			t.Errorf("nothing of her in %s: %v", place, items)
		}
	}
	p.dataFolderNamesHer()

	dry, err := privacy.Remove(ctx, p.API(), privacy.Erase{Subject: name, DryRun: true})
	if err != nil || !dry.Dry || dry.Receipt != "" || p.tool("send", "X-API-Key", p.key).Status != http.StatusOK {
		t.Fatalf("dry run: %+v, %v", dry, err)
	}
	r := harness.Do(t, http.MethodDelete, p.Base+"/api/v1/user/account", nil, "X-API-Key", p.key, "X-Forwarded-For", address, "User-Agent", agent)
	if r.Status != http.StatusOK && r.Status != http.StatusAccepted || !strings.Contains(r.Body, `"message":"Account deleted"`) {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	var deleted struct{ Erasure subject.Status }
	if err := json.Unmarshal([]byte(r.Body), &deleted); err != nil {
		t.Fatal(err)
	}
	var done subject.Status
	until(t, "the erasure, although the upstream was away", func() bool {
		done, err = privacy.One(ctx, p.API(), deleted.Erasure.ID)
		return err == nil && done.State == "erased"
	})
	if body := <-told; !strings.Contains(body, p.id) || !strings.Contains(body, done.ID) {
		t.Errorf("the upstream was told %s", body)
	}
	// From elsewhere: what she sends from now on is somebody new's.
	must(t, harness.Do(t, http.MethodPost, p.URL, []byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), "X-API-Key", p.key, "X-Forwarded-For", "198.51.100.1"), http.StatusUnauthorized)
	key, err := privacy.ReceiptKey(ctx, p.API())
	if err != nil {
		t.Fatal(err)
	}
	by, err := receipt.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := receipt.Verify([]byte(done.Receipt), by); err != nil || got.State != "erased" || len(got.Places) < 15 {
		t.Errorf("receipt: %+v, %v", got, err)
	}
	if _, err := privacy.Show(ctx, p.API(), privacy.Access{Subject: name}); err == nil {
		t.Error("she is still known by her name")
	}
	if _, err := privacy.Show(ctx, p.API(), privacy.Access{Subject: p.id}); err == nil {
		t.Error("she is still known by her id")
	}
	live := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(live, os.DirFS(p.DataDir)); err != nil && !strings.Contains(err.Error(), "admin.sock") {
		t.Log(err)
	}
	p.Stop(10 * time.Second)
	for _, e := range p.Events() {
		if id, ok := e.Actor["id"].(string); ok && id == p.id {
			t.Errorf("an event opens: %s %v", e.Type, e.Actor)
		}
	}
	found := leaks(t, p.DataDir)
	found = append(found, leaks(t, live)...)
	for _, f := range found {
		t.Error(f)
	}
	for _, value := range named() {
		if i := strings.Index(p.Log.String(), value); i >= 0 {
			t.Errorf("the log output has %q: %s", value, p.Log.String()[max(0, i-300):min(len(p.Log.String()), i+100)])
		}
	}
	p.verifies()
}

// dataFolderNamesHer: the search finds what there is before the erasure.
func (p *person) dataFolderNamesHer() {
	p.t.Helper()
	all := strings.Join(leaks(p.t, p.DataDir), "\n")
	for _, value := range []string{name, address, keyName} {
		if !strings.Contains(all, value) {
			p.t.Errorf("%q is nowhere before the erasure: the test looks for the wrong thing", value)
		}
	}
	for _, never := range []string{email, phone, password, agent} {
		if strings.Contains(all, fmt.Sprintf("has %q", never)) {
			p.t.Errorf("%q is written in clear: %s", never, all)
		}
	}
}

// verifies: the audit log proves that nobody changed it.
func (p *person) verifies() {
	p.t.Helper()
	report, err := offline.Verify(context.Background(), filepath.Join(p.DataDir, "audit"), offline.VerifyOptions{})
	if err != nil || !report.OK() {
		p.t.Errorf("the audit log: %+v, %v", report, err)
	}
}

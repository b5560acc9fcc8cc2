package privacy

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin/consents"
	"github.com/portcullis-dev/portcullis/internal/admin/users"
	"github.com/portcullis-dev/portcullis/test/harness"
)

const password = "canary correct horse"

func login(name string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))}
}

func call(tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
}

// start runs a gateway with users: alice, bob (a provider), carol (billing).
func start(t *testing.T, text string, up *harness.Upstream) world {
	t.Helper()
	g := harness.Start(t, strings.ReplaceAll(text, "UPSTREAM", up.URL))
	ids := map[string]string{}
	for name, roles := range map[string][]string{"alice": {"viewer"}, "bob": {"healthcare_provider"}, "carol": {"billing"}} {
		made, err := users.Create(t.Context(), g.API(), users.AddUser{Name: name, Password: password, Roles: roles, Scopes: []string{"tools:*", "resources:*"}})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = made.ID
	}
	return world{g, ids}
}

const route = `
[[route]]
name = "mcp"
path = "/mcp"
upstream = "UPSTREAM"
auth = ["basic"]
rate = ["1000000/1s per address", "1000000/1s per key"]
`

const consentTOML = `
[[privacy.purpose]]
name = "marketing"
policy_version = "2"
url = "https://example.com/privacy"
` + route + `tools = { consent = { "send_*" = "marketing" } }
`

func answering(t *testing.T, result string) *harness.Upstream {
	return harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) { harness.Answer(w, r, result) })
}

func (w world) ask(t *testing.T, who, body string, headers ...string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, w.URL, []byte(body), append(login(who), headers...)...)
}

// world is a gateway and the ids of its users.
type world struct {
	*harness.Gateway
	id map[string]string
}

// events returns those of a type.
func (w world) events(kind string) (out []harness.Event) {
	for _, e := range w.Events() {
		if e.Type == kind {
			out = append(out, e)
		}
	}
	return out
}

func (w world) consents(t *testing.T, method, purpose, who, body string) harness.Response {
	t.Helper()
	headers := append(login(who), "Content-Type", "application/json")
	return harness.Do(t, method, w.Base+"/api/v1/user/consents"+purpose, []byte(body), headers...)
}

// TestConsent: a tool is closed until its caller agrees to the version in
// force, and closed again at once behind a withdrawal.
func TestConsent(t *testing.T) {
	up := answering(t, `{"content":[]}`)
	w := start(t, consentTOML, up)
	send := call("send_mail", `{}`)
	r := w.ask(t, "alice", send)
	for _, want := range []string{`"reason":"consent_required"`, `"purpose":"marketing"`, `"policyVersion":"2"`, `"consent":"missing"`, "User has not consented to marketing"} {
		if r.Status != http.StatusForbidden || !strings.Contains(r.Body, want) {
			t.Errorf("without consent: %d %s, want %s", r.Status, r.Body, want)
		}
	}
	if n := len(up.Seen()); n != 0 {
		t.Fatalf("%d calls reached the upstream", n)
	}
	if r := w.ask(t, "alice", call("echo", `{}`)); r.Status != http.StatusOK {
		t.Errorf("a tool that needs no consent: %d %s", r.Status, r.Body)
	}
	for body, want := range map[string]int{`{"policy_version":"1"}`: 400, ``: 400, `{}`: 400, `[]`: 400, `{"policy_version":"2","policy_version":"2"}`: 400} {
		if r := w.consents(t, http.MethodPut, "/marketing", "alice", body); r.Status != want {
			t.Errorf("PUT %s: %d %s", body, r.Status, r.Body)
		}
	}
	if r := w.consents(t, http.MethodPut, "/nothing", "alice", `{"policy_version":"2"}`); r.Status != http.StatusNotFound {
		t.Errorf("a purpose that is not there: %d", r.Status)
	}
	if r := harness.Do(t, http.MethodGet, w.Base+"/api/v1/user/consents", nil); r.Status != http.StatusUnauthorized {
		t.Errorf("without a credential: %d", r.Status)
	}
	if r := w.consents(t, http.MethodPut, "/marketing", "alice", `{"policy_version":"2","evidence":"checkbox 1"}`); r.Status != http.StatusOK || !strings.Contains(r.Body, `"state":"given"`) {
		t.Fatalf("PUT: %d %s", r.Status, r.Body)
	}
	if r := w.ask(t, "alice", send); r.Status != http.StatusOK {
		t.Errorf("with consent: %d %s", r.Status, r.Body)
	}
	if r := w.ask(t, "bob", send); r.Status != http.StatusForbidden {
		t.Errorf("another's consent counts: %d", r.Status)
	}
	if r := w.consents(t, http.MethodGet, "", "bob", ""); strings.Contains(r.Body, "alice") || strings.Contains(r.Body, "checkbox") {
		t.Errorf("bob sees %s", r.Body)
	}
	w.Restart()
	if r := w.ask(t, "alice", send); r.Status != http.StatusOK {
		t.Errorf("after a restart: %d %s", r.Status, r.Body)
	}
	for range 2 {
		if r := w.consents(t, http.MethodDelete, "/marketing", "alice", ""); r.Status != http.StatusOK || !strings.Contains(r.Body, `"state":"withdrawn"`) {
			t.Errorf("DELETE: %d %s", r.Status, r.Body)
		}
	}
	if r := w.ask(t, "alice", send); r.Status != http.StatusForbidden || !strings.Contains(r.Body, `"consent":"missing"`) {
		t.Errorf("after the withdrawal: %d %s", r.Status, r.Body)
	}
	history, err := consents.History(t.Context(), w.API(), w.id["alice"])
	if err != nil || len(history) != 1 || history[0].WithdrawnAt == nil || history[0].Evidence != "checkbox 1" || history[0].Version != "2" {
		t.Errorf("history: %+v, %v", history, err)
	}
	given, withdrawn := w.events("CONSENT_GRANTED"), w.events("CONSENT_WITHDRAWN")
	if len(given) != 1 || len(withdrawn) != 1 || given[0].Actor["id"] != w.id["alice"] || given[0].Details["policy_version"] != "2" {
		t.Errorf("events: %+v, %+v", given, withdrawn)
	}
}

// TestNewPolicyVersion: with a new version of the policy, consents to the old
// one do not count any more, unless they are said to.
func TestNewPolicyVersion(t *testing.T) {
	w := start(t, consentTOML, answering(t, `{"content":[]}`))
	if _, err := consents.Give(t.Context(), w.API(), consents.Change{Principal: w.id["alice"], Purpose: "marketing", Evidence: "form"}); err != nil {
		t.Fatal(err)
	}
	send := call("send_mail", `{}`)
	if r := w.ask(t, "alice", send); r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	text, err := os.ReadFile(w.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text   string
		status int
	}{
		{`policy_version = "3"`, http.StatusForbidden},
		{"policy_version = \"3\"\naccept_older = true", http.StatusOK},
	} {
		w.WriteConfig(strings.Replace(string(text), `policy_version = "2"`, c.text, 1))
		if _, err := w.API().Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := w.ask(t, "alice", send); r.Status != c.status || c.status == http.StatusForbidden && !strings.Contains(r.Body, `"consent":"outdated"`) {
			t.Errorf("%s: %d %s", c.text, r.Status, r.Body)
		}
	}
}

const progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n"

// streaming is an upstream whose stream says one thing and then nothing.
func streaming(t *testing.T) (up *harness.Upstream, left chan struct{}) {
	left = make(chan struct{}, 10)
	return harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if _, err := io.WriteString(w, progress); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		<-r.Context().Done()
		left <- struct{}{}
	}), left
}

// TestWithdrawalEndsStreams: a stream on which nothing comes ends within a
// moment of the withdrawal, with an error that says why; those of others, and
// of other tools, go on.
func TestWithdrawalEndsStreams(t *testing.T) {
	up, left := streaming(t)
	w := start(t, consentTOML, up)
	for _, who := range []string{"alice", "bob"} {
		if _, err := consents.Give(t.Context(), w.API(), consents.Change{Principal: w.id[who], Purpose: "marketing", Evidence: "form"}); err != nil {
			t.Fatal(err)
		}
	}
	open := func(who, tool string) *bufio.Reader {
		resp := harness.Open(t, http.MethodPost, w.URL, []byte(call(tool, `{}`)), login(who)...)
		r := bufio.NewReader(resp.Body)
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "progress") {
			t.Fatalf("%s %s: %q, %v", who, tool, line, err)
		}
		return r
	}
	mine, others, free := open("alice", "send_mail"), open("bob", "send_mail"), open("alice", "echo")
	began := time.Now()
	if _, err := consents.Withdraw(t.Context(), w.API(), consents.Change{Principal: w.id["alice"], Purpose: "marketing"}); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(mine)
	if err != nil { // a stream that breaks off says so
		t.Errorf("the stream broke off: %v", err)
	}
	for _, want := range []string{`"id":7`, `"reason":"consent_required"`, `"purpose":"marketing"`} {
		if !strings.Contains(string(rest), want) {
			t.Errorf("the stream ends with %q, want %s", rest, want)
		}
	}
	t.Logf("ended %s after the withdrawal was asked for", time.Since(began).Round(time.Millisecond))
	<-left // the upstream hears of it
	for name, r := range map[string]*bufio.Reader{"bob's": others, "alice's without consent": free} {
		if n := r.Buffered(); n > 1 { // the empty line behind the event
			b, _ := r.Peek(n)
			t.Errorf("%s stream was told %q", name, b)
		}
	}
	select {
	case <-left:
		t.Error("a stream of somebody else, or of another tool, ended too")
	default:
	}
	denied := w.events("AUTHZ_DENIED")
	if len(denied) != 1 || denied[0].Reason != "consent_required" || denied[0].Details["guard"] != "consent" {
		t.Errorf("events: %+v", denied)
	}
	if !strings.Contains(w.Metrics(), `portcullis_refusals_total{guard="consent",phase="review",reason="consent_required",route="mcp"} 1`) {
		t.Error("not counted")
	}
}

const phiTOML = route + `tools = { phi = ["get_patient"] }
[[route.phi]]
tools = ["list_visits"]
fields = ["ssn", "insurance.number"]
roles = ["billing"]
[[route.phi]]
tools = ["file:///patients/*"]
`

const secretValue = "987-65-4321"

const visits = `{"content":[{"type":"text","text":"{\"visits\":[{\"day\":\"monday\",\"ssn\":\"` + secretValue + `\"}]}"},{"type":"text","text":"Seen on monday, SSN ` + secretValue + `"}],` +
	`"structuredContent":{"visits":[{"day":"monday","SSN":"` + secretValue + `","insurance":{"number":"` + secretValue + `","name":"ACME"}}]}}`

// TestPHIRole: only the role reads, each read is in the audit log with its
// purpose, and every other try is an event that tells the caller nothing.
func TestPHIRole(t *testing.T) {
	up := answering(t, `{"content":[{"type":"text","text":"patient"}]}`)
	w := start(t, phiTOML, up)
	get := call("get_patient", `{"id":"p-1"}`)
	for who, purpose := range map[string]string{"alice": "treatment", "carol": ""} {
		r := w.ask(t, who, get, "X-Purpose-Of-Use", purpose)
		if r.Status != http.StatusForbidden || !strings.Contains(r.Body, `"reason":"forbidden"`) || strings.Contains(strings.ToLower(r.Body), "phi") || strings.Contains(r.Body, "healthcare") {
			t.Errorf("%s: %d %s", who, r.Status, r.Body)
		}
	}
	if n := len(w.events("UNAUTHORIZED_ACCESS_ATTEMPT")); n != 2 {
		t.Errorf("%d attempts are in the log", n)
	}
	for name, c := range map[string]struct {
		headers []string
		body    string
	}{
		"none":      {nil, get},
		"unknown":   {[]string{"X-Purpose-Of-Use", "curiosity"}, get},
		"twice":     {[]string{"X-Purpose-Of-Use", "treatment", "X-Purpose-Of-Use", "research"}, get},
		"different": {[]string{"X-Purpose-Of-Use", "treatment"}, strings.Replace(get, `"arguments"`, `"_meta":{"portcullis.dev/purpose-of-use":"research"},"arguments"`, 1)},
	} {
		if r := w.ask(t, "bob", c.body, c.headers...); r.Status != http.StatusForbidden || !strings.Contains(r.Body, `"reason":"purpose_required"`) || !strings.Contains(r.Body, `"treatment"`) {
			t.Errorf("purpose %s: %d %s", name, r.Status, r.Body)
		}
	}
	if n := len(up.Seen()); n != 0 {
		t.Fatalf("%d calls reached the upstream", n)
	}
	if n := len(w.events("DATA_ACCESSED")); n != 0 {
		t.Errorf("%d reads are in the log before anybody read", n)
	}
	if r := w.ask(t, "bob", get, "X-Purpose-Of-Use", "Treatment"); r.Status != http.StatusOK {
		t.Fatalf("the provider: %d %s", r.Status, r.Body)
	}
	if r := w.ask(t, "bob", strings.Replace(get, `"arguments"`, `"_meta":{"portcullis.dev/purpose-of-use":"research"},"arguments"`, 1)); r.Status != http.StatusOK {
		t.Fatalf("the provider, in _meta: %d %s", r.Status, r.Body)
	}
	read := w.events("DATA_ACCESSED")
	if len(read) != 2 || read[0].Actor["id"] != w.id["bob"] || read[0].Details["purpose"] != "treatment" || read[1].Details["purpose"] != "research" || read[0].Resource != "tool:get_patient" {
		t.Errorf("reads: %+v", read)
	}
}

// TestPHIFields: of a result, each role gets its fields, in structured content,
// in JSON as text, and nothing of free text; and nobody else may send them.
func TestPHIFields(t *testing.T) {
	whole := answering(t, visits)
	stream := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":{\"ssn\":%q,\"n\":1}}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":%s}\n\n", secretValue, visits)
	})
	for name, up := range map[string]*harness.Upstream{"whole": whole, "stream": stream} {
		t.Run(name, func(t *testing.T) {
			w := start(t, phiTOML, up)
			list := call("list_visits", `{}`)
			r := w.ask(t, "alice", list)
			if r.Status != http.StatusOK || strings.Contains(r.Body, secretValue) || !strings.Contains(r.Body, "monday") || !strings.Contains(r.Body, "ACME") || !strings.Contains(r.Body, "withheld") {
				t.Errorf("alice gets %d %s", r.Status, r.Body)
			}
			if len(w.events("DATA_ACCESSED")) != 0 {
				t.Error("a read that was none is in the log")
			}
			cut := w.events("CONTENT_REWRITTEN")
			if len(cut) == 0 || cut[len(cut)-1].Reason != "phi_withheld" || cut[len(cut)-1].Details["fields"] != float64(3) || cut[len(cut)-1].Details["texts"] != float64(1) {
				t.Errorf("notes: %+v", cut)
			}
			if r := w.ask(t, "carol", list, "X-Purpose-Of-Use", "payment"); r.Status != http.StatusOK || strings.Count(r.Body, secretValue) < 4 || strings.Contains(r.Body, "withheld") {
				t.Errorf("carol gets %d %s", r.Status, r.Body)
			}
			if len(w.events("DATA_ACCESSED")) != 1 {
				t.Error("carol's read is not in the log")
			}
			for _, sent := range []string{`{"ssn":"1"}`, `{"where":[{"insurance":{"number":1}}]}`, `{"query":"{\"ssn\":1}"}`} {
				if r := w.ask(t, "alice", call("list_visits", sent)); r.Status != http.StatusForbidden {
					t.Errorf("alice sends %s: %d %s", sent, r.Status, r.Body)
				}
			}
		})
	}
}

// TestPHIOnListeningStreams: what a server says on a stream that answers nothing
// is withheld from those who may not read what is marked as a whole; what names
// another thing, or nothing, comes.
func TestPHIOnListeningStreams(t *testing.T) {
	const events = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"patient 7\"}}\n\n" +
		"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"file:///patients/7\"}}\n\n" +
		"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"file:///menu\"}}\n\n" +
		"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n"
	up := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(events))
	})
	w := start(t, phiTOML, up)
	for who, patients := range map[string]bool{"alice": false, "bob": true} {
		r := harness.Do(t, http.MethodGet, w.URL, nil, append(login(who), "Accept", "text/event-stream", "MCP-Protocol-Version", "2025-06-18", "X-Purpose-Of-Use", "treatment")...)
		if r.Status != http.StatusOK || !strings.Contains(r.Body, "file:///menu") || !strings.Contains(r.Body, "list_changed") {
			t.Errorf("%s: %d %s", who, r.Status, r.Body)
		}
		if strings.Contains(r.Body, "notifications/message") != patients || strings.Contains(r.Body, "patients/7") != patients {
			t.Errorf("%s gets %s", who, r.Body)
		}
	}
	if n := len(w.events("UNAUTHORIZED_ACCESS_ATTEMPT")); n != 2 {
		t.Errorf("%d messages that were withheld are in the log", n)
	}
}

// TestBreakGlass: an operator lets somebody read for a time. Grant and reads
// are in the audit log with the reason; the end counts at once.
func TestBreakGlass(t *testing.T) {
	w := start(t, phiTOML, answering(t, `{"content":[]}`))
	get := call("get_patient", `{}`)
	for _, bad := range []consents.Break{
		{Principal: w.id["alice"], Reason: " ", Seconds: 600}, {Principal: w.id["alice"], Reason: "x", Seconds: 5 * 3600}, {Principal: w.id["alice"], Reason: "x", Seconds: 59},
	} {
		if _, err := consents.BreakGlass(t.Context(), w.API(), bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	g, err := consents.BreakGlass(t.Context(), w.API(), consents.Break{Principal: w.id["alice"], Reason: "ward 4", Seconds: 600})
	if err != nil {
		t.Fatal(err)
	}
	if r := w.ask(t, "alice", get); r.Status != http.StatusForbidden || !strings.Contains(r.Body, "purpose_required") {
		t.Errorf("without a purpose: %d %s", r.Status, r.Body)
	}
	if r := w.ask(t, "alice", get, "X-Purpose-Of-Use", "emergency"); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := w.ask(t, "carol", get, "X-Purpose-Of-Use", "emergency"); r.Status != http.StatusForbidden {
		t.Errorf("another's grant counts: %d", r.Status)
	}
	w.Restart()
	if r := w.ask(t, "alice", get, "X-Purpose-Of-Use", "emergency"); r.Status != http.StatusOK {
		t.Errorf("after a restart: %d %s", r.Status, r.Body)
	}
	granted, read := w.events("BREAK_GLASS_GRANTED"), w.events("DATA_ACCESSED")
	if len(granted) != 1 || granted[0].Severity != "CRITICAL" || granted[0].Reason != "ward 4" || granted[0].Actor["id"] != w.id["alice"] {
		t.Errorf("grants: %+v", granted)
	}
	if len(read) != 2 || read[0].Severity != "WARN" || read[0].Details["break_glass"] != g.ID || read[0].Details["break_glass_reason"] != "ward 4" {
		t.Errorf("reads: %+v", read)
	}
	if _, err := consents.EndBreakGlass(t.Context(), w.API(), consents.Revoke{Which: w.id["alice"]}); err != nil {
		t.Fatal(err)
	}
	if r := w.ask(t, "alice", get, "X-Purpose-Of-Use", "emergency"); r.Status != http.StatusForbidden {
		t.Errorf("after the end: %d", r.Status)
	}
	if len(w.events("BREAK_GLASS_ENDED")) != 1 {
		t.Error("the end is not in the log")
	}
}

// TestPHIIsNowhereInClear: what callers sent and were sent, and the names of
// marked resources, are in no file of the data folder and in no log line: not
// in a request that waits for approval either.
func TestPHIIsNowhereInClear(t *testing.T) {
	const canary = "canary-health-4f1c"
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		harness.Answer(w, r, `{"content":[{"type":"text","text":"`+canary+`"}],"contents":[{"uri":"file:///patients/x","text":"`+canary+`"}],"structuredContent":{"ssn":"`+canary+`"}}`)
	})
	w := start(t, phiTOML+"[route.approval]\ntools = [\"send_*\"]\n", up)
	read := []string{"X-Purpose-Of-Use", "treatment"}
	for _, c := range []struct {
		who, body string
		status    int
	}{
		{"bob", call("get_patient", `{"name":"`+canary+`"}`), 200},
		{"alice", call("get_patient", `{"name":"`+canary+`"}`), 403},
		{"alice", call("list_visits", `{"ssn":"`+canary+`"}`), 403},
		{"carol", call("list_visits", `{"ssn":"`+canary+`"}`), 200},
		{"alice", call("list_visits", `{}`), 200},
		{"bob", call("send_record", `{"ssn":"`+canary+`"}`), 403},
		{"bob", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///patients/` + canary + `"}}`, 200},
		{"alice", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"file:///patients/` + canary + `"}}`, 403},
	} {
		if r := w.ask(t, c.who, c.body, read...); r.Status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.who, c.body, r.Status, r.Body, c.status)
		}
	}
	if len(w.events("APPROVAL_REQUESTED")) != 1 {
		t.Error("nothing waits for approval")
	}
	read1 := w.events("DATA_ACCESSED")
	if got := read1[len(read1)-1].Resource; !strings.HasPrefix(got, "resource:[phi:") {
		t.Errorf("the read of a marked resource names %q", got)
	}
	if strings.Contains(w.Log.String(), canary) {
		t.Error("it is in the log")
	}
	w.Stop(time.Second)
	files := 0
	err := filepath.WalkDir(w.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(canary)) {
			t.Errorf("it is in %s", path)
		}
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%d files, %v", files, err)
	}
}

package a2a

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// stub is an agent that answers with the text it is told to.
type stub struct {
	*harness.Upstream
	says string
}

// startStub starts one. A stream has an event with the text, an artifact with
// it, and an end.
func startStub(t *testing.T) *stub {
	s := &stub{says: "fine"}
	s.Upstream = harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		said, err := json.Marshal(s.says)
		if err != nil {
			return
		}
		if call.Method == "SendMessage" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":%s},{"data":{"deep":[%s]}}]}}}`, call.ID, said, said)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, event := range []string{
			`{"task":{"id":"t-1","contextId":"c-1","status":{"state":"TASK_STATE_WORKING"}}}`,
			`{"artifactUpdate":{"taskId":"t-1","contextId":"c-1","artifact":{"artifactId":"a","parts":[{"text":` + string(said) + `}]}}}`,
			`{"statusUpdate":{"taskId":"t-1","contextId":"c-1","status":{"state":"TASK_STATE_COMPLETED"}}}`,
		} {
			fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", call.ID, event)
		}
	})
	return s
}

func (s *stub) start(t *testing.T, more string) *harness.Gateway {
	return harness.Start(t, route(s.Server.URL+"/agent", withGRPC+more))
}

// calls are the messages that reached the agent.
func (s *stub) calls() []harness.Seen {
	return slices.DeleteFunc(s.Seen(), func(r harness.Seen) bool { return r.Method != http.MethodPost })
}

// sent is what reached the agent last.
func (s *stub) sent() string {
	all := s.calls()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].Body
}

// saying is a message with a text, for a skill if one is named.
func saying(text, skill string) string {
	metadata := ""
	if skill != "" {
		metadata = fmt.Sprintf(`,"metadata":{"skillId":%q}`, skill)
	}
	return fmt.Sprintf(`{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":%q},{"data":{"note":%q}}]%s}}`, text, text, metadata)
}

// sender makes a call.
type sender = func(t *testing.T, g *harness.Gateway, key, method, params string) harness.Response

// bothWays makes a test with calls over JSON-RPC, and with the same over gRPC: no
// guard may know the difference.
func bothWays(t *testing.T, test func(t *testing.T, send sender)) {
	t.Run("JSON-RPC", func(t *testing.T) { test(t, send) })
	t.Run("gRPC", func(t *testing.T) { test(t, sendGRPC) })
}

func send(t *testing.T, g *harness.Gateway, key, method, params string) harness.Response {
	t.Helper()
	if method != "SendStreamingMessage" && method != "SubscribeToTask" {
		return post(t, g, "/agent", rpc(method, params), "X-API-Key", key)
	}
	resp := harness.Open(t, http.MethodPost, g.URL, rpc(method, params), "A2A-Version", "1.0", "X-API-Key", key)
	body, err := io.ReadAll(resp.Body) // what is refused in a stream cuts it off
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	return harness.Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

// cutOff checks a stream of which an event was refused.
func cutOff(t *testing.T, g *harness.Gateway, r harness.Response, reason, guard, secret string) {
	t.Helper()
	if !strings.Contains(r.Body, "WORKING") || strings.Contains(r.Body, secret) || strings.Contains(r.Body, "COMPLETED") || strings.Contains(g.Log.String(), secret) {
		t.Errorf("stream %s", r.Body)
	}
	finished := finish(t, g, r.Header.Get("X-Request-Id"))
	if finished.Outcome != "failure" || finished.Reason != reason || !strings.Contains(refusals(g), fmt.Sprintf("guard=%q,phase=\"review\",reason=%q", guard, reason)) {
		t.Errorf("%+v, %s", finished, refusals(g))
	}
}

// finish waits for the outcome of a stream, which is written when it has ended.
func finish(t *testing.T, g *harness.Gateway, id string) harness.Event {
	for t.Context().Err() == nil {
		for _, e := range g.EventsOf(id) {
			if e.Type == "CALL_FINISHED" {
				return e
			}
		}
	}
	return harness.Event{}
}

// refusedBy checks a refusal: status, reason, event, metric, and that nothing
// of what was refused is told or kept anywhere.
func refusedBy(t *testing.T, g *harness.Gateway, r harness.Response, status int, reason, event, guard, secret string) {
	t.Helper()
	if r.Status != status || !strings.Contains(r.Body, strings.ToUpper(reason)) && !strings.Contains(r.Body, `"domain":"a2a-protocol.org"`) {
		t.Errorf("%d %s, want %d %s", r.Status, r.Body, status, reason)
	}
	found := false
	for _, e := range g.EventsOf(r.Header.Get("X-Request-Id")) {
		found = found || e.Type == event && e.Reason == reason
		if text := fmt.Sprintf("%+v", e); secret != "" && strings.Contains(text, secret) {
			t.Errorf("the event tells it: %s", text)
		}
	}
	if !found {
		t.Errorf("no %s %s among %+v", event, reason, g.EventsOf(r.Header.Get("X-Request-Id")))
	}
	if label := fmt.Sprintf(`guard=%q`, guard); !strings.Contains(refusals(g), label) {
		t.Errorf("not counted with %s: %s", label, refusals(g))
	}
	if secret != "" && (strings.Contains(r.Body, secret) || strings.Contains(g.Log.String(), secret)) {
		t.Errorf("reply or log tell it: %s", r.Body)
	}
}

func refusals(g *harness.Gateway) string {
	var out []string
	for line := range strings.Lines(g.Metrics()) {
		if strings.HasPrefix(line, "portcullis_refusals_total{") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

func passed(t *testing.T, r harness.Response) {
	t.Helper()
	if r.Status != http.StatusOK || strings.Contains(r.Body, `"error"`) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

const (
	apiKey = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17" // published; its checksum is right
	mail   = "nina@acme-mail.com"
)

const contentRules = `
[[route.inspect.arguments]]
detect = ["pii.email"]
action = "redact"
[[route.inspect.arguments]]
detect = ["pattern.project"]
action = "block"
[[route.inspect.results]]
detect = ["pii.email"]
action = "redact"
[[route.inspect.results]]
detect = ["pattern.project"]
action = "block"
[[inspect.patterns]]
name  = "project"
regex = 'PRJ-[0-9]{6}'
`

// TestContentRules look into each part, in both directions, and into events.
func TestContentRules(t *testing.T) { bothWays(t, testContentRules) }

func testContentRules(t *testing.T, send sender) {
	s := startStub(t)
	g := s.start(t, contentRules)
	key, _ := g.NewKey("skills:*")
	for _, method := range []string{"SendMessage", "SendStreamingMessage"} {
		s.says = "fine"
		passed(t, send(t, g, key, method, saying("ask "+mail, "")))
		if strings.Contains(s.sent(), mail) || strings.Count(s.sent(), "[redacted:pii.email]") != 2 {
			t.Errorf("%s: the agent got %s", method, s.sent())
		}
		n := len(s.calls())
		refusedBy(t, g, send(t, g, key, method, saying("about PRJ-123456", "")), http.StatusForbidden, "content_blocked", "CONTENT_BLOCKED", "content", "PRJ-123456")
		if len(s.calls()) != n {
			t.Errorf("%s: what is refused reached the agent", method)
		}
		s.says = "write to " + mail + " with " + apiKey
		r := send(t, g, key, method, saying("hello", ""))
		passed(t, r)
		if strings.Contains(r.Body, mail) || strings.Contains(r.Body, apiKey) || !strings.Contains(r.Body, "[redacted:") {
			t.Errorf("%s: the caller got %s", method, r.Body)
		}
		s.says = "see PRJ-654321"
		r = send(t, g, key, method, saying("hello", ""))
		if method == "SendMessage" {
			refusedBy(t, g, r, http.StatusForbidden, "content_blocked", "CONTENT_BLOCKED", "content", "PRJ-654321")
		} else {
			cutOff(t, g, r, "content_blocked", "content", "PRJ-654321")
		}
	}
}

// TestPolicies see skill, method and message.
func TestPolicies(t *testing.T) { bothWays(t, testPolicies) }

func testPolicies(t *testing.T, send sender) {
	file := filepath.Join(t.TempDir(), "a.cedar")
	policy := `permit (principal, action, resource);
@id("no deletions") forbid (principal, action == Portcullis::Action::"SendMessage", resource) when { resource.name like "delete_*" };`
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startStub(t)
	g := s.start(t, fmt.Sprintf("[access]\npolicy_files = %q\n", file))
	passed(t, send(t, g, g.Key, "SendMessage", saying("hello", "read_file")))
	refusedBy(t, g, send(t, g, g.Key, "SendMessage", saying("hello", "delete_file")), http.StatusForbidden, "forbidden", "AUTHZ_DENIED", "cedar", "")
	if len(s.calls()) != 1 {
		t.Errorf("%d calls reached the agent", len(s.calls()))
	}
}

// TestSchemaFiles hold messages, results and events to schemas of the operator.
func TestSchemaFiles(t *testing.T) { bothWays(t, testSchemaFiles) }

func testSchemaFiles(t *testing.T, send sender) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	message := write("message.json", `{"properties":{"parts":{"items":{"properties":{"data":{"properties":{"note":{"maxLength":10}}}}}}}}`)
	result := write("result.json", `{"properties":{"message":{"properties":{"parts":{"items":{"properties":{"text":{"maxLength":20}}}}}}}}`)
	event := write("event.json", `{"properties":{"artifactUpdate":{"properties":{"artifact":{"properties":{"parts":{"maxItems":1,"items":{"properties":{"text":{"maxLength":20}}}}}}}}}}`)
	rules := fmt.Sprintf("[[route.schemas]]\nfile = %q\nmethod = \"SendMessage\"\n[[route.schemas]]\nfile = %q\nmethod = \"SendMessage\"\npart = \"result\"\n[[route.schemas]]\nfile = %q\nmethod = \"SendStreamingMessage\"\npart = \"result\"\n", message, result, event)
	s := startStub(t)
	g := s.start(t, rules)
	passed(t, send(t, g, g.Key, "SendMessage", saying("short", "")))
	refusedBy(t, g, send(t, g, g.Key, "SendMessage", saying("longer than ten", "")), http.StatusBadRequest, "input_rejected", "INPUT_REJECTED", "schema", "longer than ten")
	passed(t, send(t, g, g.Key, "SendStreamingMessage", saying("short", "")))
	s.says = "what the schema has no room for"
	refusedBy(t, g, send(t, g, g.Key, "SendMessage", saying("short", "")), http.StatusBadGateway, "reply_rejected", "CALL_FINISHED", "schema", s.says)
	cutOff(t, g, send(t, g, g.Key, "SendStreamingMessage", saying("short", "")), "reply_rejected", "schema", s.says)
}

// TestApproval of skills: another person agrees to one message, whatever id it
// has and however it is sent.
func TestApproval(t *testing.T) { bothWays(t, testApproval) }

func testApproval(t *testing.T, send sender) {
	s := startStub(t)
	g := s.start(t, "approval = { tools = [\"pay\"] }\n")
	key, _ := g.NewKey("skills:*")
	passed(t, send(t, g, key, "SendMessage", saying("hello", "read")))
	r := send(t, g, key, "SendMessage", saying("100 coins", "pay"))
	refusedBy(t, g, r, http.StatusForbidden, "approval_required", "AUTHZ_DENIED", "approval", "100 coins")
	// A message for no skill in particular may be for that one.
	refusedBy(t, g, send(t, g, key, "SendMessage", saying("hello", "")), http.StatusForbidden, "approval_required", "AUTHZ_DENIED", "approval", "")
	asked := ""
	for _, e := range g.Events() {
		if e.Type == "APPROVAL_REQUESTED" && asked == "" {
			if asked = fmt.Sprint(e.Details["approval"]); e.Resource != "skill:pay" || e.Action != "SendMessage" {
				t.Errorf("%+v", e)
			}
		}
	}
	admin := harness.Do(t, http.MethodPost, g.Admin+"/api/v1/approvals/"+asked, []byte(`{"approve":true,"reason":"ticket"}`), "X-API-Key", g.Key)
	if admin.Status != http.StatusOK || !strings.Contains(admin.Body, `"skill:pay"`) {
		t.Fatalf("approving: %d %s", admin.Status, admin.Body)
	}
	if r := send(t, g, key, "SendMessage", saying("200 coins", "pay")); r.Status != http.StatusForbidden {
		t.Errorf("another message passed: %s", r.Body)
	}
	again := strings.Replace(saying("100 coins", "pay"), `"m1"`, `"m2"`, 1)
	if r := post(t, g, "/agent/message:send", []byte(strings.Replace(again, "100", "200", 2)), "X-API-Key", key); r.Status != http.StatusForbidden {
		t.Errorf("another message passed over HTTP+JSON: %d %s", r.Status, r.Body)
	}
	passed(t, send(t, g, key, "SendMessage", again))
	if r := send(t, g, key, "SendMessage", again); r.Status != http.StatusForbidden {
		t.Errorf("an approval was good twice: %s", r.Body)
	}
	for _, e := range g.Events() {
		if e.Type == "APPROVAL_GRANTED" && e.Resource != "skill:pay" {
			t.Errorf("%+v", e)
		}
	}
}

// TestTaint: what was read closes the way out, on another route too.
func TestTaint(t *testing.T) { bothWays(t, testTaint) }

func testTaint(t *testing.T, send sender) {
	s := startStub(t)
	g := s.start(t, "taint = { confidential = [\"read_*\"] }\n"+
		"[[route]]\nname = \"mail\"\npath = \"/mail\"\nprotocol = \"a2a\"\nupstream = \""+s.Server.URL+"/agent\"\ntaint = { outbound = [\"send_*\"] }\n")
	key, _ := g.NewKey("skills:*")
	out := func(skill string) harness.Response {
		return post(t, g, "/mail", rpc("SendMessage", saying("hello", skill)), "X-API-Key", key)
	}
	passed(t, out("send_mail"))
	passed(t, send(t, g, key, "SendMessage", saying("hello", "other")))
	passed(t, out("send_mail"))
	passed(t, send(t, g, key, "SendStreamingMessage", saying("hello", "read_file")))
	refusedBy(t, g, out("send_mail"), http.StatusForbidden, "tainted", "AUTHZ_DENIED", "taint", "")
	refusedBy(t, g, out(""), http.StatusForbidden, "tainted", "AUTHZ_DENIED", "taint", "")
	passed(t, out("sort_mail"))
}

// TestLimits per caller, per route and per skill, and on use.
func TestLimits(t *testing.T) { bothWays(t, testLimits) }

func testLimits(t *testing.T, send sender) {
	for name, c := range map[string]struct{ more, guard, reason string }{
		"key":   {"rate = [\"1/1h per key\"]\n", "rate_caller", "rate_limited"},
		"route": {"rate = [\"1/1h per route\"]\n", "rate_caller", "rate_limited"},
		"skill": {"rate = [\"1/1h per tool:plan\"]\n", "rate_caller", "rate_limited"},
		"use":   {"use = { calls_per_session = 1 }\n", "use_limits", "quota_exceeded"},
		"cost":  {"use = { budget_per_day = 1, costs = { \"plan\" = 0.7 } }\n", "use_limits", "quota_exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startStub(t)
			g := s.start(t, c.more)
			passed(t, send(t, g, g.Key, "SendMessage", saying("hello", "plan")))
			r := send(t, g, g.Key, "SendStreamingMessage", saying("hello", "plan"))
			refusedBy(t, g, r, http.StatusTooManyRequests, c.reason, "RATE_LIMIT_EXCEEDED", c.guard, "")
			if r.Header.Get("Retry-After") == "" || len(s.calls()) != 1 {
				t.Errorf("%v, %d calls reached the agent", r.Header, len(s.calls()))
			}
			if name == "skill" || name == "cost" {
				passed(t, send(t, g, g.Key, "SendMessage", saying("hello", "other")))
			}
			key, _ := g.NewKey("skills:*")
			if r := send(t, g, key, "SendMessage", saying("hello", "plan")); (r.Status == http.StatusOK) != (name != "route") {
				t.Errorf("another caller: %d %s", r.Status, r.Body)
			}
		})
	}
}

// TestSkillScopes: a skill can ask for more than its own scope, and a message for
// any skill for what all of them ask.
func TestSkillScopes(t *testing.T) { bothWays(t, testSkillScopes) }

func testSkillScopes(t *testing.T, send sender) {
	s := startStub(t)
	g := s.start(t, "skills.scopes = { \"delete_*\" = [\"tools:admin\"] }\n")
	plain, _ := g.NewKey("skills:*")
	both, _ := g.NewKey("skills:*", "tools:admin")
	for _, skill := range []string{"delete_file", ""} {
		refusedBy(t, g, send(t, g, plain, "SendMessage", saying("hello", skill)), http.StatusForbidden, "forbidden", "AUTHZ_DENIED", "scope", "")
		passed(t, send(t, g, both, "SendMessage", saying("hello", skill)))
	}
	passed(t, send(t, g, plain, "SendMessage", saying("hello", "read")))
}

// TestResultBytes bounds what a skill may give.
func TestResultBytes(t *testing.T) { bothWays(t, testResultBytes) }

func testResultBytes(t *testing.T, send sender) {
	s := startStub(t)
	g := s.start(t, "use = { result_bytes = { \"search\" = \"400\" } }\n")
	passed(t, send(t, g, g.Key, "SendMessage", saying("hello", "search")))
	s.says = strings.Repeat("much ", 100)
	refusedBy(t, g, send(t, g, g.Key, "SendMessage", saying("hello", "search")), http.StatusForbidden, "result_too_large", "CONTENT_BLOCKED", "use_limits", "much much")
	passed(t, send(t, g, g.Key, "SendMessage", saying("hello", "other")))
}

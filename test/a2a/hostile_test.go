package a2a

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/portcullis-dev/portcullis/test/harness"
)

var update = flag.Bool("update", false, "write the table into docs/a2a.md")

// attack is one try of a hostile client or agent.
type attack struct {
	name    string
	outcome string // for the docs
	want    string // in what the caller reads
	event   string // in the audit log of the request; "" = the one of a call that failed
	try     func(t *testing.T, g *harness.Gateway) harness.Response
}

// victim is a task of somebody else.
type victim struct{ task, context string }

func rpc(method, params string) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":7,"method":%q,"params":%s}`, method, params)
}

func message(more string) string {
	return `{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"hello"}]` + more + `}}`
}

func post(t *testing.T, g *harness.Gateway, path string, body []byte, headers ...string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, g.Base+path, body, append([]string{"A2A-Version", "1.0"}, headers...)...)
}

// clientAttacks are those of a caller with a key of its own.
func clientAttacks(key string, v victim) []attack {
	return attacksBy(key, v, func(method, params string) func(*testing.T, *harness.Gateway) harness.Response {
		return func(t *testing.T, g *harness.Gateway) harness.Response {
			return post(t, g, "/agent", rpc(method, params), "X-API-Key", key)
		}
	})
}

// attacksBy are the same, with calls made in another way where there is one.
func attacksBy(key string, v victim, call func(method, params string) func(*testing.T, *harness.Gateway) harness.Response) []attack {
	rest := func(method, path string, body []byte) func(*testing.T, *harness.Gateway) harness.Response {
		return func(t *testing.T, g *harness.Gateway) harness.Response {
			return harness.Do(t, method, g.Base+path, body, "A2A-Version", "1.0", "X-API-Key", key)
		}
	}
	const missing, stranger = "not found, as if it were not there", "UNAUTHORIZED_ACCESS_ATTEMPT"
	const blocked, rejected = "refused", "INPUT_REJECTED"
	task := fmt.Sprintf(`{"id":%q}`, v.task)
	file := func(uri string) string {
		return fmt.Sprintf(`{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"url":%q}]}}`, uri)
	}
	push := func(url string) string {
		return fmt.Sprintf(`{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"hello"}]},"configuration":{"taskPushNotificationConfig":{"url":%q}}}`, url)
	}
	return []attack{
		{"read the task of another", missing, "-32001", stranger, call("GetTask", task)},
		{"read it over HTTP+JSON", missing, "TASK_NOT_FOUND", stranger, rest("GET", "/agent/tasks/"+v.task, nil)},
		{"cancel the task of another", missing, "-32001", stranger, call("CancelTask", task)},
		{"subscribe to the task of another", missing, "-32001", stranger, call("SubscribeToTask", task)},
		{"guess the id of a task", missing, "-32001", "CALL_REFUSED", call("GetTask", `{"id":"00000000-0000-0000-0000-000000000001"}`)},
		{"continue the task of another", missing, "-32001", stranger, call("SendMessage", message(fmt.Sprintf(`,"taskId":%q`, v.task)))},
		{"speak in the context of another", missing, "-32001", stranger, call("SendMessage", message(fmt.Sprintf(`,"contextId":%q`, v.context)))},
		{"refer to the task of another", missing, "-32001", stranger, call("SendMessage", message(fmt.Sprintf(`,"referenceTaskIds":[%q]`, v.task)))},
		{"list the tasks of a context of another", missing, "-32001", stranger, call("ListTasks", fmt.Sprintf(`{"contextId":%q}`, v.context))},
		{"be told of the task of another", missing, "-32001", stranger, call("CreateTaskPushNotificationConfig", fmt.Sprintf(`{"taskId":%q,"url":"https://hooks.example.com/"}`, v.task))},
		{"have notifications sent to the metadata service", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", push("http://169.254.169.254/latest/meta-data"))},
		{"have notifications sent inside, by a host that is not listed", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", push("https://db.internal/"))},
		{"have notifications sent to another port of a listed host", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", push("https://hooks.example.com:6379/"))},
		{"hide the host of a push target behind a password", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", push("https://hooks.example.com@10.0.0.1/"))},
		{"have a file fetched from the metadata service", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", file("https://169.254.169.254/latest"))},
		{"have a file fetched from an address in another spelling", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", file("https://0x7f.1/"))},
		{"have a file fetched from an IPv4 address inside IPv6", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", file("https://[::ffff:10.0.0.1]/"))},
		{"have a local file read", blocked, "CONTENT_BLOCKED", "CONTENT_BLOCKED", call("SendMessage", file("file:///etc/passwd"))},
		{"climb out of the route by its path", blocked, "METHOD_NOT_FOUND", rejected, rest("GET", "/agent/tasks/..%2f..%2fadmin", nil)},
		{"climb by dot segments", blocked, "METHOD_NOT_FOUND", rejected, rest("GET", "/agent/tasks/%2e%2e/admin", nil)},
		{"name the task twice", blocked, "-32600", rejected, call("GetTask", fmt.Sprintf(`{"id":"a","id":%q}`, v.task))},
		{"name the task in another spelling", blocked, "-32602", rejected, call("GetTask", fmt.Sprintf(`{"id":"a","Id":%q}`, v.task))},
		{"ask for a version that there is not", blocked, "-32009", rejected, func(t *testing.T, g *harness.Gateway) harness.Response {
			return harness.Do(t, http.MethodPost, g.URL, rpc("GetTask", task), "A2A-Version", "9.9", "X-API-Key", key)
		}},
		{"name two versions", blocked, "-32600", rejected, func(t *testing.T, g *harness.Gateway) harness.Response {
			return harness.Do(t, http.MethodPost, g.URL, rpc("GetTask", task), "A2A-Version", "1.0", "A2A-Version", "0.3", "X-API-Key", key)
		}},
		{"use a method of one version in the other", blocked, "-32601", rejected, func(t *testing.T, g *harness.Gateway) harness.Response {
			return harness.Do(t, http.MethodPost, g.URL, rpc("GetTask", task), "A2A-Version", "0.3", "X-API-Key", key)
		}},
		{"use a skill without its permission", "forbidden", "-32000", "AUTHZ_DENIED", call("SendMessage", message(`,"metadata":{"skillId":"delete"}`))},
		{"call without a key", "unauthenticated", "UNAUTHENTICATED", "AUTH_FAILURE", func(t *testing.T, g *harness.Gateway) harness.Response {
			return post(t, g, "/agent", rpc("SendMessage", message("")))
		}},
		{"send more text than the route takes", blocked, "-32602", rejected, call("SendMessage", strings.Replace(message(""), "hello", strings.Repeat("x", 10_001), 1))},
		{"act for a tenant", blocked, "-32602", rejected, call("GetTask", `{"id":"a","tenant":"other"}`)},
	}
}

func TestHostileClient(t *testing.T) {
	url, log := startAgent(t)
	g := harness.Start(t, route(url, "skills.deny = [\"delete\"]\na2a.push.hosts = [\"hooks.example.com\"]\n"))
	res, err := newClient(t, g.URL, g.Key, ways[0]).SendMessage(t.Context(), text("ask"))
	if err != nil {
		t.Fatal(err)
	}
	key, _ := g.NewKey("skills:*")
	before := len(log.all())
	for _, a := range clientAttacks(key, victim{string(res.TaskInfo().TaskID), res.TaskInfo().ContextID}) {
		t.Run(a.name, func(t *testing.T) { a.check(t, g) })
	}
	if n := len(log.all()); n != before {
		t.Errorf("%d attacks reached the agent", n-before)
	}
	list := post(t, g, "/agent", rpc("ListTasks", "{}"), "X-API-Key", key)
	if strings.Contains(list.Body, string(res.TaskInfo().TaskID)) || !strings.Contains(list.Body, `"totalSize":0`) && strings.Contains(list.Body, "totalSize") {
		t.Errorf("the list tells of others: %s", list.Body)
	}
	// A task of another and one that is not there look the same.
	same := func(id string) string {
		r := post(t, g, "/agent", rpc("GetTask", fmt.Sprintf(`{"id":%q}`, id)), "X-API-Key", key)
		return strings.ReplaceAll(fmt.Sprint(r.Status, r.Body), r.Header.Get("X-Request-Id"), "")
	}
	if a, b := same(string(res.TaskInfo().TaskID)), same(string(a2a.NewTaskID())); a != b {
		t.Errorf("told apart:\n%s\n%s", a, b)
	}
}

// secrets are what no caller may read.
var secrets = [...]string{"10.1.2.3", "/srv/agent", "hunter2", "Traceback"}

func (a attack) check(t *testing.T, g *harness.Gateway) {
	t.Helper()
	r := a.try(t, g)
	if !strings.Contains(r.Body, a.want) {
		t.Errorf("status %d, %s: want %s in it", r.Status, r.Body, a.want)
	}
	for _, s := range secrets {
		if strings.Contains(r.Body, s) {
			t.Errorf("the caller reads %q in %s", s, r.Body)
		}
	}
	events := g.EventsOf(r.Header.Get("X-Request-Id"))
	var types []string
	for _, e := range events {
		types = append(types, e.Type+":"+e.Outcome)
		want := a.event
		if want == "" {
			want = "CALL_FINISHED"
		}
		if e.Type == want && e.Outcome == "failure" {
			return
		}
	}
	t.Errorf("events %v", types)
}

// agentAttacks are answers of a hostile agent, by method of the call that they
// answer.
func agentAttacks(key string, v victim) []struct {
	attack
	answer string
	stream bool
} {
	type row = struct {
		attack
		answer string
		stream bool
	}
	ask := func(method, params string) func(*testing.T, *harness.Gateway) harness.Response {
		return func(t *testing.T, g *harness.Gateway) harness.Response {
			return post(t, g, "/agent", rpc(method, params), "X-API-Key", key)
		}
	}
	send, stream := ask("SendMessage", message("")), ask("SendStreamingMessage", message(""))
	const blocked = "the answer is refused"
	event := func(e string) string { return "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":" + e + "}\n\n" }
	update := func(id string) string {
		return fmt.Sprintf(`{"statusUpdate":{"taskId":%q,"contextId":"c-1","status":{"state":"TASK_STATE_WORKING"}}}`, id)
	}
	return []row{
		{attack{"name the task of another caller", blocked, "error", "", send}, fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"result":{"task":{"id":%q,"contextId":"c-0","status":{"state":"TASK_STATE_WORKING"}}}}`, v.task), false},
		{attack{"answer in the context of another caller", blocked, "error", "", send}, fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"result":{"message":{"messageId":"m","role":"ROLE_AGENT","contextId":%q,"parts":[{"text":"x"}]}}}`, v.context), false},
		{attack{"answer another request", blocked, "error", "", send}, `{"jsonrpc":"2.0","id":8,"result":{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}}`, false},
		{attack{"answer with two readings", blocked, "error", "", send}, `{"jsonrpc":"2.0","id":7,"result":{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[],"parts":[{"text":"x"}]}}}`, false},
		{attack{"answer with what is no message", blocked, "error", "", send}, `{"jsonrpc":"2.0","id":7,"result":{"secret":"hunter2"}}`, false},
		{attack{"ask instead of answering", blocked, "error", "", send}, `{"jsonrpc":"2.0","id":7,"method":"SendMessage","params":{}}`, false},
		{attack{"point to a file inside", "the answer is refused", "CONTENT_BLOCKED", "CONTENT_BLOCKED", send}, `{"jsonrpc":"2.0","id":7,"result":{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"url":"http://10.1.2.3/x"}]}}}`, false},
		{attack{"tell what broke inside", "a generic error", "Agent error", "-", send}, `{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"Traceback /srv/agent: 10.1.2.3 password hunter2","data":{"stack":"/srv/agent"}}}`, false},
		{attack{"stream the task of another caller", "the stream ends", "", "", stream}, event(update(v.task)), true},
		{attack{"stream answers to another request", "the stream ends", "", "", stream}, strings.Replace(event(update("t-9")), `"id":7`, `"id":8`, 1), true},
		{attack{"stream events without an end", "the stream ends", "", "", stream}, strings.Repeat(event(update("t-9")), 100), true},
		{attack{"stream one event of any size", "the stream ends", "", "", stream}, "data: " + strings.Repeat("x", 2<<20), true},
	}
}

func TestHostileAgent(t *testing.T) {
	var answer string
	var streams bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if streams {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		w.Header().Set("Set-Cookie", "hunter2")
		w.Header().Set("Server", "hunter2")
		if _, err := w.Write([]byte(answer)); err != nil {
			return
		}
	}))
	t.Cleanup(srv.Close)
	g := harness.Start(t, route(srv.URL+"/agent", "a2a.stream_events = 20\nreply_limits.bytes = \"1MiB\"\n"))
	key, _ := g.NewKey("skills:*")
	answer = `{"jsonrpc":"2.0","id":7,"result":{"task":{"id":"t-0","contextId":"c-0","status":{"state":"TASK_STATE_WORKING"}}}}`
	if r := post(t, g, "/agent", rpc("SendMessage", message("")), "X-API-Key", g.Key); r.Status != http.StatusOK || !strings.Contains(r.Body, "t-0") {
		t.Fatalf("the victim's task: %d %s", r.Status, r.Body)
	}
	for _, a := range agentAttacks(key, victim{"t-0", "c-0"}) {
		t.Run(a.name, func(t *testing.T) {
			answer, streams = a.answer, a.stream
			if a.event == "-" { // an error of the agent, told in other words
				r := a.try(t, g)
				if !strings.Contains(r.Body, a.want) || strings.Contains(r.Body, "hunter2") || strings.Contains(r.Body, "/srv") {
					t.Errorf("%d %s", r.Status, r.Body)
				}
				return
			}
			if !a.stream {
				a.check(t, g)
				return
			}
			resp := harness.Open(t, http.MethodPost, g.URL, rpc("SendStreamingMessage", message("")), "A2A-Version", "1.0", "X-API-Key", key)
			buf := make([]byte, 1<<20)
			n, err := 0, error(nil)
			for err == nil && n < len(buf) {
				var k int
				k, err = resp.Body.Read(buf[n:])
				n += k
			}
			if got := strings.Count(string(buf[:n]), "data:"); got > 20 || strings.Contains(string(buf[:n]), "t-0") {
				t.Errorf("%d events passed: %.300s", got, buf[:n])
			}
			a.logged(t, g, resp.Header.Get("X-Request-Id"))
		})
	}
	for _, h := range []string{"Set-Cookie", "Server"} {
		streams, answer = false, `{"jsonrpc":"2.0","id":7,"result":{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}}`
		if r := post(t, g, "/agent", rpc("SendMessage", message("")), "X-API-Key", key); r.Header.Get(h) != "" || r.Status != http.StatusOK {
			t.Errorf("%s: %d %q", h, r.Status, r.Header.Get(h))
		}
	}
}

// logged waits for the outcome of a stream, which is written when it has ended.
func (a attack) logged(t *testing.T, g *harness.Gateway, id string) {
	t.Helper()
	for t.Context().Err() == nil {
		for _, e := range g.EventsOf(id) {
			if e.Type == "CALL_FINISHED" {
				if e.Outcome != "failure" {
					t.Errorf("outcome %s", e.Outcome)
				}
				return
			}
		}
	}
}

// TestTableOfAttacks keeps the table in the docs.
func TestTableOfAttacks(t *testing.T) {
	var b strings.Builder
	b.WriteString("| who | tries to | what happens |\n|---|---|---|\n")
	n := 0
	for _, a := range clientAttacks("", victim{}) {
		fmt.Fprintf(&b, "| caller | %s | %s |\n", a.name, a.outcome)
		n++
	}
	for _, a := range agentAttacks("", victim{}) {
		fmt.Fprintf(&b, "| agent | %s | %s |\n", a.name, a.outcome)
		n++
	}
	if n < 20 {
		t.Errorf("%d attacks", n)
	}
	const page, begin, end = "../../docs/a2a.md", "<!-- attacks -->\n", "<!-- end of attacks -->"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table")
	}
	want := head + begin + b.String() + end + tail
	if want == string(raw) {
		return
	}
	if !*update {
		t.Fatalf("%s tells another story: run with -update", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil { //nolint:gosec // a page
		t.Fatal(err)
	}
}

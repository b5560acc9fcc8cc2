package a2a

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/admin/push"
	"github.com/portcullis-dev/portcullis/internal/admin/users"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// notifier is an agent whose notifications a test writes: it answers each
// message with the task that the message asks for and keeps the configs that
// it is given.
type notifier struct {
	url string

	mu      sync.Mutex
	configs []config
	answer  func(id json.RawMessage, task string) string // nil = a task
}

// config is a config as an agent gets it.
type config struct {
	ID             string `json:"id"`
	TaskID         string `json:"taskId"`
	URL            string `json:"url"`
	Token          string `json:"token"`
	Authentication struct {
		Scheme      string `json:"scheme"`
		Credentials string `json:"credentials"`
	} `json:"authentication"`
}

func newNotifier(t *testing.T) *notifier {
	t.Helper()
	n := new(notifier)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, n.reply(in.ID, in.Method, in.Params))
	}))
	t.Cleanup(srv.Close)
	n.url = srv.URL
	return n
}

func (n *notifier) reply(id json.RawMessage, method string, params json.RawMessage) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	ok := func(result string) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result) }
	switch method {
	case "SendMessage":
		var p struct {
			Message struct {
				Parts []struct{ Text string }
			}
			Configuration struct {
				TaskPushNotificationConfig *config
			}
		}
		if json.Unmarshal(params, &p) != nil {
			return ""
		}
		if c := p.Configuration.TaskPushNotificationConfig; c != nil {
			n.configs = append(n.configs, *c)
		}
		task := p.Message.Parts[0].Text
		if n.answer != nil {
			return n.answer(id, task)
		}
		return ok(`{"task":` + snapshot(task, "c-"+task) + `}`)
	case "CreateTaskPushNotificationConfig":
		var c config
		if json.Unmarshal(params, &c) != nil {
			return ""
		}
		n.configs = append(n.configs, c)
		return ok(string(params))
	case "ListTaskPushNotificationConfigs":
		list, _ := json.Marshal(map[string]any{"configs": n.configs})
		return ok(string(list))
	case "DeleteTaskPushNotificationConfig":
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"no"}}`, id) // it does not want to
	}
	return ""
}

// snapshot is a task.
func snapshot(task, context string) string {
	return fmt.Sprintf(`{"id":%q,"contextId":%q,"status":{"state":"TASK_STATE_WORKING"}}`, task, context)
}

func (n *notifier) last(t *testing.T) config {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.configs) == 0 {
		t.Fatal("the agent got no config")
	}
	return n.configs[len(n.configs)-1]
}

// ask sends a message that makes a task, with a config.
func (n *notifier) ask(t *testing.T, g *harness.Gateway, key, task, target string) {
	t.Helper()
	r := post(t, g, "/agent", rpc("SendMessage", fmt.Sprintf(`{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":%q}]},
		"configuration":{"taskPushNotificationConfig":{"url":%q,"token":"t0ken","authentication":{"scheme":"Bearer","credentials":"s3cret"}}}}`, task, target)), "X-API-Key", key)
	if r.Status != http.StatusOK || !strings.Contains(r.Body, `"task"`) {
		t.Fatalf("asked: %d %s", r.Status, r.Body)
	}
}

// notify posts as the agent does.
func notify(t *testing.T, url, secret, body string, headers ...string) harness.Response {
	t.Helper()
	if secret != "" {
		headers = append(headers, "Authorization", "Bearer "+secret)
	}
	return harness.Do(t, http.MethodPost, url, []byte(body), headers...)
}

// page posts what is no JSON.
func page(t *testing.T, url, secret string) harness.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("<html>"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/html")
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Response{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

func told(task string) string { return `{"task":` + snapshot(task, "c-"+task) + `}` }

// TestHostileNotifications: whoever posts to the gateway in the place of an
// agent, and an agent that wants to tell what it must not.
func TestHostileNotifications(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	g := harness.Start(t, route(n.url, h.config("")))
	other, _ := g.NewKey("skills:*")
	n.ask(t, g, other, "bobs", h.URL)
	n.ask(t, g, g.Key, "mine", h.URL)
	c := n.last(t)
	if c.Authentication.Credentials == "s3cret" || c.Token == "t0ken" || strings.Contains(c.URL, h.URL) || c.ID == "" {
		t.Fatalf("the agent was told %+v", c)
	}
	secret := c.Authentication.Credentials
	for _, a := range []struct {
		name   string
		status int
		try    func() harness.Response
	}{
		{"guess a ticket", 401, func() harness.Response {
			return notify(t, c.URL[:len(c.URL)-4]+"AAAA", secret, told("mine"))
		}},
		{"come without a ticket", 401, func() harness.Response { return notify(t, g.Base+"/a2a/push/", secret, told("mine")) }},
		{"come without the secret", 401, func() harness.Response { return notify(t, c.URL, "", told("mine")) }},
		{"guess the secret", 401, func() harness.Response { return notify(t, c.URL, "guess", told("mine")) }},
		{"use the ticket as the secret", 401, func() harness.Response { return notify(t, c.URL, path.Base(c.URL), told("mine")) }},
		{"come with two secrets", 401, func() harness.Response {
			return notify(t, c.URL, secret, told("mine"), "X-A2A-Notification-Token", "other")
		}},
		{"use the key of a caller", 401, func() harness.Response { return notify(t, c.URL, "", told("mine"), "X-API-Key", g.Key) }},
		{"look", 405, func() harness.Response {
			return harness.Do(t, http.MethodGet, c.URL, nil, "Authorization", "Bearer "+secret)
		}},
		{"tell of the task of another caller", 403, func() harness.Response { return notify(t, c.URL, secret, told("bobs")) }},
		{"tell of a task that the ticket is not for", 403, func() harness.Response { return notify(t, c.URL, secret, told("new")) }},
		{"tell in the context of another caller", 403, func() harness.Response {
			return notify(t, c.URL, secret, `{"task":`+snapshot("mine", "c-bobs")+`}`)
		}},
		{"tell in two readings", 400, func() harness.Response {
			return notify(t, c.URL, secret, `{"task":`+snapshot("mine", "c-mine")+`,"task":`+snapshot("bobs", "c-bobs")+`}`)
		}},
		{"tell in two versions", 400, func() harness.Response {
			return notify(t, c.URL, secret, `{"kind":"task","id":"mine","contextId":"c-mine","status":{"state":"working"},"task":`+snapshot("bobs", "c-bobs")+`}`)
		}},
		{"send what is no event", 400, func() harness.Response { return notify(t, c.URL, secret, `{"hello":"mine"}`) }},
		{"send an event of no task", 400, func() harness.Response {
			return notify(t, c.URL, secret, `{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"psst"}]}}`)
		}},
		{"send a page", 415, func() harness.Response {
			return page(t, c.URL, secret)
		}},
		{"send any amount", 413, func() harness.Response { return notify(t, c.URL, secret, strings.Repeat(" ", 2<<20)+told("mine")) }},
		{"point to a file inside", 403, func() harness.Response {
			return notify(t, c.URL, secret, `{"artifactUpdate":{"taskId":"mine","contextId":"c-mine","artifact":{"artifactId":"a","parts":[{"url":"http://169.254.169.254/x"}]}}}`)
		}},
	} {
		t.Run(a.name, func(t *testing.T) {
			r := a.try()
			if r.Status != a.status || strings.Contains(r.Body, "bobs") || strings.Contains(r.Body, "ticket") {
				t.Fatalf("got %d %s, want %d", r.Status, r.Body, a.status)
			}
			found := false
			for _, e := range g.EventsOf(r.Header.Get("X-Request-Id")) {
				found = found || e.Outcome == "failure"
			}
			if !found {
				t.Errorf("not in the audit log: %+v", g.EventsOf(r.Header.Get("X-Request-Id")))
			}
		})
	}
	if r := notify(t, c.URL, secret, told("mine")); r.Status != http.StatusAccepted {
		t.Fatalf("the agent itself: %d %s", r.Status, r.Body)
	}
	if n := h.next(t); !strings.Contains(n.body, "mine") {
		t.Errorf("told %s", n.body)
	}
	if len(h.told) > 0 {
		t.Errorf("told more: %v", <-h.told)
	}
	noTicketAnywhere(t, g, c)
}

// noTicketAnywhere looks for what only the agent may know, and what only the
// receiver may know, in log and journal.
func noTicketAnywhere(t *testing.T, g *harness.Gateway, c config) {
	t.Helper()
	events, err := json.Marshal(g.Events())
	if err != nil {
		t.Fatal(err)
	}
	for _, canary := range []string{path.Base(c.URL), c.Token, "s3cret", "t0ken"} {
		if strings.Contains(string(events), canary) || strings.Contains(g.Log.String(), canary) {
			t.Errorf("%q is in log or journal", canary)
		}
	}
	for _, want := range []string{"PUSH_REGISTERED", "AUTH_FAILURE", "UNAUTHORIZED_ACCESS_ATTEMPT"} {
		if !strings.Contains(string(events), want) {
			t.Errorf("no event %s", want)
		}
	}
}

// TestDeletedConfig: what a caller deleted is not delivered any more, whether
// the agent agrees or not, and nobody sees or deletes what is another's.
func TestDeletedConfig(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	g := harness.Start(t, route(n.url, h.config("")))
	other, _ := g.NewKey("skills:*")
	n.ask(t, g, g.Key, "mine", h.URL+"/hook")
	c := n.last(t)
	list := post(t, g, "/agent", rpc("ListTaskPushNotificationConfigs", `{"taskId":"mine"}`), "X-API-Key", g.Key)
	if !strings.Contains(list.Body, h.URL+"/hook") || !strings.Contains(list.Body, "s3cret") || strings.Contains(list.Body, c.URL) || strings.Contains(list.Body, c.Token) {
		t.Errorf("its owner sees %s", list.Body)
	}
	for _, method := range []string{"ListTaskPushNotificationConfigs", "DeleteTaskPushNotificationConfig"} {
		params := fmt.Sprintf(`{"taskId":"mine","id":%q}`, c.ID)
		if method == "ListTaskPushNotificationConfigs" {
			params = `{"taskId":"mine"}`
		}
		if r := post(t, g, "/agent", rpc(method, params), "X-API-Key", other); !strings.Contains(r.Body, "-32001") || strings.Contains(r.Body, "hook") {
			t.Errorf("%s of another: %d %s", method, r.Status, r.Body)
		}
	}
	// An agent that shows a caller all configs that it has.
	n.ask(t, g, other, "bobs", h.URL+"/bob")
	list = post(t, g, "/agent", rpc("ListTaskPushNotificationConfigs", `{"taskId":"bobs"}`), "X-API-Key", other)
	if strings.Contains(list.Body, "/hook") || !strings.Contains(list.Body, "/bob") {
		t.Errorf("another sees %s", list.Body)
	}
	post(t, g, "/agent", rpc("DeleteTaskPushNotificationConfig", fmt.Sprintf(`{"taskId":"mine","id":%q}`, c.ID)), "X-API-Key", g.Key)
	if r := notify(t, c.URL, c.Token, told("mine")); r.Status != http.StatusUnauthorized {
		t.Errorf("after it was deleted: %d %s", r.Status, r.Body)
	}
	if len(h.told) > 0 {
		t.Errorf("told %v", <-h.told)
	}
}

// TestNoTaskNoTicket: where a message made no task, its ticket is worth
// nothing.
func TestNoTaskNoTicket(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	g := harness.Start(t, route(n.url, h.config("")))
	for _, answer := range []string{
		`"error":{"code":-32603,"message":"broken"}`,
		`"result":{"message":{"messageId":"m2","role":"ROLE_AGENT","parts":[{"text":"task"}]}}`,
	} {
		n.answer = func(id json.RawMessage, _ string) string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, id, answer)
		}
		post(t, g, "/agent", rpc("SendMessage", fmt.Sprintf(`{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"x"}]},
			"configuration":{"taskPushNotificationConfig":{"url":%q}}}`, h.URL)), "X-API-Key", g.Key)
		c := n.last(t)
		if r := notify(t, c.URL, c.Token, told("late")); r.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", answer, r.Status, r.Body)
		}
	}
}

// TestContainedCaller is told nothing.
func TestContainedCaller(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	g := harness.Start(t, route(n.url, h.config("")))
	key, id := g.NewKey("skills:*")
	n.ask(t, g, key, "mine", h.URL)
	c := n.last(t)
	if _, err := incidents.Hold(t.Context(), g.API(), incidents.Contain{Subject: "key:" + id, Seconds: 60, Reason: "leaked"}); err != nil {
		t.Fatal(err)
	}
	if r := notify(t, c.URL, c.Token, told("mine")); r.Status != http.StatusForbidden {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	if len(h.told) > 0 {
		t.Errorf("told %v", <-h.told)
	}
}

// TestRevokedKey: what was registered with a key is forgotten when the key is
// revoked, with what waits for it.
func TestRevokedKey(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	g := harness.Start(t, route(n.url, h.config("")))
	key, id := g.NewKey("skills:*")
	n.ask(t, g, key, "mine", h.URL)
	c := n.last(t)
	if _, err := g.API().RevokeKey(t.Context(), id, "leaked"); err != nil {
		t.Fatal(err)
	}
	limit := time.After(20 * time.Second)
	for {
		r := notify(t, c.URL, c.Token, told("mine"))
		if r.Status == http.StatusUnauthorized {
			break
		}
		if r.Status != http.StatusAccepted && r.Status != http.StatusNotFound {
			t.Fatalf("got %d %s", r.Status, r.Body)
		}
		select {
		case <-limit:
			t.Fatal("the ticket is still good")
		default:
		}
	}
	if len(h.told) > 0 {
		t.Errorf("told %v", <-h.told)
	}
}

// TestDisabledUser: nothing that a user registered is told when the user is
// disabled.
func TestDisabledUser(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	g := harness.Start(t, route(n.url, "auth = [\"basic\"]\n"+h.config("")))
	const password = "canary correct horse"
	if _, err := users.Create(t.Context(), g.API(), users.AddUser{Name: "ada", Password: password, Scopes: []string{"skills:*"}}); err != nil {
		t.Fatal(err)
	}
	login := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+password))}
	r := post(t, g, "/agent", rpc("SendMessage", fmt.Sprintf(`{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"mine"}]},
		"configuration":{"taskPushNotificationConfig":{"url":%q}}}`, h.URL)), login...)
	if r.Status != http.StatusOK {
		t.Fatalf("asked: %d %s", r.Status, r.Body)
	}
	c := n.last(t)
	if r := notify(t, c.URL, c.Token, told("mine")); r.Status != http.StatusAccepted {
		t.Fatalf("got %d %s", r.Status, r.Body)
	}
	h.next(t)
	if _, err := users.SetState(t.Context(), g.API(), "ada", users.UserState{Disabled: true, Reason: "left"}); err != nil {
		t.Fatal(err)
	}
	limit := time.After(20 * time.Second)
	for {
		r := notify(t, c.URL, c.Token, told("mine"))
		if r.Status == http.StatusUnauthorized {
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
}

// TestQueueSurvivesRestart: what was taken is delivered by the next process,
// and what cannot be delivered can be sent again.
func TestQueueSurvivesRestart(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	var mu sync.Mutex
	status, tried := http.StatusServiceUnavailable, make(chan string, 16)
	h.answer = func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodGet || status == http.StatusOK {
			return false
		}
		w.WriteHeader(status)
		tried <- r.Header.Get("X-Portcullis-Delivery")
		return true
	}
	say := func(s int) {
		mu.Lock()
		defer mu.Unlock()
		status = s
	}
	g := harness.Start(t, route(n.url, h.config("")))
	n.ask(t, g, g.Key, "mine", h.URL)
	c := n.last(t)
	if r := notify(t, c.URL, c.Token, told("mine"), "X-A2A-Notification-Token", c.Token); r.Status != http.StatusAccepted {
		t.Fatalf("got %d %s", r.Status, r.Body)
	}
	id := <-tried
	g.Restart()
	say(http.StatusOK)
	if got := h.next(t).header.Get("X-Portcullis-Delivery"); got != id {
		t.Errorf("delivery %q, want %q", got, id)
	}
	say(http.StatusGone)
	at := strings.LastIndex(c.URL, "/a2a/push/")
	if r := notify(t, g.Base+c.URL[at:], c.Token, told("mine")); r.Status != http.StatusAccepted {
		t.Fatalf("after the restart: %d %s", r.Status, r.Body)
	}
	<-tried
	letter := dead(t, g)
	if letter.Reason != "gone" || letter.Target != h.URL || letter.Task != "mine" {
		t.Errorf("letter %+v", letter)
	}
	if !strings.Contains(g.Metrics(), "portcullis_push_dead_total 1") {
		t.Error("dead letters are not counted")
	}
	say(http.StatusOK)
	if done, err := push.Replay(t.Context(), g.API(), letter.ID); err != nil || done.Replayed != 1 {
		t.Fatalf("replayed %+v, %v", done, err)
	}
	if got := h.next(t).header.Get("X-Portcullis-Delivery"); got != letter.ID {
		t.Errorf("delivery %q, want %q", got, letter.ID)
	}
	if _, err := push.Replay(t.Context(), g.API(), "nobody"); err == nil {
		t.Error("replayed what is not there")
	}
}

// dead waits for a dead letter.
func dead(t *testing.T, g *harness.Gateway) push.View {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		list, err := push.Dead(t.Context(), g.API())
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 {
			return list[0]
		}
		select {
		case <-limit:
			t.Fatalf("dead letters %+v", list)
		default:
		}
	}
}

// TestNotificationsKeepTheRules: what a rule takes out of answers it takes out
// of notifications.
func TestNotificationsKeepTheRules(t *testing.T) {
	h, n := newReceiver(t), newNotifier(t)
	g := harness.Start(t, `
[[inspect.patterns]]
name = "canary"
regex = 'CANARY-[0-9a-f]{8}'

[[inspect.patterns]]
name = "bomb"
regex = 'BOMB'

`+route(n.url, h.config(""))+`
[[route.inspect.results]]
detect = ["pattern.canary"]
action = "redact"

[[route.inspect.results]]
detect = ["pattern.bomb"]
action = "block"
`)
	n.ask(t, g, g.Key, "mine", h.URL)
	c := n.last(t)
	tell := func(text string) harness.Response {
		return notify(t, c.URL, c.Token, fmt.Sprintf(`{"artifactUpdate":{"taskId":"mine","contextId":"c-mine","artifact":{"artifactId":"a","parts":[{"text":%q}]}}}`, text))
	}
	if r := tell("a BOMB"); r.Status != http.StatusForbidden {
		t.Errorf("got %d %s", r.Status, r.Body)
	}
	if r := tell("the CANARY-7f3a9c21 sings"); r.Status != http.StatusAccepted {
		t.Fatalf("got %d %s", r.Status, r.Body)
	}
	if got := h.next(t); strings.Contains(got.body, "CANARY") || !strings.Contains(got.body, "sings") {
		t.Errorf("told %s", got.body)
	}
}

package a2a_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// route is the path of the route under test.
const route = "/agents/a"

func config() a2a.Config {
	return a2a.Config{Path: route, Limits: jsonrpc.DefaultLimits(), Rules: a2a.DefaultRules()}
}

func decode(c a2a.Config, method, target, version, body string) (*portcullis.Message, error) {
	r := httptest.NewRequest(method, target, http.NoBody)
	if version != "" {
		r.Header.Set("A2A-Version", version)
	}
	var raw []byte
	if body != "" {
		raw = []byte(body)
	}
	return a2a.NewDecoder(c).Decode(context.Background(), &portcullis.Conn{HTTP: r, Route: "a"}, portcullis.Principal{}, raw)
}

func rpc(method, params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
}

const (
	message1     = `{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hi"}],"taskId":"t","contextId":"c","metadata":{"skillId":"plan"}}`
	messageSnake = `{"kind":"message","message_id":"m","role":"user","parts":[{"kind":"text","text":"hi"}],"task_id":"t","context_id":"c","metadata":{"skill_id":"plan"}}`
	message03    = `{"kind":"message","messageId":"m","role":"user","parts":[{"kind":"text","text":"hi"}],"taskId":"t","contextId":"c","metadata":{"skillId":"plan"}}`
)

// messageP03 has the form of the Protocol Buffers of version 0.3.
const messageP03 = `{"messageId":"m","role":"ROLE_USER","content":[{"text":"hi"},{"file":{"fileWithUri":"https://x.example/a"}},{"data":{"data":{}}}],"taskId":"t","contextId":"c","metadata":{"skillId":"plan"}}`

// show writes what a message says, but for what it says about the bytes.
func show(m *portcullis.Message) string {
	return fmt.Sprintf("%s %s task=%s context=%s target=%s id=%s suffix=%s", m.Method, m.Version, m.TaskID, m.Session, m.Target, m.ID, m.Suffix)
}

func TestRequests(t *testing.T) {
	push1 := `{"taskId":"t","url":"https://x.example/h"}`
	push03 := `{"taskId":"t","pushNotificationConfig":{"url":"https://x.example/h"}}`
	get, post, del := http.MethodGet, http.MethodPost, http.MethodDelete
	for _, c := range []struct{ http, path, version, body, want string }{
		{post, "", "1.0", rpc("SendMessage", `{"message":`+message1+`}`), "SendMessage 1.0 task=t context=c target=skill:plan id=1 suffix="},
		{post, "/", "1.0.1", rpc("SendStreamingMessage", `{"message":`+message1+`,"metadata":{"skillId":"plan"}}`), "SendStreamingMessage 1.0 task=t context=c target=skill:plan id=1 suffix="},
		{post, "", "1.0", rpc("GetTask", `{"id":"t","historyLength":10}`), "GetTask 1.0 task=t context= target= id=1 suffix="},
		{post, "", "1.0", rpc("ListTasks", `{"contextId":"c"}`), "ListTasks 1.0 task= context=c target= id=1 suffix="},
		{post, "", "1.0", rpc("CancelTask", `{"id":"t"}`), "CancelTask 1.0 task=t context= target= id=1 suffix="},
		{post, "", "1.0", rpc("SubscribeToTask", `{"id":"t"}`), "SubscribeToTask 1.0 task=t context= target= id=1 suffix="},
		{post, "", "1.0", rpc("CreateTaskPushNotificationConfig", push1), "CreateTaskPushNotificationConfig 1.0 task=t context= target= id=1 suffix="},
		{post, "", "1.0", rpc("GetTaskPushNotificationConfig", `{"taskId":"t","id":"p"}`), "GetTaskPushNotificationConfig 1.0 task=t context= target= id=1 suffix="},
		{post, "", "1.0", rpc("ListTaskPushNotificationConfigs", `{"taskId":"t"}`), "ListTaskPushNotificationConfigs 1.0 task=t context= target= id=1 suffix="},
		{post, "", "1.0", rpc("DeleteTaskPushNotificationConfig", `{"taskId":"t","id":"p"}`), "DeleteTaskPushNotificationConfig 1.0 task=t context= target= id=1 suffix="},
		{post, "", "1.0", `{"jsonrpc":"2.0","id":6,"method":"GetExtendedAgentCard"}`, "GetExtendedAgentCard 1.0 task= context= target= id=6 suffix="},

		{post, "", "", rpc("message/send", `{"message":`+message03+`}`), "SendMessage 0.3 task=t context=c target=skill:plan id=1 suffix="},
		{post, "", "0.3", rpc("message/stream", `{"message":`+message03+`}`), "SendStreamingMessage 0.3 task=t context=c target=skill:plan id=1 suffix="},
		{post, "", "0.3.0", rpc("tasks/get", `{"id":"t"}`), "GetTask 0.3 task=t context= target= id=1 suffix="},
		{post, "", "", rpc("tasks/cancel", `{"id":"t"}`), "CancelTask 0.3 task=t context= target= id=1 suffix="},
		{post, "", "", rpc("tasks/resubscribe", `{"id":"t"}`), "SubscribeToTask 0.3 task=t context= target= id=1 suffix="},
		{post, "", "", rpc("tasks/pushNotificationConfig/set", push03), "CreateTaskPushNotificationConfig 0.3 task=t context= target= id=1 suffix="},
		{post, "", "", rpc("tasks/pushNotificationConfig/get", `{"id":"t"}`), "GetTaskPushNotificationConfig 0.3 task=t context= target= id=1 suffix="},
		{post, "", "", rpc("tasks/pushNotificationConfig/list", `{"id":"t"}`), "ListTaskPushNotificationConfigs 0.3 task=t context= target= id=1 suffix="},
		{post, "", "", rpc("tasks/pushNotificationConfig/delete", `{"id":"t","pushNotificationConfigId":"p"}`), "DeleteTaskPushNotificationConfig 0.3 task=t context= target= id=1 suffix="},
		{post, "", "", `{"jsonrpc":"2.0","id":"x","method":"agent/getAuthenticatedExtendedCard"}`, `GetExtendedAgentCard 0.3 task= context= target= id="x" suffix=`},

		{post, "/message:send", "1.0", `{"message":` + message1 + `}`, "SendMessage 1.0 task=t context=c target=skill:plan id= suffix=/message:send"},
		{post, "/message:stream?A2A-Version=1.0", "", ` {"message":` + message1 + `} `, "SendStreamingMessage 1.0 task=t context=c target=skill:plan id= suffix=/message:stream"},
		{get, "/tasks/t?historyLength=10", "1.0", "", "GetTask 1.0 task=t context= target= id= suffix=/tasks/t?historyLength=10"},
		{get, "/tasks", "1.0", "", "ListTasks 1.0 task= context= target= id= suffix=/tasks"},
		{get, "/tasks?contextId=c&status=TASK_STATE_WORKING&pageSize=50&pageToken=x%20y&includeArtifacts=true&statusTimestampAfter=2025-01-01T00%3A00%3A00Z", "1.0", "",
			"ListTasks 1.0 task= context=c target= id= suffix=/tasks?contextId=c&includeArtifacts=true&pageSize=50&pageToken=x+y&status=TASK_STATE_WORKING&statusTimestampAfter=2025-01-01T00%3A00%3A00Z"},
		{post, "/tasks/t:cancel", "1.0", "", "CancelTask 1.0 task=t context= target= id= suffix=/tasks/t:cancel"},
		{post, "/tasks/t:cancel", "1.0", `{"id":"t","metadata":{}}`, "CancelTask 1.0 task=t context= target= id= suffix=/tasks/t:cancel"},
		{post, "/tasks/t:subscribe", "1.0", "", "SubscribeToTask 1.0 task=t context= target= id= suffix=/tasks/t:subscribe"},
		{get, "/tasks/t:subscribe", "1.0", "", "SubscribeToTask 1.0 task=t context= target= id= suffix=/tasks/t:subscribe"},
		{get, "/tasks/urn:uuid:1", "1.0", "", "GetTask 1.0 task=urn:uuid:1 context= target= id= suffix=/tasks/urn:uuid:1"},
		{get, "/tasks/%74%27", "1.0", "", "GetTask 1.0 task=t' context= target= id= suffix=/tasks/t%27"},
		{post, "/tasks/t/pushNotificationConfigs", "1.0", push1, "CreateTaskPushNotificationConfig 1.0 task=t context= target= id= suffix=/tasks/t/pushNotificationConfigs"},
		{get, "/tasks/t/pushNotificationConfigs?pageSize=5", "1.0", "", "ListTaskPushNotificationConfigs 1.0 task=t context= target= id= suffix=/tasks/t/pushNotificationConfigs?pageSize=5"},
		{get, "/tasks/t/pushNotificationConfigs/p", "1.0", "", "GetTaskPushNotificationConfig 1.0 task=t context= target= id= suffix=/tasks/t/pushNotificationConfigs/p"},
		{del, "/tasks/t/pushNotificationConfigs/p", "1.0", "", "DeleteTaskPushNotificationConfig 1.0 task=t context= target= id= suffix=/tasks/t/pushNotificationConfigs/p"},
		{get, "/extendedAgentCard", "1.0", "", "GetExtendedAgentCard 1.0 task= context= target= id= suffix=/extendedAgentCard"},
		{post, "/acme/message:send", "1.0", `{"message":` + message1 + `,"tenant":"acme"}`, "SendMessage 1.0 task=t context=c target=skill:plan id= suffix=/acme/message:send"},
		{get, "/acme/tasks/t", "1.0", "", "GetTask 1.0 task=t context= target= id= suffix=/acme/tasks/t"},
		{get, "/tasks/t?tenant=acme", "1.0", "", "GetTask 1.0 task=t context= target= id= suffix=/acme/tasks/t"},

		{post, "/v1/message:send", "", `{"message":` + message03 + `}`, "SendMessage 0.3 task=t context=c target=skill:plan id= suffix=/v1/message:send"},
		{post, "/v1/message:stream", "", `{"message":` + messageP03 + `}`, "SendStreamingMessage 0.3 task=t context=c target=skill:plan id= suffix=/v1/message:stream"},
		{get, "/v1/tasks/t", "0.3", "", "GetTask 0.3 task=t context= target= id= suffix=/v1/tasks/t"},
		{get, "/v1/tasks", "", "", "ListTasks 0.3 task= context= target= id= suffix=/v1/tasks"},
		{post, "/v1/tasks/t:subscribe", "", "", "SubscribeToTask 0.3 task=t context= target= id= suffix=/v1/tasks/t:subscribe"},
		{get, "/v1/card", "", "", "GetExtendedAgentCard 0.3 task= context= target= id= suffix=/v1/card"},
		{get, "/tasks/t", "", "", "GetTask 0.3 task=t context= target= id= suffix=/tasks/t"},
	} {
		conf := config()
		conf.Rules.Tenants = []string{"acme"}
		m, err := decode(conf, c.http, route+c.path, c.version, c.body)
		if err != nil {
			t.Errorf("%s %s %s: %v", c.http, c.path, c.body, err)
			continue
		}
		if got := show(m); got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.http, c.path, got, c.want)
		}
		if m.Shape != portcullis.ShapeRequest || string(m.Raw) != c.body || a2a.Sends(m.Method) != (m.Arguments != nil) {
			t.Errorf("%s %s: shape %d, raw %s, arguments %s", c.http, c.path, m.Shape, m.Raw, m.Arguments)
		}
	}
}

// refused checks a refusal, and that it tells nothing that the caller sent.
func refused(t *testing.T, what string, err error, code int, detail string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Detail, detail) {
		t.Errorf("%s: %+v, want %d: %s", what, err, code, detail)
		return
	}
	for _, b := range []a2a.Binding{a2a.JSONRPC, a2a.HTTPJSON} {
		for _, v := range []string{a2a.V1, a2a.V03} {
			if text := string(a2a.AppendError(nil, b, v, nil, e, "rid")) + e.Error(); strings.Contains(text, "SECRET") {
				t.Errorf("%s: the refusal tells it: %s", what, text)
			}
		}
	}
}

func TestRefusedRPC(t *testing.T) {
	params, request, method := portcullis.CodeInvalidParams, portcullis.CodeInvalidRequest, portcullis.CodeMethodNotFound
	part := func(p string) string {
		return rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[`+p+`]}}`)
	}
	meta := func(m string) string {
		return rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"a"}],"metadata":`+m+`}}`)
	}
	for _, c := range []struct {
		version, body string
		code          int
		detail        string
	}{
		{"1.0", `{`, portcullis.CodeParse, "unexpected end"},
		{"1.0", `[]`, request, "batch"},
		{"1.0", `{"jsonrpc":"2.0","method":"GetTask","params":{"id":"SECRET"}}`, request, "notifications"},
		{"1.0", `{"jsonrpc":"2.0","id":1,"result":{}}`, request, "neither"},
		{"1.0", `{"jsonrpc":"2.0","id":null,"method":"GetTask"}`, request, "id"},
		{"1.0", rpc("SECRET", `{}`), method, "version 1.0"},
		{"1.0", rpc("message/send", `{"message":`+message03+`}`), method, "version 1.0"},
		{"", rpc("SendMessage", `{"message":`+message1+`}`), method, "version 0.3"},
		{"", rpc("tasks/list", `{}`), method, "version 0.3"},
		{"2.0", rpc("SendMessage", `{}`), a2a.CodeVersionNotSupported, "does not speak"},
		{"1.0, 0.3", rpc("SendMessage", `{}`), a2a.CodeVersionNotSupported, "does not speak"},
		{"1", rpc("SendMessage", `{}`), a2a.CodeVersionNotSupported, "does not speak"},
		{"SECRET", rpc("SendMessage", `{}`), a2a.CodeVersionNotSupported, "does not speak"},
		{"1.0", rpc("SendMessage", `[]`), params, "params is no object"},
		{"1.0", `{"jsonrpc":"2.0","id":1,"method":"SendMessage"}`, params, "params is no object"},
		{"1.0", rpc("SendMessage", `{}`), params, "message: missing"},
		{"1.0", rpc("GetTask", `{"id":""}`), params, "id: no id"},
		{"1.0", rpc("GetTask", `{"ID":"t"}`), params, "other spelling"},
		{"1.0", rpc("GetTask", `{"id":"SECRET SECRET"}`), params, "id: no id"},
		{"1.0", rpc("ListTasks", `{"pageSize":1000}`), params, "pageSize: no integer within bounds"},
		{"1.0", rpc("SendMessage", `{"message":`+message03+`}`), params, "message.role: none of the defined words"},
		{"", rpc("message/send", `{"message":`+message1+`}`), params, "message.role: none of the defined words"},
		{"1.0", rpc("SendMessage", `{"message":`+strings.Replace(message1, "ROLE_USER", "ROLE_AGENT", 1)+`}`), params, "message.role: not the role of a caller"},
		{"1.0", rpc("SendMessage", `{"message":`+message1+`,"metadata":{"skillId":"SECRET"}}`), params, "metadata.skillId: not that of the message"},
		{"1.0", rpc("SendMessage", `{"message":`+message1+`,"tenant":"SECRET"}`), params, "tenant: must not be here"},
		{"1.0", meta(`{"skillId":1}`), params, "message.metadata.skillId: no id"},
		{"1.0", meta(`{"skillId":""}`), params, "message.metadata.skillId: no id"},
		{"1.0", meta(`{"SkillId":"a"}`), params, "message.metadata: other spelling"},
		{"1.0", meta(`{"skill_id":"a"}`), params, "message.metadata: other spelling"},
		{"1.0", meta(`{"skill\u0049d":"a"}`), params, "message.metadata: other spelling"},
		{"1.0", meta(`{"sessionId":"SECRET"}`), params, "message.metadata.sessionId: no UUID"},
		{"1.0", part(`{"text":"` + strings.Repeat("ä", 6000) + `"},{"text":"` + strings.Repeat("ä", 4001) + `"}`), params, "message.parts[1].text: more text"},
		{"1.0", part(strings.Repeat(`{"text":"a"},`, 50) + `{"text":"a"}`), params, "message.parts[50]: more parts"},
		{"1.0", part(`{"text":"a","mediaType":"SECRET/x"}`), a2a.CodeContentTypeNotSupported, "message.parts[0].mediaType: media type"},
		{"1.0", part(`{"data":"` + strings.Repeat("a", 90) + `"},{"raw":"` + strings.Repeat("aaaa", 4) + `"}`), params, "message.parts[1].raw: more files or data"},
	} {
		conf := config()
		conf.Rules.MediaTypes, conf.Rules.MaxData = []string{"text/plain", "image/*"}, 100
		m, err := decode(conf, http.MethodPost, route, c.version, c.body)
		refused(t, c.body, err, c.code, c.detail)
		if m == nil {
			t.Errorf("%s: no message to answer with", c.body)
		} else if strings.Contains(c.body, `"id":1,`) && string(m.ID) != "1" {
			t.Errorf("%s: id %s", c.body, m.ID)
		}
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	conf := config()
	conf.Rules.MediaTypes, conf.Rules.UUIDContexts = []string{"image/*"}, true
	body := rpc("SendMessage", `{"message":{"messageId":"m","contextId":"0198c0de-0000-7000-8000-00000000000A","role":"ROLE_USER","parts":[
		{"text":"  `+strings.Repeat("ä", 6000)+` "},{"text":"\n`+strings.Repeat("ä", 4000)+`"},{"raw":"aGk=","mediaType":"Image/PNG; a=b"}],"metadata":{"sessionId":"0198c0de-0000-7000-8000-000000000000"}}}`)
	if _, err := decode(conf, http.MethodPost, route, "1.0", body); err != nil {
		t.Error(err)
	}
	_, err := decode(conf, http.MethodPost, route, "1.0", strings.Replace(body, "0198c0de-0000-7000-8000-00000000000A", "c", 1))
	refused(t, "context", err, portcullis.CodeInvalidParams, "message.contextId: no UUID")
}

func TestRefusedHTTP(t *testing.T) {
	method, params, request := portcullis.CodeMethodNotFound, portcullis.CodeInvalidParams, portcullis.CodeInvalidRequest
	get, post := http.MethodGet, http.MethodPost
	for _, c := range []struct {
		http, path, version, body string
		code                      int
		detail                    string
	}{
		{get, "/message:send", "1.0", "", method, "method or path"},
		{http.MethodPut, "/tasks/t", "1.0", "", method, "method or path"},
		{post, "/message:SECRET", "1.0", "{}", method, "method or path"},
		{post, "/message%3Asend", "1.0", "{}", method, "method or path"},
		{get, "/tasks/a%2Fb", "1.0", "", method, "method or path"},
		{get, "/tasks/%2e%2e", "1.0", "", method, "method or path"},
		{get, "/tasks/a%252Fb", "1.0", "", method, "method or path"},
		{get, "/tasks/a%00", "1.0", "", method, "method or path"},
		{get, "/tasks/t%3Acancel", "1.0", "", method, "method or path"},
		{post, "/tasks/t%3Acancel", "1.0", "", method, "method or path"},
		{get, "/tasks/t:cancel", "1.0", "", method, "method or path"},
		{post, "/tasks/t:cancel:cancel", "1.0", "", method, "method or path"},
		{get, "/tasks//", "1.0", "", method, "method or path"},
		{get, "//tasks/t", "1.0", "", method, "method or path"},
		{get, "/tasks/tasks", "1.0", "", method, "method or path"},
		{get, "/tasks/t/", "1.0", "", method, "method or path"},
		{get, "/tasks/t/pushNotificationConfigs/a/b", "1.0", "", method, "method or path"},
		{get, "/tasks/t/secrets", "1.0", "", method, "method or path"},
		{get, "/v1/tasks/t", "1.0", "", method, "method or path"},
		{get, "/acme/tasks/t", "1.0", "", method, "method or path"},
		{get, "/extendedAgentCard", "0.3", "", method, "method or path"},
		{get, "/tasks/t?tenant=acme", "1.0", "", method, "method or path"},
		{get, "/tasks/t", "9.9", "", a2a.CodeVersionNotSupported, "does not speak"},
		{get, "/tasks/t?A2A-Version=0.3", "1.0", "", request, "more than one A2A-Version"},
		{get, "/tasks/t?A2A-Version=1.0&A2A-Version=1.0", "", "", request, "more than one A2A-Version"},
		{get, "/tasks/t?SECRET=1", "1.0", "", params, "query parameter"},
		{get, "/tasks/t?historyLength=1&historyLength=2", "1.0", "", params, "query parameter"},
		{get, "/tasks/t?historyLength=-1", "1.0", "", params, "historyLength: no integer"},
		{get, "/tasks/t?historyLength=SECRET", "1.0", "", params, "historyLength: no integer"},
		{get, "/tasks/t?history_length=1", "1.0", "", params, "query parameter"},
		{get, "/tasks?status=SECRET", "1.0", "", params, "status: none of the defined words"},
		{get, "/tasks?pageSize=150", "1.0", "", params, "pageSize: no integer"},
		{get, "/tasks?includeArtifacts=1", "1.0", "", params, "includeArtifacts: no truth value"},
		{get, "/tasks?a=%zz", "1.0", "", params, "malformed query"},
		{get, "/tasks/t", "1.0", "{}", request, "body where none belongs"},
		{post, "/message:send", "1.0", "", request, "no body"},
		{post, "/v1/message:send", "", `{"message":` + strings.Replace(messageP03, `"content"`, `"parts":[],"content"`, 1) + `}`, params, "message.parts: must not be here"},
		{post, "/v1/message:send", "", `{"message":` + strings.Replace(message03, `"parts"`, `"Content":[],"parts"`, 1) + `}`, params, "message: other spelling"},
		{post, "/v1/message:send", "", `{"message":` + strings.Replace(message03, `"taskId"`, `"task_id"`, 1) + `}`, params, "message: other spelling"},
		{post, "/v1/message:send", "", `{"message":` + strings.Replace(message03, `"messageId"`, `"message_id"`, 1) + `}`, params, "message: other spelling"},
		{post, "/v1/message:send", "", `{"message":` + strings.Replace(messageSnake, `"task_id"`, `"taskId":"t2","task_id"`, 1) + `}`, params, "message: other spelling"},
		{post, "/v1/message:send", "", `{"message":` + strings.Replace(messageSnake, `skill_id`, `skillId`, 1) + `}`, params, "message.metadata: other spelling"},
		{post, "/v1/message:send", "", `{"message":` + strings.Replace(messageSnake, `"message_id"`, `"message_id":"m2","messageId"`, 1) + `}`, params, "message: other spelling"},
		{post, "/v1/message:send", "", `{"message":` + messageSnake + `,"configuration":{"historyLength":1}}`, params, "configuration: other spelling"},
		{post, "/message:send", "1.0", `{"message":{"message_id":"SECRET","role":"ROLE_USER","parts":[{"text":"x"}]}}`, params, "message: other spelling"},
		{post, "/message:send", "1.0", `{"message":` + messageP03 + `}`, params, "message.parts: missing"},
		{post, "/message:send", "1.0", "[]", request, "no object"},
		{post, "/message:send", "1.0", `{"message":{},"message":{}}`, request, "duplicate"},
		{post, "/message:send", "1.0", rpc("SendMessage", `{}`), params, "message: missing"},
		{post, "/tasks/t:cancel", "1.0", `{"id":"other"}`, params, "different tasks"},
		{post, "/tasks/t/pushNotificationConfigs", "1.0", `{"taskId":"SECRET","url":"https://x.example"}`, params, "different tasks"},
		{post, "/tasks/t/pushNotificationConfigs", "1.0", `{"task_id":"SECRET","url":"https://x.example"}`, params, "other spelling"},
	} {
		m, err := decode(config(), c.http, route+c.path, c.version, c.body)
		refused(t, c.http+" "+c.path, err, c.code, c.detail)
		if m == nil || a2a.BindingOf(m) != a2a.HTTPJSON {
			t.Errorf("%s %s: %+v is no message to answer with", c.http, c.path, m)
		}
	}
}

// TestUnderscores: a message of 0.3 over HTTP+JSON may be spelled with
// underscores throughout, and means the same.
func TestUnderscores(t *testing.T) {
	for _, body := range []string{messageSnake, strings.NewReplacer(`"parts":[{"kind":"text",`, `"content":[{`, `"kind":"message",`, "", `"user"`, `"ROLE_USER"`).Replace(messageSnake)} {
		m, err := decode(config(), http.MethodPost, route+"/v1/message:send", "", `{"message":`+body+`,"configuration":{"history_length":1,"accepted_output_modes":["text/plain"]}}`)
		if err != nil {
			t.Fatal(err)
		}
		facts, err := a2a.Look(m)
		if err != nil || m.TaskID != "t" || m.Session != "c" || m.Target.Name != "plan" || facts.Texts != 2 || len(facts.OutputModes) != 1 {
			t.Errorf("%+v, %+v, %v", m, facts, err)
		}
	}
	if _, err := decode(config(), http.MethodPost, route, "", rpc("message/send", `{"message":`+messageSnake+`}`)); err == nil {
		t.Error("JSON-RPC takes underscores")
	}
}

func TestRefusedBeforeReading(t *testing.T) {
	for path, want := range map[string]portcullis.Kind{"/agents/ab": portcullis.KindNotFound, "/other": portcullis.KindNotFound, route: portcullis.KindMethodNotAllowed} {
		_, err := decode(config(), http.MethodGet, path, "1.0", "")
		var e *portcullis.Error
		if !errors.As(err, &e) || e.Kind != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	conf := config()
	conf.Versions = []string{a2a.V1}
	_, err := decode(conf, http.MethodPost, route, "", rpc("message/send", `{"message":`+message03+`}`))
	refused(t, "0.3", err, a2a.CodeVersionNotSupported, "does not speak")
	if text := string(a2a.AppendError(nil, a2a.JSONRPC, a2a.V1, []byte("1"), err.(*portcullis.Error), "r")); !strings.Contains(text, `"supportedVersions":"[\"1.0\"]"`) { //nolint:errorlint // is one
		t.Error(text)
	}
	r := httptest.NewRequest(http.MethodPost, route, http.NoBody)
	r.Header["A2a_version"] = []string{"1.0"}
	if _, err := a2a.VersionOf(r); err == nil {
		t.Error("another spelling of the header is taken")
	}
	r.Header = http.Header{"A2a-Version": {"1.0", "0.3"}}
	if _, err := a2a.VersionOf(r); err == nil {
		t.Error("two headers are taken")
	}
}

func TestSniff(t *testing.T) {
	for path, want := range map[string]string{route: "JSONRPC 0.3", route + "/v1/tasks": "HTTP+JSON 0.3", route + "/tasks?A2A-Version=1.0": "HTTP+JSON 1.0", route + "?A2A-Version=7": "JSONRPC 1.0"} {
		b, v := a2a.Sniff(httptest.NewRequest(http.MethodGet, path, http.NoBody), route)
		if got := b.String() + " " + v; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestLook(t *testing.T) {
	body := rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","referenceTaskIds":["t9"],"parts":[{"text":" hi "},{"url":"https://f.example/a","mediaType":"Image/PNG"},{"raw":"aGk="},{"data":{"url":"https://no.example"}}]},
		"configuration":{"acceptedOutputModes":["text/*"],"taskPushNotificationConfig":{"url":"https://p.example/h"}}}`)
	m, err := decode(config(), http.MethodPost, route, "1.0", body)
	if err != nil {
		t.Fatal(err)
	}
	f, err := a2a.Look(m)
	want := "{[https://p.example/h] [https://f.example/a] [image/png] [text/*] [t9] 2 4 30}"
	if got := fmt.Sprint(f); err != nil || got != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	m.Raw = []byte(strings.Replace(body, `"https://p.example/h"`, `"[redacted]"`, 1))
	if _, err := a2a.Look(m); err == nil {
		t.Error("a message that a rewriting broke is looked at")
	}
	for _, path := range []string{"/message:send", "/tasks/t"} {
		hm := &portcullis.Message{Shape: portcullis.ShapeRequest, Version: a2a.V1, Method: a2a.SendMessage, Suffix: path, Raw: []byte(`{"message":` + message1 + `}`)}
		if f, err := a2a.Look(hm); err != nil || f.Parts != 1 {
			t.Errorf("%+v %v", f, err)
		}
	}
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		change func(*a2a.Rules)
		want   string
	}{
		{func(*a2a.Rules) {}, ""},
		{func(r *a2a.Rules) { r.MaxText = 0 }, "max_text: 0"},
		{func(r *a2a.Rules) { r.MaxParts = -1 }, "max_parts: -1"},
		{func(r *a2a.Rules) { r.MaxData = 0 }, "max_data: 0"},
		{func(r *a2a.Rules) { r.MediaTypes = []string{"text/plain", "image/*"} }, ""},
		{func(r *a2a.Rules) { r.MediaTypes = []string{"Text/plain"} }, "media_types"},
		{func(r *a2a.Rules) { r.MediaTypes = []string{"*/*"} }, "media_types"},
		{func(r *a2a.Rules) { r.MediaTypes = []string{"text"} }, "media_types"},
		{func(r *a2a.Rules) { r.Tenants = []string{"acme"} }, ""},
		{func(r *a2a.Rules) { r.Tenants = []string{"tasks"} }, "tenants"},
		{func(r *a2a.Rules) { r.Tenants = []string{"a/b"} }, "tenants"},
	} {
		r := a2a.DefaultRules()
		c.change(&r)
		err := r.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", r, err, c.want)
		}
	}
}

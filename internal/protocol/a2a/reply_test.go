package a2a_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

func asked(method, version string, http bool) *portcullis.Message {
	m := &portcullis.Message{Shape: portcullis.ShapeRequest, Method: method, Version: version, ID: []byte("1")}
	if http {
		m.Suffix, m.ID = "/x", nil
	}
	return m
}

func read(m *portcullis.Message, status int, raw string) (a2a.Reply, error) {
	var r a2a.Reply
	err := a2a.ReadReply(&r, []byte(raw), a2a.Answering{Call: m, Status: status, Limits: jsonrpc.DefaultReplyLimits()})
	return r, err
}

func result(s string) string { return `{"jsonrpc":"2.0","id":1,"result":` + s + `}` }

const (
	task1   = `{"id":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED"}}`
	task03  = `{"kind":"task","id":"t","contextId":"c","status":{"state":"working"}}`
	update1 = `{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}`
)

// TestUnderscoredReplies are of agents that spell like that.
func TestUnderscoredReplies(t *testing.T) {
	task := `{"kind":"task","id":"t","context_id":"c","status":{"state":"completed"},"artifacts":[{"artifact_id":"a","parts":[]}]}`
	for raw, method := range map[string]string{
		task: a2a.GetTask,
		`{"kind":"status-update","task_id":"t","context_id":"c","final":true,"status":{"state":"completed"}}`: a2a.SendStreamingMessage,
	} {
		r, err := read(asked(method, "0.3", true), 200, raw)
		if err != nil || r.TaskID != "t" || r.Session != "c" || !r.Terminal {
			t.Errorf("%s: %+v, %v", raw, r, err)
		}
	}
	r, err := read(asked(a2a.ListTasks, "0.3", true), 200, `{"tasks":[`+task+`,`+task+`],"total_size":2}`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	raw, _ := a2a.FilterTasks(&r, func(id, context string) bool { n++; return id == "t" && context == "c" && n == 1 })
	if want := `{"tasks":[` + task + `],"total_size":1}`; string(raw) != want {
		t.Errorf("got %s, want %s", raw, want)
	}
	for _, raw := range []string{
		strings.Replace(task, `"context_id"`, `"contextId":"x","context_id"`, 1),
		strings.Replace(task, `"artifact_id"`, `"artifactId"`, 1),
		strings.Replace(task, `"context_id"`, `"Context_Id"`, 1),
	} {
		if _, err := read(asked(a2a.GetTask, "0.3", true), 200, raw); err == nil {
			t.Errorf("%s passed", raw)
		}
		if _, err := read(asked(a2a.GetTask, "0.3", false), 200, result(raw)); err == nil {
			t.Errorf("%s passed over JSON-RPC", raw)
		}
	}
}

func TestReplies(t *testing.T) {
	for _, c := range []struct {
		method, version string
		result          string
		want            string
	}{
		{a2a.SendMessage, "1.0", `{"task":` + task1 + `}`, "1 t c TASK_STATE_COMPLETED true false"},
		{a2a.SendMessage, "1.0", `{"message":{"messageId":"m","taskId":"t","contextId":"c","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`, "2 t c  false true"},
		{a2a.SendStreamingMessage, "1.0", update1, "3 t c TASK_STATE_WORKING false false"},
		{a2a.SubscribeToTask, "1.0", `{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":"a","parts":[{"text":"x"}]}}}`, "4 t c  false false"},
		{a2a.GetTask, "1.0", task1, "1 t c TASK_STATE_COMPLETED true false"},
		{a2a.ListTasks, "1.0", `{"tasks":[` + task1 + `]}`, "5    false false"},
		{a2a.CreatePushConfig, "1.0", `{"url":"https://x.example","taskId":"t","id":"p"}`, "6 t   false false"},
		{a2a.ListPushConfigs, "1.0", `{"configs":[]}`, "7    false false"},
		{a2a.DeletePushConfig, "1.0", `{}`, "8    false false"},
		{a2a.GetExtendedAgentCard, "1.0", `{"name":"x"}`, "9    false false"},
		{a2a.SendMessage, "0.3", task03, "1 t c TASK_STATE_WORKING false false"},
		{a2a.SendStreamingMessage, "0.3", `{"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"input-required"},"final":true}`, "3 t c TASK_STATE_INPUT_REQUIRED false true"},
		{a2a.CancelTask, "0.3", task03, "1 t c TASK_STATE_WORKING false false"},
		{a2a.GetPushConfig, "0.3", `{"taskId":"t","pushNotificationConfig":{"url":"https://x.example"}}`, "6 t   false false"},
	} {
		for _, http := range []bool{false, true} {
			raw := c.result
			if !http {
				raw = result(raw)
			}
			r, err := read(asked(c.method, c.version, http), 200, raw)
			got := fmt.Sprint(r.Kind, " ", r.TaskID, " ", r.Session, " ", r.State, " ", r.Terminal, " ", r.Final)
			if err != nil || got != c.want || r.Shape != portcullis.ShapeResult || r.Method != c.method || r.Direction != portcullis.ToClient {
				t.Errorf("%s %s %v: %s %v, want %s", c.method, c.version, http, got, err, c.want)
			}
			if _, masked := a2a.MaskError(&r, 200, "rid"); masked {
				t.Error("a result is masked")
			}
			if _, err := a2a.Look(&r.Message); err != nil {
				t.Errorf("%s: %v", raw, err)
			}
		}
	}
	for _, c := range []struct{ method, version, raw string }{
		{a2a.DeletePushConfig, "0.3", result("null")},
		{a2a.ListPushConfigs, "0.3", result(`[{"taskId":"t","pushNotificationConfig":{"url":"https://x.example"}}]`)},
	} {
		if _, err := read(asked(c.method, c.version, false), 200, c.raw); err != nil {
			t.Errorf("%s: %v", c.raw, err)
		}
	}
	// Version 0.3 over HTTP+JSON has two forms, and wraps messages and tasks.
	for raw, want := range map[string]string{
		`{"task":` + task03 + `}`: "1 t c TASK_STATE_WORKING",
		`{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_CANCELLED"}}}`:                                               "1 t c TASK_STATE_CANCELED",
		`{"message":{"messageId":"m","taskId":"t","role":"ROLE_AGENT","content":[{"text":"x"}]}}`:                                     "2 t  ",
		`{"statusUpdate":{"taskId":"t","contextId":"c","final":true,"status":{"state":"TASK_STATE_COMPLETED"}}}`:                      "3 t c TASK_STATE_COMPLETED",
		`{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":"a","parts":[{"file":{"fileWithBytes":"aGk="}}]}}}`: "4 t c ",
	} {
		r, err := read(asked(a2a.SendStreamingMessage, "0.3", true), 200, raw)
		if got := fmt.Sprint(r.Kind, " ", r.TaskID, " ", r.Session, " ", r.State); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", raw, got, err, want)
		}
	}
	for _, raw := range []string{`{"task":{"id":"t","kind":"x","status":{"state":"working"}}}`, `{"task":{"id":"t","status":{"state":"working"}}}`, `{}`, `{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}},"message":{}}`} {
		if _, err := read(asked(a2a.SendMessage, "0.3", true), 200, raw); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
	for _, raw := range []string{task03, `{"id":"t","status":{"state":"TASK_STATE_WORKING"}}`} {
		for method, text := range map[string]string{a2a.GetTask: raw, a2a.ListTasks: `{"tasks":[` + raw + `]}`} {
			if _, err := read(asked(method, "0.3", true), 200, text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if r, err := read(asked(a2a.DeletePushConfig, "1.0", true), 204, ""); err != nil || r.Kind != a2a.KindEmpty {
		t.Errorf("%+v %v", r, err)
	}
}

func TestRefusedReplies(t *testing.T) {
	for _, c := range []struct {
		method, version string
		http            bool
		raw, detail     string
	}{
		{a2a.SendMessage, "1.0", false, `{}`, "jsonrpc"},
		{a2a.SendMessage, "1.0", false, `<html>SECRET`, "invalid character"},
		{a2a.SendMessage, "1.0", false, `{"jsonrpc":"2.0","id":1,"method":"SECRET"}`, "asks"},
		{a2a.SendMessage, "1.0", false, result(task03), "not exactly one"},
		{a2a.SendMessage, "1.0", false, result(`{"task":` + task1 + `,"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`), "not exactly one"},
		{a2a.SendMessage, "1.0", false, result(update1), "not exactly one"},
		{a2a.SendMessage, "0.3", false, result(`{"task":` + task1 + `}`), "kind: missing"},
		{a2a.SendMessage, "0.3", false, result(`{"kind":"status-update"}`), "kind: none of"},
		{a2a.GetTask, "1.0", false, result(`{"id":"t","status":{"state":"SECRET"}}`), "status.state: none of"},
		{a2a.GetTask, "1.0", true, `[]`, "no object"},
		{a2a.GetTask, "1.0", true, ``, "no body"},
		{a2a.GetTask, "1.0", false, result(`null`), "no object"},
		{a2a.DeletePushConfig, "1.0", false, result(`"SECRET"`), "must not"},
		{a2a.GetExtendedAgentCard, "1.0", false, result(`"SECRET"`), "no object"},
		{a2a.ListPushConfigs, "0.3", false, result(`[{"taskId":"t"}]`), "[0].pushNotificationConfig: missing"},
		{a2a.ListPushConfigs, "0.3", false, result(`{}`), "no list"},
		{"initialize", "1.0", false, result(`{}`), "no method"},
	} {
		_, err := read(asked(c.method, c.version, c.http), 200, c.raw)
		var e *portcullis.Error
		if !errors.As(err, &e) || e.Kind != portcullis.KindUpstream || e.Code != a2a.CodeInvalidAgentResponse || !strings.Contains(e.Detail, c.detail) || strings.Contains(e.Detail, "SECRET") {
			t.Errorf("%s: %+v, want %s", c.raw, err, c.detail)
		}
	}
}

func TestMaskedErrors(t *testing.T) {
	info := func(reason string) string {
		return `{"error":{"code":400,"status":"SECRET","message":"SECRET","details":[1,{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"a2a-protocol.org","reason":"` + reason + `","metadata":{"a":"SECRET"}}]}}`
	}
	rpcError := func(code int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":"SECRET at /home/x","data":{"stack":"SECRET"}}}`, code)
	}
	for _, c := range []struct {
		version string
		http    bool
		status  int
		raw     string
		want    string
	}{
		{"1.0", false, 200, rpcError(-32001), `{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"Task not found","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND","domain":"a2a-protocol.org","metadata":{"requestId":"rid"}}]}}`},
		{"0.3", false, 200, rpcError(-32004), `{"jsonrpc":"2.0","id":1,"error":{"code":-32004,"message":"This operation is not supported"}}`},
		{"0.3", false, 200, rpcError(-32009), `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error","data":{"reason":"upstream_error","requestId":"rid"}}}`},
		{"0.3", false, 200, rpcError(-32050), `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error","data":{"reason":"upstream_error","requestId":"rid"}}}`},
		{"0.3", false, 200, rpcError(7), `{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"Agent error","data":{"reason":"upstream_error","requestId":"rid"}}}`},
		{"1.0", true, 400, info("TASK_NOT_CANCELABLE"), `{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"Task cannot be canceled","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_CANCELABLE","domain":"a2a-protocol.org","metadata":{"requestId":"rid"}}]}}`},
		{"1.0", true, 200, info("TASK_NOT_FOUND"), `{"error":{"code":404,"status":"NOT_FOUND","message":"Task not found","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND","domain":"a2a-protocol.org","metadata":{"requestId":"rid"}}]}}`},
		{"1.0", true, 500, info("SECRET"), `{"error":{"code":500,"status":"INTERNAL","message":"Internal error","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INTERNAL_ERROR","domain":"a2a-protocol.org","metadata":{"requestId":"rid"}}]}}`},
		{"1.0", true, 502, `<html>SECRET`, `{"error":{"code":502,"status":"INTERNAL","message":"Internal error","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INTERNAL_ERROR","domain":"a2a-protocol.org","metadata":{"requestId":"rid"}}]}}`},
		{"1.0", true, 404, ``, `{"error":{"code":404,"status":"NOT_FOUND","message":"Task not found","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND","domain":"a2a-protocol.org","metadata":{"requestId":"rid"}}]}}`},
		{"0.3", true, 404, `{"message":"SECRET"}`, `{"type":"about:blank","title":"Not Found","status":404,"detail":"Task not found","reason":"upstream_error","requestId":"rid","code":-32001,"message":"Task not found"}`},
	} {
		r, err := read(asked(a2a.GetTask, c.version, c.http), c.status, c.raw)
		if err != nil {
			t.Errorf("%s: %v", c.raw, err)
			continue
		}
		got, ok := a2a.MaskError(&r, c.status, "rid")
		if !ok || string(got) != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.raw, got, c.want)
		}
	}
}

func TestAppendError(t *testing.T) {
	limited := &portcullis.Error{Kind: portcullis.KindRateLimited, Reason: "rate_limited", RetryAfter: 2500 * time.Millisecond, Detail: "SECRET", Err: errors.New("SECRET")}
	wrong := &portcullis.Error{Kind: portcullis.KindMalformed, Code: portcullis.CodeInvalidParams, Reason: "input_rejected", Data: map[string]any{"path": "message.parts", "rule": "empty list", "n": 1}}
	version := a2a.VersionNotSupported("1.0")
	for _, c := range []struct {
		b       a2a.Binding
		version string
		e       *portcullis.Error
		want    string
	}{
		{a2a.JSONRPC, "1.0", limited, `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"Too many requests","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"portcullis","metadata":{"requestId":"rid","retryAfter":"3"}}]}}`},
		{a2a.JSONRPC, "0.3", limited, `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"Too many requests","data":{"reason":"rate_limited","requestId":"rid","retryAfter":3}}}`},
		{a2a.HTTPJSON, "1.0", limited, `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"Too many requests","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"portcullis","metadata":{"requestId":"rid","retryAfter":"3"}}]}}`},
		{a2a.HTTPJSON, "0.3", limited, `{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Too Many Requests","reason":"rate_limited","requestId":"rid","retryAfter":3,"code":-32000,"message":"Too many requests"}`},
		{a2a.JSONRPC, "1.0", wrong, `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Invalid parameters","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_PARAMS","domain":"a2a-protocol.org","metadata":{"requestId":"rid","n":"1"}},{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.parts","description":"empty list"}]}]}}`},
		{a2a.JSONRPC, "0.3", wrong, `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Invalid parameters","data":{"reason":"input_rejected","requestId":"rid","n":1,"path":"message.parts","rule":"empty list"}}}`},
		{a2a.JSONRPC, "1.0", a2a.TaskNotFound("SECRET"), `{"jsonrpc":"2.0","id":7,"error":{"code":-32001,"message":"Task not found","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND","domain":"a2a-protocol.org","metadata":{"requestId":"rid"}}]}}`},
		{a2a.JSONRPC, "0.3", version, `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"Bad Request","data":{"reason":"unsupported_version","requestId":"rid","supportedVersions":["1.0"]}}}`},
		{a2a.JSONRPC, "1.0", &portcullis.Error{Code: -32020}, `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"An internal error occurred. Please try again.","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INTERNAL","domain":"portcullis","metadata":{"requestId":"rid"}}]}}`},
	} {
		got := string(a2a.AppendError(nil, c.b, c.version, []byte("7"), c.e, "rid"))
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("no JSON: %s", got)
		}
	}
	if got := string(a2a.AppendRefusal(nil, nil, limited, "rid")); !strings.Contains(got, `"id":null`) {
		t.Error(got)
	}
	if got := string(a2a.AppendRefusal(nil, asked(a2a.GetTask, "1.0", true), limited, "rid")); !strings.HasPrefix(got, `{"error":{"code":429`) {
		t.Error(got)
	}
	if a2a.ErrorContentType(a2a.HTTPJSON, a2a.V03) != "application/problem+json" || a2a.ErrorContentType(a2a.HTTPJSON, a2a.V1) != "application/json" {
		t.Error("media type of errors")
	}
}

func TestFilterTasks(t *testing.T) {
	a := `{"id":"a","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}`
	b := `{"id":"b","contextId":"d","status":{"state":"TASK_STATE_WORKING"}}`
	for _, c := range []struct{ result, want string }{
		{`{"tasks":[` + a + `,` + b + `],"totalSize":9}`, `{"tasks":[` + a + `],"totalSize":1}`},
		{`{"totalSize":9, "tasks":[` + b + ` , ` + b + `],"nextPageToken":"x"}`, `{"totalSize":0, "tasks":[],"nextPageToken":"x"}`},
		{` {"tasks":[` + a + `],"totalSize":1}`, ``},
		{`{"tasks":[ ` + a + ` ],"totalSize":70}`, `{"tasks":[ ` + a + ` ],"totalSize":1}`},
		{`{}`, ``}, {`{"tasks":null}`, ``},
	} {
		for _, http := range []bool{false, true} {
			raw, want := c.result, c.want
			if !http {
				raw = result(raw)
				if want != "" {
					want = result(want)
				}
			}
			r, err := read(asked(a2a.ListTasks, "1.0", http), 200, raw)
			if err != nil {
				t.Fatal(err)
			}
			got, changed := a2a.FilterTasks(&r, func(task, context string) bool { return task == "a" && context == "c" })
			if changed != (want != "") || changed && string(got) != want || !changed && string(got) != raw {
				t.Errorf("%s:\ngot  %s\nwant %s", raw, got, want)
			}
		}
	}
	r, err := read(asked(a2a.GetTask, "1.0", false), 200, result(task1))
	if _, changed := a2a.FilterTasks(&r, func(string, string) bool { return false }); err != nil || changed {
		t.Error("what is no list is cut")
	}
}

// The JSON-RPC blocks of the specification, 1.0.1.
func TestExamplesOfTheSpecification(t *testing.T) {
	dir := filepath.Join(os.Getenv("PORTCULLIS_SAMPLES"), "a2a")
	if _, err := os.Stat(dir); os.Getenv("PORTCULLIS_SAMPLES") == "" || err != nil {
		t.Skip("the samples of the specification are not here: set PORTCULLIS_SAMPLES")
	}
	for file, want := range map[string]string{"14": a2a.GetTask, "15": a2a.ListTasks, "16": a2a.CancelTask, "17": a2a.SubscribeToTask, "18": a2a.GetExtendedAgentCard, "19": "-32602", "20": "-32001"} {
		raw, err := os.ReadFile(filepath.Join(dir, "spec-example-"+file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if strings.HasPrefix(want, "-") {
			r, err := read(asked(a2a.GetTask, "1.0", false), 200, string(raw))
			if err != nil {
				t.Error(err)
			}
			got = fmt.Sprint(r.ErrorCode)
		} else {
			m, err := decode(config(), http.MethodPost, route, "1.0", string(raw))
			if err != nil {
				t.Error(err)
			}
			got = m.Method
		}
		if got != want {
			t.Errorf("example %s: %s, want %s", file, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("POST", "", "1.0", []byte(rpc("SendMessage", `{"message":`+message1+`}`)))
	f.Add("POST", "", "", []byte(rpc("message/send", `{"message":`+message03+`}`)))
	f.Add("GET", "/tasks/t?historyLength=1", "1.0", []byte(nil))
	f.Add("POST", "/v1/tasks/t:cancel", "0.3", []byte(`{"id":"t"}`))
	f.Add("POST", "/message:send", "1.0", []byte(`{"message":`+message1+`}`))
	f.Fuzz(func(t *testing.T, method, path, version string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, route, http.NoBody)
		if u, err := r.URL.Parse(route + path); err == nil {
			r.URL = u
		}
		r.Method, r.Header = method, http.Header{"A2a-Version": {version}}
		d := a2a.NewDecoder(config())
		m, err := d.Decode(t.Context(), &portcullis.Conn{HTTP: r}, portcullis.Principal{}, body)
		if err != nil {
			var e *portcullis.Error
			if !errors.As(err, &e) || e.Kind == portcullis.KindInternal {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if _, err := a2a.Look(m); err != nil {
			t.Errorf("accepted, and cannot be looked at: %v", err)
		}
		if m.Suffix == "" {
			return
		}
		// The path that is sent on means what the path that came means.
		next := httptest.NewRequest(http.MethodPost, route+m.Suffix, http.NoBody)
		next.Method, next.Header = method, http.Header{"A2a-Version": {m.Version}}
		again, err := d.Decode(t.Context(), &portcullis.Conn{HTTP: next}, portcullis.Principal{}, body)
		if err != nil || show(again) != show(m) {
			t.Errorf("%s becomes %s: %v", path, m.Suffix, err)
		}
	})
}

func FuzzReadReply(f *testing.F) {
	f.Add(uint8(0), true, false, 200, []byte(`{"task":`+task1+`}`))
	f.Add(uint8(1), false, false, 200, []byte(result(update1)))
	f.Add(uint8(2), false, true, 200, []byte(result(task03)))
	f.Add(uint8(3), true, false, 200, []byte(`{"tasks":[`+task1+`],"totalSize":3}`))
	f.Fuzz(func(t *testing.T, method uint8, http, old bool, status int, raw []byte) {
		version := a2a.V1
		if old {
			version = a2a.V03
		}
		call := asked(a2a.Methods()[int(method)%len(a2a.Methods())], version, http)
		r, err := read(call, status, string(raw))
		if err != nil {
			return
		}
		if masked, ok := a2a.MaskError(&r, status, "rid"); ok != (r.Shape == portcullis.ShapeError) || ok && !json.Valid(masked) {
			t.Errorf("masked %s", masked)
		}
		cut, _ := a2a.FilterTasks(&r, func(task, _ string) bool { return len(task)%2 == 0 })
		if r.Kind == a2a.KindTasks {
			if _, err := read(call, status, string(cut)); err != nil {
				t.Errorf("%s cut to %s: %v", raw, cut, err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := strings.Repeat("some words ", 14)
	body := []byte(rpc("SendMessage", `{"message":{"messageId":"0198c0de-0000-7000-8000-000000000000","contextId":"c","role":"ROLE_USER","parts":[{"text":"`+text+`"}],"metadata":{"skillId":"plan"}}}`))
	r := httptest.NewRequest(http.MethodPost, route, http.NoBody)
	r.Header.Set("A2A-Version", "1.0")
	d, c := a2a.NewDecoder(config()), &portcullis.Conn{HTTP: r}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(b.Context(), c, portcullis.Principal{}, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadReply(b *testing.B) {
	raw := []byte(result(`{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED"},"artifacts":[{"artifactId":"a","parts":[{"text":"` + strings.Repeat("some words ", 14) + `"}]}]}}`))
	in := a2a.Answering{Call: asked(a2a.SendMessage, a2a.V1, false), Limits: jsonrpc.DefaultReplyLimits()}
	var r a2a.Reply
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := a2a.ReadReply(&r, raw, in); err != nil {
			b.Fatal(err)
		}
	}
}

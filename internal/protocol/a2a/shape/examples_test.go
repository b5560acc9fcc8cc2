package shape

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// example is one object that keeps its schema.
type example struct {
	object Object
	schema string // definition of the JSON Schema, or message of the Protocol Buffers
	text   string
}

// examples03 have every member of version 0.3 once.
var examples03 = []example{
	{V03SendMessage, "MessageSendParams", `{"message":{"kind":"message","messageId":"m1","contextId":"c1","taskId":"t1","role":"user",
		"parts":[{"kind":"text","text":"hi","metadata":{"a":1}},
			{"kind":"file","file":{"bytes":"aGk=","mimeType":"text/plain","name":"a.txt"}},
			{"kind":"file","file":{"uri":"https://x.example/a"},"metadata":{}},
			{"kind":"data","data":{"a":[1,null]}}],
		"metadata":{"skillId":"s"},"extensions":["https://e.example/1"],"referenceTaskIds":["t0"]},
		"configuration":{"acceptedOutputModes":["text/plain"],"blocking":true,"historyLength":3,
			"pushNotificationConfig":{"url":"https://x.example/h","id":"p1","token":"t","authentication":{"schemes":["Bearer"],"credentials":"c"}}},
		"metadata":{"x":"y"}}`},
	{V03Task, "Task", `{"kind":"task","id":"t1","contextId":"c1","status":{"state":"working","timestamp":"2025-01-01T00:00:00Z",
		"message":{"kind":"message","messageId":"m2","role":"agent","parts":[]}},
		"artifacts":[{"artifactId":"a1","name":"n","description":"d","parts":[{"kind":"text","text":""}],"metadata":{},"extensions":[]}],
		"history":[{"kind":"message","messageId":"m1","role":"user","parts":[{"kind":"text","text":"x"}]}],"metadata":{}}`},
	{V03StatusUpdate, "TaskStatusUpdateEvent", `{"kind":"status-update","taskId":"t1","contextId":"c1","final":true,"status":{"state":"completed"},"metadata":{}}`},
	{V03ArtifactUpdate, "TaskArtifactUpdateEvent", `{"kind":"artifact-update","taskId":"t1","contextId":"c1","append":true,"lastChunk":false,
		"artifact":{"artifactId":"a1","parts":[{"kind":"data","data":{}}]},"metadata":{}}`},
	{V03PushConfig, "TaskPushNotificationConfig", `{"taskId":"t1","pushNotificationConfig":{"url":"https://x.example/h"}}`},
	{V03TaskID, "TaskIdParams", `{"id":"t1","metadata":{}}`},
	{V03TaskQuery, "TaskQueryParams", `{"id":"t1","historyLength":0,"metadata":{}}`},
	{V03PushQuery, "GetTaskPushNotificationConfigParams", `{"id":"t1","pushNotificationConfigId":"p1","metadata":{}}`},
	{V03PushDelete, "DeleteTaskPushNotificationConfigParams", `{"id":"t1","pushNotificationConfigId":"p1"}`},
}

// examples1 have every member of version 1.0 once.
var examples1 = []example{
	{V1SendMessage, "SendMessageRequest", `{"message":{"messageId":"m1","contextId":"c1","taskId":"t1","role":"ROLE_USER",
		"parts":[{"text":"hi","metadata":{"a":1},"mediaType":"text/plain"},{"raw":"aGk=","filename":"a.txt"},{"url":"https://x.example/a"},
			{"data":{"a":[1,null]}},{"data":"x"}],
		"metadata":{"skillId":"s"},"extensions":["https://e.example/1"],"referenceTaskIds":["t0"]},
		"configuration":{"acceptedOutputModes":["text/plain"],"returnImmediately":true,"historyLength":3,
			"taskPushNotificationConfig":{"url":"https://x.example/h","id":"p1","token":"t","authentication":{"scheme":"Bearer","credentials":"c"}}},
		"metadata":{"x":"y"},"tenant":"a"}`},
	{V1Task, "Task", `{"id":"t1","contextId":"c1","status":{"state":"TASK_STATE_WORKING","timestamp":"2025-01-01T00:00:00.5Z",
		"message":{"messageId":"m2","role":"ROLE_AGENT","parts":[{"text":"x"}]}},
		"artifacts":[{"artifactId":"a1","name":"n","description":"d","parts":[{"text":""}],"metadata":{},"extensions":[]}],
		"history":[{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"x"}]}],"metadata":{}}`},
	{V1StreamResponse, "StreamResponse", `{"statusUpdate":{"taskId":"t1","contextId":"c1","status":{"state":"TASK_STATE_COMPLETED"},"metadata":{}}}`},
	{V1StreamResponse, "StreamResponse", `{"artifactUpdate":{"taskId":"t1","contextId":"c1","append":true,"lastChunk":false,
		"artifact":{"artifactId":"a1","parts":[{"data":{}}]},"metadata":{}}}`},
	{V1SendResponse, "SendMessageResponse", `{"message":{"messageId":"m1","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`},
	{V1CreatePush, "TaskPushNotificationConfig", `{"taskId":"t1","id":"p1","url":"https://x.example/h","token":"t"}`},
	{V1GetTask, "GetTaskRequest", `{"id":"t1","historyLength":0,"tenant":"a"}`},
	{V1TaskRequest, "CancelTaskRequest", `{"id":"t1","metadata":{}}`},
	{V1ListTasks, "ListTasksRequest", `{"contextId":"c1","status":"TASK_STATE_WORKING","pageSize":50,"pageToken":"p","historyLength":1,
		"statusTimestampAfter":"2025-01-01T00:00:00Z","includeArtifacts":true}`},
	{V1ListTasksResponse, "ListTasksResponse", `{"tasks":[{"id":"t1","status":{"state":"TASK_STATE_WORKING"}}],"nextPageToken":"","pageSize":1,"totalSize":1}`},
	{V1PushRequest, "GetTaskPushNotificationConfigRequest", `{"taskId":"t1","id":"p1"}`},
	{V1ListPush, "ListTaskPushNotificationConfigsRequest", `{"taskId":"t1","pageSize":1,"pageToken":"x"}`},
	{V1ListPushResponse, "ListTaskPushNotificationConfigsResponse", `{"configs":[{"url":"https://x.example/h","taskId":"t1"}],"nextPageToken":"x"}`},
}

var examplesLegacy = []example{
	{LegacyEvent, "", `{"type":"task.status","status":{"state":"working","timestamp":"2025-01-01T00:00:00Z","message":"thinking"},"final":false}`},
	{LegacyEvent, "", `{"type":"task.artifact","artifact":{"id":"a","name":"n","description":"d","parts":[{"type":"file","file":{"name":"f","mimeType":"a/b","bytes":"aGk="}},{"type":"data","data":{}}],"index":0,"append":true,"lastChunk":true}}`},
	{LegacyEvent, "", `{"type":"task.output","output":{"message":{"role":"agent","parts":[{"type":"text","text":"x"}]},"artifacts":[]}}`},
	{LegacyEvent, "", `{"type":"error","error":{"code":-32001,"message":"m","data":[1]}}`},
	{LegacyEvent, "", `{"type":"done","task":{"id":"t","sessionId":"s","status":{"state":"completed"},"input":{"skillId":"s"},"output":{},"history":[{"status":{"state":"working"},"timestamp":"2025-01-01T00:00:00Z"}]}}`},
}

func TestExamplesKeepTheirSchemas(t *testing.T) {
	for _, list := range [][]example{examples03, examples1, examplesLegacy} {
		for _, e := range list {
			if f := Check(e.object, []byte(e.text), nil); f != nil {
				t.Errorf("%v: %s", f, e.text)
			}
		}
	}
}

// TestUnderscoresDecideTheSame compares the verdicts on examples of 0.3, and on
// what differs from them in one place, with those on the same text in the other
// spelling. Where a name has two spellings, only one of them passes.
func TestUnderscoresDecideTheSame(t *testing.T) {
	for _, e := range examples03 {
		for _, m := range append(mutants(t, e), mutant{e.text, "nothing"}) {
			var v any
			if err := json.Unmarshal([]byte(m.text), &v); err != nil {
				t.Fatal(err)
			}
			other, err := json.Marshal(respell(v))
			if err != nil {
				t.Fatal(err)
			}
			usual, snake := Check(e.object, []byte(m.text), nil), CheckSnake(e.object, other, nil)
			if (usual == nil) != (snake == nil) {
				t.Errorf("%s: %v, with underscores %v", m.what, usual, snake)
			}
			if m.text == e.text && m.what == "nothing" && strings.Contains(string(other), "_") && CheckSnake(e.object, []byte(m.text), nil) == nil {
				t.Errorf("passes in both spellings: %s", m.text)
			}
		}
	}
}

func respell(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			out[Snake(name)] = respell(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = respell(v[i])
		}
		return out
	}
	return v
}

// samples returns the folder of the official samples, "" if it is not here.
func samples(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(os.Getenv("PORTCULLIS_SAMPLES"), "a2a")
	if _, err := os.Stat(dir); os.Getenv("PORTCULLIS_SAMPLES") == "" || err != nil {
		t.Skip("the samples of the specification are not here: set PORTCULLIS_SAMPLES")
	}
	return dir
}

// The JSON blocks of the specification, 1.0.1, that show objects of messages.
// Those that are missing show agent cards, signatures and JSON-RPC.
func TestExamplesOfTheSpecification(t *testing.T) {
	dir := samples(t)
	for _, c := range []struct {
		file   string
		object Object
		want   string
	}{
		{"01", V1Message, "messageId: missing"}, // section 4.6 leaves it out, a2a.proto requires it
		{"02", V1Artifact, ""},
		{"22", V1Part, ""}, // the form of 0.3: its kind is nobody's member in 1.0
		{"22", V03Part, ""},
		{"23", V1Part, RuleOneOf},
		{"23", V03Part, "file: " + RuleOneOf}, // fileWithBytes is in no schema: the member is bytes
		{"24", V1Part, ""},
		{"24", V03Part, "kind: missing"},
		{"25", V1Part, "raw: " + RuleBase64}, // "iVBORw0KGgo..." is cut short
	} {
		raw, err := os.ReadFile(filepath.Join(dir, "spec-example-"+c.file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if f := Check(c.object, raw, nil); f != nil {
			got = f.Error()
		}
		if got != c.want {
			t.Errorf("example %s: %q, want %q", c.file, got, c.want)
		}
	}
}

// Example 03 shows points in time.
func TestTimesOfTheSpecification(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(samples(t), "spec-example-03.json"))
	if err != nil {
		t.Fatal(err)
	}
	var times map[string]string
	if err := json.Unmarshal(raw, &times); err != nil || len(times) != 3 {
		t.Fatalf("%v, %v", times, err)
	}
	for name, at := range times {
		status := `{"state":"TASK_STATE_WORKING","timestamp":"` + at + `"}`
		if f := Check(V1Status, []byte(status), nil); f != nil {
			t.Errorf("%s: %v", name, f)
		}
		if f := Check(V1Status, []byte(strings.Replace(status, "T", "", 2)), nil); f == nil {
			t.Errorf("%s passes without its T", name)
		}
	}
}

// mutant is a text that differs from an example in one place.
type mutant struct{ text, what string }

// mutate returns every text that is v with one member or element taken out,
// replaced or added.
func mutate(v any) []mutant {
	var out []mutant
	emit := func(what string, root any) {
		b, err := json.Marshal(root)
		if err != nil {
			panic(err)
		}
		out = append(out, mutant{string(b), what})
	}
	var walk func(path string, node any, rebuild func(any) any)
	walk = func(path string, node any, rebuild func(any) any) {
		for _, other := range []any{nil, "", "x", "a b", "https://y.example", "2025-01-01T00:00:00+02:00", "aGk", 1, -1, 0, 1.5, true, []any{}, []any{"x"}, []any{nil}, []any{1}, map[string]any{}, map[string]any{"zz": 1}, "TASK_STATE_FAILED", "ROLE_UNSPECIFIED", "TASK_STATE_UNSPECIFIED", "failed", "user", "text"} {
			b, _ := json.Marshal(other)
			emit(path+" becomes "+string(b), rebuild(other))
		}
		switch n := node.(type) {
		case map[string]any:
			for name, child := range n {
				set := func(v any, del bool) any {
					m := map[string]any{}
					for k, c := range n {
						m[k] = c
					}
					if m[name] = v; del {
						delete(m, name)
					}
					return rebuild(m)
				}
				emit(path+"."+name+" goes", set(nil, true))
				walk(path+"."+name, child, func(v any) any { return set(v, false) })
			}
			for _, name := range []string{"unknown", "text", "data", "url", "raw", "bytes", "uri", "file", "task", "message", "kind", "final", "taskId", "state"} {
				if _, there := n[name]; there {
					continue
				}
				for _, added := range []any{"x", map[string]any{}, nil} {
					m := map[string]any{name: added}
					for k, c := range n {
						m[k] = c
					}
					b, _ := json.Marshal(added)
					emit(path+" gets "+name+" "+string(b), rebuild(m))
				}
			}
		case []any:
			for i, child := range n {
				walk(path+"[]", child, func(v any) any {
					l := append([]any(nil), n...)
					l[i] = v
					return rebuild(l)
				})
			}
		}
	}
	walk("", v, func(v any) any { return v })
	return out
}

func mutants(t *testing.T, e example) []mutant {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(e.text), &v); err != nil {
		t.Fatal(err)
	}
	return mutate(v)
}

package a2a

import (
	"encoding/json"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

var notifications = []struct {
	body, registered string
	versions         []string
	version, task    string // "" = refused
}{
	{`{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}`, V1, nil, V1, "t"},
	{`{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}`, V1, nil, V1, "t"},
	{`{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":"a","parts":[{"text":"x"}]}}}`, V1, nil, V1, "t"},
	{`{"message":{"messageId":"m","taskId":"t","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`, V1, nil, V1, "t"},
	{`{"kind":"task","id":"t","contextId":"c","status":{"state":"working"}}`, V03, nil, V03, "t"},
	{`{"kind":"status-update","taskId":"t","contextId":"c","final":true,"status":{"state":"completed"}}`, V03, nil, V03, "t"},
	{`{"kind":"task","id":"t","contextId":"c","status":{"state":"working"}}`, V1, []string{V1, V03}, V03, "t"},
	{`{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"},"history":[{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}]}}`, V03, []string{V1, V03}, V1, "t"},
	{`{"kind":"task","id":"t","contextId":"c","status":{"state":"working"}}`, V1, []string{V1}, "", ""},
	{`{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`, V1, nil, "", ""},
	{`{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}},"message":{"messageId":"m","taskId":"t","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`, V1, nil, "", ""},
	{`{"kind":"task","id":"t","contextId":"c","status":{"state":"working"},"task":{"id":"u","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}`, V1, []string{V03}, "", ""},
	{`{"task":{"id":"t","id":"u","status":{"state":"TASK_STATE_WORKING"}}}`, V1, nil, "", ""},
	{`{"task":{"id":"t","status":{"state":"working"}}}`, V1, nil, "", ""},
	{`{"error":{"code":500}}`, V1, nil, "", ""},
	{`{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}},"error":{"code":500}}`, V1, nil, "", ""},
	{`[]`, V1, nil, "", ""}, {`{}`, V1, nil, "", ""}, {``, V1, nil, "", ""}, {`null`, V03, nil, "", ""},
}

func TestReadPush(t *testing.T) {
	for _, c := range notifications {
		var r Reply
		err := ReadPush(&r, []byte(c.body), c.registered, c.versions, jsonrpc.DefaultReplyLimits())
		if (err == nil) != (c.task != "") || r.TaskID != c.task || r.Version != c.version && err == nil {
			t.Errorf("%s for %s: task %q in %q, %v", c.body, c.registered, r.TaskID, r.Version, err)
		}
		if err != nil && len(r.Raw) > 0 {
			t.Errorf("%s: something is left of what was refused", c.body)
		}
	}
}

// FuzzReadPush: what is accepted is about the task that any JSON parser finds
// in it, in the one place that its form has for it, and reads the same again.
func FuzzReadPush(f *testing.F) {
	for _, c := range notifications {
		f.Add([]byte(c.body), c.registered == V03)
	}
	f.Fuzz(func(t *testing.T, body []byte, old bool) {
		registered := V1
		if old {
			registered = V03
		}
		var r, again Reply
		if ReadPush(&r, body, registered, []string{V1, V03}, jsonrpc.DefaultReplyLimits()) != nil {
			return
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil {
			t.Fatalf("accepted %q: %v", body, err)
		}
		type ids struct {
			ID     string `json:"id"`
			TaskID string `json:"taskId"`
			Snake  string `json:"task_id"`
		}
		var found []string
		add := func(raw json.RawMessage, task bool) {
			var i ids
			if err := json.Unmarshal(raw, &i); err != nil {
				t.Fatalf("accepted %q: %v", body, err)
			}
			if i.TaskID == "" {
				i.TaskID = i.Snake
			}
			if task {
				i.TaskID = i.ID
			}
			found = append(found, i.TaskID)
		}
		if kind, ok := all["kind"]; ok {
			add(body, string(kind) == `"task"`)
		}
		for _, name := range []string{"task", "message", "statusUpdate", "artifactUpdate"} {
			if raw, ok := all[name]; ok {
				add(raw, name == "task")
			}
		}
		if len(found) != 1 || found[0] != r.TaskID || r.TaskID == "" {
			t.Fatalf("%q is about %q, others find %q", body, r.TaskID, found)
		}
		if err := ReadPush(&again, r.Raw, r.Version, nil, jsonrpc.DefaultReplyLimits()); err != nil || again.TaskID != r.TaskID {
			t.Fatalf("%q read again: %v", body, err)
		}
	})
}

package a2astream_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/a2astream"
)

func ExampleParseStreamEvent() {
	event, err := a2astream.ParseStreamEvent([]byte(`{"statusUpdate":{"taskId":"t1","contextId":"c1","status":{"state":"TASK_STATE_COMPLETED"}}}`))
	fmt.Println(event.Kind, event.TaskID, event.State, event.Final, err)

	_, err = a2astream.ParseStreamEvent([]byte(`{"statusUpdate":{"taskId":"t1","contextId":"c1","status":{"state":"my secret"}}}`))
	var invalid *a2astream.ValidationError
	fmt.Println(errors.As(err, &invalid), err)
	// Output:
	// statusUpdate t1 TASK_STATE_COMPLETED true <nil>
	// true Invalid event format: statusUpdate.status.state: none of the defined words
}

var good = []struct{ text, want string }{
	{`{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}`, "1.0 task t c TASK_STATE_WORKING false false 0"},
	{`{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}],"taskId":"t"}}`, "1.0 message t   false true 0"},
	{`{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":"a","parts":[{"text":"x"}]}}}`, "1.0 artifactUpdate t c  false false 0"},
	{`{"jsonrpc":"2.0","id":7,"result":{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_INPUT_REQUIRED"}}}}`, "1.0 statusUpdate t c TASK_STATE_INPUT_REQUIRED false false 0"},
	{`{"jsonrpc":"2.0","id":7,"error":{"code":-32001,"message":"secret"}}`, " error    false true -32001"},
	{`{"error":{"code":404,"status":"NOT_FOUND","message":"x"}}`, "1.0 error    false true 404"},
	{`{"kind":"task","id":"t","contextId":"c","status":{"state":"rejected"}}`, "0.3 task t c TASK_STATE_REJECTED true false 0"},
	{`{"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"auth-required"},"final":true}`, "0.3 statusUpdate t c TASK_STATE_AUTH_REQUIRED false true 0"},
	{`{"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"completed"},"final":false}`, "0.3 statusUpdate t c TASK_STATE_COMPLETED true false 0"},
	{`{"kind":"message","messageId":"m","role":"agent","parts":[]}`, "0.3 message    false true 0"},
	{`{"kind":"artifact-update","taskId":"t","contextId":"c","artifact":{"artifactId":"a","parts":[]}}`, "0.3 artifactUpdate t c  false false 0"},
	{`{"type":"task.status","status":{"state":"input-required","message":"?"},"final":true}`, "legacy statusUpdate   TASK_STATE_INPUT_REQUIRED false true 0"},
	{`{"type":"task.artifact","artifact":{"id":"a","parts":[{"type":"text","text":"x"}]}}`, "legacy artifactUpdate    false false 0"},
	{`{"type":"task.output","output":{}}`, "legacy output    false false 0"},
	{`{"type":"error","error":{"code":5,"message":"m"}}`, "legacy error    false true 5"},
	{`{"type":"done","task":{"id":"t","sessionId":"c","status":{"state":"canceled"}}}`, "legacy done t c TASK_STATE_CANCELED true true 0"},
}

func TestEvents(t *testing.T) {
	for _, c := range good {
		e, err := a2astream.ParseStreamEvent([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got := fmt.Sprintf("%s %s %s %s %s %v %v %d", e.Version, e.Kind, e.TaskID, e.ContextID, e.State, e.Terminal, e.Final, e.Code)
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.text, got, c.want)
		}
		if len(e.Data) == 0 || !strings.Contains(c.text, string(e.Data)) {
			t.Errorf("%s: data %s", c.text, e.Data)
		}
	}
}

func TestRefusedEvents(t *testing.T) {
	for _, c := range []struct{ text, path, rule string }{
		{``, "", "unexpected end at byte 0"},
		{`[1]`, "", "message is no object at byte 0"},
		{`{"task":{}}x`, "", "bytes after the message at byte 11"},
		{`{"task":{},"t\u0061sk":{}}`, "", "duplicate member name at byte 11"},
		{`{}`, "", "not exactly one of its kinds"},
		{`{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}},"message":null}`, "message", "null"},
		{`{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}},"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`, "", "not exactly one of its kinds"},
		{`{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}},"status_update":{}}`, "", "other spelling of a member"},
		{`{"kind":"task","type":"done"}`, "", "not exactly one of its kinds"},
		{`{"kind":"task","task":{}}`, "", "not exactly one of its kinds"},
		{`{"kind":"secret"}`, "kind", "none of the defined words"},
		{`{"type":"secret"}`, "type", "none of the defined words"},
		{`{"jsonrpc":"2.0","id":1,"method":"x"}`, "", "no answer"},
		{`{"jsonrpc":"2.0","id":1,"result":[]}`, "result", "no object"},
		{`{"jsonrpc":"2.0","id":1,"result":{"task":{"id":"t"}}}`, "result.task.status", "missing"},
		{`{"jsonrpc":"2.0","id":1,"result":{"error":{}}}`, "result", "not exactly one of its kinds"},
		{`{"jsonrpc":"2.0","id":1,"result":{},"kind":"task"}`, "", "unknown member of a message at byte 36"},
	} {
		_, err := a2astream.ParseStreamEvent([]byte(c.text))
		var invalid *a2astream.ValidationError
		if !errors.As(err, &invalid) || invalid.Path != c.path || invalid.Rule != c.rule {
			t.Errorf("%s: %+v, want %q %q", c.text, err, c.path, c.rule)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells it: %v", c.text, err)
		}
	}
}

func FuzzParseStreamEvent(f *testing.F) {
	for _, c := range good {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := a2astream.ParseStreamEvent(data)
		if err != nil {
			var invalid *a2astream.ValidationError
			if !errors.As(err, &invalid) || invalid.Rule == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		if e.Kind == "" || len(e.Data) == 0 {
			t.Errorf("an event without kind or data: %+v", e)
		}
		// What was read, read again, is the same event.
		again, err := a2astream.ParseStreamEvent([]byte(" " + string(data) + "\n"))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(e) {
			t.Errorf("again: %+v, %v; first %+v", again, err, e)
		}
	})
}

func BenchmarkParseStreamEvent(b *testing.B) {
	data := []byte(`{"jsonrpc":"2.0","id":7,"result":{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":"a","parts":[{"text":"` + strings.Repeat("word ", 40) + `"}]}}}}`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a2astream.ParseStreamEvent(data); err != nil {
			b.Fatal(err)
		}
	}
}

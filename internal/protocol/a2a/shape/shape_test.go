package shape

import (
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

func TestFailures(t *testing.T) {
	const message = `{"message":{"messageId":"m","role":"ROLE_USER","parts":[`
	for _, c := range []struct {
		object     Object
		text, want string
	}{
		{V1SendMessage, `{}`, "message: missing"},
		{V1SendMessage, `{"message":null}`, "message: missing"},
		{V1SendMessage, `{"message":"x"}`, "message: no object"},
		{V1SendMessage, message + `]}}`, "message.parts: empty list"},
		{V1SendMessage, message + `{}]}}`, "message.parts[0]: not exactly one of its kinds"},
		{V1SendMessage, message + `{"text":"a"},{"text":"a","url":"https://x.example"}]}}`, "message.parts[1]: not exactly one of its kinds"},
		{V1SendMessage, message + `{"text":"a","raw":null}]}}`, "message.parts[0].raw: null"},
		{V1SendMessage, message + `{"text":1}]}}`, "message.parts[0].text: no text"},
		{V1SendMessage, message + `{"raw":"a"}]}}`, "message.parts[0].raw: no base64"},
		{V1SendMessage, message + `{"raw":"a-/a"}]}}`, "message.parts[0].raw: no base64"},
		{V1SendMessage, message + `{"url":"/etc/passwd"}]}}`, "message.parts[0].url: " + RuleURI},
		{V1SendMessage, message + `{"url":"http://a b/"}]}}`, "message.parts[0].url: " + RuleURI},
		{V1SendMessage, message + `{"text":"a","mediaType":"text"}]}}`, "message.parts[0].mediaType: no media type"},
		{V1SendMessage, `{"message":{"message_id":"m"}}`, "message: other spelling of a member"},
		{V1SendMessage, `{"message":{"messageID":"m"}}`, "message: other spelling of a member"},
		{V1SendMessage, `{"message":{"message\u0049d":"m"}}`, "message: other spelling of a member"},
		{V1SendMessage, `{"message":{"TASK_ID":"m"}}`, "message: other spelling of a member"},
		{V1SendMessage, `{"message":{"task-id":"m"}}`, "message: other spelling of a member"},
		{V1SendMessage, `{"message":{"messageId":"m","role":1}}`, "message.role: no text"},
		{V1SendMessage, `{"message":{"messageId":"m","role":"user"}}`, "message.role: none of the defined words"},
		{V1SendMessage, `{"message":{"messageId":"m m"}}`, "message.messageId: " + RuleID},
		{V1SendMessage, `{"message":{"messageId":"` + strings.Repeat("m", 257) + `"}}`, "message.messageId: " + RuleID},
		{V1SendMessage, `{"configuration":{"taskPushNotificationConfig":{"url":"https://x.example","taskId":"t"}}}`, "configuration.taskPushNotificationConfig.taskId: must not be here"},
		{V1SendMessage, `{"configuration":{"historyLength":-1}}`, "configuration.historyLength: " + RuleInteger},
		{V1SendMessage, `{"configuration":{"historyLength":1.0}}`, "configuration.historyLength: " + RuleInteger},
		{V1SendMessage, `{"configuration":{"historyLength":2147483648}}`, "configuration.historyLength: " + RuleInteger},
		{V1ListTasks, `{"pageSize":101}`, "pageSize: " + RuleInteger},
		{V1ListTasks, `{"pageSize":0}`, "pageSize: " + RuleInteger},
		{V1ListTasks, `{"statusTimestampAfter":"yesterday"}`, "statusTimestampAfter: no point in time"},
		{V1StreamResponse, `{}`, "not exactly one of its kinds"},
		{V1StreamResponse, `{"task":{"id":"t"}}`, "task.status: missing"},
		{V1StreamResponse, `[]`, "no object"},
		{V03Part, `{"kind":"text","text":"a","file":{}}`, "file: must not be here"},
		{V03Part, `{"kind":"video"}`, "kind: none of the defined words"},
		{V03Part, `{"Kind":"text"}`, "kind: missing"},
		{V03Part, `{"kind":"text","text":null}`, "text: no text"},
		{V03StatusUpdate, `{"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"done"},"final":false}`, "status.state: none of the defined words"},
		{LegacyEvent, `{"type":"task.status","status":{"state":"rejected"}}`, "status.state: none of the defined words"},
		{LegacyEvent, `{"type":"x"}`, "type: none of the defined words"},
	} {
		got := ""
		if f := Check(c.object, []byte(c.text), nil); f != nil {
			got = f.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestAcceptedForms(t *testing.T) {
	for _, c := range []struct {
		object Object
		text   string
	}{
		{V1Message, `{"messageId":"m","role":"ROLE_USER","parts":[{"text":"a"}],"contextId":"","taskId":null,"somethingNew":[1]}`},
		{V1Part, `{"raw":"aGk"}`}, {V1Part, `{"raw":"aGk="}`}, {V1Part, `{"raw":"_-8="}`}, {V1Part, `{"raw":"\/+8="}`},
		{V1Part, `{"data":null}`},
		{V1ListTasksResponse, `{}`}, {V1ListTasksResponse, `{"tasks":null}`},
		{V1Status, `{"state":"TASK_STATE_FAILED","timestamp":"2025-01-01T00:00:00.123456+02:00"}`},
		{V03Status, `{"state":"unknown","timestamp":"2025-01-01T00:00:00"}`},
	} {
		if f := Check(c.object, []byte(c.text), nil); f != nil {
			t.Errorf("%s: %v", c.text, f)
		}
	}
}

type noted struct{ seen []string }

func (n *noted) Visit(_ Tag, raw []byte, v jsonrpc.Value) string {
	n.seen = append(n.seen, string(v.Raw(raw)))
	if v.Is(raw, "bad") {
		return "seen"
	}
	return ""
}

func TestVisitorsSeeAndRefuse(t *testing.T) {
	var n noted
	f := Check(V1Artifact, []byte(`{"artifactId":"a","parts":[{"text":"good"},{"text":"bad"},{"text":"unseen"}]}`), &n)
	if f == nil || f.Error() != "parts[1].text: seen" {
		t.Errorf("failure %v", f)
	}
	if got := strings.Join(n.seen, " "); got != `{"text":"good"} "good" {"text":"bad"} "bad"` {
		t.Errorf("saw %s", got)
	}
}

func TestIDs(t *testing.T) {
	for id, want := range map[string]bool{"a": true, "urn:uuid:1": true, "": false, "a b": false, "a\n": false, "ä": false, strings.Repeat("a", 256): true, strings.Repeat("a", 257): false} {
		if ValidID(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}

// No table is empty or refers to one that is, and no object has more members
// than the checker counts.
func TestTablesAreWhole(t *testing.T) {
	for o, s := range tables {
		if len(s.fields) == 0 && len(s.union) == 0 || len(s.fields) > 64 {
			t.Errorf("object %d has %d members", o, len(s.fields))
		}
		for _, f := range s.fields {
			if f.kind == kindWord && len(f.words) == 0 || f.kind == kindInt && f.high == 0 {
				t.Errorf("object %d: %s takes nothing", o, f.name)
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, list := range [][]example{examples03, examples1, examplesLegacy} {
		for _, e := range list {
			f.Add(uint8(e.object), []byte(e.text))
		}
	}
	f.Fuzz(func(t *testing.T, object uint8, text []byte) {
		if jsonrpc.ReadObject(text, jsonrpc.DefaultLimits()) != nil {
			return
		}
		failure := Check(Object(object)%objects, text, nil)
		if failure == nil {
			return
		}
		// A failure is of words of the tables: no name, number or text of the sender.
		words := strings.FieldsFunc(failure.Path, func(r rune) bool { return r == '.' || r == '[' || r == ']' || '0' <= r && r <= '9' })
		for _, w := range words {
			if !known(w) {
				t.Errorf("path %q holds %q", failure.Path, w)
			}
		}
		if !slices.Contains(allRules, failure.Rule) {
			t.Errorf("rule %q", failure.Rule)
		}
	})
}

var allRules = []string{
	RuleMissing, RuleSpelling, RuleForbidden, RuleOneOf, RuleNull, RuleObject, RuleList, RuleEmpty, RuleText, RuleBool,
	RuleInteger, RuleWord, RuleID, RuleTime, RuleBase64, RuleURI, RuleMedia,
}

func known(word string) bool {
	for _, s := range tables {
		if s.by == word {
			return true
		}
		for _, f := range s.fields {
			if f.name == word {
				return true
			}
		}
	}
	return false
}

package notice_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/notice"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

const (
	config1  = `{"tenant":"","id":"one","url":"https://hooks.example.com/x","token":"t","authentication":{"scheme":"Bearer","credentials":"c"},"unknown":"s3cret"}`
	config03 = `{"id":"one","url":"https://hooks.example.com/x","token":"t","authentication":{"schemes":["Bearer","Basic"],"credentials":"c"},"unknown":"s3cret"}`
	message1 = `{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}`
	message3 = `{"kind":"message","messageId":"m","role":"user","parts":[{"kind":"text","text":"x"}]}`
	messageP = `{"messageId":"m","role":"ROLE_USER","content":[{"text":"x"}]}`
)

// flat is a config of 1.0 with its task.
func flat(task string) string { return strings.Replace(config1, `"id"`, `"taskId":"`+task+`","id"`, 1) }

func wrapped(task string) string {
	return `{"taskId":"` + task + `","pushNotificationConfig":` + config03 + `}`
}

// call reads a request as the gateway does.
func call(t *testing.T, version, path, body string) *portcullis.Message {
	t.Helper()
	d := a2a.NewDecoder(a2a.Config{Path: "/agent", Limits: jsonrpc.DefaultLimits(), Rules: a2a.DefaultRules()})
	r := httptest.NewRequest(http.MethodPost, "/agent"+path, strings.NewReader(body))
	r.Header.Set("A2A-Version", version)
	m, err := d.Decode(t.Context(), &portcullis.Conn{HTTP: r}, portcullis.Principal{}, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return m
}

func rpc(method, params string) string {
	return ` {"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
}

// reply reads an answer as the gateway does.
func reply(t *testing.T, version, method, suffix, result string) *portcullis.Message {
	t.Helper()
	c := &portcullis.Message{Method: method, Version: version, Suffix: suffix}
	raw := result
	if suffix == "" {
		raw = `{"jsonrpc":"2.0","id":1,"result":` + result + `}`
	}
	var r a2a.Reply
	if err := a2a.ReadReply(&r, []byte(raw), a2a.Answering{Call: c, Status: 200, Limits: jsonrpc.DefaultReplyLimits()}); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return &r.Message
}

// TestForms: in each version and binding the config is found, rewritten, and
// read the same way after that; nothing of it that nobody defined stays.
func TestForms(t *testing.T) {
	for name, c := range map[string]struct {
		m    *portcullis.Message
		task string
	}{
		"1.0 message":             {call(t, "1.0", "", rpc("SendMessage", `{"message":`+message1+`,"configuration":{"taskPushNotificationConfig":`+config1+`}}`)), ""},
		"1.0 stream":              {call(t, "1.0", "", rpc("SendStreamingMessage", `{"configuration":{"taskPushNotificationConfig":`+config1+`},"message":`+message1+`}`)), ""},
		"1.0 message over HTTP":   {call(t, "1.0", "/message:send", `{"message":`+message1+`,"configuration":{"taskPushNotificationConfig":`+config1+`}}`), ""},
		"1.0 config":              {call(t, "1.0", "", rpc("CreateTaskPushNotificationConfig", flat("t1"))), "t1"},
		"1.0 config over HTTP":    {call(t, "1.0", "/tasks/t1/pushNotificationConfigs", flat("t1")), "t1"},
		"0.3 message":             {call(t, "0.3", "", rpc("message/send", `{"message":`+message3+`,"configuration":{"pushNotificationConfig":`+config03+`}}`)), ""},
		"0.3 message over HTTP":   {call(t, "0.3", "/v1/message:send", `{"message":`+message3+`,"configuration":{"pushNotificationConfig":`+config03+`}}`), ""},
		"0.3 of Protocol Buffers": {call(t, "0.3", "/v1/message:send", `{"message":`+messageP+`,"configuration":{"pushNotification":`+config03+`}}`), ""},
		"0.3 with underscores":    {call(t, "0.3", "/v1/message:send", `{"message":{"message_id":"m","role":"ROLE_USER","content":[{"text":"x"}]},"configuration":{"push_notification":`+config03+`}}`), ""},
		"0.3 parts, underscores":  {call(t, "0.3", "/v1/message:send", `{"message":{"kind":"message","message_id":"m","role":"user","parts":[{"kind":"text","text":"x"}]},"configuration":{"push_notification_config":`+config03+`}}`), ""},
		"0.3 config":              {call(t, "0.3", "", rpc("tasks/pushNotificationConfig/set", wrapped("t1"))), "t1"},
		"1.0 answer to a config":  {reply(t, "1.0", a2a.CreatePushConfig, "", flat("t1")), "t1"},
		"1.0 answer over HTTP":    {reply(t, "1.0", a2a.GetPushConfig, "/tasks/t1/pushNotificationConfigs/one", flat("t1")), "t1"},
		"1.0 list":                {reply(t, "1.0", a2a.ListPushConfigs, "", `{"nextPageToken":"","configs":[`+flat("t1")+`]}`), "t1"},
		"0.3 answer":              {reply(t, "0.3", a2a.GetPushConfig, "", wrapped("t1")), "t1"},
		"0.3 list":                {reply(t, "0.3", a2a.ListPushConfigs, "", `[`+wrapped("t1")+`]`), "t1"},
	} {
		t.Run(name, func(t *testing.T) {
			var was notice.Config
			raw, found, err := notice.Edit(c.m, func(n notice.Config) (notice.Config, bool, error) {
				was = n
				n.URL, n.Token, n.Schemes, n.Credentials = "https://gateway.example/a2a/push/T", "secret", []string{"Bearer"}, "secret"
				return n, true, nil
			})
			if err != nil || !found {
				t.Fatal(found, err)
			}
			if was.ID != "one" || was.TaskID != c.task || was.URL != "https://hooks.example.com/x" || was.Token != "t" || was.Schemes[0] != "Bearer" || was.Credentials != "c" {
				t.Errorf("read %+v", was)
			}
			for _, gone := range []string{"hooks.example.com", "s3cret", `"c"`, `"Basic"`} {
				if strings.Contains(string(raw), gone) {
					t.Errorf("%s left in %s", gone, raw)
				}
			}
			again := *c.m
			again.Raw = raw
			if _, err := a2a.Look(&again); err != nil || !json.Valid(raw) {
				t.Errorf("made %s: %v", raw, err)
			}
			var now notice.Config
			same, _, err := notice.Edit(&again, func(n notice.Config) (notice.Config, bool, error) { now = n; return n, true, nil })
			if err != nil || now.URL != "https://gateway.example/a2a/push/T" || now.Token != "secret" || now.ID != "one" || now.TaskID != c.task || !slices.Equal(now.Schemes, []string{"Bearer"}) {
				t.Errorf("read again %+v, %v", now, err)
			}
			if string(same) != string(raw) {
				t.Errorf("written again\n%s, was\n%s", same, raw)
			}
		})
	}
}

// TestNothingThere: messages without a config stay as they are.
func TestNothingThere(t *testing.T) {
	for _, m := range []*portcullis.Message{
		call(t, "1.0", "", rpc("SendMessage", `{"message":`+message1+`}`)),
		call(t, "1.0", "", rpc("SendMessage", `{"message":`+message1+`,"configuration":{"taskPushNotificationConfig":null}}`)),
		call(t, "1.0", "", rpc("GetTask", `{"id":"t1"}`)),
		call(t, "1.0", "", rpc("GetTaskPushNotificationConfig", `{"taskId":"t1","id":"one"}`)),
		call(t, "0.3", "", rpc("message/send", `{"message":`+message3+`}`)),
		reply(t, "1.0", a2a.ListPushConfigs, "", `{}`),
		reply(t, "1.0", a2a.GetTask, "", `{"id":"t1","status":{"state":"TASK_STATE_WORKING"}}`),
	} {
		raw, found, err := notice.Edit(m, func(notice.Config) (notice.Config, bool, error) {
			return notice.Config{}, false, errors.New("asked")
		})
		if found || err != nil || string(raw) != string(m.Raw) {
			t.Errorf("%s: %v, %v", m.Raw, found, err)
		}
	}
}

// TestLists leave out what they are told to, and other answers are refused.
func TestLists(t *testing.T) {
	for _, c := range []struct{ version, list string }{
		{"1.0", `{"configs":[` + flat("t1") + `,` + flat("t2") + `,` + flat("t3") + `],"nextPageToken":"p"}`},
		{"0.3", `[` + wrapped("t1") + `,` + wrapped("t2") + `,` + wrapped("t3") + `]`},
	} {
		for _, keep := range [][]string{nil, {"t2"}, {"t1", "t3"}, {"t1", "t2", "t3"}} {
			m := reply(t, c.version, a2a.ListPushConfigs, "", c.list)
			raw, _, err := notice.Edit(m, func(n notice.Config) (notice.Config, bool, error) { return n, slices.Contains(keep, n.TaskID), nil })
			if err != nil {
				t.Fatal(err)
			}
			m.Raw = raw
			var left []string
			if _, _, err := notice.Edit(m, func(n notice.Config) (notice.Config, bool, error) {
				left = append(left, n.TaskID)
				return n, true, nil
			}); err != nil || !reflect.DeepEqual(left, keep) {
				t.Errorf("%s: left %v, want %v, %v in %s", c.version, left, keep, err, raw)
			}
		}
	}
	m := reply(t, "1.0", a2a.GetPushConfig, "", flat("t1"))
	if _, _, err := notice.Edit(m, func(n notice.Config) (notice.Config, bool, error) { return n, false, nil }); err == nil {
		t.Error("an answer of nobody passed")
	}
	failed := errors.New("failed")
	if _, _, err := notice.Edit(m, func(n notice.Config) (notice.Config, bool, error) { return n, true, failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

func TestID(t *testing.T) {
	for _, c := range []struct {
		m    *portcullis.Message
		want string
	}{
		{call(t, "1.0", "", rpc("DeleteTaskPushNotificationConfig", `{"taskId":"t1","id":"one"}`)), "one"},
		{call(t, "0.3", "", rpc("tasks/pushNotificationConfig/delete", `{"id":"t1","pushNotificationConfigId":"one"}`)), "one"},
		{call(t, "0.3", "", rpc("tasks/pushNotificationConfig/get", `{"id":"t1"}`)), ""},
		{&portcullis.Message{Method: a2a.DeletePushConfig, Version: "1.0", Suffix: "/tasks/t1/pushNotificationConfigs/one"}, "one"},
		{call(t, "1.0", "", rpc("GetTask", `{"id":"t1"}`)), ""},
	} {
		if got := notice.ID(c.m); got != c.want {
			t.Errorf("%s: %q, want %q", c.m.Raw, got, c.want)
		}
	}
}

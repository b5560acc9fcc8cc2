package reading_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
)

func TestMessage(t *testing.T) {
	const answer = `{"jsonrpc":"2.0","id":1,"error":{"code":-32001}}`
	for body, kind := range map[string]string{
		answer: "application/json", "  " + answer + "\n": "", "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"ping\"}\n\ndata: " + answer + "\n\n": "text/event-stream; charset=utf-8",
	} {
		if got := reading.Message(kind, []byte(body)); reading.Code(got) != -32001 || !reading.HasMember(got, "error") {
			t.Errorf("%q: %q", body, got)
		}
	}
	for _, body := range []string{"", "[]", `{"id":1}`, "data: x"} {
		if got := reading.Message("application/json", []byte(body)); got != nil {
			t.Errorf("%q: %q", body, got)
		}
	}
}

func TestToolsAndTexts(t *testing.T) {
	tools := reading.Tools([]byte(`{"result":{"tools":[{"name":"a","inputSchema":{},"annotations":{"x":true}},7]}}`))
	if len(tools) != 1 || tools[0].Name != "a" || tools[0].Annotations["x"] != true {
		t.Errorf("%+v", tools)
	}
	if texts := reading.Texts("t", tools[0].Raw); len(texts) != 5 {
		t.Errorf("%+v", texts)
	}
}

func TestSessionIDs(t *testing.T) {
	if few, many := reading.Bits("00000001"), reading.Bits("9f86d081884c7d659a2feaa0c55ad015"); few > 8 || many < 100 {
		t.Errorf("%v, %v", few, many)
	}
	if !reading.Alike("session-000001", "session-000002") || reading.Alike("9f86d081884c7d65", "a3f390d88e4c41f2") || reading.Alike("a", "bb") {
		t.Error("which ids are alike is not seen")
	}
}

func TestSigns(t *testing.T) {
	for text, want := range map[string]bool{
		"Traceback (most recent call last):": true, "at /home/app/x.js:12": true, "goroutine 7 [running]:": true, "not found": false,
	} {
		if got := reading.Inside(text) != ""; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !reading.EnvFile([]byte("A=1\n")) || reading.EnvFile([]byte("<html>\nA=1")) || !reading.GitHead([]byte("ref: refs/heads/main\n")) || reading.GitHead([]byte("refs")) {
		t.Error("files are not known by their signs")
	}
	if !reading.Loopback("127.0.0.7") || !reading.Loopback("a.localhost") || reading.Loopback("10.0.0.1") {
		t.Error("this machine is not known")
	}
	if got := reading.Parameter(`Bearer realm="x", resource_metadata="https://a/b"`, "resource_metadata"); got != "https://a/b" {
		t.Error(got)
	}
}

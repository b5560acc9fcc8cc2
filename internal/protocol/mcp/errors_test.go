package mcp_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

func TestAppendErrorResponse(t *testing.T) {
	for name, tc := range map[string]struct {
		id   string
		e    portcullis.Error
		want string
	}{
		"zero": {"", portcullis.Error{},
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Internal error","data":{"reason":"internal","requestId":"r1"}}}`},
		"rate limited": {"7", portcullis.Error{Kind: portcullis.KindRateLimited, Reason: "rate_limited", RetryAfter: 2001 * time.Millisecond},
			`{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"Too many requests","data":{"reason":"rate_limited","requestId":"r1","retryAfter":3}}}`},
		"string id": {`"a\"b"`, portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden"},
			`{"jsonrpc":"2.0","id":"a\"b","error":{"code":-32000,"message":"Access denied","data":{"reason":"forbidden","requestId":"r1"}}}`},
		"code": {"1", portcullis.Error{Kind: portcullis.KindMalformed, Code: portcullis.CodeParse, Reason: "input_rejected"},
			`{"jsonrpc":"2.0","id":1,"error":{"code":-32700,"message":"Parse error","data":{"reason":"input_rejected","requestId":"r1"}}}`},
		"public text": {"1", portcullis.Error{Public: "say \"hi\"\n\x00\xff\u2028", Reason: "x"},
			`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"say \"hi\"\u000a\u0000` + "\ufffd\u2028" + `","data":{"reason":"x","requestId":"r1"}}}`},
		"extra data": {"1", portcullis.Error{Reason: "x", Data: map[string]any{"z": 1, "a": []string{"<"}, "reason": "no", "bad": math.NaN()}},
			`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Internal error","data":{"reason":"x","requestId":"r1","a":["\u003c"],"z":1}}}`},
		"nothing internal": {"1", portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_error", Detail: "dial 10.0.0.7", Err: errors.New("hunter2")},
			`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Upstream error","data":{"reason":"upstream_error","requestId":"r1"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			var id []byte
			if tc.id != "" {
				id = []byte(tc.id)
			}
			got := string(mcp.AppendErrorResponse([]byte(">"), id, &tc.e, "r1"))
			if got != ">"+tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
			mustParse(t, got[1:])
		})
	}
}

func TestUnknownMethod(t *testing.T) {
	e := mcp.UnknownMethod()
	got := string(mcp.AppendErrorResponse(nil, []byte("1"), e, "r"))
	if e.Kind.Status() != 404 || !strings.Contains(got, `"code":-32601,"message":"Method not found"`) {
		t.Errorf("%d %s", e.Kind.Status(), got)
	}
}

func TestEveryKindHasASentence(t *testing.T) {
	for kind := portcullis.KindInternal; kind <= portcullis.KindPreflight; kind++ {
		got := string(mcp.AppendErrorResponse(nil, []byte("1"), &portcullis.Error{Kind: kind}, "r"))
		generic := kind == portcullis.KindInternal || kind == portcullis.KindPreflight
		if strings.Contains(got, `"Internal error"`) != generic || strings.Contains(got, `"message":""`) {
			t.Errorf("kind %d: %s", kind, got)
		}
	}
}

func maskError(t *testing.T, errorObject string) (code int, message string, data map[string]json.RawMessage) {
	t.Helper()
	p, err := mcp.Parse([]byte(`{"jsonrpc":"2.0","id":"x","error":`+errorObject+`}`), jsonrpc.DefaultReplyLimits(), portcullis.ToClient)
	if err != nil {
		t.Fatal(err)
	}
	out, ok := mcp.MaskError(p, "r1")
	if !ok {
		t.Fatal("not masked")
	}
	mustParse(t, string(out))
	var m struct {
		ID    string
		Error struct {
			Code    int
			Message string
			Data    map[string]json.RawMessage
		}
	}
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	if m.ID != "x" || string(m.Error.Data["requestId"]) != `"r1"` || string(m.Error.Data["reason"]) != `"upstream_error"` {
		t.Errorf("%s", out)
	}
	delete(m.Error.Data, "requestId")
	delete(m.Error.Data, "reason")
	return m.Error.Code, m.Error.Message, m.Error.Data
}

func TestMaskErrorCodesAndMessages(t *testing.T) {
	for in, want := range map[string]struct {
		code    int
		message string
	}{
		`{"code":-32700,"message":"SyntaxError: x at JSON.parse"}`:                                                 {-32700, "Parse error"},
		`{"code":-32600,"message":"whatever"}`:                                                                     {-32600, "Invalid request"},
		`{"code":-32601,"message":"Method not found: acme/x"}`:                                                     {-32601, "Method not found: acme/x"},
		`{"code":-32602,"message":"Unknown tool: invalid_tool_name"}`:                                              {-32602, "Unknown tool: invalid_tool_name"},
		`{"code":-32602,"message":"Invalid arguments for tool calculate: Missing required property 'expression'"}`: {-32602, "Invalid arguments for tool calculate: Missing required property 'expression'"},
		`{"code":-32603,"message":"ENOENT: no such file '/root/.ssh/id'"}`:                                         {-32603, "Internal error"},
		`{"code":-32002,"message":"Resource not found"}`:                                                           {-32002, "Resource not found"},
		`{"code":-32020,"message":"Header mismatch: 'foo'"}`:                                                       {-32020, "Header mismatch"},
		`{"code":-32021,"message":"Server requires the elicitation capability for this request"}`:                  {-32021, "Server requires the elicitation capability for this request"},
		`{"code":-32022,"message":"Unsupported protocol version"}`:                                                 {-32022, "Unsupported protocol version"},
		`{"code":-32042,"message":"Please sign in first"}`:                                                         {-32042, "Please sign in first"},
		`{"code":-32000,"message":"Server not initialized"}`:                                                       {-32000, "Upstream error"},
		`{"code":-32001,"message":"Session not found"}`:                                                            {-32000, "Upstream error"},
		`{"code":-32099,"message":"m"}`:                                                                            {-32000, "Upstream error"},
		`{"code":-32768,"message":"m"}`:                                                                            {-32000, "Upstream error"},
		`{"code":-31999,"message":"m"}`:                                                                            {-31999, "Upstream error"},
		`{"code":404,"message":"m"}`:                                                                               {404, "Upstream error"},
		`{"code":0,"message":"m"}`:                                                                                 {0, "Upstream error"},
		`{"code":-32602,"message":""}`:                                                                             {-32602, "Invalid params"},
		`{"code":-32602,"message":"` + strings.Repeat("m", 301) + `"}`:                                             {-32602, "Invalid params"},
		`{"code":-32602,"message":"two\nlines"}`:                                                                   {-32602, "Invalid params"},
		`{"code":-32602,"message":"Traceback (most recent call last)"}`:                                            {-32602, "Invalid params"},
		`{"code":-32602,"message":"bad value in /srv/app/tool.py"}`:                                                {-32602, "Invalid params"},
		`{"code":-32602,"message":"open '/etc/shadow'"}`:                                                           {-32602, "Invalid params"},
		`{"code":-32602,"message":"open ~/.ssh"}`:                                                                  {-32602, "Invalid params"},
		`{"code":-32602,"message":"open C:\\Users\\a"}`:                                                            {-32602, "Invalid params"},
		`{"code":-32602,"message":"at handler (server.js:10:3)"}`:                                                  {-32602, "Invalid params"},
		`{"code":-32602,"message":"panic: nil map"}`:                                                               {-32602, "Invalid params"},
		`{"code":-32602,"message":"SQLSTATE 42601"}`:                                                               {-32602, "Invalid params"},
		`{"code":-32602,"message":"upstream http://billing.internal/v1"}`:                                          {-32602, "Invalid params"},
		`{"code":-32602,"message":"no route to 10.20.30.40:5432"}`:                                                 {-32602, "Invalid params"},
		`{"code":-32602,"message":"refused by [fe80::1]"}`:                                                         {-32602, "Invalid params"},
		`{"code":-32602,"message":"the password is wrong"}`:                                                        {-32602, "Invalid params"},
		`{"code":-32601,"message":"tools/call and/or 1.2.3 are fine, 50/50"}`:                                      {-32601, "tools/call and/or 1.2.3 are fine, 50/50"},
	} {
		code, message, data := maskError(t, in)
		if code != want.code || message != want.message || len(data) != 0 {
			t.Errorf("%s: %d %q %s", in, code, message, data)
		}
	}
}

// The data that the specification defines survives, nothing else does.
func TestMaskErrorData(t *testing.T) {
	for in, want := range map[string]string{
		`{"code":-32022,"message":"m","data":{"supported":["2026-07-28"],"requested":"1900-01-01","stack":"x"}}`:         `{"requested":"1900-01-01","supported":["2026-07-28"]}`,
		`{"code":-32021,"message":"m","data":{"requiredCapabilities":{"elicitation":{}},"stack":"x"}}`:                   `{"requiredCapabilities":{"elicitation":{}}}`,
		`{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","url":"https://x.test/"}],"env":{"A":"b"}}}`: `{"elicitations":[{"mode":"url","url":"https://x.test/"}]}`,
		`{"code":-32002,"message":"m","data":{"uri":"a:1"}}`:                                                             `{"uri":"a:1"}`,
		`{"code":-32602,"message":"m","data":{"uri":"a:1","issues":[]}}`:                                                 `{"uri":"a:1"}`,
		`{"code":-32602,"message":"m","data":{"uri":{"a":1}}}`:                                                           `{}`,
		`{"code":-32603,"message":"m","data":{"uri":"a:1","supported":[],"requested":""}}`:                               `{}`,
		`{"code":-32603,"message":"m","data":"Error: x\n    at f (/a/b.js:1:2)"}`:                                        `{}`,
		`{"code":-32000,"message":"m","data":{"reason":"forbidden","requestId":"other"}}`:                                `{}`,
		`{"code":7,"message":"m","data":["stack"]}`:                                                                      `{}`,
		`{"code":-32022,"message":"m","data":null}`:                                                                      `{}`,
	} {
		_, _, data := maskError(t, in)
		if data == nil {
			data = map[string]json.RawMessage{}
		}
		got, err := json.Marshal(data)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s (%v), want %s", in, got, err, want)
		}
	}
}

func TestMaskErrorLeavesOtherMessages(t *testing.T) {
	for _, body := range []string{call("ping", `{}`), `{"jsonrpc":"2.0","id":1,"result":{}}`} {
		if out, ok := mcp.MaskError(mustParse(t, body), "r"); ok || out != nil {
			t.Errorf("%s is masked: %s", body, out)
		}
	}
	out, ok := mcp.MaskError(mustParse(t, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}`), "r")
	if !ok || !strings.HasPrefix(string(out), `{"jsonrpc":"2.0","id":null,`) {
		t.Errorf("an error without an id: %s", out)
	}
}

func BenchmarkAppendErrorResponse(b *testing.B) {
	e := &portcullis.Error{Kind: portcullis.KindRateLimited, Reason: "rate_limited", RetryAfter: time.Second}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = mcp.AppendErrorResponse(buf[:0], []byte("1"), e, "0198c0de-0000-7000-8000-000000000000")
	}
}

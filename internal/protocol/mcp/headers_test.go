package mcp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// header makes a header from names and values in turn.
func header(fields ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return h
}

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`

func modern(method, params string) string {
	if params == "" {
		return call(method, `{`+meta+`}`)
	}
	return call(method, `{`+params+`,`+meta+`}`)
}

func TestCheckHeadersAccepts(t *testing.T) {
	const v = "MCP-Protocol-Version"
	notification := `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	for name, tc := range map[string]struct {
		body    string
		h       http.Header
		version string
	}{
		"modern":                 {modern("tools/list", ""), header(v, "2026-07-28", "Mcp-Method", "tools/list"), "2026-07-28"},
		"modern name":            {modern("tools/call", `"name":"echo"`), header(v, "2026-07-28", "mcp-method", "tools/call", "MCP-NAME", "echo"), "2026-07-28"},
		"modern URI":             {modern("resources/read", `"uri":"file:///a b"`), header(v, "2026-07-28", "Mcp-Method", "resources/read", "Mcp-Name", "file:///a b"), "2026-07-28"},
		"modern prompt":          {modern("prompts/get", `"name":"p"`), header(v, "2026-07-28", "Mcp-Method", "prompts/get", "Mcp-Name", "p"), "2026-07-28"},
		"modern base64":          {modern("tools/call", `"name":"Hello, 世界"`), header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?SGVsbG8sIOS4lueVjA==?="), "2026-07-28"},
		"base64 of plain":        {modern("tools/call", `"name":"echo"`), header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?ZWNobw==?="), "2026-07-28"},
		"base64 of sentinel":     {modern("tools/call", `"name":"=?base64?literal?="`), header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="), "2026-07-28"},
		"modern task":            {modern("tasks/get", `"taskId":"t"`), header(v, "2026-07-28", "Mcp-Method", "tasks/get", "Mcp-Name", "t"), "2026-07-28"},
		"modern task, no name":   {modern("tasks/get", `"taskId":"t"`), header(v, "2026-07-28", "Mcp-Method", "tasks/get"), "2026-07-28"},
		"modern completion":      {modern("completion/complete", `"ref":{"type":"ref/prompt","name":"p"}`), header(v, "2026-07-28", "Mcp-Method", "completion/complete"), "2026-07-28"},
		"modern notification":    {notification, header(v, "2026-07-28"), "2026-07-28"},
		"modern, other method":   {modern("acme/search", `"name":"n"`), header(v, "2026-07-28", "Mcp-Method", "acme/search", "Mcp-Name", "n"), "2026-07-28"},
		"legacy":                 {call("tools/call", `{"name":"echo"}`), header(v, "2025-11-25"), "2025-11-25"},
		"legacy with headers":    {call("tools/call", `{"name":"echo"}`), header(v, "2025-06-18", "Mcp-Method", "tools/call", "Mcp-Name", "echo"), "2025-06-18"},
		"no version":             {call("tools/list", `{}`), header(), "2025-03-26"},
		"initialize":             {call("initialize", `{"protocolVersion":"2025-11-25"}`), header(), ""},
		"initialize, version":    {call("initialize", `{"protocolVersion":"2025-11-25"}`), header(v, "2025-11-25"), "2025-11-25"},
		"legacy response":        {`{"jsonrpc":"2.0","id":1,"result":{}}`, header(v, "2025-11-25"), "2025-11-25"},
		"legacy notification":    {notification, header(v, "2025-11-25"), "2025-11-25"},
		"oldest":                 {call("ping", `{}`), header(v, "2024-11-05"), "2024-11-05"},
		"legacy version in both": {call("ping", `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}`), header(v, "2025-11-25"), "2025-11-25"},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, tc.body)
			if err := mcp.CheckHeaders(tc.h, p); err != nil {
				t.Fatal(err)
			}
			if p.Version != tc.version {
				t.Errorf("version %q, want %q", p.Version, tc.version)
			}
		})
	}
}

func TestCheckHeadersRefuses(t *testing.T) {
	const v = "MCP-Protocol-Version"
	const mismatch = portcullis.CodeHeaderMismatch
	echo := modern("tools/call", `"name":"echo"`)
	for name, tc := range map[string]struct {
		body   string
		h      http.Header
		code   int
		reason string
		rule   string
	}{
		"no version header":        {echo, header("Mcp-Method", "tools/call", "Mcp-Name", "echo"), mismatch, "header_mismatch", "missing Mcp-Protocol-Version"},
		"other version":            {echo, header(v, "2025-11-25", "Mcp-Method", "tools/call", "Mcp-Name", "echo"), mismatch, "header_mismatch", "Mcp-Protocol-Version differs"},
		"two versions":             {echo, header(v, "2026-07-28", v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo"), mismatch, "header_mismatch", "repeated"},
		"joined versions":          {echo, header(v, "2026-07-28, 2025-11-25", "Mcp-Method", "tools/call", "Mcp-Name", "echo"), mismatch, "header_mismatch", "differs"},
		"no method header":         {echo, header(v, "2026-07-28", "Mcp-Name", "echo"), mismatch, "header_mismatch", "missing Mcp-Method"},
		"empty method header":      {echo, header(v, "2026-07-28", "Mcp-Method", "", "Mcp-Name", "echo"), mismatch, "header_mismatch", "missing Mcp-Method"},
		"other method":             {echo, header(v, "2026-07-28", "Mcp-Method", "tools/list", "Mcp-Name", "echo"), mismatch, "header_mismatch", "Mcp-Method differs"},
		"method in other case":     {echo, header(v, "2026-07-28", "Mcp-Method", "Tools/Call", "Mcp-Name", "echo"), mismatch, "header_mismatch", "Mcp-Method differs"},
		"two methods":              {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Method", "tools/call", "Mcp-Name", "echo"), mismatch, "header_mismatch", "repeated"},
		"no name header":           {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call"), mismatch, "header_mismatch", "missing Mcp-Name"},
		"empty name header":        {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", ""), mismatch, "header_mismatch", "Mcp-Name differs"},
		"other name":               {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "ech"), mismatch, "header_mismatch", "Mcp-Name differs"},
		"name in other case":       {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "Echo"), mismatch, "header_mismatch", "Mcp-Name differs"},
		"two names":                {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo", "Mcp-Name", "echo"), mismatch, "header_mismatch", "repeated"},
		"name with underscore":     {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo", "MCP_NAME", "evil"), mismatch, "header_mismatch", "underscore"},
		"version with underscores": {call("ping", `{}`), header("mcp_protocol_version", "2026-07-28"), mismatch, "header_mismatch", "underscore"},
		"raw UTF-8 name":           {modern("tools/call", `"name":"é"`), header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "é"), mismatch, "header_mismatch", "malformed"},
		"bad base64":               {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?ZWNobw=?="), mismatch, "header_mismatch", "malformed"},
		"base64 not canonical":     {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?ZWNobx==?="), mismatch, "header_mismatch", "malformed"},
		"base64 not UTF-8":         {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?/w==?="), mismatch, "header_mismatch", "malformed"},
		"base64 of another":        {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?ZWNobzI=?="), mismatch, "header_mismatch", "Mcp-Name differs"},
		"upper case sentinel":      {echo, header(v, "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?BASE64?ZWNobw==?="), mismatch, "header_mismatch", "Mcp-Name differs"},
		"name without a source":    {modern("tools/list", ""), header(v, "2026-07-28", "Mcp-Method", "tools/list", "Mcp-Name", "echo"), mismatch, "header_mismatch", "Mcp-Name differs"},
		"other task":               {modern("tasks/get", `"taskId":"t"`), header(v, "2026-07-28", "Mcp-Method", "tasks/get", "Mcp-Name", "u"), mismatch, "header_mismatch", "Mcp-Name differs"},
		"legacy, other method":     {call("tools/call", `{"name":"echo"}`), header(v, "2025-11-25", "Mcp-Method", "tools/list"), mismatch, "header_mismatch", "Mcp-Method differs"},
		"legacy, other name":       {call("tools/call", `{"name":"echo"}`), header("Mcp-Name", "safe"), mismatch, "header_mismatch", "Mcp-Name differs"},
		"response with method":     {`{"jsonrpc":"2.0","id":1,"result":{}}`, header(v, "2025-11-25", "Mcp-Method", "ping"), mismatch, "header_mismatch", "Mcp-Method differs"},
		"modern notification":      {`{"jsonrpc":"2.0","method":"notifications/cancelled"}`, header(v, "2026-07-28", "Mcp-Method", "ping"), mismatch, "header_mismatch", "Mcp-Method differs"},
		"modern without _meta":     {call("tools/list", `{}`), header(v, "2026-07-28", "Mcp-Method", "tools/list"), portcullis.CodeInvalidParams, "input_rejected", "params._meta"},
		"modern response":          {`{"jsonrpc":"2.0","id":1,"result":{}}`, header(v, "2026-07-28"), portcullis.CodeInvalidRequest, "input_rejected", "response"},
		"unknown version":          {call("tools/list", `{}`), header(v, "1900-01-01"), portcullis.CodeUnsupportedVersion, "unsupported_version", "unsupported"},
		"unknown version, in both": {call("tools/list", `{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}`), header(v, "1900-01-01"), portcullis.CodeUnsupportedVersion, "unsupported_version", "unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			checkError(t, mcp.CheckHeaders(tc.h, mustParse(t, tc.body)), tc.code, tc.reason, tc.rule)
		})
	}
}

func TestUnsupportedVersionNamesWhatWouldDo(t *testing.T) {
	e := mcp.UnsupportedVersion("1900-01-01", []string{"2026-07-28", "2025-11-25"})
	got := string(mcp.AppendErrorResponse(nil, []byte("1"), e, "r"))
	want := `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"Unsupported protocol version","data":` +
		`{"reason":"unsupported_version","requestId":"r","requested":"1900-01-01","supported":["2026-07-28","2025-11-25"]}}}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if e := mcp.UnsupportedVersion(strings.Repeat("é", 100), nil); len(e.Data["requested"].(string)) > 64 {
		t.Error("the requested version is not bounded")
	}
}

// The examples of the specification, Value Encoding.
func TestHeaderEncoding(t *testing.T) {
	for text, want := range map[string]string{
		"us-west1":           "us-west1",
		"two words":          "two words",
		"Hello, 世界":          "=?base64?SGVsbG8sIOS4lueVjA==?=",
		" padded ":           "=?base64?IHBhZGRlZCA=?=",
		"line1\nline2":       "=?base64?bGluZTEKbGluZTI=?=",
		"=?base64?literal?=": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
		"=?base64?open":      "=?base64?open",
		"":                   "",
	} {
		if got := mcp.EncodeHeader(text); got != want {
			t.Errorf("%q is encoded as %q, want %q", text, got, want)
		}
		if got, ok := mcp.DecodeHeader(want); got != text || !ok {
			t.Errorf("%q is decoded as %q, %v", want, got, ok)
		}
	}
	if got, ok := mcp.DecodeHeader("=?base64?ZWNo\nbw==?="); ok {
		t.Errorf("a line break in base64 is decoded as %q", got)
	}
}

func FuzzHeaderEncoding(f *testing.F) {
	f.Add("a")
	f.Add(" é")
	f.Add("=?base64?x?=")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := mcp.DecodeHeader(mcp.EncodeHeader(text))
		if valid := strings.ToValidUTF8(text, "") == text; valid && (!ok || got != text) || !valid && ok {
			t.Fatalf("%q comes back as %q, %v", text, got, ok)
		}
	})
}

func TestNegotiation(t *testing.T) {
	for accept, want := range map[string]bool{
		"application/json, text/event-stream":      true,
		"text/event-stream;q=0.5,Application/JSON": true,
		"*/*":                   true,
		"application/*, text/*": true,
		"application/json":      false,
		"text/event-stream":     false,
		"application/json;q=0, text/event-stream":   false,
		"application/json;q=0, */*":                 false,
		"*/*;q=0, application/json":                 false,
		"application/jsonx, text/event-streamx":     false,
		"application/json; q=0.000, text/*":         false,
		"application/json; v=1; q=0.001, text/*":    true,
		"":                                          false,
		"text/html, application/xhtml+xml, image/*": false,
	} {
		if got := mcp.AcceptsReply(header("Accept", accept)); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	if mcp.AcceptsReply(header()) || !mcp.AcceptsReply(header("Accept", "application/json", "Accept", "text/event-stream")) {
		t.Error("no field or two fields")
	}
	for content, want := range map[string]bool{
		"application/json":                  true,
		"Application/JSON; charset=UTF-8":   true,
		`application/json;charset="utf-8"`:  true,
		"application/json; charset=utf-16":  false,
		"application/json-seq":              false,
		"text/plain":                        false,
		"":                                  false,
		"text/plain; x=application/json":    false,
		"application/json, application/xml": false,
	} {
		if got := mcp.ContentIs(header("Content-Type", content), mcp.TypeJSON); got != want {
			t.Errorf("%q: %v", content, got)
		}
	}
	if mcp.ContentIs(header("Content-Type", "application/json", "Content-Type", "text/plain"), mcp.TypeJSON) {
		t.Error("two content types")
	}
}

func BenchmarkCheckHeaders(b *testing.B) {
	p := mustParse(b, modern("tools/call", `"name":"echo"`))
	h := header("MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "echo")
	b.ReportAllocs()
	for b.Loop() {
		if err := mcp.CheckHeaders(h, p); err != nil {
			b.Fatal(err)
		}
	}
}

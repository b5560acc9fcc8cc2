package mcp_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

func parse(body string) (*mcp.Parsed, error) {
	return mcp.Parse([]byte(body), jsonrpc.DefaultLimits(), portcullis.ToServer)
}

func mustParse(t testing.TB, body string) *mcp.Parsed {
	t.Helper()
	p, err := parse(body)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return p
}

func call(method, params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
}

func checkError(t *testing.T, err error, code int, reason, detail string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want code %d: %s", err, code, detail)
	}
	if e.Kind != portcullis.KindMalformed || e.Code != code || e.Reason != reason ||
		e.Event != portcullis.EventInputRejected || !strings.Contains(e.Detail, detail) {
		t.Errorf("%+v, want code %d, reason %s: %s", e, code, reason, detail)
	}
}

func TestParseTargets(t *testing.T) {
	tool, prompt, resource := portcullis.TargetTool, portcullis.TargetPrompt, portcullis.TargetResource
	for _, tc := range []struct {
		method, params string
		want           portcullis.Target
	}{
		{"tools/call", `{"name":"echo","arguments":{"name":"no"}}`, portcullis.Target{Kind: tool, Name: "echo"}},
		{"tools\\/call", `{"name":"e\u0063ho"}`, portcullis.Target{Kind: tool, Name: "echo"}},
		{"tools/call", `{"name":"größe 大"}`, portcullis.Target{Kind: tool, Name: "größe 大"}},
		{"prompts/get", `{"name":"p"}`, portcullis.Target{Kind: prompt, Name: "p"}},
		{"resources/read", `{"uri":"file:///a"}`, portcullis.Target{Kind: resource, Name: "file:///a"}},
		{"resources/subscribe", `{"uri":"x:1"}`, portcullis.Target{Kind: resource, Name: "x:1"}},
		{"resources/unsubscribe", `{"uri":"x:1"}`, portcullis.Target{Kind: resource, Name: "x:1"}},
		{"completion/complete", `{"ref":{"type":"ref/prompt","name":"p","title":"t"},"argument":{"name":"a","value":"v"}}`, portcullis.Target{Kind: prompt, Name: "p"}},
		{"completion/complete", `{"ref":{"type":"ref/resource","uri":"x:{a}"}}`, portcullis.Target{Kind: resource, Name: "x:{a}"}},
		{"tools/list", `{}`, portcullis.Target{}},
		{"acme/search", `{"name":"n"}`, portcullis.Target{}},
	} {
		p := mustParse(t, call(tc.method, tc.params))
		if p.Target != tc.want {
			t.Errorf("%s %s: %v, want %v", tc.method, tc.params, p.Target, tc.want)
		}
	}
	p := mustParse(t, `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:1"}}`)
	if p.Target != (portcullis.Target{Kind: resource, Name: "x:1"}) || p.Shape != portcullis.ShapeNotification || p.ID != nil {
		t.Errorf("%+v", p)
	}
}

func TestParseFields(t *testing.T) {
	body := call("tools/call", `{"name":"echo","arguments":{"a":[1]},"_meta":{"progressToken":"t","io.modelcontextprotocol\/protocolVersion":"2026-07-28"}}`)
	p := mustParse(t, body)
	if p.Method != "tools/call" || string(p.ID) != "1" || string(p.Arguments) != `{"a":[1]}` || string(p.Raw) != body ||
		p.MetaVersion != mcp.Version20260728 || string(p.ProgressToken) != `"t"` || p.Shape != portcullis.ShapeRequest ||
		!strings.HasPrefix(string(p.Params), `{"name"`) || p.Direction != portcullis.ToServer {
		t.Errorf("%+v", p)
	}
	if p = mustParse(t, call("initialize", `{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}`)); p.InitVersion != mcp.Version20250618 {
		t.Errorf("%+v", p)
	}
	if p = mustParse(t, call("initialize", `{"protocolVersion":"1999-01-01"}`)); p.InitVersion != "1999-01-01" {
		t.Errorf("%+v", p)
	}
	if p = mustParse(t, call("tasks/get", `{"taskId":"t-1"}`)); p.TaskID != "t-1" || p.Target.Kind != portcullis.TargetNone {
		t.Errorf("%+v", p)
	}
	if p = mustParse(t, `{"jsonrpc":"2.0","id":"r","result":{"x":1}}`); p.Shape != portcullis.ShapeResult || string(p.Params) != `{"x":1}` || p.Method != "" {
		t.Errorf("%+v", p)
	}
	if p = mustParse(t, `{"jsonrpc":"2.0","id":"r","error":{"code":-32002,"message":"m","data":{"uri":"u"}}}`); p.ErrorCode != -32002 || string(p.ErrorData) != `{"uri":"u"}` {
		t.Errorf("%+v", p)
	}
}

func TestParseRefused(t *testing.T) {
	const invalid, params = portcullis.CodeInvalidRequest, portcullis.CodeInvalidParams
	for name, tc := range map[string]struct {
		body string
		code int
		rule string
	}{
		"not JSON":                  {`{`, portcullis.CodeParse, "unexpected end"},
		"batch":                     {`[` + call("ping", `{}`) + `]`, invalid, "batch"},
		"no tool name":              {call("tools/call", `{}`), params, "params.name"},
		"no params":                 {`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, params, "params.name"},
		"array params":              {call("tools/list", `[]`), params, "no object"},
		"tool name number":          {call("tools/call", `{"name":1}`), params, "params.name"},
		"tool name null":            {call("tools/call", `{"name":null}`), params, "params.name"},
		"tool name empty":           {call("tools/call", `{"name":""}`), params, "empty"},
		"tool name long":            {call("tools/call", `{"name":"`+strings.Repeat("n", 257)+`"}`), params, "longer"},
		"tool name with NUL":        {call("tools/call", `{"name":"echo\u0000"}`), params, "invisible"},
		"tool name with newline":    {call("tools/call", `{"name":"echo\n"}`), params, "invisible"},
		"tool name with zero width": {call("tools/call", `{"name":"ec\u200bho"}`), params, "invisible"},
		"tool name with bidi":       {call("tools/call", `{"name":"ec\u202eho"}`), params, "invisible"},
		"no prompt name":            {call("prompts/get", `{"uri":"x"}`), params, "params.name"},
		"no URI":                    {call("resources/read", `{"name":"x"}`), params, "params.uri"},
		"long URI":                  {call("resources/read", `{"uri":"x:`+strings.Repeat("n", 8192)+`"}`), params, "longer"},
		"no ref":                    {call("completion/complete", `{}`), params, "params.ref"},
		"ref of both kinds":         {call("completion/complete", `{"ref":{"type":"ref/prompt","name":"p","uri":"u"}}`), params, "params.ref"},
		"ref of no kind":            {call("completion/complete", `{"ref":{"type":"ref/tool","name":"p"}}`), params, "params.ref"},
		"no task":                   {call("tasks/cancel", `{}`), params, "params.taskId"},
		"arguments string":          {call("tools/call", `{"name":"e","arguments":"x"}`), params, "params.arguments"},
		"arguments null":            {call("tools/call", `{"name":"e","arguments":null}`), params, "params.arguments"},
		"arguments array":           {call("prompts/get", `{"name":"e","arguments":[]}`), params, "params.arguments"},
		"_meta string":              {call("tools/list", `{"_meta":"x"}`), params, "params._meta"},
		"_meta version number":      {call("tools/list", `{"_meta":{"io.modelcontextprotocol/protocolVersion":1}}`), params, "protocolVersion"},
		"no initialize version":     {call("initialize", `{}`), params, "protocolVersion"},
		"request without id":        {`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"e"}}`, invalid, "id does not fit"},
		"notification with id":      {call("notifications/initialized", `{}`), invalid, "id does not fit"},

		// CVE-2026-27896: members read whatever their case or folding.
		"params Name":       {call("tools/call", `{"name":"safe","Name":"evil"}`), invalid, "other spelling"},
		"params Name alone": {call("tools/call", `{"Name":"evil"}`), invalid, "other spelling"},
		"params Arguments":  {call("tools/call", `{"name":"e","argumentſ":{}}`), invalid, "other spelling"},
		"params TaskID":     {call("tasks/get", `{"taskId":"a","taskID":"b"}`), invalid, "other spelling"},
		"params URI":        {call("resources/read", `{"uri":"a:","ＵＲＩ":"b:"}`), invalid, "other spelling"},
		"ref Name":          {call("completion/complete", `{"ref":{"type":"ref/prompt","name":"p","NAME":"q"}}`), invalid, "other spelling"},
		"params _Meta":      {call("tools/list", `{"_Meta":{}}`), invalid, "other spelling"},
		"params cursor":     {call("tools/list", `{"Cursor":"x"}`), invalid, "other spelling"},
		"params task":       {call("tools/call", `{"name":"e","TASK":{}}`), invalid, "other spelling"},
		"requeststate":      {call("tools/call", `{"name":"e","requeststate":"x"}`), invalid, "other spelling"},
		"inputresponses":    {call("tools/call", `{"name":"e","inputResponseſ":{}}`), invalid, "other spelling"},
		"protocolversion":   {call("initialize", `{"protocolVersion":"2025-06-18","protocolversion":"x"}`), invalid, "other spelling"},
		"_meta version":     {call("tools/list", `{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}}`), invalid, "other spelling"},
		// GHSA-q382-vc8q-7jhj: members read with what follows a NUL ignored.
		"params name and NUL": {call("tools/call", `{"name":"safe","name\u0000x":"evil"}`), invalid, "NUL"},
		"last name wins":      {call("tools/call", `{"name":"safe","name":"evil"}`), invalid, "duplicate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.body)
			checkError(t, err, tc.code, "input_rejected", tc.rule)
		})
	}
}

func TestParseNamesTheIDOfARefusedRequest(t *testing.T) {
	p, err := parse(call("tools/call", `{}`))
	if err == nil || p == nil || string(p.ID) != "1" || p.Method != "" || p.Shape != portcullis.ShapeInvalid {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = parse(`{"jsonrpc":"2.0","id":1,`); err == nil || p != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestParseLeavesRemovedMethodsAlone: what the revision named in the body does
// not define is not read, so that its caller hears that it is gone and not what
// its params lack.
func TestParseLeavesRemovedMethodsAlone(t *testing.T) {
	const meta = `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"name":"n"}`
	for _, method := range []string{"initialize", "resources/subscribe", "resources/unsubscribe", "tasks/result", "no/such"} {
		p := mustParse(t, call(method, meta))
		if p.Method != method || p.Target != (portcullis.Target{}) || p.MetaVersion != mcp.Version20260728 || mcp.Known(p.MetaVersion, p.Method) {
			t.Errorf("%s: %+v", method, p)
		}
	}
	_, err := parse(call("resources/read", meta)) // defined, so read
	checkError(t, err, portcullis.CodeInvalidParams, "input_rejected", "params.uri")
	_, err = parse(call("resources/subscribe", `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}`))
	checkError(t, err, portcullis.CodeInvalidParams, "input_rejected", "params.uri")
}

func TestResourceSubscriptions(t *testing.T) {
	p := mustParse(t, call("subscriptions/listen", `{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:1","b:2"]}}`))
	if uris, err := p.ResourceSubscriptions(); err != nil || !slices.Equal(uris, []string{"a:1", "b:2"}) {
		t.Errorf("%q, %v", uris, err)
	}
	if uris, err := mustParse(t, call("subscriptions/listen", `{}`)).ResourceSubscriptions(); err != nil || uris != nil {
		t.Errorf("%q, %v", uris, err)
	}
	for _, bad := range []string{`{"resourceSubscriptions":"a:1"}`, `{"resourceSubscriptions":[1]}`, `{"ResourceSubscriptions":["a:1"]}`, `{"resourceSubscriptions":[""]}`} {
		_, err := mustParse(t, call("subscriptions/listen", `{"notifications":`+bad+`}`)).ResourceSubscriptions()
		checkError(t, err, portcullis.CodeInvalidParams, "input_rejected", "resourceSubscriptions")
	}
}

func TestKnown(t *testing.T) {
	for version, first := range map[string]string{
		mcp.Version20241105: "ping", mcp.Version20250326: "initialize", mcp.Version20250618: "elicitation/create",
		mcp.Version20251125: "tasks/list", mcp.Version20260728: "server/discover",
	} {
		if !mcp.Known(version, first) || !mcp.Known(version, "tools/call") || mcp.Known(version, "Tools/Call") {
			t.Errorf("%s: wrong methods: %q", version, mcp.Methods(version))
		}
		if p := mustParse(t, call("initialize", `{"protocolVersion":"`+version+`"}`)); p.InitVersion != version {
			t.Errorf("initialize asks for %q, want %q", p.InitVersion, version)
		}
	}
	for _, no := range [][2]string{
		{mcp.Version20260728, "initialize"}, {mcp.Version20260728, "ping"}, {mcp.Version20260728, "resources/subscribe"},
		{mcp.Version20251125, "server/discover"}, {mcp.Version20250326, "elicitation/create"}, {"1999-01-01", "ping"}, {"", "ping"},
	} {
		if mcp.Known(no[0], no[1]) {
			t.Errorf("%s knows %s", no[0], no[1])
		}
	}
	if !mcp.Lists("tools/list") || mcp.Lists("tools/call") {
		t.Error("which methods list is wrong")
	}
}

// samples returns the folder of MCP samples, or "" if it is not there.
func samples(t testing.TB) string {
	t.Helper()
	root := os.Getenv("PORTCULLIS_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "samples")
	}
	dir := filepath.Join(root, "mcp")
	if _, err := os.Stat(dir); err != nil {
		t.Logf("no sample data in %s; set PORTCULLIS_SAMPLES to the folder of samples", dir)
		return ""
	}
	return dir
}

func TestOfficialExamples(t *testing.T) {
	dir := samples(t)
	if dir == "" {
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "examples-2026-07-28", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	messages := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			JSONRPC, Method string
			Params          struct{ Name, URI string }
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		if m.JSONRPC == "" { // a fragment: put it where it belongs, so that the whole corpus is read
			switch {
			case strings.Contains(name, "Params_"):
				body = []byte(`{"jsonrpc":"2.0","id":1,"method":"acme/any","params":` + string(body) + `}`)
			case strings.Contains(name, "Error_"):
				body = []byte(`{"jsonrpc":"2.0","id":1,"error":` + string(body) + `}`)
			default:
				body = []byte(`{"jsonrpc":"2.0","id":1,"result":{"fragment":` + string(body) + `}}`)
			}
		} else {
			messages++
		}
		p, err := mcp.Parse(body, jsonrpc.DefaultLimits(), portcullis.ToServer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.JSONRPC != "" && p.Method != m.Method {
			t.Errorf("%s: method %q, want %q", name, p.Method, m.Method)
		}
	}
	t.Logf("%d of %d examples are messages", messages, len(files))
}

// The tables of methods are those of the official schemas.
func TestMethodsAreThoseOfTheSchemas(t *testing.T) {
	dir := samples(t)
	if dir == "" {
		return
	}
	extension := []string{"notifications/tasks", "tasks/cancel", "tasks/get", "tasks/update"} // SEP-2663
	for _, version := range mcp.Versions() {
		raw, err := os.ReadFile(filepath.Join(dir, "schema-"+version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		type definition struct {
			Properties struct {
				Method struct{ Const string }
			}
		}
		var schema struct {
			Defs        map[string]definition `json:"$defs"`
			Definitions map[string]definition
		}
		if err := json.Unmarshal(raw, &schema); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, defs := range []map[string]definition{schema.Defs, schema.Definitions} {
			for _, d := range defs {
				if d.Properties.Method.Const != "" {
					want = append(want, d.Properties.Method.Const)
				}
			}
		}
		if mcp.Modern(version) {
			want = append(want, extension...)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		if got := mcp.Methods(version); !slices.Equal(got, want) {
			t.Errorf("%s: methods\n%q\nwant\n%q", version, got, want)
		}
		for _, m := range want {
			if !mcp.Known(version, m) {
				t.Errorf("%s: %s is not known", version, m)
			}
		}
	}
}

// What Parse accepts, encoding/json reads alike.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		call("tools/call", `{"name":"e","arguments":{"a":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`),
		call("resources/read", `{"uri":"\u0061:"}`), call("completion/complete", `{"ref":{"type":"ref/prompt","name":"p"}}`),
		call("initialize", `{"protocolVersion":"2025-06-18"}`), call("tools/call", `{"Name":"e"}`),
		call("subscriptions/listen", `{"notifications":{"resourceSubscriptions":["a:"]}}`),
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m","data":{"supported":["x"],"requested":"y"}}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := mcp.Parse(body, jsonrpc.DefaultLimits(), portcullis.ToServer)
		if err != nil {
			return
		}
		var want struct {
			ID     json.RawMessage
			Method string
			Params json.RawMessage
		}
		if err := json.Unmarshal(body, &want); err != nil || p.Method != want.Method || p.ID != nil && string(p.ID) != string(want.ID) {
			t.Fatalf("%q: %v, method %q, want %q", body, err, p.Method, want.Method)
		}
		if len(want.Params) > 0 && (p.Target.Kind == portcullis.TargetTool || p.Target.Kind == portcullis.TargetResource) && p.Method != "completion/complete" {
			var params struct{ Name, URI any }
			if err := json.Unmarshal(want.Params, &params); err != nil || p.Target.Name != params.Name && p.Target.Name != params.URI {
				t.Fatalf("%q: %v, target %v", body, err, p.Target)
			}
		}
		_, _ = p.ResourceSubscriptions()
		if out, ok := mcp.MaskError(p, "id"); ok {
			if _, err := mcp.Parse(out, jsonrpc.DefaultReplyLimits(), portcullis.ToClient); err != nil {
				t.Fatalf("masked error %q: %v", out, err)
			}
		}
		for _, m := range []string{"tools/list", "resources/templates/list"} {
			out, changed, err := mcp.FilterList(body, m, func(t portcullis.Target) bool { return len(t.Name)%2 == 0 })
			if err != nil || !changed && string(out) != string(body) {
				continue
			}
			if _, err := mcp.Parse(out, jsonrpc.DefaultLimits(), portcullis.ToServer); err != nil {
				t.Fatalf("filtered %q is %q: %v", body, out, err)
			}
		}
	})
}

func call350() []byte {
	head := `{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"search_history","arguments":{"query":"`
	tail := `","limit":20,"offset":0,"deep":true,"domains":["example.com","example.org"]},"_meta":{"progressToken":7}}}`
	return []byte(head + strings.Repeat("q", 350-len(head)-len(tail)) + tail)
}

func BenchmarkParse(b *testing.B) {
	body, lim := call350(), jsonrpc.DefaultLimits()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mcp.Parse(body, lim, portcullis.ToServer); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParseAllocations(t *testing.T) {
	body, lim := call350(), jsonrpc.DefaultLimits()
	var p mcp.Parsed
	if n := testing.AllocsPerRun(100, func() {
		if err := mcp.ParseInto(&p, body, lim, portcullis.ToServer); err != nil {
			t.Fatal(err)
		}
	}); n > 1 { // the tool's name
		t.Errorf("%v allocations", n)
	}
}

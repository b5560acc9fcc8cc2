package mcp_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

func allowing(names ...string) func(portcullis.Target) bool {
	return func(target portcullis.Target) bool {
		for _, name := range names {
			if target.String() == name {
				return true
			}
		}
		return false
	}
}

func TestFilterList(t *testing.T) {
	for name, tc := range map[string]struct {
		method, result, want string
		allow                []string
	}{
		"keep all":        {"tools/list", `{"tools":[{"name":"a"},{"name":"b"}]}`, "", []string{"tool:a", "tool:b"}},
		"cut first":       {"tools/list", `{ "tools" : [ {"name":"a"} , {"name":"b"} ], "ttlMs":1}`, `{ "tools" : [ {"name":"b"} ], "ttlMs":1}`, []string{"tool:b"}},
		"cut last":        {"tools/list", `{"tools":[ {"name":"a"} , {"name":"b"} ]}`, `{"tools":[ {"name":"a"} ]}`, []string{"tool:a"}},
		"cut middle":      {"tools/list", `{"tools":[{"name":"a"},{"name":"b"},{"x":[{}], "name":"c"}]}`, `{"tools":[{"name":"a"},{"x":[{}], "name":"c"}]}`, []string{"tool:a", "tool:c"}},
		"cut two at once": {"tools/list", `{"tools":[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}]}`, `{"tools":[{"name":"a"},{"name":"d"}]}`, []string{"tool:a", "tool:d"}},
		"cut ends":        {"tools/list", `{"tools":[{"name":"a"},{"name":"b"},{"name":"c"}]}`, `{"tools":[{"name":"b"}]}`, []string{"tool:b"}},
		"cut all":         {"tools/list", `{"tools":[ {"name":"a"},{"name":"b"} ],"nextCursor":"x"}`, `{"tools":[  ],"nextCursor":"x"}`, nil},
		"empty":           {"tools/list", `{"tools":[]}`, "", nil},
		"no list":         {"tools/list", `{"resultType":"complete"}`, "", nil},
		"null result":     {"tools/list", `null`, "", nil},
		"escaped":         {"tools/list", `{"tools":[{"name":"\u0061"},{"n\u0061me":"b"}]}`, `{"tools":[{"name":"\u0061"}]}`, []string{"tool:a"}},
		"no name":         {"tools/list", `{"tools":[{"title":"a"},{"name":1},7,null,{"name":"a"}]}`, `{"tools":[{"name":"a"}]}`, []string{"tool:a"}},
		"second name":     {"tools/list", `{"tools":[{"name":"a","Name":"b"},{"name":"a","ｎame":"b"},{"name":"a"}]}`, `{"tools":[{"name":"a"}]}`, []string{"tool:a"}},
		"prompts":         {"prompts/list", `{"prompts":[{"name":"a"},{"name":"b"}]}`, `{"prompts":[{"name":"b"}]}`, []string{"prompt:b"}},
		"resources":       {"resources/list", `{"resources":[{"uri":"a:1","name":"n"},{"uri":"b:1","name":"n"}]}`, `{"resources":[{"uri":"b:1","name":"n"}]}`, []string{"resource:b:1"}},
		"templates":       {"resources/templates/list", `{"resourceTemplates":[{"uriTemplate":"a:{x}"},{"uriTemplate":"b:{x}"}]}`, `{"resourceTemplates":[{"uriTemplate":"b:{x}"}]}`, []string{"resource:b:{x}"}},
		"other method":    {"tools/call", `{"tools":[{"name":"a"}]}`, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			reply := `{"jsonrpc":"2.0", "result":` + tc.result + `, "id":1} `
			want := strings.Replace(reply, tc.result, tc.want, 1)
			if tc.want == "" {
				want = reply
			}
			mustParse(t, reply)
			got, changed, err := mcp.FilterList([]byte(reply), tc.method, allowing(tc.allow...))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want || changed != (tc.want != "") {
				t.Errorf("got %s, changed %v\nwant %s", got, changed, want)
			}
			if name != "escaped" {
				mustParse(t, string(got))
			}
		})
	}
	reply := `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}`
	if got, changed, err := mcp.FilterList([]byte(reply), "tools/list", allowing()); string(got) != reply || changed || err != nil {
		t.Errorf("an error is filtered: %s, %v, %v", got, changed, err)
	}
}

func TestFilterEntries(t *testing.T) {
	reply := `{"jsonrpc":"2.0","id":1,"result":{"tools":[ {"name":"a","x":1} , {"x":2}, {"name":"b", "x":[3]},{"name":"a"}]}}`
	mustParse(t, reply)
	var asked []string
	got, changed, err := mcp.FilterEntries([]byte(reply), "tools/list", func(target portcullis.Target, entry []byte) bool {
		asked = append(asked, target.Name+" "+string(entry))
		return len(asked) != 2
	})
	if err != nil || !changed || string(got) != `{"jsonrpc":"2.0","id":1,"result":{"tools":[ {"name":"a","x":1},{"name":"a"}]}}` {
		t.Errorf("got %s, %v, %v", got, changed, err)
	}
	if want := []string{`a {"name":"a","x":1}`, `b {"name":"b", "x":[3]}`, `a {"name":"a"}`}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q", asked)
	}
}

func TestFilterListRefuses(t *testing.T) {
	for _, result := range []string{
		`{"tools":{"a":{"name":"a"}}}`, `{"tools":null}`, `{"tools":[],"Tools":[{"name":"a"}]}`, `{"TOOLS":[{"name":"a"}]}`,
		`{"tool\u017f":[{"name":"a"}]}`,
	} {
		_, _, err := mcp.FilterList([]byte(`{"jsonrpc":"2.0","id":1,"result":`+result+`}`), "tools/list", allowing("tool:a"))
		var e *portcullis.Error
		if !errors.As(err, &e) || e.Kind != portcullis.KindUpstream {
			t.Errorf("%s: %v", result, err)
		}
	}
}

func tools(list string) []byte {
	return []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[` + list + `]}}`)
}

func tool(name, properties string) string {
	return `{"name":"` + name + `","inputSchema":{"type":"object","properties":{` + properties + `}}}`
}

const annotated = `"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},` +
	`"dry":{"type":"boolean","x-mcp-header":"Dry-Run"},"plain":{"type":"string"},` +
	`"at":{"type":"object","properties":{"z\u006fne":{"type":"string","x-mcp-header":"zone"}}}`

func TestParamHeaders(t *testing.T) {
	ph := mcp.NewParamHeaders(0, 0)
	ph.Learn(tools(tool("sql", annotated) + "," + tool("other", "")))
	for name, tc := range map[string]struct {
		arguments string
		h         http.Header
		refused   string // "" = accepted
	}{
		"nothing there":           {`{}`, header(), ""},
		"no arguments":            {``, header(), ""},
		"string":                  {`{"region":"us-west1"}`, header("Mcp-Param-Region", "us-west1"), ""},
		"string, escaped":         {`{"r\u0065gion":"us\u002dwest1"}`, header("Mcp-Param-Region", "us-west1"), ""},
		"string in base64":        {`{"region":"世界"}`, header("Mcp-Param-Region", mcp.EncodeHeader("世界")), ""},
		"empty string":            {`{"region":""}`, header("Mcp-Param-Region", ""), ""},
		"string differs":          {`{"region":"us-west1"}`, header("Mcp-Param-Region", "us-west2"), "differs"},
		"string missing":          {`{"region":"us-west1"}`, header(), "missing"},
		"string twice":            {`{"region":"a"}`, header("Mcp-Param-Region", "a", "Mcp-Param-Region", "a"), "repeated"},
		"string not ASCII":        {`{"region":"é"}`, header("Mcp-Param-Region", "é"), "malformed"},
		"string bad base64":       {`{"region":"é"}`, header("Mcp-Param-Region", "=?base64?!?="), "malformed"},
		"null, no header":         {`{"region":null}`, header(), ""},
		"null, header":            {`{"region":null}`, header("Mcp-Param-Region", "null"), "absent"},
		"absent, header":          {`{}`, header("Mcp-Param-Region", "x"), "absent"},
		"integer":                 {`{"n":42}`, header("Mcp-Param-N", "42"), ""},
		"integer as fraction":     {`{"n":42.0}`, header("Mcp-Param-N", "42"), ""},
		"fraction in the header":  {`{"n":42}`, header("Mcp-Param-N", "42.0"), ""},
		"negative":                {`{"n":-7}`, header("Mcp-Param-N", "-7"), ""},
		"exponent":                {`{"n":1e2}`, header("Mcp-Param-N", "100"), ""},
		"largest":                 {`{"n":9007199254740991}`, header("Mcp-Param-N", "9007199254740991"), ""},
		"too large":               {`{"n":9007199254740992}`, header("Mcp-Param-N", "9007199254740992"), "differs"},
		"integer differs":         {`{"n":42}`, header("Mcp-Param-N", "43"), "differs"},
		"real fraction":           {`{"n":1.5}`, header("Mcp-Param-N", "1.5"), "differs"},
		"integer in hex":          {`{"n":42}`, header("Mcp-Param-N", "0x2a"), "differs"},
		"integer with underscore": {`{"n":1000}`, header("Mcp-Param-N", "1_000"), "differs"},
		"infinite":                {`{"n":1}`, header("Mcp-Param-N", "Inf"), "differs"},
		"boolean":                 {`{"dry":true}`, header("Mcp-Param-Dry-Run", "true"), ""},
		"boolean in other case":   {`{"dry":true}`, header("mcp-param-dry-run", "True"), "differs"},
		"boolean differs":         {`{"dry":false}`, header("Mcp-Param-Dry-Run", "true"), "differs"},
		"object":                  {`{"region":{}}`, header("Mcp-Param-Region", "{}"), "differs"},
		"nested":                  {`{"at":{"zone":"z"}}`, header("Mcp-Param-Zone", "z"), ""},
		"nested differs":          {`{"at":{"zone":"z"}}`, header("Mcp-Param-Zone", "y"), "differs"},
		"nested, no object":       {`{"at":"zone"}`, header(), ""},
		"unknown header":          {`{"plain":"x"}`, header("Mcp-Param-Plain", "y", "Mcp-Param-Other", "z"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			params := `"name":"sql"`
			if tc.arguments != "" {
				params += `,"arguments":` + tc.arguments
			}
			p := mustParse(t, modern("tools/call", params))
			p.Version = p.MetaVersion
			err := ph.Check(tc.h, p)
			if tc.refused != "" {
				checkError(t, err, portcullis.CodeHeaderMismatch, "header_mismatch", tc.refused)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	legacy := mustParse(t, call("tools/call", `{"name":"sql","arguments":{"region":"a"}}`))
	if err := ph.Check(header(), legacy); err != nil {
		t.Error("a legacy request needs no header:", err)
	}
	checkError(t, ph.Check(header("Mcp-Param-Region", "b"), legacy), portcullis.CodeHeaderMismatch, "header_mismatch", "differs")
	if err := ph.Check(header("Mcp-Param-Region", "b"), mustParse(t, call("tools/call", `{"name":"other","arguments":{"region":"a"}}`))); err != nil {
		t.Error("another tool:", err)
	}
	if err := ph.Check(header("Mcp-Param-Region", "b"), mustParse(t, call("prompts/get", `{"name":"sql"}`))); err != nil {
		t.Error("another method:", err)
	}
}

// recognizes reports whether Mcp-Param-Region is held to the argument region.
func recognizes(t *testing.T, ph *mcp.ParamHeaders, name string) bool {
	t.Helper()
	p := mustParse(t, call("tools/call", `{"name":"`+name+`","arguments":{"region":"a"}}`))
	return ph.Check(header("Mcp-Param-Region", "b"), p) != nil
}

func TestParamHeadersLearnsOnlyValidAnnotations(t *testing.T) {
	const region = `"region":{"type":"string","x-mcp-header":"Region"}`
	for name, properties := range map[string]string{
		"number":          region + `,"x":{"type":"number","x-mcp-header":"X"}`,
		"no type":         region + `,"x":{"x-mcp-header":"X"}`,
		"object":          region + `,"x":{"type":"object","x-mcp-header":"X"}`,
		"empty":           region + `,"x":{"type":"string","x-mcp-header":""}`,
		"no string":       region + `,"x":{"type":"string","x-mcp-header":1}`,
		"no token":        region + `,"x":{"type":"string","x-mcp-header":"a b"}`,
		"line break":      region + `,"x":{"type":"string","x-mcp-header":"a\r\nb"}`,
		"not ASCII":       region + `,"x":{"type":"string","x-mcp-header":"é"}`,
		"twice":           region + `,"x":{"type":"string","x-mcp-header":"REGION"}`,
		"too many":        region + many(40),
		"in array items":  `"region":{"type":"array","items":{"type":"string","x-mcp-header":"Region"}}`,
		"in a combinator": `"region":{"anyOf":[{"type":"string","x-mcp-header":"Region"}]}`,
	} {
		ph := mcp.NewParamHeaders(0, 0)
		ph.Learn(tools(tool("t", properties)))
		if recognizes(t, ph, "t") {
			t.Errorf("%s: the annotation is recognized", name)
		}
	}
	deep := strings.Repeat(`"a":{"type":"object","properties":{`, 1000) + region + strings.Repeat("}}", 1000)
	mcp.NewParamHeaders(0, 0).Learn(tools(tool("t", deep))) // must end
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"p` + strconv.Itoa(i) + `":{"type":"string","x-mcp-header":"P` + strconv.Itoa(i) + `"}`)
	}
	return b.String()
}

func TestParamHeadersReplacesAndIsBounded(t *testing.T) {
	const region = `"region":{"type":"string","x-mcp-header":"Region"}`
	ph := mcp.NewParamHeaders(2, 0)
	ph.Learn(tools(tool("a", region) + "," + tool("b", region) + "," + tool("c", region)))
	if !recognizes(t, ph, "a") || !recognizes(t, ph, "b") || recognizes(t, ph, "c") {
		t.Error("not the first two tools are known")
	}
	ph.Learn(tools(tool("b", "") + "," + tool("c", region))) // another page, or another caller's view
	if !recognizes(t, ph, "a") || recognizes(t, ph, "b") || !recognizes(t, ph, "c") {
		t.Error("what a list says of a tool does not replace what was known of it")
	}
	for _, other := range []string{`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":7}}`, `{"jsonrpc":"2.0","id":1,"result":{"tools":[1,{"name":2}]}}`} {
		ph.Learn([]byte(other))
	}
	if !recognizes(t, ph, "a") {
		t.Error("a reply without tools changes the table")
	}
}

func TestParamHeadersConcurrently(t *testing.T) {
	ph := mcp.NewParamHeaders(0, 0)
	p := mustParse(t, call("tools/call", `{"name":"a","arguments":{"region":"a"}}`))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				ph.Learn(tools(tool("a", annotated) + "," + tool("t"+strconv.Itoa(i), annotated)))
			}
		})
		wg.Go(func() {
			for range 100 {
				_ = ph.Check(header("Mcp-Param-Region", "a"), p)
			}
		})
	}
	wg.Wait()
	if !recognizes(t, ph, "t99") {
		t.Error("a tool was lost")
	}
}

func BenchmarkFilterList(b *testing.B) {
	var list strings.Builder
	for i := range 100 {
		list.WriteString(`,{"name":"tool` + strconv.Itoa(i) + `","description":"` + strings.Repeat("text ", 40) +
			`","inputSchema":{"type":"object","properties":{"a":{"type":"string"}}}}`)
	}
	reply := tools(list.String()[1:])
	for name, allow := range map[string]func(portcullis.Target) bool{
		"keep": func(portcullis.Target) bool { return true },
		"cut":  func(t portcullis.Target) bool { return strings.HasSuffix(t.Name, "0") },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(reply)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := mcp.FilterList(reply, "tools/list", allow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParamHeadersCheck(b *testing.B) {
	ph := mcp.NewParamHeaders(0, 0)
	ph.Learn(tools(tool("sql", annotated)))
	p := mustParse(b, modern("tools/call", `"name":"sql","arguments":{"plain":"x","region":"us-west1","n":42}`))
	h := header("Mcp-Param-Region", "us-west1", "Mcp-Param-N", "42")
	b.ReportAllocs()
	for b.Loop() {
		if err := ph.Check(h, p); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParamHeadersFollowRewrittenArguments(t *testing.T) {
	ph := mcp.NewParamHeaders(0, 0)
	ph.Learn(tools(tool("sql", annotated)))
	for _, c := range []struct{ tool, field, arguments, want string }{
		{"sql", "Mcp-Param-Region", `{"region":"[redacted:a]"}`, "[redacted:a]"},
		{"sql", "Mcp-Param-Region", `{"region":"é"}`, "=?base64?w6k=?="},
		{"sql", "Mcp-Param-N", `{"n":42}`, "42"},
		{"sql", "Mcp-Param-N", `{"n":"[redacted:a]"}`, "[redacted:a]"},
		{"sql", "Mcp-Param-Zone", `{"at":{"zone":"z"}}`, "z"},
		{"sql", "Mcp-Param-Region", `{"region":null}`, ""},
		{"sql", "Mcp-Param-Region", `{"region":["a"]}`, ""},
		{"sql", "Mcp-Param-Region", `{}`, ""},
		{"sql", "Mcp-Param-Plain", `{"plain":"a"}`, ""},
		{"other", "Mcp-Param-Region", `{"region":"a"}`, ""},
		{"sql", "Mcp-Param-Region", ``, ""},
	} {
		got, ok := ph.Value(c.tool, c.field, []byte(c.arguments))
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s of %s: %q, %v, want %q", c.field, c.arguments, got, ok, c.want)
		}
	}
}

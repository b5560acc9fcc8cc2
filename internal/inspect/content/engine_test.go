package content

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func all(a Action) []Rule { return []Rule{{Detect: []string{"*"}, Action: a}} }

func TestRewritesWhereverItStands(t *testing.T) {
	const mark = "SECRET-abcd1"
	const gone = "[redacted:secret.key]"
	e := engine(t, all(Redact)...)
	for name, form := range map[string]string{
		"text":              `{"content":[{"type":"text","text":"a % b"}]}`,
		"whole":             `{"content":[{"type":"text","text":"%"}]}`,
		"structured":        `{"structuredContent":{"a":{"b":["x",["%"]]}},"content":[]}`,
		"resource":          `{"contents":[{"uri":"file:///a","text":"% %"}]}`,
		"unknown shape":     `[[[["%"]]]]`,
		"bare":              `"%"`,
		"white space":       " \n[ \"%\" \t, 1 , { \"a\" : [ ] , \"b\":{ } } ] ",
		"escapes beside":    `{"a":"\"\n%\\"}`,
		"embedded json":     `{"content":[{"type":"text","text":"{\"a\":\"%\"}"}]}`,
		"several":           `["%","x","%",{"a":"%"}]`,
		"after non-strings": `[null,true,false,-1.5e3,12345678901,"%"]`,
		"under an odd name": `{"\u0000é ":"%"}`,
		"input request":     `{"inputRequests":{"a":{"method":"elicitation/create","params":{"message":"%"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			in := strings.ReplaceAll(result(form), "\\u0000", "")
			m := message(t, strings.ReplaceAll(in, "%", mark), portcullis.ToClient)
			m, err := e.Inspect(t.Context(), portcullis.Principal{}, m)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(in, "%", gone); name != "escapes beside" && string(m.Raw) != want {
				t.Errorf("got  %s\nwant %s", m.Raw, want)
			}
			if bytes.Contains(m.Raw, []byte(mark)) || len(m.Notes) != 1 || m.Notes[0].Type != portcullis.EventContentRewritten {
				t.Errorf("%s, notes %v", m.Raw, m.Notes)
			}
			message(t, string(m.Raw), portcullis.ToClient)
		})
	}
}

func TestShapesOfMessages(t *testing.T) {
	e := engine(t, all(Redact)...)
	for in, d := range map[string]portcullis.Direction{
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"SECRET-abcd1","data":{"x":["SECRET-abcd1"]}}}`:                 portcullis.ToClient,
		`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"SECRET-abcd1"}}`:                      portcullis.ToClient,
		`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[{"content":{"text":"SECRET-abcd1"}}]}}`:  portcullis.ToClient,
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","description":"SECRET-abcd1","inputSchema":{"type":"object"}}]}}`: portcullis.ToClient,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":"SECRET-abcd1"}}}`:                   portcullis.ToServer,
		`{"jsonrpc":"2.0","id":1,"result":{"content":{"type":"text","text":"SECRET-abcd1"},"role":"user","model":"m"}}`:           portcullis.ToServer,
	} {
		m, err := e.Inspect(t.Context(), portcullis.Principal{}, message(t, in, d))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if want := strings.ReplaceAll(in, "SECRET-abcd1", "[redacted:secret.key]"); string(m.Raw) != want {
			t.Errorf("got  %s\nwant %s", m.Raw, want)
		}
		if again := message(t, string(m.Raw), d); string(again.Params) != string(m.Params) || string(again.Arguments) != string(m.Arguments) {
			t.Errorf("params %s, arguments %s are not those of %s", m.Params, m.Arguments, m.Raw)
		}
	}
}

func TestSpellings(t *testing.T) {
	e := engine(t, all(Redact)...)
	for _, spelled := range []string{
		`SECRET-abcd1`, `\u0053ECRET-abcd1`, `S\u0045CRET\u002dabcd1`, `SECRET-\u0061\u0062\u0063\u0064\u0031`, `secret-`, `é SECRET-abcd1 \ud83d\ude00`,
	} {
		m, err := e.Inspect(t.Context(), portcullis.Principal{}, message(t, result(`["`+spelled+`"]`), portcullis.ToClient))
		if err != nil {
			t.Fatal(err)
		}
		if found := bytes.Contains(m.Raw, []byte("[redacted:secret.key]")); found == (spelled == "secret-") {
			t.Errorf("%s: %s", spelled, m.Raw)
		}
	}
}

func TestActions(t *testing.T) {
	for _, c := range []struct {
		action   Action
		in, want string
	}{
		{Allow, `"n@x.org"`, `"n@x.org"`},
		{Alert, `"n@x.org"`, `"n@x.org"`},
		{Mask, `"n@x.org and bob@x.org"`, `"n***@x.org and b***@x.org"`},
		{Mask, `"SECRET-abcd"`, `"[redacted:secret.key]"`},
		{Redact, `"n@x.org"`, `"[redacted:pii.email]"`},
		{Redact, `4111111111111111`, `"[redacted:pii.card]"`},
		{Redact, `[4111111111111111, 41111111.11111111, 411111111111111e1]`, `["[redacted:pii.card]", 41111111.11111111, 411111111111111e1]`},
		{Clean, `"a<b>c"`, `"ac"`},
		{Clean, `"<<b>script>x"`, `"x"`},
		{Clean, `"<<<<<<b>b>b>b>b>script>x"`, `"[redacted:content]"`},
		{Clean, "\"a\U000E0041\U000E0042b\"", `"ab"`},
		{Redact, `{"password":"hunter2","Passwords":["a",["b"]]}`, `{"password":"[redacted:secret.password]","Passwords":["[redacted:secret.password]",["[redacted:secret.password]"]]}`},
		{Redact, `{"password":{"x":"hunter2"}}`, `{"password":{"x":"hunter2"}}`},
		{Redact, `"password=SECRET-abcd@x.org"`, `"[redacted:secret.key]"`},
		{Redact, `"[redacted:SECRET-abcd] [redacted:secret.key]"`, `"[redacted:[redacted:secret.key]] [redacted:secret.key]"`},
	} {
		rules := append(all(c.action), Rule{Detect: []string{"*"}, Action: Redact})
		m, err := engine(t, rules...).Inspect(t.Context(), portcullis.Principal{}, message(t, result(c.in), portcullis.ToClient))
		if err != nil {
			t.Errorf("%v %s: %v", c.action, c.in, err)
			continue
		}
		if string(m.Raw) != result(c.want) {
			t.Errorf("%v %s:\ngot  %s\nwant %s", c.action, c.in, m.Raw, result(c.want))
		}
		if noted := len(m.Notes) > 0; noted == (c.action == Allow || c.in == `{"password":{"x":"hunter2"}}`) {
			t.Errorf("%v %s: notes %v", c.action, c.in, m.Notes)
		}
	}
}

func blocked(t *testing.T, err error, detail string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindForbidden || e.Reason != "content_blocked" || e.Event != portcullis.EventContentBlocked {
		t.Fatalf("error %#v, want content_blocked", err)
	}
	if e.Detail != detail {
		t.Errorf("detail %q, want %q", e.Detail, detail)
	}
}

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		action     Action
		in, detail string
	}{
		{Block, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"to":["n@x.org"]}}}`, "pii.email at params.arguments.to[]"},
		{Block, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"a b":"n@x.org"}}}`, "pii.email at params.arguments.*"},
		{Block, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"SECRET-abcd":1}}}`, "secret.key at params.arguments.*"},
		{Redact, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"SECRET-abcd":1}}}`, "secret.key at params.arguments.*, where it cannot be rewritten"},
		{Redact, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"SECRET-abcd","arguments":{}}}`, "secret.key at params.name, where it cannot be rewritten"},
		{Mask, `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"mail:n@x.org"}}`, "pii.email at params.uri, where it cannot be rewritten"},
		{Redact, `{"jsonrpc":"2.0","id":"SECRET-abcd","method":"ping"}`, "secret.key at id, where it cannot be rewritten"},
	} {
		m := message(t, c.in, portcullis.ToServer)
		_, err := engine(t, all(c.action)...).Inspect(t.Context(), portcullis.Principal{}, m)
		blocked(t, err, c.detail)
		if string(m.Raw) != c.in {
			t.Errorf("a refused message was changed: %s", m.Raw)
		}
	}
}

// A text made by somebody else to be given back looks random by nature.
func TestOpaquePlaces(t *testing.T) {
	e := engine(t, all(Redact)...)
	for in, refused := range map[string]bool{
		`{"nextCursor":"password=abc","tools":[]}`: false, // a weak finding
		`{"nextCursor":"SECRET-abcd1","tools":[]}`: true,  // a sure one
		`{"password":"abc"}`:                       false,
	} {
		m, err := e.Inspect(t.Context(), portcullis.Principal{}, message(t, result(in), portcullis.ToClient))
		if (err != nil) != refused {
			t.Errorf("%s: %v", in, err)
		}
		if strings.Contains(in, "nextCursor") && err == nil && string(m.Raw) != result(in) {
			t.Errorf("rewritten: %s", m.Raw)
		}
	}
}

func TestTooManyFindings(t *testing.T) {
	in := result(`["` + strings.Repeat("n@x.org ", maxEdits+1) + `"]`)
	_, err := engine(t, all(Redact)...).Inspect(t.Context(), portcullis.Principal{}, message(t, in, portcullis.ToClient))
	blocked(t, err, "pii.email at result[], too often")
	if _, err := engine(t, all(Alert)...).Inspect(t.Context(), portcullis.Principal{}, message(t, in, portcullis.ToClient)); err != nil {
		t.Errorf("alerts refuse: %v", err)
	}
}

func TestWhatCannotBeWalkedIsRefused(t *testing.T) {
	e := engine(t, all(Alert)...)
	for _, raw := range []string{
		``[:0] + ` `, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `["a]`, `["\x"]`, `["\ud800"]`, `["\u12"]`, "[\"\x01\"]", `[1}`, `{"a":1]`, `[nul]`, `[] []`, `{,}`, `["a\`,
	} {
		for _, d := range []portcullis.Direction{portcullis.ToServer, portcullis.ToClient} {
			_, err := e.Inspect(t.Context(), portcullis.Principal{}, &portcullis.Message{Raw: []byte(raw), Direction: d})
			var pe *portcullis.Error
			if !errors.As(err, &pe) || pe.Reason != map[portcullis.Direction]string{portcullis.ToServer: "input_rejected", portcullis.ToClient: "reply_rejected"}[d] {
				t.Errorf("%q: %v", raw, err)
			}
		}
	}
}

func TestBase64(t *testing.T) {
	secret := "line\nSECRET-abcd1 and more text here é"
	clean := strings.Replace(secret, "SECRET-abcd1", "[redacted:secret.key]", 1)
	long := strings.Repeat("0123456789 é ", 100)
	e := engine(t, all(Redact)...)
	for name, c := range map[string]struct{ in, want string }{
		"std":        {base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(clean))},
		"raw":        {base64.RawStdEncoding.EncodeToString([]byte(secret + "~")), base64.RawStdEncoding.EncodeToString([]byte(clean + "~"))},
		"url":        {base64.RawURLEncoding.EncodeToString([]byte("~~~???>>>" + secret)), base64.RawURLEncoding.EncodeToString([]byte("~~~???>>>" + clean))},
		"long":       {base64.StdEncoding.EncodeToString([]byte(long + secret)), base64.StdEncoding.EncodeToString([]byte(long + clean))},
		"binary":     {base64.StdEncoding.EncodeToString([]byte("\x89PNG\x00" + secret)), ""},
		"no base64":  {"hello there", ""},
		"plain":      {"SECRET-abcd1", "[redacted:secret.key]"},
		"other name": {"", ""},
	} {
		if c.want == "" {
			c.want = c.in
		}
		form := `{"contents":[{"uri":"a:b","blob":"%s"}],"content":[{"data":"%s","other":"` + "x" + `"}]}`
		m, err := e.Inspect(t.Context(), portcullis.Principal{}, message(t, result(fmt.Sprintf(form, c.in, c.in)), portcullis.ToClient))
		if err != nil {
			t.Fatal(err)
		}
		if want := result(fmt.Sprintf(form, c.want, c.want)); string(m.Raw) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, m.Raw, want)
		}
	}
}

func TestTokens(t *testing.T) {
	tokens := testTokens(t)
	rules := []Rule{{Detect: []string{"pii.email"}, Action: Tokenize}}
	e, err := New(Options{
		Route: "r", Detectors: fakes(), Arguments: rules, Results: rules, Tokens: tokens,
		Detokenize: true, MayDetokenize: func(scopes []string) bool { return len(scopes) > 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Inspect(t.Context(), portcullis.Principal{}, message(t, result(`{"content":[{"text":"bob@x.org, xbob@x.org-"}],"structuredContent":{"to":"bob@x.org"}}`), portcullis.ToClient))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for at := range tokensIn(m.Raw) {
		found = append(found, string(m.Raw[at.start:at.end]))
	}
	if len(found) != 2 || found[0] != found[1] || bytes.Contains(m.Raw, []byte("bob")) || !bytes.Contains(m.Raw, []byte("[redacted:pii.email]-")) {
		t.Fatalf("%s", m.Raw)
	}
	call := func(to string) *portcullis.Message {
		return message(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"to":"`+to+`"}}}`, portcullis.ToServer)
	}
	may, mayNot := portcullis.Principal{Scopes: []string{"detokenize"}}, portcullis.Principal{}
	forged := found[0][:len(found[0])-4] + "AAAA"
	for _, c := range []struct {
		who      portcullis.Principal
		in, want string
	}{
		{may, found[0], "bob@x.org"},
		{may, "<" + found[0] + "> " + found[0], "<bob@x.org> bob@x.org"},
		{mayNot, found[0], found[0]},
		{may, forged, forged},
		{may, found[0] + "x", found[0] + "x"},
	} {
		m, err := e.Inspect(t.Context(), c.who, call(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if want := string(call(c.want).Raw); string(m.Raw) != want {
			t.Errorf("got  %s\nwant %s", m.Raw, want)
		}
	}
	m, err = e.Inspect(t.Context(), may, call("eve@x.org"))
	if err != nil || bytes.Contains(m.Raw, []byte("eve@x.org")) {
		t.Errorf("a token that was made just now was swapped back: %s, %v", m.Raw, err)
	}
	if _, _, ok := tokens.open("other", []byte(found[0])); ok {
		t.Error("a token opens on another route")
	}
	m = call("x")
	m.Raw = []byte(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"` + found[0] + `"}}`)
	if m, err = e.Inspect(t.Context(), may, m); err != nil || !bytes.Contains(m.Raw, []byte(found[0])) {
		t.Errorf("swapped back in a name that was authorized: %s, %v", m.Raw, err)
	}
}

func TestOrderOfRules(t *testing.T) {
	m := message(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send","arguments":{"to":"a@x.org","cc":["b@x.org"],"n":{"to":"c@x.org"}}}}`, portcullis.ToServer)
	e := engine(t,
		Rule{Detect: []string{"pii"}, Action: Block, MinScore: 95},
		Rule{Detect: []string{"email"}, Action: Redact, ExceptPaths: []string{"params.arguments.to", "params.arguments.n.**"}},
		Rule{Detect: []string{"pii.email"}, Action: Mask, ExceptPaths: []string{"params.arguments.to"}, ExceptTools: []string{"read_*"}},
	)
	m, err := e.Inspect(t.Context(), portcullis.Principal{}, m)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"to":"a@x.org","cc":["[redacted:pii.email]"],"n":{"to":"c***@x.org"}}`; string(m.Arguments) != want {
		t.Errorf("got  %s\nwant %s", m.Arguments, want)
	}
	if got := m.Notes[0].Details[1].Value.String(); got != "pii.email:redact=1 pii.email:mask=1" {
		t.Errorf("findings %q", got)
	}
	e = engine(t, Rule{Detect: []string{"*"}, Action: Block, ExceptTools: []string{"se*"}})
	if _, err := e.Inspect(t.Context(), portcullis.Principal{}, m); err != nil {
		t.Errorf("an excepted tool: %v", err)
	}
}

func TestNothingToDo(t *testing.T) {
	for _, rules := range [][]Rule{nil, {{Detect: []string{"nobody"}, Action: Block}}, all(Allow)} {
		e, err := New(Options{Route: "r", Detectors: fakes(), Arguments: rules, Results: rules})
		if e != nil || err != nil {
			t.Errorf("%v: %v, %v", rules, e, err)
		}
	}
	e, err := New(Options{Route: "r", Detectors: fakes(), Results: all(Tokenize)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Inspect(t.Context(), portcullis.Principal{}, message(t, result(`"n@x.org"`), portcullis.ToClient))
	if err != nil || string(m.Raw) != result(`"[redacted:pii.email]"`) {
		t.Errorf("a token without a key: %s, %v", m.Raw, err)
	}
}

// TestUnaskedMessagesAreNoTools: a server cannot name a tool in a message of its
// own to come under its exceptions.
func TestUnaskedMessagesAreNoTools(t *testing.T) {
	e, err := New(Options{Route: "r", Detectors: fakes(), Results: []Rule{{Detect: []string{"pii"}, Action: Redact, ExceptTools: []string{"mail_*"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for shape, kept := range map[portcullis.Shape]bool{portcullis.ShapeResult: true, portcullis.ShapeRequest: false, portcullis.ShapeNotification: false} {
		m := &portcullis.Message{
			Direction: portcullis.ToClient, Shape: shape, Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "mail_out"},
			Raw: []byte(`{"params":{"name":"mail_out","text":"bob@x.org"}}`),
		}
		got, err := e.Inspect(t.Context(), portcullis.Principal{}, m)
		if err != nil || strings.Contains(string(got.Raw), "bob@") != kept {
			t.Errorf("shape %v: %s, %v, want kept %v", shape, got.Raw, err, kept)
		}
	}
}

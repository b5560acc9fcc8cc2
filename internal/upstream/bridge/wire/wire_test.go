package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestParse(t *testing.T) {
	for raw, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1}}`: "request",
		`{"jsonrpc":"2.0","id":"q","method":"a"}`:                "request",
		`{"jsonrpc":"2.0","method":"a"}`:                         "notification",
		`{"jsonrpc":"2.0","id":1,"result":{}}`:                   "reply",
		`{"jsonrpc":"2.0","id":null,"error":{}}`:                 "reply",
		"{\"jsonrpc\":\"2.0\",\r\n\"id\":1,\n\"result\":{}}":     "reply",
		`{"id":1,"result":{}}`:                                   "",
		`{"jsonrpc":"1.0","id":1,"result":{}}`:                   "",
		`{"jsonrpc":"2.0","id":1}`:                               "",
		`{"jsonrpc":"2.0","result":{}}`:                          "",
		`{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`:        "",
		`{"jsonrpc":"2.0","id":1,"method":"a","result":{}}`:      "",
		`{"jsonrpc":"2.0","id":null,"method":"a"}`:               "",
		`{"jsonrpc":"2.0","id":[1],"method":"a"}`:                "",
		`{"jsonrpc":"2.0","id":1,"method":""}`:                   "",
		`{"jsonrpc":"2.0","id":1,"method":7}`:                    "",
		`{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}`:           "",
		`{"jsonrpc":"2.0","id":1,"i\u0064":2,"method":"a"}`:      "",
		`{"jsonrpc":"2.0","id":1,"method":"a"} {}`:               "",
		`[{"jsonrpc":"2.0","id":1,"method":"a"}]`:                "",
		"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}":              "",
		``: "",
	} {
		m, err := Parse([]byte(raw))
		got := ""
		switch {
		case err != nil:
		case m.Request():
			got = "request"
		case m.Reply():
			got = "reply"
		default:
			got = "notification"
		}
		if got != want {
			t.Errorf("%s: got %q (%v), want %q", raw, got, err, want)
		}
	}
}

func TestEdit(t *testing.T) {
	obj := []byte(`{ "a" : 1.50 , "b\"\\":"\u00e9", "c":[1e2 , {"a":0}] }`)
	for _, c := range []struct {
		changes []Change
		want    string
	}{
		{nil, `{"a" : 1.50,"b\"\\":"\u00e9","c":[1e2 , {"a":0}]}`},
		{[]Change{Set("a", []byte("2"))}, `{"a" : 2,"b\"\\":"\u00e9","c":[1e2 , {"a":0}]}`},
		{[]Change{Drop("a"), Drop("c")}, `{"b\"\\":"\u00e9"}`},
		{[]Change{Set(`b"\`, []byte("null")), Set("d", []byte(`""`))}, `{"a" : 1.50,"b\"\\":null,"c":[1e2 , {"a":0}],"d":""}`},
		{[]Change{Drop("x")}, `{"a" : 1.50,"b\"\\":"\u00e9","c":[1e2 , {"a":0}]}`},
	} {
		got, err := Edit(obj, c.changes...)
		if err != nil || string(got) != c.want {
			t.Errorf("got %s, %v; want %s", got, err, c.want)
		}
	}
	if got, err := EditAt([]byte(`{"p":{"q":1}}`), []string{"p", "_meta"}, Set("k", []byte("true"))); err != nil || string(got) != `{"p":{"q":1,"_meta":{"k":true}}}` {
		t.Errorf("got %s, %v", got, err)
	}
	for _, bad := range []string{``, `[]`, `1`, `{"a":1`, `{"a":1}{}`, `{"a"`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a" 1}`, `{"a`, `{"a":"`} {
		if got, err := Edit([]byte(bad)); err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
	}
	if _, err := EditAt([]byte(`{"p":7}`), []string{"p"}, Drop("x")); err == nil {
		t.Error("a number was edited")
	}
}

func TestGet(t *testing.T) {
	obj := []byte(`{"a":{"b" : [1, "x" ,{}]},"n":null}`)
	if got := Get(obj, "a", "b"); string(got) != `[1, "x" ,{}]` {
		t.Errorf("got %s", got)
	}
	for _, path := range [][]string{{"x"}, {"a", "c"}, {"n", "x"}, {"a", "b", "c"}} {
		if got := Get(obj, path...); got != nil {
			t.Errorf("%v: got %s", path, got)
		}
	}
	if got := Elements(Get(obj, "a", "b")); len(got) != 3 || string(got[1]) != `"x"` {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{``, `{}`, `[1,`, `[1 2]`} {
		if got := Elements([]byte(bad)); got != nil {
			t.Errorf("%s: got %q", bad, got)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, same := range [][2]string{{"1", "1.0"}, {"1", "1e0"}, {`"a"`, `"\u0061"`}, {"9007199254740993", "9007199254740993"}} {
		if IDKey([]byte(same[0])) != IDKey([]byte(same[1])) {
			t.Errorf("%v differ", same)
		}
	}
	for _, other := range [][2]string{{"1", `"1"`}, {"1", "2"}, {"9007199254740993", "9007199254740992"}, {"1.5", "1"}} {
		if IDKey([]byte(other[0])) == IDKey([]byte(other[1])) {
			t.Errorf("%v are equal", other)
		}
	}
	for raw, want := range map[string]bool{"7": true, "7.0": true, "7.5": false, `"7"`: false, "1e300": false, "": false} {
		if _, ok := Number([]byte(raw)); ok != want {
			t.Errorf("number %q: %v", raw, ok)
		}
	}
}

func TestBuild(t *testing.T) {
	for got, want := range map[string]string{
		string(NewRequest([]byte("1"), "a/b", []byte(`{}`))):          `{"jsonrpc":"2.0","id":1,"method":"a/b","params":{}}`,
		string(NewRequest(nil, "n", nil)):                             `{"jsonrpc":"2.0","method":"n"}`,
		string(NewResult([]byte(`"x"`), []byte(`{"a":1}`))):           `{"jsonrpc":"2.0","id":"x","result":{"a":1}}`,
		string(NewError([]byte("1"), -32000, `say "no"`, "why")):      `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"say \"no\"","data":{"reason":"why"}}}`,
		string(NewError([]byte("1"), -32601, "Method not found", "")): `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if _, err := Parse([]byte(got)); err != nil {
			t.Errorf("%s does not parse", got)
		}
	}
	if s := string(Quote("a\xffb")); !json.Valid([]byte(s)) {
		t.Errorf("quote %s", s)
	}
}

// FuzzEdit: setting a member changes that member and nothing else, and what
// was read before and after agrees with another parser.
func FuzzEdit(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":[1,2,"\u0000"]}}`, "a")
	f.Add(`{ "\"\\" : null }`, `"\`)
	f.Add(`{}`, "é")
	f.Add(" {\t\"a\" :\n{ } , \"b\":[ ] }\r", "b")
	f.Fuzz(func(t *testing.T, obj, name string) {
		if !jsontext.Value(obj).IsValid() || string(bytes.ToValidUTF8([]byte(name), nil)) != name {
			return
		}
		out, err := Edit([]byte(obj), Set(name, []byte(`"\u0061 1.0"`)))
		if err != nil {
			return
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal([]byte(obj), &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Fatalf("%q became %q", obj, out)
		}
		if string(after[name]) != `"\u0061 1.0"` {
			t.Fatalf("%q became %q", obj, out)
		}
		if before == nil {
			before = map[string]json.RawMessage{}
		}
		before[name] = after[name]
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", obj, out)
		}
	})
}

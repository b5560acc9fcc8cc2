package phi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

func fields(t testing.TB, list ...string) (out []Field) {
	t.Helper()
	for _, text := range list {
		f, err := ParseField(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

func TestParseField(t *testing.T) {
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a\nb", strings.Repeat("x", maxField+1), "\xff"} {
		if f, err := ParseField(bad); err == nil {
			t.Errorf("%q is %q", bad, f)
		}
	}
	if f := fields(t, "Insurance.Number")[0]; strings.Join(f, ".") != "insurance.number" {
		t.Errorf("%q", f)
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		cut, held      int
	}{
		{"nothing", `{"a": 1}`, `{"a": 1}`, 0, 0},
		{"a member", `{"a":1,"ssn":"x","b":[2]}`, `{"a":1,"b":[2]}`, 1, 0},
		{"first and only", `{"ssn":{"deep":1}}`, `{}`, 1, 0},
		{"deep, in arrays", `[[{"x":{"ssn":1,"y":2}}],{"ssn":null}]`, `[[{"x":{"y":2}}],{}]`, 2, 0},
		{"spelled otherwise", `{"SSN":1,"\u0073sn":2}`, `{}`, 2, 0},
		{"a path", `{"insurance":{"number":1,"name":"n"},"number":2}`, `{"insurance":{"name":"n"},"number":2}`, 1, 0},
		{"a path through an array", `{"insurance":[{"number":1}]}`, `{"insurance":[{}]}`, 1, 0},
		{"another path", `{"insurances":{"number":1}}`, `{"insurances":{"number":1}}`, 0, 0},
		{"a value of the name", `{"a":"ssn","b":["ssn"]}`, `{"a":"ssn","b":["ssn"]}`, 0, 0},
		{"JSON in a string", `{"a":"{\"ssn\":1,\"b\":2}"}`, `{"a":"{\"b\":2}"}`, 1, 0},
		{"JSON twice in strings", `{"a":"[\"{\\\"ssn\\\":1}\"]"}`, `{"a":"[\"{}\"]"}`, 1, 0},
		{"JSON without the field", `{"a":" {\"b\":2} "}`, `{"a":" {\"b\":2} "}`, 0, 0},
		{"spelled with the long s", `{"ſsn":1,"s\u017fn":2}`, `{}`, 2, 0},
		{"a path in one name", `{"insurance.number":1,"x":{"my.ssn":2}}`, `{"x":{}}`, 2, 0},
		{"a path in one name and another", `{"a.insurance":{"number":1,"b.number":2}}`, `{"a.insurance":{"b.number":2}}`, 1, 0},
		{"JSON quoted twice", `{"a":"\"{\\\"ssn\\\":1}\""}`, `{"a":"\"{}\""}`, 1, 0},
		{"words in quotes", `{"a":"\"well\", said she"}`, `{"a":"\"well\", said she"}`, 0, 0},
		{"text in quotes", `{"text":"\"ssn 1\""}`, `{"text":"` + Withheld + `"}`, 0, 1},
		{"JSON behind a mark", `{"a":"\ufeff{\"ssn\":1}"}`, `{"a":"{}"}`, 1, 0},
		{"completions", `{"completion":{"values":["ssn 1"],"total":1}}`, `{"completion":{"values":["` + Withheld + `"],"total":1}}`, 0, 1},
		{"how a task stands", `{"taskId":"t","status":"failed","statusMessage":"ssn 1"}`, `{"taskId":"t","status":"failed","statusMessage":"` + Withheld + `"}`, 0, 1},
		{"a problem", `{"title":"ssn 1","detail":"ssn 1"}`, `{"title":"` + Withheld + `","detail":"` + Withheld + `"}`, 0, 2},
		{"two values in a string", `{"a":"{\"b\":1},\"c\":{\"ssn\":1}"}`, `{"a":"` + Withheld + `"}`, 0, 1},
		{"broken JSON in a string", `{"a":"{\"ssn\":1"}`, `{"a":"` + Withheld + `"}`, 0, 1},
		{"duplicate names in a string", `{"a":"{\"b\":1,\"b\":2}"}`, `{"a":"` + Withheld + `"}`, 0, 1},
		{"text as JSON", `{"content":[{"type":"text","text":"{\"ssn\":1}"}]}`, `{"content":[{"type":"text","text":"{}"}]}`, 1, 0},
		{"free text", `{"content":[{"type":"text","text":"ssn 1"}]}`, `{"content":[{"type":"text","text":"` + Withheld + `"}]}`, 0, 1},
		{"free text in brackets", `{"text":"[ssn] 1"}`, `{"text":"` + Withheld + `"}`, 0, 1},
		{"empty text", `{"text":" "}`, `{"text":" "}`, 0, 0},
		{"a file", `{"contents":[{"uri":"u","blob":"c3Nu"}]}`, `{"contents":[{"uri":"u","blob":""}]}`, 0, 1},
		{"an image", `{"content":[{"type":"image","data":"c3Nu"}]}`, `{"content":[{"type":"image","data":""}]}`, 0, 1},
		{"text among data", `{"structuredContent":{"text":"kept","ssn":1}}`, `{"structuredContent":{"text":"kept"}}`, 1, 0},
	} {
		out, cut, held, err := Cut([]byte(c.in), fields(t, "ssn", "insurance.number"))
		if err != nil || string(out) != c.want || cut != c.cut || held != c.held {
			t.Errorf("%s: %s, %d, %d, %v; want %s, %d, %d", c.name, out, cut, held, err, c.want, c.cut, c.held)
		}
	}
}

func TestNestedTooDeeply(t *testing.T) {
	text := `{"ssn":"secret"}`
	for range maxEmbedded + 3 {
		b, err := json.Marshal(map[string]string{"a": text})
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	out, _, held, err := Cut([]byte(text), fields(t, "ssn"))
	if err != nil || held != 1 || strings.Contains(string(out), "secret") {
		t.Errorf("%s, %d, %v", out, held, err)
	}
}

// FuzzCut: what is cut is JSON with one reading still, holds none of the
// fields, and cutting it again changes nothing.
func FuzzCut(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"ssn":"x"}`, `{"content":[{"type":"text","text":"{\"ssn\":1}"}]}`, `{"a":"[\"{\\\"ssn\\\":1}\"]"}`,
		`{"a":"{\"b\":1},\"c\":{\"ssn\":1}"}`, `{"a":"\"{\\\"ssn\\\":1}\"","insurance.number":1,"\u017fsn":2,"values":["x"]}`, `{"text":"\ud83d\ude00","blob":"eA=="}`, `{"insurance":[{"number":1}],"data":{"text":"x"}}`,
	} {
		f.Add([]byte(s))
	}
	lim := jsonrpc.DefaultReplyLimits()
	f.Fuzz(func(t *testing.T, in []byte) {
		if jsonrpc.ReadObject(in, lim) != nil {
			t.Skip()
		}
		want := fields(t, "ssn", "insurance.number")
		out, cut, held, err := Cut(in, want)
		if err != nil {
			return // refused
		}
		if err := jsonrpc.ReadObject(out, lim); err != nil {
			t.Fatalf("%s becomes %s: %v", in, out, err)
		}
		if Holds(out, want) {
			t.Fatalf("%s becomes %s, which holds a field", in, out)
		}
		if cut+held == 0 && string(out) != string(in) {
			t.Fatalf("%s becomes %s, and nothing was cut", in, out)
		}
		again, _, _, err := Cut(out, want)
		if err != nil || !json.Valid(again) {
			t.Fatalf("%s becomes %s, then %s: %v", in, out, again, err)
		}
	})
}

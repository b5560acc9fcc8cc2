package subject_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

func TestTemplate(t *testing.T) {
	who := &subject.Person{ID: `al"ice{names}`, Names: []string{"alice", "{id}"}}
	for text, want := range map[string]string{
		`{"user":"{id}"}`: `{"user":"al\"ice{names}"}`,
		`{"user":{"ids":["user:{id}",7]},"ref":"{erasure}"}`: `{"ref":"run-1","user":{"ids":["user:al\"ice{names}",7]}}`,
		`{"names":"{names}","n":12345678901234567890}`:       `{"n":12345678901234567890,"names":["alice","{id}"]}`,
	} {
		tpl, err := subject.ParseTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := json.Marshal(tpl.Arguments("run-1", who))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, want %s (%v)", text, got, want, err)
		}
	}
	tpl, err := subject.ParseTemplate(`{"names":"{names}"}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(tpl.Arguments("run-1", &subject.Person{ID: "x"})); err != nil || string(got) != `{"names":[]}` {
		t.Errorf("nobody's names: %s, %v", got, err)
	}
}

func TestTemplateRefused(t *testing.T) {
	for text, want := range map[string]string{
		``:                               "want a JSON object",
		`null`:                           "want a JSON object",
		`["{id}"]`:                       "want a JSON object",
		`{"user":"{id}"} {}`:             "something follows",
		`{"user":"alice"}`:               "names nobody",
		`{"ref":"{erasure}"}`:            "names nobody",
		`{"user":"{ID}"}`:                `"{ID}"`,
		`{"a":{"b":["{id}","{email}"]}}`: `a: b: "{email}"`,
		`{"user":"{id}","n":"x{names}"}`: "stands alone",
		`{"user":"{id}","pad":"` + strings.Repeat("x", 4<<10) + `"}`: "at most",
	} {
		if _, err := subject.ParseTemplate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

// FuzzTemplate: whatever a person is called, the arguments have the form of the
// template, and its other strings.
func FuzzTemplate(f *testing.F) {
	f.Add(`{"user":"{id}","all":"{names}","same":"x"}`, "alice", "run")
	f.Add(`{"a":[{"b":"{erasure}{id}{erasure}"}]}`, `","admin":"yes`, "{id}")
	f.Fuzz(func(t *testing.T, text, id, run string) {
		tpl, err := subject.ParseTemplate(text)
		if err != nil {
			return
		}
		a := tpl.Arguments(run, &subject.Person{ID: id, Names: []string{id}})
		b := tpl.Arguments("r", &subject.Person{ID: "p", Names: []string{"p"}})
		if shape(a) != shape(b) {
			t.Errorf("%s: %s, %s", text, shape(a), shape(b))
		}
	})
}

// shape is a value without its texts.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		blank := map[string]string{}
		for name, x := range v {
			blank[name] = shape(x)
		}
		out, _ := json.Marshal(blank) // maps of strings always can be
		return string(out)
	case []any:
		var out strings.Builder
		for _, x := range v {
			out.WriteString(shape(x) + ",")
		}
		return "[" + out.String() + "]"
	case string:
		return "s"
	case []string:
		return "names"
	}
	out, _ := json.Marshal(v) // a number, true, false or null
	return string(out)
}

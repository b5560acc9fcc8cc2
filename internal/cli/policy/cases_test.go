package policy

import (
	"strings"
	"testing"
)

func TestParseCases(t *testing.T) {
	for want, text := range map[string]string{
		"c:1: want 1 to 10000 cases":                  "",
		"c:1: want 1 to 10000 cases, each a [[case]]": "case = [{ resource = \"tool:a\", expect = \"deny\" }]",
		"c:2: ":                              "\nx y",
		"c:2: unknown key \"case.exect\"":    "[[case]]\nexect = \"deny\"",
		"c:1: expect: \"\"":                  "[[case]]\nresource = \"tool:a\"",
		"c:2: ip: \"here\"":                  "\n[[case]]\nresource = \"tool:a\"\nexpect = \"deny\"\nip = \"here\"",
		"c:1: time: \"noon\"":                "[[case]]\nresource = \"tool:a\"\nexpect = \"deny\"\ntime = \"noon\"",
		"c:1: action: want":                  "[[case]]\nexpect = \"deny\"",
		"c:1: resource: \"thing:a\"":         "[[case]]\nresource = \"thing:a\"\nexpect = \"deny\"",
		"c:2: json: unknown field \"exect\"": "{\"case\":[\n{\"exect\":1}]}",
		"c:2: json: cannot unmarshal":        "{\"case\":[\n{\"expect\":1}]}",
		"c:1: something stands behind":       "{\"case\":[]} {}",
		"c:1: unexpected EOF":                "{\"case\":[",
		"c:1: json: unknown field \"cases\"": "{\"cases\":[]}",
		"c: 4194305 bytes":                   strings.Repeat(" ", maxFile+1),
	} {
		if _, err := parseCases("c", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{
		"[[case]]\nresource = \"tool:a\"\nexpect = \"allow\"\n\n# two\n[[case]]\nprincipal = { key = \"k\" }\nresource = \"tool:a\"\narguments = { n = 1, deep = { x = [1.5] } }\nexpect = \"deny\"",
		"{\"case\": [{\"resource\": \"tool:a\", \"expect\": \"allow\"},\n\n\n\n\n{\"principal\": {\"key\": \"k\"}, \"resource\": \"tool:a\", \"arguments\": {\"n\": 1, \"deep\": {\"x\": [1.5]}}, \"expect\": \"deny\"}]}",
	} {
		cases, err := parseCases("c", []byte(text))
		if err != nil || len(cases) != 2 || cases[0].line != 1 || cases[1].line != 6 {
			t.Errorf("%s: %+v, %v", text, cases, err)
			continue
		}
		a, _, err := cases[1].action("r")
		if err != nil || string(a.Arguments) != `{"deep":{"x":[1.5]},"n":1}` || a.Method != "tools/call" || a.Route != "r" || !a.Secure {
			t.Errorf("%+v, %v", a, err)
		}
		if p := cases[1].Principal.principal(); p.Method != "api_key" || p.KeyID != "k" || p.IsZero() {
			t.Errorf("%+v", p)
		}
	}
}

func FuzzCases(f *testing.F) {
	f.Add([]byte("[[case]]\nresource = \"tool:a\"\nexpect = \"allow\"\narguments = { a = 1 }\n"))
	f.Add([]byte("{\"case\":[{\"resource\":\"tool:a\",\"expect\":\"deny\",\"arguments\":{\"a\":[null]}}]}"))
	f.Add([]byte("[[case]]\nname = \"\"\"\n[[case]]\n\"\"\"\nresource=\"skill:x\"\nexpect=\"deny\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		cases, err := parseCases("c", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "c:") {
				t.Fatalf("no line in %v", err)
			}
			return
		}
		last := 0
		for i := range cases {
			if cases[i].line <= 0 || cases[i].line < last {
				t.Fatalf("lines %d, %d", last, cases[i].line)
			}
			last = cases[i].line
			if _, _, err := cases[i].action("r"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

package outline_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/outline"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// exotic has the forms that the sections of today do not use.
type exotic struct {
	Addr   netip.Addr       `toml:"addr" doc:"An address."`
	Ratio  float64          `toml:"ratio" doc:"A share."`
	Count  uint16           `toml:"count" doc:"A count."`
	Cap    int              `toml:"cap" unit:"bytes" doc:"A size."`
	Maybe  *bool            `toml:"maybe" doc:"Perhaps."`
	Pass   string           `toml:"pass" secret:"true" doc:"A secret."`
	Every  []time.Duration  `toml:"every" doc:"Durations."`
	ByName map[string]child `toml:"by_name" doc:"Children by name."`
	Child  *child           `toml:"child" doc:"A child."`
	Items  []child          `toml:"item" doc:"Children in order."`
}

type child struct {
	Age  int    `toml:"age" doc:"Years."`
	Mode string `toml:"mode" enum:"a|b" doc:"How | or."`
}

func view(v exotic) outline.View {
	return outline.View{Value: v, Default: exotic{Ratio: 0.5}, Prototypes: []any{child{Age: 3, Mode: "a"}}}
}

func sample() exotic {
	yes := true
	return exotic{
		Addr: netip.MustParseAddr("::1"), Ratio: 2, Count: 7, Cap: 1 << 20, Maybe: &yes, Pass: "hush",
		Every:  []time.Duration{time.Hour, time.Minute},
		ByName: map[string]child{"x y": {4, "b"}, "a": {3, "a"}}, Child: &child{3, "b"}, Items: []child{{5, "a"}, {3, "a"}},
	}
}

func read(t *testing.T, text string) exotic {
	t.Helper()
	tree, err := tomlstrict.Parse("f", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	out := exotic{Ratio: 0.5}
	if _, err := (tomlstrict.Decoder{Prototypes: []any{child{3, "a"}}}).Decode(tree, &out); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return out
}

func TestEveryFormReadsBack(t *testing.T) {
	text := view(sample()).Commented("Intro.")
	if got := read(t, text); !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v from\n%s", got, text)
	}
	// The zero address is written by no text; everything else stays away.
	empty := view(exotic{Ratio: 0.5}).Commented("Intro.")
	if got := read(t, empty); !reflect.DeepEqual(got.Items, []child(nil)) || got.Maybe != nil || got.ByName != nil {
		t.Errorf("got %+v from\n%s", got, empty)
	}
	for _, want := range []string{"#[by_name.NAME]", "#[[item]]", "#maybe = false", "#age = 3", "#mode = \"a\""} {
		if !strings.Contains(empty, "\n"+want+"\n") {
			t.Errorf("no %q in\n%s", want, empty)
		}
	}
}

func TestMaskedForms(t *testing.T) {
	want := `addr = "::1"
ratio = 2.0
count = 7
cap = "1MiB"
maybe = true
pass = "[masked]"
every = ["1h", "1m"]

[by_name.a]
age = 3 # default
mode = "a" # default

[by_name."x y"]
age = 4
mode = "b"

[child]
age = 3 # default
mode = "b"

[[item]]
age = 5
mode = "a" # default

[[item]]
age = 3 # default
mode = "a" # default
`
	if got := view(sample()).TOML(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	raw, err := view(sample()).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if got["pass"] != "[masked]" || got["by_name"].(map[string]any)["x y"].(map[string]any)["mode"] != "b" {
		t.Errorf("got %s", raw)
	}
	raw, err = view(exotic{}).JSON()
	if err != nil || !strings.Contains(string(raw), `"maybe": null`) || !strings.Contains(string(raw), `"child": null`) {
		t.Errorf("got %s, %v", raw, err)
	}
	if got := view(exotic{}).TOML(); strings.Contains(got, "maybe") || strings.Contains(got, "child") {
		t.Errorf("what is absent is shown:\n%s", got)
	}
}

func TestMasking(t *testing.T) {
	type args struct {
		URL  string   `toml:"url"`
		List []string `toml:"list"`
		Pass string   `toml:"pass" secret:"true"`
	}
	for text, want := range map[string]string{
		"https://u:p@h/x":             "https://[masked]@h/x",
		"https://h/x?a=1&b=2#c":       "https://h/x?a=[masked]&b=[masked]#c",
		"host=db password=x1 user=me": "host=db password=[masked] user=me",
		"Authorization: Bearer":       "Authorization: [masked]",
		"API_KEY=x1":                  "API_KEY=[masked]",
		"plain ${x} text, a=b":        "plain $${x} text, a=b",
		"redis://u:p@ss@h":            "redis://[masked]@h",
		"sqlite:x.db":                 "sqlite:x.db",
	} {
		got := outline.View{Value: args{URL: text}, Default: args{URL: "-"}}.TOML()
		if !strings.HasPrefix(got, "url = "+tomlstrict.Quote(want)+"\n") {
			t.Errorf("%q is shown as %s", text, got)
		}
	}
	v := outline.View{
		Value:     args{List: []string{"run", "--password", "x1", "--key=x1", "-v", "x2"}, Pass: "pre-x1", URL: "x1"},
		Default:   args{},
		Templates: map[string]string{"pass": "pre-${A}", "url": "https://u:p@${HOST}/"},
	}
	want := "url = \"https://[masked]@${HOST}/\"\nlist = [\"run\", \"--password\", \"[masked]\", \"--key=[masked]\", \"-v\", \"x2\"]\npass = \"[masked]\"\n"
	if got := v.TOML(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	v.Templates = map[string]string{"pass": "${A}"}
	if got := v.TOML(); !strings.Contains(got, `pass = "${A}"`) {
		t.Errorf("the name of the variable is hidden:\n%s", got)
	}
}

func TestDiffOfMapsAndLists(t *testing.T) {
	to := sample()
	to.ByName = map[string]child{"a": {9, "a"}, "new": {1, "a"}}
	to.Items = to.Items[:1]
	to.Maybe, to.Child = nil, nil
	got := outline.Diff(view(sample()), view(to))
	want := []outline.Change{
		{Field: "maybe", Old: "true"},
		{Field: `by_name.a.age`, Old: "3", New: "9"},
		{Field: "by_name.new.age", New: "1"},
		{Field: "by_name.new.mode", New: `"a"`},
		{Field: `by_name."x y".age`, Old: "4"},
		{Field: `by_name."x y".mode`, Old: `"b"`},
		{Field: "child.age", Old: "3"},
		{Field: "child.mode", Old: `"b"`},
	}
	byField := map[string]outline.Change{}
	for _, c := range got {
		byField[c.Field] = c
	}
	for _, w := range want {
		if byField[w.Field] != w {
			t.Errorf("%s: got %+v, want %+v", w.Field, byField[w.Field], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d changes, want %d: %+v", len(got), len(want), got)
	}
}

func TestReferenceOfEveryForm(t *testing.T) {
	got := view(sample()).Reference()
	for _, want := range []string{"## `[by_name.NAME]`", "## `[[item]]`", "## `[child]`", "| `maybe` | true or false | – | Perhaps. |",
		"| `cap` | size | `0` |", "| `mode` | text | `\"a\"` | How \\| or. One of `a`, `b`. |", "| `pass` | text, secret | – |", "| `ratio` | number | `0.5` |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestSchemaOfEveryForm(t *testing.T) {
	raw, err := view(sample()).Schema("https://example.com/s.json", "T")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Schema     string `json:"$schema"`
		Properties map[string]map[string]any
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	if s.Schema != outline.Dialect || len(s.Properties) != 10 || s.Properties["ratio"]["default"] != 0.5 ||
		s.Properties["item"]["type"] != "array" || s.Properties["by_name"]["type"] != "object" || s.Properties["child"]["type"] != "object" {
		t.Errorf("got %s", raw)
	}
}

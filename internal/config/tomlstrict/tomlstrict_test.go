package tomlstrict_test

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

type sample struct {
	Name    string              `toml:"name"`
	Mode    string              `toml:"mode" enum:"fast|slow"`
	On      bool                `toml:"on"`
	Count   int                 `toml:"count"`
	Small   uint8               `toml:"small"`
	Ratio   float64             `toml:"ratio"`
	Wait    time.Duration       `toml:"wait"`
	Cap     tomlstrict.Size     `toml:"cap"`
	Limit   int64               `toml:"limit" unit:"bytes"`
	Net     netip.Prefix        `toml:"net"`
	Nets    []netip.Prefix      `toml:"nets" list:"text"`
	Words   []string            `toml:"words" list:"text"`
	Argv    []string            `toml:"argv"`
	Labels  map[string]string   `toml:"labels"`
	Scopes  map[string][]string `toml:"scopes"`
	Maybe   *bool               `toml:"maybe"`
	Token   string              `toml:"token" secret:"true"`
	Pin     netip.Addr          `toml:"pin" secret:"true"`
	Inner   inner               `toml:"inner"`
	Items   []inner             `toml:"item"`
	ByName  map[string]inner    `toml:"by_name"`
	Weird   chan int            `toml:"weird"`
	Ignored string
	embedded
	Flat flat `toml:",inline"`
}

type inner struct {
	Depth int    `toml:"depth"`
	Must  string `toml:"must" required:"true"`
}

type embedded struct {
	FromEmbedded string `toml:"from_embedded"`
}

type flat struct {
	FromFlat string `toml:"from_flat"`
}

func decode(t *testing.T, text string, env map[string]string) (sample, *tomlstrict.Origin, error) {
	t.Helper()
	tree, err := tomlstrict.Parse("f.toml", []byte(text))
	if err != nil {
		return sample{}, nil, err
	}
	got := sample{Words: []string{"default"}, Inner: inner{Depth: 7}}
	d := tomlstrict.Decoder{
		Getenv:     func(k string) (string, bool) { v, ok := env[k]; return v, ok },
		Prototypes: []any{inner{Depth: 3}},
		Reserved: func(p string) (string, bool) {
			return "not supported by this version", p == "later" || p == "item[].later"
		},
	}
	origin, err := d.Decode(tree, &got)
	return got, origin, err
}

func TestDecodeEveryForm(t *testing.T) {
	got, _, err := decode(t, `
name = 'a "b"'
mode = "slow"
on = true
count = -1_6
small = 255
ratio = 2
wait = "1d12h"
cap = "1MiB"
limit = "64KiB"
net = "10.0.0.0/8"
nets = ["::1/128", "10.1.0.0/16"]
words = " a, b ,,c"
argv = ["x", "y,z"]
maybe = false
from_embedded = "e"
from_flat = "f"
labels = { a = "1", "b c" = "2" }
inner.must = "m"
[scopes]
echo = ["read"]
[[item]]
must = "1"
[[item]]
must = "2"
depth = 9
[by_name.x]
must = "3"
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := sample{
		Name: `a "b"`, Mode: "slow", On: true, Count: -16, Small: 255, Ratio: 2, Wait: 36 * time.Hour,
		Cap: 1 << 20, Limit: 64 << 10, Net: netip.MustParsePrefix("10.0.0.0/8"),
		Nets:  []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.1.0.0/16")},
		Words: []string{"a", "b", "c"}, Argv: []string{"x", "y,z"}, Maybe: &no,
		Labels: map[string]string{"a": "1", "b c": "2"}, Scopes: map[string][]string{"echo": {"read"}},
		Inner: inner{Depth: 7, Must: "m"}, Items: []inner{{3, "1"}, {9, "2"}}, ByName: map[string]inner{"x": {3, "3"}},
		embedded: embedded{"e"}, Flat: flat{"f"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeRefusals(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"nmae = 1", `f.toml:1: nmae: unknown key (did you mean "name"?)`},
		{"\nzzzz = 1", `f.toml:2: zzzz: unknown key`},
		{"later = 1", `f.toml:1: later: not supported by this version`},
		{"[[item]]\nmust='x'\nlater = 1", `f.toml:3: item[0].later: not supported by this version`},
		{"[[item]]\n", `f.toml:1: item[0].must: must be given`},
		{"\"a\\nb\" = 1", `f.toml:1: "a\nb": unknown key`},
		{"name = 1", `f.toml:1: name: want text, not an integer`},
		{"name = 2020-01-01", `f.toml:1: name: want text, not a date`},
		{"mode = 'medium'", `f.toml:1: mode: "medium": want "fast" or "slow"`},
		{"mode = 1", `f.toml:1: mode: want "fast" or "slow", not an integer`},
		{"on = 'true'", `f.toml:1: on: want true or false, not text`},
		{"count = '4'", `f.toml:1: count: want an integer, not text`},
		{"count = 1.5", `f.toml:1: count: want an integer, not a number with a fraction`},
		{"small = 256", `f.toml:1: small: "256": out of range`},
		{"small = -1", `f.toml:1: small: "-1": out of range`},
		{"ratio = inf", `f.toml:1: ratio: "inf": want a finite number`},
		{"ratio = []", `f.toml:1: ratio: want a number, not a list`},
		{"wait = 30", `f.toml:1: wait: want a duration such as "30s", not an integer`},
		{"wait = '-3s'", `f.toml:1: wait: "-3s": want a duration such as "30s", "5m", "90d" or "1y"`},
		{"wait = '300y'", `f.toml:1: wait: "300y": duration is longer than 292 years`},
		{"count = '${OCTAL:-0b2}'", `f.toml:1: count: "${OCTAL:-0b2}": want an integer`},
		{"cap = 1.0", `f.toml:1: cap: want a size such as 65536 or "64KiB", not a number with a fraction`},
		{"cap = '1 pound'", `f.toml:1: cap: "1 pound": want a size such as 65536, "64KiB" or "1MiB"`},
		{"limit = -1", `f.toml:1: limit: "-1": want a size such as 65536, "64KiB" or "1MiB"`},
		{"net = '10'", `f.toml:1: net: "10": netip.ParsePrefix("10"): no '/'`},
		{"words = 3", `f.toml:1: words: want a list or a text with commas, not an integer`},
		{"argv = 'x y'", `f.toml:1: argv: want a list, not text`},
		{"argv = [\n'x',\n3]", `f.toml:3: argv[1]: want text, not an integer`},
		{"item = 'x'", `f.toml:1: item: want a list of tables, not text`},
		{"item = ['x']", `f.toml:1: item[0]: want a table, not text`},
		{"inner = 1", `f.toml:1: inner: want a table, not an integer`},
		{"labels = []", `f.toml:1: labels: want a table, not a list`},
		{"labels.\"a b\" = 1", `f.toml:1: labels."a b": want text, not an integer`},
		{"weird = 1", `f.toml:1: weird: not a setting that a file can hold`},
		{"name = '${NO}'", `f.toml:1: name: environment variable "NO" is not set`},
		{"name = '${'", `f.toml:1: name: "${" without a closing "}" (write "$${" for the two characters)`},
		{"name = '${}'", `f.toml:1: name: "" is not the name of an environment variable`},
		{"name = '${1A}'", `f.toml:1: name: "1A" is not the name of an environment variable`},
		{"name = '${A:-${B}}'", `f.toml:1: name: fallback of "A" names a variable: nesting is not supported`},
		{"name = '${BAD}'", `f.toml:1: name: environment variable "BAD" is not valid UTF-8`},
		{"words = '${NO}'", `f.toml:1: words: environment variable "NO" is not set`},
		{"count = '${SECRET}'", `f.toml:1: count: "${SECRET}": want an integer`},
		{"on = '${SECRET}'", `f.toml:1: on: "${SECRET}": want true or false`},
		{"net = '${SECRET}'", `f.toml:1: net: "${SECRET}": netip.ParsePrefix("${SECRET}"): no '/'`},
		{"pin = 'hush'", `f.toml:1: pin: ParseAddr("[masked]"): unable to parse IP`},
		{"a = 1\na = 2", `f.toml:2: key a is already defined`},
		{"name = 'x' y", `f.toml:1: expected newline but got U+0079 'y'`},
		{"\xef\xbb\xbfname='x'", `f.toml:1: file begins with a byte order mark: save it as UTF-8 without one`},
		{"\xff\xfen\x00", `f.toml:1: file is UTF-16: save it as UTF-8`},
		{"\n# \xff", `f.toml:2: file is not valid UTF-8`},
		{"#" + strings.Repeat("x", tomlstrict.MaxBytes), `f.toml:1: file is larger than 1MiB`},
		{strings.Repeat("[[item]]\n", 20000), `f.toml:1: file has more than 20000 keys`},
		{"\n" + strings.Repeat("a.", 40) + "a = 1", `f.toml:2: key has more than 32 parts`},
		{"x = { " + strings.Repeat("a.", 40) + "a = 1 }", `f.toml:1: key has more than 32 parts`},
		{"[" + strings.Repeat("a.", 40) + "a]", `f.toml:1: key has more than 32 parts`},
	} {
		_, _, err := decode(t, c.text, map[string]string{"SECRET": "hunter22", "BAD": "\xff"})
		if err == nil || err.Error() != c.want {
			t.Errorf("%.60q:\ngot  %v\nwant %v", c.text, err, c.want)
		}
	}
}

func TestEveryMistakeIsReportedInOrder(t *testing.T) {
	_, _, err := decode(t, "zz = 1\nname = 3\n\n[inner]\nmsut = ''\n", nil)
	want := "f.toml:1: zz: unknown key\n" +
		"f.toml:2: name: want text, not an integer\n" +
		"f.toml:4: inner.must: must be given\n" +
		"f.toml:5: inner.msut: unknown key (did you mean \"must\"?)"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var one tomlstrict.Error
	if !errors.As(err, &one) || one.Line != 1 {
		t.Errorf("errors.As found %+v", one)
	}
}

func TestALongListOfMistakesIsCut(t *testing.T) {
	_, _, err := decode(t, "argv = ["+strings.Repeat("1,", 150)+"]", nil)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 101 || lines[100] != "and 50 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestVariables(t *testing.T) {
	env := map[string]string{"A": "1", "EMPTY": "", "INJECT": "x\"\nadmin = true\n${A}", "LIST": "a, b", "N": "4", "HIDE": "hunter22"}
	got, origin, err := decode(t, `
name = "${INJECT}-$${A}-$A-${EMPTY:-e}-${GONE:-}-${A}${A}"
words = "${LIST}"
small = "${ZEROS:-010}"
count = "${N}"
on = "${GONE:-true}"
argv = ["--key", "${HIDE}"]
`, env)
	if err != nil {
		t.Fatal(err)
	}
	if want := "x\"\nadmin = true\n${A}-${A}-$A-e--11"; got.Name != want {
		t.Errorf("name = %q, want %q", got.Name, want)
	}
	if fmt.Sprint(got.Words, got.Small, got.Count, got.On) != "[a b] 10 4 true" {
		t.Errorf("got %v %v %v %v", got.Words, got.Small, got.Count, got.On)
	}
	if tpl := origin.Templates(); tpl["argv[1]"] != "${HIDE}" || tpl["words"] != "${LIST}" {
		t.Errorf("templates = %v", tpl)
	}
	errs := origin.Locate("", errors.New(`argv[1]: "hunter22": bad`))
	if errs[0].Error() != `f.toml:7: argv[1]: "${HIDE}": bad` {
		t.Errorf("got %v", errs)
	}
}

func TestLocateFindsTheNearestLine(t *testing.T) {
	_, origin, err := decode(t, "[inner]\nmust = 'x'\n[[item]]\nmust = 'y'\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	joined := errors.Join(errors.New("must: no"), errors.New("depth: no"), errors.New("not a field: no"))
	got := append(origin.Locate("inner", joined), origin.Locate("item[0].depth.x", errors.New("[1]: no"))...)
	got = append(got, origin.Locate("", errors.New("absent: no"))...)
	got = append(got, origin.Locate("", errors.New("inner: must: 3: no"))...)
	want := tomlstrict.Errors{
		{File: "f.toml", Line: 2, Path: "inner.must", Text: "no"},
		{File: "f.toml", Line: 1, Path: "inner.depth", Text: "no"},
		{File: "f.toml", Line: 1, Path: "inner", Text: "not a field: no"},
		{File: "f.toml", Line: 3, Path: "item[0].depth.x[1]", Text: "no"},
		{File: "f.toml", Line: 1, Path: "absent", Text: "no"},
		{File: "f.toml", Line: 2, Path: "inner.must", Text: "3: no"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if origin.Locate("", nil) != nil || !origin.Has("inner.must") || origin.Has("inner.depth") {
		t.Error("Locate of nothing, or Has, is wrong")
	}
}

func TestRefused(t *testing.T) {
	_, origin, _ := decode(t, "inner = { must = 'x', zz = 1 }\n", nil)
	for path, want := range map[string]bool{"inner": true, "inner.zz": true, "": true, "inn": false, "item": false} {
		if got := origin.Refused(path); got != want {
			t.Errorf("Refused(%q) = %v", path, got)
		}
	}
	if origin.Refused("", "inner") || !origin.Refused("", "item") || !origin.Refused("inner.zz", "inner.zz") {
		t.Error("an excepted path is handled wrongly")
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "30s": 30 * time.Second, "1.5h": 90 * time.Minute, "90d": 90 * 24 * time.Hour,
		"1y": 365 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "1d12h": 36 * time.Hour, "250ms": 250 * time.Millisecond,
		"0.5d": 12 * time.Hour, "1h0m5s": time.Hour + 5*time.Second, "3µs": 3 * time.Microsecond,
	} {
		got, err := tomlstrict.ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q = %v, %v", text, got, err)
		}
		if back, err := tomlstrict.ParseDuration(tomlstrict.FormatDuration(got)); err != nil || back != got {
			t.Errorf("%q written as %q reads %v, %v", text, tomlstrict.FormatDuration(got), back, err)
		}
	}
	for _, bad := range []string{"", "s", "5", "-1s", "1x", "1d2", ".d", "1..5d", "292y200d", "1e3s", " 1s", "1s "} {
		if d, err := tomlstrict.ParseDuration(bad); err == nil {
			t.Errorf("%q was read as %v", bad, d)
		}
	}
	for d, want := range map[time.Duration]string{90 * time.Minute: "1h30m", time.Hour: "1h", 90 * time.Second: "1m30s", 10 * time.Minute: "10m"} {
		if got := tomlstrict.FormatDuration(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]tomlstrict.Size{"0": 0, "12B": 12, "1KiB": 1024, "2 MiB": 2 << 20, "1GB": 1e9, "3kB": 3000} {
		got, err := tomlstrict.ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%q = %v, %v", text, got, err)
		}
		if back, err := tomlstrict.ParseSize(got.String()); err != nil || back != got {
			t.Errorf("%v written as %q reads %v, %v", got, got.String(), back, err)
		}
	}
	for _, bad := range []string{"", "B", "-1", "1.5MiB", "9223372036854775807KiB", "1 mib", fmt.Sprint(uint64(math.MaxUint64))} {
		if s, err := tomlstrict.ParseSize(bad); err == nil {
			t.Errorf("%q was read as %v", bad, s)
		}
	}
}

func TestQuoteReadsBack(t *testing.T) {
	for _, s := range []string{"", "plain", "a\"b\\c", "line\nline\ttab\r", "\x00\x1f\x7f", "é🙂", "${A} $${B} $"} {
		got, _, err := decode(t, "name = "+tomlstrict.QuoteValue(s), nil)
		if err != nil || got.Name != s {
			t.Errorf("%q came back as %q, %v", s, got.Name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("name = 'x'\n[[item]]\nmust = 'y'\n")
	f.Add("words = '${A:-x}'\nlabels = {a='b', c.d=1}\n[inner]\n")
	f.Add("a.b.c = [[1, {x = 2}], 'y']\n\n[a.b.d]\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, _, err := decode(t, text, map[string]string{"A": "hunter22"})
		var errs tomlstrict.Errors
		if err != nil && !errors.As(err, &errs) {
			t.Fatalf("error without positions: %v", err)
		}
		for _, e := range errs {
			if e.Line < 1 || e.Line > 1+strings.Count(text, "\n") || e.File == "" || e.Text == "" {
				t.Errorf("position outside the file: %+v", e)
			}
			if strings.Contains(e.Error(), "hunter22") && !strings.Contains(text, "hunter22") {
				t.Errorf("value of a variable in %q", e.Error())
			}
		}
	})
}

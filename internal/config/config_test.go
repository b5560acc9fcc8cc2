package config_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/outline"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/configuration.md")

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func parse(t *testing.T, text string, pairs ...string) *config.Config {
	t.Helper()
	cfg, _, err := config.Parse("portcullis.toml", []byte(text), env(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not current (run with -update):\ngot\n%s\nwant\n%s", path, got, want)
	}
}

func TestEveryMistakeHasItsMessage(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.toml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = config.Parse("portcullis.toml", data, env("TOKEN", "hunter22-hunter22", "SHORT", "hunter22"))
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), "hunter22") {
				t.Errorf("the value of a variable is in %q", err)
			}
			golden(t, strings.TrimSuffix(file, ".toml")+".golden", err.Error()+"\n")
		})
	}
}

func TestFullExample(t *testing.T) {
	data, err := os.ReadFile("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg := parse(t, string(data), "TOKEN", "hunter22-hunter22", "ALLOWED_ORIGINS", "https://a.example, https://b.example")
	if got := cfg.Routes[0].CORS.Origins; !reflect.DeepEqual(got, []string{"https://a.example", "https://b.example"}) {
		t.Errorf("origins = %q", got)
	}
	if cfg.Telemetry.MetricsToken.Reveal() != "hunter22-hunter22" {
		t.Error("metrics_token was not resolved")
	}
	if cfg.Routes[1].Limits.Depth != 10 || cfg.Routes[0].Limits.Depth != 20 {
		t.Errorf("limits of the routes: %+v %+v", cfg.Routes[0].Limits, cfg.Routes[1].Limits)
	}
	golden(t, "testdata/full.masked.golden", cfg.Masked())
	out, err := cfg.MaskedJSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/full.json.golden", string(out))
	for _, text := range []string{cfg.Masked(), string(out), fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), fmt.Sprintf("%+v %#v", cfg.Telemetry, cfg.Telemetry)} {
		for _, secret := range []string{"hunter22", "s3cret", "abc123"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is shown in\n%s", secret, text)
			}
		}
	}
}

func TestCommentedReadsBack(t *testing.T) {
	text := config.Default().Commented()
	if got := parse(t, text); !reflect.DeepEqual(got, parse(t, "")) || !reflect.DeepEqual(got, mustDefault()) {
		t.Errorf("the commented defaults read back as\n%+v", *got)
	}
	golden(t, "testdata/commented.golden", text)

	full, err := os.ReadFile("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg := parse(t, string(full), "TOKEN", "hunter22-hunter22", "ALLOWED_ORIGINS", "https://a.example")
	again := parse(t, cfg.Commented(), "TOKEN", "hunter22-hunter22", "ALLOWED_ORIGINS", "https://a.example")
	if changes := config.Diff(cfg, again); len(changes) != 0 {
		t.Errorf("reading the commented file back changes %+v", changes)
	}
	if strings.Contains(cfg.Commented(), "hunter22") {
		t.Error("the value of a variable was written to the file")
	}
}

// mustDefault is the default with what parsing adds.
func mustDefault() *config.Config {
	cfg, _, err := config.Parse("", nil, env())
	if err != nil {
		panic(err)
	}
	return cfg
}

func TestCommentedKeysCanBeUncommented(t *testing.T) {
	uncomment := regexp.MustCompile(`(?m)^#([a-z_]+ = |\[)`)
	text := uncomment.ReplaceAllString(config.Default().Commented(), "$1")
	tree, err := tomlstrict.Parse("portcullis.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var cfg config.Config
	decoder := tomlstrict.Decoder{Getenv: func(string) (string, bool) { return "some-text-of-16-bytes", true }}
	if _, err := decoder.Decode(tree, &cfg); err != nil {
		t.Errorf("%v", err)
	}
	if len(cfg.Routes) != 1 || cfg.Security.AllowIPs[0] != "127.0.0.1" || cfg.Routes[0].Limits.Depth != 10 {
		t.Errorf("got %+v", cfg)
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	for path, typ := range outline.Reachable(reflect.TypeFor[config.Config]()) {
		for _, f := range tomlstrict.Fields(typ) {
			at := tomlstrict.BarePath(path, f.Name)
			if f.Doc == "" || !strings.HasSuffix(f.Doc, ".") {
				t.Errorf("%s: tag doc:%q: want a sentence", at, f.Doc)
			}
			if tomlstrict.FormOf(f.Type) == tomlstrict.FormNone {
				t.Errorf("%s: a file cannot hold a %v", at, f.Type)
			}
		}
	}
}

func TestReference(t *testing.T) {
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "../../docs/configuration.md", config.Reference())
}

func TestSchema(t *testing.T) {
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/schema.golden.json", string(text))
	schema := compile(t, text)
	full, err := os.ReadFile("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	uncomment := regexp.MustCompile(`(?m)^#([a-z_]+ = |\[)`)
	for name, good := range map[string]string{
		"commented": config.Default().Commented(), "full": string(full),
		"uncommented": uncomment.ReplaceAllString(config.Default().Commented(), "$1"), "empty": "",
		"variables": "[server]\nshutdown_grace = '${GRACE}'\n[server.limits]\nmax_connections = '${N:-3}'\n[server.log]\nlevel = '${LEVEL}'\n",
	} {
		if err := schema.Validate(asJSON(t, good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{
		"servre = {}", "[server]\nlisten = 1", "[server]\nshutdown_grace = 30", "[server]\nshutdown_grace = '30 s'",
		"[[route]]\nname = 'x'", "[server.log]\nlevel = 'loud'", "route = {}", "[audit]\ndurability = 'none'",
		"[server.limits]\nmax_connections = 'many'", "[server.limits]\nheader_bytes = -1", "[[route]]\nname='x'\npath='/x'\ncommand='x y'",
		"[[route]]\nname='x'\npath='/x'\nenv = ['a']", "[chronicle]", "[server]\nzz = 1",
	} {
		if schema.Validate(asJSON(t, bad)) == nil {
			t.Errorf("the schema accepts %q", bad)
		}
	}
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func asJSON(t *testing.T, text string) any {
	t.Helper()
	var m map[string]any
	if err := toml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	if m == nil {
		m = map[string]any{}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

const base = `
[server]
listen = "127.0.0.1:8080"
[[route]]
name = "a"
path = "/a"
command = ["srv", "--token", "${TOKEN}", "--key=abc123"]
env = { X = "s3cret" }
[[route]]
name = "b"
path = "/b"
upstream = "https://b.example/mcp?sig=abc123"
[telemetry]
metrics_token = "0123456789abcdef"
`

func change(field, from, to string) config.Change {
	return config.Change{Field: field, Old: from, New: to}
}

func TestDiff(t *testing.T) {
	from := parse(t, base, "TOKEN", "one-secret")
	edit := strings.NewReplacer(`"127.0.0.1:8080"`, `"127.0.0.1:8081"`, "s3cret", "s4cret", "sig=abc123", "sig=abc124",
		"0123456789abcdef", "0123456789abcdeg")
	for _, c := range []struct {
		name string
		to   *config.Config
		want []config.Change
	}{
		{"nothing", parse(t, base, "TOKEN", "one-secret"), nil},
		{"variable", parse(t, base, "TOKEN", "two-secret"), []config.Change{change("route[a].command", "[masked]", "[masked]")}},
		{"edits", parse(t, edit.Replace(base), "TOKEN", "one-secret"), []config.Change{
			change("server.listen", `"127.0.0.1:8080"`, `"127.0.0.1:8081"`),
			change("route[a].env.X", "[masked]", "[masked]"),
			change("route[b].upstream", "[masked]", "[masked]"),
			change("telemetry.metrics_token", "[masked]", "[masked]"),
		}},
		{"added", parse(t, base+"[[route]]\nname='c'\npath='/c'\ncommand=['c']\n", "TOKEN", "one-secret"), []config.Change{
			change("route[c].name", "", `"c"`), change("route[c].path", "", `"/c"`), change("route[c].command", "", `["c"]`),
		}},
		{"removed", parse(t, strings.Split(base, "[[route]]\nname = \"b\"")[0]+"[telemetry]\nmetrics_token = \"0123456789abcdef\"\n", "TOKEN", "one-secret"), []config.Change{
			change("route[b].name", `"b"`, ""), change("route[b].path", `"/b"`, ""), change("route[b].upstream", `"https://b.example/mcp?sig=[masked]"`, ""),
		}},
	} {
		if got := config.Diff(from, c.to); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestDiffIgnoresTheOrderOfRoutes(t *testing.T) {
	a, b := "[[route]]\nname='a'\npath='/a'\ncommand=['a']\n", "[[route]]\nname='b'\npath='/b'\ncommand=['b']\n"
	if got := config.Diff(parse(t, a+b), parse(t, b+a)); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestValidateOfFlags(t *testing.T) {
	cfg := config.Default()
	route := config.DefaultRoute()
	route.Name, route.Path, route.Upstream = "default", "/mcp", "http://127.0.0.1:3000/mcp"
	cfg.Routes = append(cfg.Routes, route)
	if err := cfg.Validate(); err != nil {
		t.Errorf("%v", err)
	}
	cfg.Server.Listen = "nowhere"
	want := `flags:1: server.listen: "nowhere": want an address and port such as "127.0.0.1:8080"`
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestDefaultsShareNothing(t *testing.T) {
	a := parse(t, base, "TOKEN", "x")
	a.Routes[0].Auth[0] = "changed"
	if b := parse(t, base, "TOKEN", "x"); b.Routes[0].Auth[0] != "api_key" || b.Routes[1].Auth[0] != "api_key" || a.Routes[1].Auth[0] != "api_key" {
		t.Error("a change of one route's list is seen by another")
	}
}

func TestSecretHidesItself(t *testing.T) {
	cfg := parse(t, base, "TOKEN", "one-secret")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", cfg, "telemetry", cfg.Telemetry, "token", cfg.Telemetry.MetricsToken)
	raw, err := json.Marshal(cfg.Telemetry)
	if err != nil {
		t.Fatal(err)
	}
	if text := log.String() + string(raw); strings.Contains(text, "0123456789abcdef") || !strings.Contains(text, "configuration with routes [a b]") {
		t.Errorf("got %s", text)
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/full.toml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := config.Parse("f", data, env("TOKEN", "hunter22-hunter22")); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(base)
	f.Add(config.Default().Commented())
	f.Add("[server]\nlisten = '${A}'\n[[route]]\n")
	files, _ := filepath.Glob("testdata/*.toml")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(string(data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		getenv := env("A", "hunter22", "TOKEN", "hunter22-hunter22")
		cfg, _, err := config.Parse("f", []byte(text), getenv)
		var errs config.Errors
		if err != nil {
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("error without a position: %v", err)
			}
			for _, e := range errs {
				if e.Line < 1 || e.Line > 1+strings.Count(text, "\n") {
					t.Errorf("line outside the file: %v", e)
				}
			}
			return
		}
		again, _, err := config.Parse("f", []byte(cfg.Commented()), getenv)
		if err != nil {
			t.Fatalf("written down, %q is refused: %v", text, err)
		}
		if changes := config.Diff(cfg, again); len(changes) > 0 {
			t.Errorf("written down and read back, %q changes: %+v", text, changes)
		}
		if !strings.Contains(text, "hunter22") && strings.Contains(cfg.Masked(), "hunter22") {
			t.Errorf("a variable's value is shown for %q", text)
		}
	})
}

package archtest_test

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/portcullis-dev/portcullis/internal/archtest"
)

func TestTheHouseKeepsItsRules(t *testing.T) {
	found, err := archtest.Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range found {
		t.Error(breach)
	}
}

const own = "\"github.com/portcullis-dev/portcullis"

// tree makes sources of file names and texts. A text without a package clause
// gets one, with its comment.
func tree(files map[string]string) fs.FS {
	out := fstest.MapFS{}
	for name, text := range files {
		if !strings.Contains(text, "package ") {
			parts := strings.Split("portcullis/"+name, "/")
			pkg := parts[len(parts)-2]
			text = fmt.Sprintf("// Package %s is good.\npackage %s\n%s\n", pkg, pkg, text)
		}
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func imports(paths ...string) string {
	text := "import (\n"
	for _, p := range paths {
		if strings.HasPrefix(p, "/") || p == "" {
			text += "_ " + own + p + "\"\n"
		} else {
			text += "_ \"" + p + "\"\n"
		}
	}
	return text + ")"
}

func TestBreachesAreFound(t *testing.T) {
	long := strings.Repeat("// line\n", 501)
	longFunc := "func f() {\n" + strings.Repeat("_ = 0\n", 80) + "}"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"good", map[string]string{
			"a.go":                         imports("errors"),
			"internal/obs/a.go":            imports("github.com/x/y"),
			"internal/authn/jwt/a.go":      imports("", "/internal/obs", "/internal/protocol/mcp", "/internal/authn"),
			"internal/authn/a.go":          "",
			"internal/protocol/mcp/a.go":   imports(""),
			"internal/archtest/a.go":       imports("/gateway"),
			"internal/authn/jwt/a_test.go": imports("/gateway"),
			"gateway/a.go":                 imports("/internal/config", "/internal/authn/jwt"),
			"internal/config/a.go":         "",
			"test/bench/a.go":              "func init() {}",
			"internal/authn/testdata/a.go": "func init() {}",
		}, nil},
		{"upwards", map[string]string{"internal/protocol/a.go": imports("/internal/authn")}, []string{
			"internal/protocol/a.go: imports github.com/portcullis-dev/portcullis/internal/authn: a higher layer"}},
		{"sideways", map[string]string{"internal/authz/rbac/a.go": imports("/internal/authn/jwt")}, []string{
			"internal/authz/rbac/a.go: imports github.com/portcullis-dev/portcullis/internal/authn/jwt: a room of the same layer"}},
		{"unknown room", map[string]string{"internal/x/a.go": "", "gateway/a.go": imports("/internal/x")}, []string{
			"gateway/a.go: imports github.com/portcullis-dev/portcullis/internal/x: it has no place among the layers",
			"internal/x: has no place among the layers"}},
		{"obs", map[string]string{"internal/obs/a.go": imports("")}, []string{
			"internal/obs/a.go: imports github.com/portcullis-dev/portcullis: obs imports nothing of ours"}},
		{"vocabulary", map[string]string{"a.go": imports("github.com/x/y", "/internal/obs")}, []string{
			"a.go: imports github.com/portcullis-dev/portcullis/internal/obs: the vocabulary imports only the standard library",
			"a.go: imports github.com/x/y: the vocabulary imports only the standard library"}},
		{"archtest in code", map[string]string{"gateway/a.go": imports("/internal/archtest")}, []string{
			"gateway/a.go: imports github.com/portcullis-dev/portcullis/internal/archtest: archtest is for tests"}},
		{"chain", map[string]string{
			"cmd/p/a.go": "// Command p runs.\npackage main\n" + imports("/internal/cli"), "internal/cli/a.go": imports("/internal/app"),
			"internal/app/a.go": imports("/internal/console"), "internal/console/a.go": imports("/internal/admin"),
			"internal/admin/a.go": imports("/gateway"), "gateway/a.go": imports("/internal/config"),
			"internal/config/a.go": imports("/internal/store"), "internal/store/a.go": imports("/internal/audit"),
			"internal/audit/a.go": imports(""),
		}, []string{"cmd: 9 rooms on one another, at most 8: cmd → internal/cli → internal/app → internal/console → internal/admin → gateway → internal/config → internal/store → internal/audit"}},
		{"names", map[string]string{"internal/audit/utils/a.go": "", "internal/audit/strutil/a.go": "", "internal/audit/x/a.go": "// Package helpers is bad.\npackage helpers\n"}, []string{
			`internal/audit/strutil: name "strutil" says nothing`,
			`internal/audit/utils: name "utils" says nothing`,
			`internal/audit/x: name "helpers" says nothing`}},
		{"docs", map[string]string{"internal/audit/a.go": "package audit\n", "cmd/p/a.go": "package main\n", "internal/authn/a.go": "// Something else.\npackage authn\n"}, []string{
			`cmd/p: no package comment that begins "Command "`,
			`internal/audit: no package comment that begins "Package audit "`,
			`internal/authn: no package comment that begins "Package authn "`}},
		{"sizes", map[string]string{"internal/audit/a.go": long, "internal/audit/b.go": longFunc, "internal/audit/a_test.go": long + longFunc}, []string{
			"internal/audit/a.go: 504 lines, at most 500",
			"internal/audit/b.go:3: f has 82 lines, at most 80"}},
		{"package size", map[string]string{"internal/audit/a.go": long[:8*490], "internal/audit/b.go": long[:8*490], "internal/audit/c.go": long[:8*490],
			"internal/audit/d.go": long[:8*490], "internal/audit/e.go": long[:8*490]}, []string{"internal/audit: 2465 lines, at most 2000"}},
		{"generated", map[string]string{"internal/audit/a.go": "", "internal/audit/b.go": "// Code generated by x. DO NOT EDIT.\n\npackage audit\nfunc init() {}\n" + long}, nil},
		{"words", map[string]string{"internal/audit/a.go": "// TODO: more\nvar _ = \"not implemented\"", "internal/authn/a.go": "// is not yet implemented\n"}, []string{
			`internal/audit/a.go:3: comment says "TODO"`,
			`internal/audit/a.go:4: text says "not implemented"`,
			`internal/authn/a.go:3: comment says "not yet implemented"`}},
		{"init", map[string]string{"internal/audit/a.go": "type t int\nfunc (t) init() {}\nfunc init() {}"}, []string{"internal/audit/a.go:5: init function"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.files, c.want) })
	}
}

func expect(t *testing.T, files map[string]string, want []string) {
	t.Helper()
	got, err := archtest.Check(tree(files))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPackageLevelState(t *testing.T) {
	const v = "package-level variable x: "
	for text, want := range map[string]string{
		"var x = errors.New(\"a\")":                                                     "",
		"var x = regexp.MustCompile(`a`)":                                               "",
		"var x = mustParse(\"a\")":                                                      "",
		"var x = []string{\"a\"}":                                                       "",
		"var x = map[string]int{}\nfunc f() int { return x[\"a\"] }":                    "",
		"var x = [...]int{1}\nfunc f() { x := 1; x++; x = 2; _ = x }":                   "",
		"var x = []byte(\"a\")":                                                         "",
		"var x = reflect.TypeFor[int]()":                                                "",
		"var x = base64.RawURLEncoding.Strict()":                                        "",
		"var x = &portcullis.Error{}":                                                   "",
		"var x = sync.Pool{}":                                                           "",
		"var x = byName()\nfunc byName() map[string]int { return nil }":                 "",
		"var x = make1()\nfunc make1() table { return table{} }":                        "",
		"var x = build()\nfunc build() *T { return nil }":                               v + "holds something that can change",
		"var x = build()\nfunc build() any { return nil }":                              v + "holds something that can change",
		"var x = t.build()\nfunc (T) build() T { return nil }":                          v + "holds something that can change",
		"var x = build(1)\nfunc build(int) []int { return nil }\nfunc f() { x[0] = 1 }": v + "is written to in internal/audit/a.go:5",
		"var x = -(1 + time.Second)":                                                    "",
		"var _ I = (*T)(nil)":                                                           "",
		"var _ = f()":                                                                   "",
		"//go:embed x.txt\nvar x string":                                                "",
		"var (\n//go:embed x.txt\nx string\n)":                                          "",
		"func f(y []int) { y[0] = 1; var x int; x = y[0]; _ = x }":                      "",
		"var x int":                                                       v + "has no value of its own",
		"var x = &T{}":                                                    v + "holds something that can change",
		"var x = make(map[string]int)":                                    v + "holds something that can change",
		"var x = func() {}":                                               v + "holds something that can change",
		"var x = sync.Mutex{}":                                            v + "holds something that can change",
		"var x = atomic.Int64{}":                                          v + "holds something that can change",
		"var x = newThing()":                                              v + "holds something that can change",
		"var x = <-c":                                                     v + "holds something that can change",
		"var x = 1\nfunc f() { x = 2 }":                                   v + "is written to in internal/audit/a.go:4",
		"var x = 1\nfunc f() { x++ }":                                     v + "is written to in internal/audit/a.go:4",
		"var x = []int{1}\nfunc f() { (x[1:])[0] = 2 }":                   v + "is written to in internal/audit/a.go:4",
		"var x = T{}\nfunc f() { x.y.z = 2 }":                             v + "is written to in internal/audit/a.go:4",
		"var x = T{}\nfunc f() *T { return &x }":                          v + "is written to in internal/audit/a.go:4",
		"var x = map[int]int{}\nfunc f() { delete(x, 1) }":                v + "is written to in internal/audit/a.go:4",
		"var x = []int{2, 1}\nfunc f() { slices.Sort(x) }":                v + "is written to in internal/audit/a.go:4",
		"var x = 1\nfunc f(m []int) { for x = range m { } }":              v + "is written to in internal/audit/a.go:4",
		"var x = 1\nfunc f() { func() { x := 2; _ = x }(); x, _ = 3, 4 }": v + "is written to in internal/audit/a.go:4",
	} {
		if want != "" {
			want = "internal/audit/a.go:3: " + want
		}
		got, err := archtest.Check(tree(map[string]string{"internal/audit/a.go": text}))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%q:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestStateAcrossFiles(t *testing.T) {
	expect(t, map[string]string{
		"internal/audit/a.go":      "var X = []int{1}\nvar y = []int{1}\nvar ErrZ = errors.New(\"z\")\nvar now = time.Now",
		"internal/audit/b.go":      "func f() { y[0] = 2 }",
		"internal/audit/b_test.go": "func g() { now = nil }",
		"cmd/p/a.go":               "// Command p runs.\npackage main\nvar version string\nvar count int\n",
	}, []string{
		"cmd/p/a.go:4: package-level variable count: has no value of its own",
		"internal/audit/a.go:3: package-level variable X: is exported: others could write to it",
		"internal/audit/a.go:4: package-level variable y: is written to in internal/audit/b.go:3",
		"internal/audit/a.go:6: package-level variable now: is written to in internal/audit/b_test.go:3",
	})
}

func TestUnreadableTree(t *testing.T) {
	if _, err := archtest.Check(fstest.MapFS{"a.go": {Data: []byte("package")}}); err == nil {
		t.Error("a syntax error is passed over")
	}
	if _, err := archtest.Check(os.DirFS("/nonexistent")); err == nil {
		t.Error("a missing tree is passed over")
	}
}

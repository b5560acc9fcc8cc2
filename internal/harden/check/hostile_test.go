package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// What only stands in a folder of tests is deployed by nobody; a key of an
// issuer is found there all the same.
func TestFixturesAreNoTargets(t *testing.T) {
	key := "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
	dir := plant(t, map[string]string{
		"README.md": "# x\n", "a/testdata/Dockerfile": "FROM node:latest\n", "testdata/pod.yaml": "apiVersion: v1\nkind: Pod\n",
		"a/testdata/keys.txt": key + "\n", "a/testdata/short.txt": "postgres://u:hunter22@db/x\n", "long.yaml": "url: postgres://u:hunter22@db/x\n",
	})
	got := map[string]string{}
	for _, target := range report(t, dir).Targets {
		if target.Kind != rule.Repository {
			t.Errorf("%s is a target", target.Name)
		}
		for _, r := range target.Results {
			for _, f := range r.Findings {
				if r.ID == "repository-secret" {
					got[filepath.Base(f.File)] = f.Message
				}
				if strings.Contains(fmt.Sprint(f), key) {
					t.Errorf("the report holds the key: %+v", f)
				}
			}
		}
	}
	if len(got) != 2 || got["keys.txt"] == "" || got["long.yaml"] == "" {
		t.Errorf("credentials in %v", got)
	}
	// Named, it is looked at.
	if n := len(report(t, filepath.Join(dir, "a", "testdata")).Targets); n != 1 {
		t.Errorf("%d targets in a folder that was named", n)
	}
}

// Files that want the check to hang, crash or say that all is well.
func TestHostileFiles(t *testing.T) {
	bomb := "apiVersion: v1\nkind: Pod\na: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	dir := plant(t, map[string]string{
		"README.md":           "# x\n",
		"bomb.yaml":           bomb,
		"deep.yaml":           "apiVersion: v1\nkind: Pod\nspec: " + strings.Repeat("[", 100_000) + "\n",
		"docker-compose.yaml": "services:\n  a: &x\n    build: .\n    <<: *x\n",
		"nginx.conf":          strings.Repeat("http {", 50_000),
		"Dockerfile":          "FROM a\n" + strings.Repeat("RUN a \\\n", 50_000),
		"big.env":             strings.Repeat("PASSWORD=aaaaaaaaaaaaaaaa\n", 50_000),
		"package-lock.json":   `{"lockfileVersion":1,"dependencies":` + strings.Repeat(`{"a":{"dependencies":`, 5000) + "{}" + strings.Repeat("}}", 5000) + "}",
		"pnpm-lock.yaml":      "lockfileVersion: '9.0'\n" + bomb,
		"yarn.lock":           strings.Repeat("a@1, ", 200_000) + "a@1:\n",
		"Cargo.lock":          "x = " + strings.Repeat("{a = ", 100_000),
		"go.mod":              "module x\n" + strings.Repeat("require a.b/c v1.0.0\nreplace a.b/c => ../c\n", 10_000),
		"bom.json":            `{"bomFormat":"CycloneDX","components":` + strings.Repeat(`[{"components":`, 50_000),
		"slow.py":             "http://" + strings.Repeat("a:", 200_000) + strings.Repeat("-----BEGIN ", 20_000),
	})
	if err := os.Symlink(".", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	seen := map[string]check.TargetReport{}
	for _, target := range report(t, dir).Targets {
		seen[filepath.Base(target.Name)] = target
	}
	for _, name := range []string{"docker-compose.yaml", "nginx.conf", "big.env"} {
		target, ok := seen[name]
		if !ok || target.Error == "" {
			t.Errorf("%s: read without an error", name)
		}
		for _, r := range target.Results {
			if r.Verdict == rule.Pass {
				t.Errorf("%s: %s passes", name, r.ID)
			}
		}
	}
	for _, target := range seen {
		if strings.Contains(target.Error, "crashed") {
			t.Errorf("%s: %s", target.Name, target.Error)
		}
		for _, r := range target.Results {
			if strings.Contains(r.Reason, "crashed") || strings.Contains(r.Reason, "took too long") {
				t.Errorf("%s: %s: %s", target.Name, r.ID, r.Reason)
			}
		}
	}
}

// BenchmarkRepository checks a repository of 10 000 files.
func BenchmarkRepository(b *testing.B) {
	code := "package p\n\n"
	for i := range 60 {
		code += fmt.Sprintf("func f%d(a, b int) (string, error) { return fmt.Sprintf(\"%%d value\", a+b), nil }\n", i)
	}
	files := map[string]string{"go.mod": "module x\n", "README.md": "# x\n"}
	for i := range 10_000 {
		folder := fmt.Sprintf("d%d/e%d/", i/1000, i/50%20)
		switch {
		case i%50 == 0:
			files[fmt.Sprintf("%sDockerfile.%d", folder, i)] = "FROM golang:1.26\nRUN go build ./...\nUSER 1000\n"
		case i%50 == 1:
			files[fmt.Sprintf("%s%d.yaml", folder, i)] = fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: a%d, namespace: b}\nspec: {containers: [{name: a, image: \"x:1\"}]}\n", i)
		case i%50 < 10:
			files[fmt.Sprintf("%s%d.json", folder, i)] = strings.Repeat("{\"a\": [1, 2]}\n", 20)
		default:
			files[fmt.Sprintf("%s%d.go", folder, i)] = code
		}
	}
	dir := plant(b, files)
	b.ResetTimer()
	for b.Loop() {
		if n := len(report(b, dir).Targets); n < 200 {
			b.Fatalf("%d targets", n)
		}
	}
}

package archtest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every direct dependency has a reason in docs/dependencies.md, and no other is
// named there.
func TestDependenciesAreExplained(t *testing.T) {
	var direct []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
		direct = append(direct, m[1])
	}
	if len(direct) == 0 {
		t.Fatal("go.mod names no direct dependency")
	}
	doc := read(t, "docs/dependencies.md")
	for _, m := range direct {
		if !strings.Contains(doc, "`"+m+"`") {
			t.Errorf("docs/dependencies.md: no reason for %s", m)
		}
	}
	rows := regexp.MustCompile(`(?m)^(?:\| |Tests only:).*$`).FindAllString(doc, -1)
	tests, _, _ := strings.Cut(strings.Join(rows, "\n"), "Tools (")
	for _, m := range regexp.MustCompile("`([a-z0-9]+\\.[a-z]+/[^`\\s]+)`").FindAllStringSubmatch(tests, -1) {
		if !slices.Contains(direct, m[1]) {
			t.Errorf("docs/dependencies.md: %s is no direct dependency", m[1])
		}
	}
}

// Every page is one click away from the README.
func TestPagesAreLinked(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("looking for pages: %d, %v", len(pages), err)
	}
	readme := read(t, "README.md")
	for _, p := range pages {
		if name := "docs/" + filepath.Base(p); !strings.Contains(readme, "]("+name+")") {
			t.Errorf("README.md has no link to %s", name)
		}
	}
}

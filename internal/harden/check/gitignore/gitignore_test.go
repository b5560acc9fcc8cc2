package gitignore_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/gitignore"
)

func TestIgnored(t *testing.T) {
	g := gitignore.Patterns{}.With(".", []byte("# c\n*.key\n/build\nsecrets/\n!keep.key\na/**/z\n**/deep\n\\#x\n")).With("sub", []byte("local\n/top\n"))
	for name, want := range map[string]bool{
		"x.key": true, "a/b/x.key": true, "keep.key": false, "build/x": true, "a/build": false, "secrets/x": true, "secrets": false, "b/secrets/c/d": true,
		"a/z": true, "a/b/c/z": true, "q/deep": true, "#x": true, "local": false, "sub/local": true, "sub/a/local": true, "sub/top": true, "sub/a/top": false,
	} {
		if got := g.Ignored(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzIgnores(f *testing.F) {
	f.Add("a/**/b\n!*.key\n", "a/x/b")
	f.Fuzz(func(t *testing.T, text, name string) {
		g := gitignore.Patterns{}.With(".", []byte(text))
		g.Ignored(name)
		if g := g.With(".", []byte("\n**\n")); name != "" && name[0] != '/' && !g.Ignored(name) {
			t.Errorf("** leaves %q in", name)
		}
	})
}

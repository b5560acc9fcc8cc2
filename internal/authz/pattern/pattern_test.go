package pattern

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzGlob compares the matcher with the regular expression a pattern means.
func FuzzGlob(f *testing.F) {
	f.Add("a*b*c", "axbxc")
	f.Add("**a", "aa")
	f.Add("ab*ba", "aba")
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 100 || len(name) > 1000 {
			return
		}
		parts := strings.Split(text, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		re, err := regexp.Compile(`\A(?s:` + strings.Join(parts, ".*") + `)\z`)
		if err != nil {
			return // not UTF-8: the expression cannot say it
		}
		p := Compile([]string{text})
		if _, got := p.Match(name); got != re.MatchString(name) {
			t.Fatalf("%q on %q: %v", text, name, got)
		}
	})
}

func TestPlain(t *testing.T) {
	for uri, want := range map[string]string{
		"file:///a/b": "file:///a/b", "FILE://Host/A": "file://host/A", "file:///%61": "file:///a",
		`file:///a\b`: "file:///a/b", "file:///a/../b": "", "file:///a/%2e%2E/b": "", "file:///%252e%252e/b": "",
		"file:///%25252525252e": "", "x/.": "", "": "",
	} {
		got, ok := Plain(uri)
		if ok != (want != "" || uri == "") || ok && got != want {
			t.Errorf("%q: got %q, %v; want %q", uri, got, ok, want)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := Validate("f", []string{"a", "b*", "*"}); err != nil {
		t.Error(err)
	}
	for _, list := range [][]string{{""}, {strings.Repeat("x", maxPattern+1)}, make([]string, maxList+1)} {
		if err := Validate("f", list); err == nil || !strings.HasPrefix(err.Error(), "f") {
			t.Errorf("%d patterns: got %v", len(list), err)
		}
	}
}

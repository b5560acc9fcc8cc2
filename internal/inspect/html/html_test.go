package html_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	inspect "github.com/portcullis-dev/portcullis/internal/inspect/html"
)

func TestRewrite(t *testing.T) {
	for _, tt := range []struct{ in, allow, strip string }{
		{"plain", "plain", "plain"},
		{"<p class=x>Hi <B>you</B></p>", "<p>Hi <b>you</b></p>", "Hi you"},
		{"a < b <c> d", "a &lt; b  d", "a &lt; b  d"},
		{"<script>alert(1)</script>after", "after", "after"},
		{"<<b>script>x", "&lt;<b>script>x", "&lt;script>x"},
		{"<scr<script>x</script>ipt>", "xipt>", "xipt>"}, // the first tag is named "scr<script"
		{"<!-- x --><em>y</em><!doctype html>", "<em>y</em>", "y"},
		{"<br/><img src=x onerror=alert(1)>", "<br>", ""},
		{"<b onclick='x'>t", "<b>t", "t"},
		{"text <b", "text ", "text "},
	} {
		if got := string(inspect.AllowList(nil, []byte(tt.in))); got != tt.allow {
			t.Errorf("AllowList(%q) = %q, want %q", tt.in, got, tt.allow)
		}
		if got := string(inspect.Strip(nil, []byte(tt.in))); got != tt.strip {
			t.Errorf("Strip(%q) = %q, want %q", tt.in, got, tt.strip)
		}
	}
}

// FuzzRewrite asks another reader of HTML what is left.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"<p>a</p>", "<script>x</script>", "<<b>script>", "<!--><b>", "<a href='>'>x", "<svg><b>", "<b/ x=\"<i>\">", "</ p>", "<plaintext>x", "<b\x00>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept := string(inspect.AllowList(nil, []byte(s)))
		for _, tok := range tokens(kept) {
			if tok.Type == html.TextToken {
				continue
			}
			if !slices.Contains([]string{"p", "br", "b", "i", "em", "strong"}, tok.Data) || len(tok.Attr) > 0 {
				t.Fatalf("AllowList(%q) = %q with %v", s, kept, tok)
			}
		}
		bare := string(inspect.Strip(nil, []byte(s)))
		for _, tok := range tokens(bare) {
			if tok.Type != html.TextToken {
				t.Fatalf("Strip(%q) = %q with %v", s, bare, tok)
			}
		}
		if again := string(inspect.Strip(nil, []byte(bare))); again != bare {
			t.Fatalf("Strip(%q) = %q, then %q", s, bare, again)
		}
	})
}

func tokens(s string) []html.Token {
	var out []html.Token
	z := html.NewTokenizer(strings.NewReader(s))
	for z.Next() != html.ErrorToken {
		out = append(out, z.Token())
	}
	return out
}

func TestClean(t *testing.T) {
	d := inspect.Detector{}
	for _, tt := range []struct{ kind, found, want string }{
		{inspect.KindActive, "<script>x</script>", ""}, {inspect.KindTag, "<p class=x>", "<p>"}, {inspect.KindTag, "<div>", ""},
		{inspect.KindAllowed, "<b>", ""}, {inspect.KindActive, "javascript:x", ""}, {inspect.KindActive, "<b onclick=x>", "<b>"}, {inspect.KindTag, "", ""},
	} {
		if got := string(d.Clean(nil, tt.kind, []byte(tt.found))); got != tt.want {
			t.Errorf("Clean(%s, %q) = %q, want %q", tt.kind, tt.found, got, tt.want)
		}
	}
}

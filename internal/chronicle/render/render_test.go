package render_test

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/chronicle/render"
)

func TestMarkdown(t *testing.T) {
	got := render.Markdown("Head:", []render.Item{
		{Title: "A *bold* [link](http://e) <b> `c` & more", URL: "https://h/[x](y)*", Facts: []string{"Timestamp: now"}},
		{URL: "http://[::1]/a[b]"},
	})
	want := "Head:\n\n- **A \\*bold\\* \\[link\\](http://e) \\<b\\> \\`c\\` \\& more**\n  URL: https://h/%5Bx%5D%28y%29%2A\n" +
		"  Timestamp: now\n\n- **(untitled)**\n  URL: http://[::1]/a%5Bb%5D"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestCSV(t *testing.T) {
	got, err := render.CSV([]string{"title", "url"}, [][]string{
		{"=HYPERLINK(\"x\")", "https://h/"}, {"+1", "-1"}, {"@a", "\tb"}, {"a \"q\", b", "＝1"}, {"", "plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "title,url\r\n\"'=HYPERLINK(\"\"x\"\")\",https://h/\r\n'+1,'-1\r\n'@a,'\tb\r\n\"a \"\"q\"\", b\",'＝1\r\n,plain\r\n"
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func FuzzTitle(f *testing.F) {
	f.Add("a*b_c[d](e)`f`<g>&amp;#!~|\\")
	f.Fuzz(func(t *testing.T, s string) {
		esc := render.Title(s)
		if s == "" {
			return
		}
		var back strings.Builder
		for i := 0; i < len(esc); i++ {
			if esc[i] == '\\' {
				i++
			} else if strings.IndexByte("`*_[]<>|~&#!", esc[i]) >= 0 {
				t.Fatalf("Title(%q) = %q: %q is not escaped", s, esc, esc[i])
			}
			back.WriteByte(esc[i])
		}
		if back.String() != s {
			t.Fatalf("Title(%q) = %q reads back as %q", s, esc, back.String())
		}
	})
}

func FuzzCSV(f *testing.F) {
	f.Add("=1", "a\"b\r\n,c")
	f.Add("\r=1", "a\"b\xa4\n,\r")
	f.Fuzz(func(t *testing.T, a, b string) {
		text, err := render.CSV([]string{"x", "y"}, [][]string{{a, b}})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != 2 {
			t.Fatalf("%q reads back as %q, %v", text, rows, err)
		}
		for i, in := range []string{a, b} {
			got := strings.TrimPrefix(rows[1][i], "'")
			norm := strings.NewReplacer("\r", "").Replace // the writer owns line ends
			if norm(got) != norm(strings.TrimPrefix(in, "'")) {
				t.Fatalf("%q became %q", in, got)
			}
			if rows[1][i] != "" && strings.ContainsRune("=+-@\t\r\n", rune(rows[1][i][0])) {
				t.Fatalf("%q starts a formula", rows[1][i])
			}
		}
	})
}

package toolpin_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

func TestCanonical(t *testing.T) {
	same := []string{
		`{"b":1,"a":{"y":[1, 2],"x":"\u0041\/"}}`, ` { "a" : {"x":"A/","y":[1,2]} , "b" : 1 } `, "{\"a\":{\"x\":\"A\\u002f\",\"y\":[1,2]},\n\"b\":1}",
	}
	for _, s := range same {
		if got, err := toolpin.Canonical([]byte(s)); err != nil || string(got) != `{"a":{"x":"A/","y":[1,2]},"b":1}` {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	for _, pair := range [][2]string{
		{`{"a":1}`, `{"a":1.0}`},
		{`{"a":9007199254740992}`, `{"a":9007199254740993}`},
		{`{"a":1e2}`, `{"a":100}`},
		{`{"a":[1,2]}`, `{"a":[2,1]}`},
		{`{"a":"é"}`, `{"a":"e\u0301"}`},
		{`{"a":null}`, `{}`},
	} {
		x, err := toolpin.Canonical([]byte(pair[0]))
		if err != nil {
			t.Fatal(err)
		}
		y, err := toolpin.Canonical([]byte(pair[1]))
		if err != nil || bytes.Equal(x, y) {
			t.Errorf("%s and %s are one: %s, %v", pair[0], pair[1], y, err)
		}
	}
	for _, bad := range []string{``, `{`, `{"a":1,"a":1}`, `{"a":1,"\u0061":1}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{} {}`, `"` + strings.Repeat("x", 256<<10) + `"`} {
		if got, err := toolpin.Canonical([]byte(bad)); err == nil {
			t.Errorf("%.40q becomes %.40q", bad, got)
		}
	}
}

// FuzzCanonical: the form is stable, means the same, and does not depend on
// how the value was spelled.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		`{"name":"a","description":"b","inputSchema":{"type":"object","properties":{"x":{"maximum":1e400}}}}`, `[1.0,-0,1E+2,null,true,"\u00e9\ud83d\ude00"]`,
		`{"b":{"d":1,"c":2},"a":[]}`, `"` + tagged + `"`, `{"a":1,"\u0061":2}`, `  0  `, "{\"\u2028\":\"<>&\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		one, err := toolpin.Canonical(raw)
		if !bytes.Equal(before, raw) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		two, err := toolpin.Canonical(one)
		if err != nil || !bytes.Equal(one, two) {
			t.Fatalf("not stable: %s, %s, %v", one, two, err)
		}
		if !bytes.Equal(spelledOut(t, raw), spelledOut(t, one)) {
			t.Fatalf("%s does not mean %s", one, raw)
		}
		if len(one) > 0 && one[0] == '{' {
			parts, err := toolpin.Parts(one)
			if err != nil {
				t.Fatal(err)
			}
			if names, err := toolpin.Changed(one, one); err != nil || len(names) != 0 {
				t.Fatalf("differs from itself in %v, %v", names, err)
			}
			var all []string
			for _, p := range parts {
				all = append(all, p.Name)
			}
			if names, err := toolpin.Changed([]byte(`{}`), one); err != nil || !slices.Equal(names, all) {
				t.Fatalf("differs from nothing in %v, %v", names, err)
			}
		}
	})
}

// spelledOut is what another reader makes of a value, numbers as they stand.
func spelledOut(t *testing.T, raw []byte) []byte {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("another reader refuses %q: %v", raw, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDiff(t *testing.T) {
	canonical := func(s string) []byte {
		b, err := toolpin.Canonical([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	before := canonical(`{"name":"read_file","description":"Reads a file.\nOnly below /srv.","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}}`)
	after := canonical(`{"name":"read_file","description":"Reads a file.\nOnly below /srv.` + zeroWidth + ` \u001b[8m⟨","inputSchema":{"type":"object","properties":{"path":{"type":"string"},"sidenote":{"type":"string","description":"context"}}}}`)
	got, err := toolpin.Diff(before, after)
	want := `@@ -2,11 +2,15 @@
   read_file
 description:
   Reads a file.
-  Only below /srv.
+  Only below /srv.⟨U+200B⟩ ⟨U+001B⟩[8m⟨
 inputSchema:
   {
     "properties": {
       "path": {
+        "type": "string"
+      },
+      "sidenote": {
+        "description": "context",
         "type": "string"
       }
     },
`
	if err != nil || got != want {
		t.Errorf("got\n%s\nwant\n%s\n%v", got, want, err)
	}
	if got, err := toolpin.Diff(before, before); err != nil || got != "" {
		t.Errorf("a version differs from itself: %s, %v", got, err)
	}
	got, err = toolpin.Diff(nil, canonical(`{"name":"a"}`))
	if err != nil || got != "@@ -0,0 +1,2 @@\n+name:\n+  a\n" {
		t.Errorf("a new tool: %q, %v", got, err)
	}
	if _, err := toolpin.Diff([]byte(`[]`), nil); err == nil {
		t.Error("an entry that is no object has a difference")
	}
}

// FuzzDiff: whatever servers write, what is printed is printable, and lines of
// both sides are all there.
func FuzzDiff(f *testing.F) {
	f.Add("Reads a file.", "Reads"+zeroWidth+" a file.\nAnd more.")
	f.Add("a\nb\nc\nd\ne\nf\ng\nh\ni", "a\nb\nX\nd\ne\nf\ng\nh\nY")
	f.Add(bidi, tagged+"\x1b[2J\r\u0085")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errX := toolpin.Canonical([]byte(entry("t", a)))
		y, errY := toolpin.Canonical([]byte(entry("t", b)))
		if errX != nil || errY != nil {
			return
		}
		got, err := toolpin.Diff(x, y)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(x, y) != (got == "") {
			t.Fatalf("%q and %q: %q", a, b, got)
		}
		for _, r := range got {
			if r != '\n' && (!unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r)) {
				t.Fatalf("U+%04X is printed: %q", r, got)
			}
		}
	})
}

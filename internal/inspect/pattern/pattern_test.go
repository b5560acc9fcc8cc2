package pattern

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

func TestFind(t *testing.T) {
	for _, c := range []struct{ regex, word, text, found string }{
		{`PRJ-[0-9]{3}`, "PRJ-", "see PRJ-123 and PRJ-4567, not PRJ-1", "PRJ-123 PRJ-456"},
		{`(?i)prj-[0-9]+`, "", "PrJ-1 pRj-22", "PrJ-1 pRj-22"},
		{`\bx[0-9]\b`, "", "x1 xx2 x3", "x1 x3"},
		{`é+`, "", "éé", "éé"},
		{`^a|b$`, "", "aab", "a b"},
		{`kunde`, "kunde", "kunde", "kunde"},
	} {
		d, err := New(Config{"code", c.regex, 90})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.Hint().Words, " "); got != c.word {
			t.Errorf("%s: word %q, want %q", c.regex, got, c.word)
		}
		var got []string
		for _, f := range d.Find([]finding.Finding{{}}, []byte(c.text))[1:] {
			if f.Kind != "pattern.code" || f.Score != 90 {
				t.Errorf("%+v", f)
			}
			got = append(got, c.text[f.Start:f.End])
		}
		if strings.Join(got, " ") != c.found {
			t.Errorf("%s: found %q, want %q", c.regex, got, c.found)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{"a_1", "a", 1}, ""},
		{Config{"", "a", 1}, "name"},
		{Config{"A", "a", 1}, "name"},
		{Config{strings.Repeat("a", 33), "a", 1}, "name"},
		{Config{"a", "a", 0}, "score"},
		{Config{"a", "a", 101}, "score"},
		{Config{"a", "(", 1}, "regex"},
		{Config{"a", "a*", 1}, "empty text"},
		{Config{"a", strings.Repeat("a", 1001), 1}, "regex"},
		{Config{"a", `(?=a)`, 1}, "regex"},
	} {
		err := c.config.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
	}
}

// FuzzHint holds the hint to the expression: what matches holds the word.
func FuzzHint(f *testing.F) {
	f.Add(`abc[0-9]`, "xabc1")
	f.Add(`(?i)abc`, "ABC")
	f.Add(`(?i:a)bc`, "Abc")
	f.Add(`a(?i)bc`, "aBC")
	f.Fuzz(func(t *testing.T, regex, text string) {
		d, err := New(Config{"a", regex, 50})
		if err != nil {
			return
		}
		for _, w := range d.Hint().Words {
			if len(d.Find(nil, []byte(text))) > 0 && !strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
				t.Errorf("%q is found in %q, which does not hold %q", regex, text, w)
			}
		}
	})
}

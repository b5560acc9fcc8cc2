package content

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// TestPrefilter holds the automaton to a search for each word by itself.
func TestPrefilter(t *testing.T) {
	hints := []finding.Hint{
		{Words: []string{"ab", "abc", "bca"}}, {Words: []string{"c"}}, {Words: []string{"AA", "cab-1"}, Bytes: "@"},
		{Beyond: true, Digits: 1}, {Digits: 3}, {MinLen: 6}, {}, {Words: []string{"-1a", "b-"}, Digits: 1, MinLen: 4},
		{Words: []string{"a-"}, OrDigits: 2, OrLen: 5}, {Bytes: "@", OrDigits: 1, MinLen: 3},
	}
	var detectors []finding.Detector
	for i, h := range hints {
		detectors = append(detectors, &like{name: fmt.Sprint("d", i), hint: h})
	}
	p := newPrefilter(detectors)
	const alphabet = "abcABC-1@é\"\\ "
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // a test that repeats
		var text []byte
		for range r.IntN(12) {
			text = append(text, alphabet[r.IntN(len(alphabet))])
		}
		end, sig := p.scan(text, 0, &p.decoded)
		if end != len(text) {
			t.Fatalf("%q: stopped at %d", text, end)
		}
		var want set
		for i, h := range hints {
			anchored := h.Bytes == "" && !h.Beyond && len(h.Words) == 0
			anchored = anchored || h.Bytes != "" && bytes.ContainsAny(text, h.Bytes) || h.Beyond && bytes.IndexFunc(text, func(r rune) bool { return r > 0x7f }) >= 0
			for _, w := range h.Words {
				anchored = anchored || strings.Contains(strings.ToLower(string(text)), strings.ToLower(w))
			}
			digits := bytes.Count(text, []byte("1"))
			anchored = anchored || h.OrDigits > 0 && digits >= h.OrDigits && len(text) >= h.OrLen
			if anchored && digits >= h.Digits && len(text) >= h.MinLen {
				want |= 1 << i
			}
		}
		if got := p.concerned(len(text), sig, 0); got != want {
			t.Fatalf("%q: concerns %b, want %b", text, got, want)
		}
		stopAt, _ := p.scan(text, 0, &p.raw)
		if i := bytes.IndexAny(text, "\"\\"); i >= 0 && stopAt != i || i < 0 && stopAt != len(text) {
			t.Fatalf("%q: raw scan stopped at %d", text, stopAt)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.b[]", false}, {"a.b[]", "a.b[]", true}, {"a.*", "a.b", true}, {"a.*", "a.b.c", false},
		{"a.**", "a.b.c[].d", true}, {"a.**", "a", true}, {"a.*[].c", "a.b[].c", true}, {"a.*[].c", "a.b.c", false},
		{"a", "a.b", false}, {"a.b.c", "a.b", false}, {"*.b", "a.b", true}, {"a.**", "ab.c", false},
	} {
		if got := matchPath(c.pattern, c.path); got != c.want {
			t.Errorf("%s of %s: %v", c.pattern, c.path, got)
		}
	}
	for p, ok := range map[string]bool{
		"a": true, "result.content[].text": true, "params.**": true, "*.a": true, "a[][]": true, "": false, "**": false, "a.**.b": false, "a b": false, "[]": false, "a..b": false,
	} {
		if err := validPattern(p); (err == nil) != ok {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{Detect: []string{"secret", "pii.email", "email", "*"}}, ""},
		{Rule{}, "detect: names nothing"},
		{Rule{Detect: []string{"secre"}}, `detect[0]: "secre": is no detector`},
		{Rule{Detect: []string{"*"}, MinScore: 101}, "min_score: 101: want 0 to 100"},
		{Rule{Detect: []string{"*"}, ExceptPaths: []string{"a b"}}, "except_paths[0]"},
		{Rule{Detect: []string{"*"}, ExceptTools: []string{"*a"}}, "except_tools[0]"},
	} {
		err := c.rule.Validate(fakes())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.rule, err, c.want)
		}
	}
	for name, want := range map[string]Action{"mask": Mask, "block": Block, "allow": Allow} {
		if got, err := ParseAction(name); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "detokenize", "Block"} {
		if _, err := ParseAction(name); err == nil {
			t.Errorf("%q is an action", name)
		}
	}
}

// TestFindingNothingTakesNoMemory is the promise of the package.
func TestFindingNothingTakesNoMemory(t *testing.T) {
	var detectors []finding.Detector
	for _, d := range fakes() {
		detectors = append(detectors, &silent{like{name: d.Name(), hint: d.Hint()}})
	}
	e, err := New(Options{Route: "r", Detectors: detectors, Results: all(Redact)})
	if err != nil {
		t.Fatal(err)
	}
	m := message(t, realistic(false), portcullis.ToClient)
	s := new(scan) // not from the pool, which loses some on purpose under the race detector
	if n := testing.AllocsPerRun(20, func() {
		s.begin(e, e.sets[portcullis.ToClient], m, false)
		if !s.run(m.Raw, s) || len(s.tally) > 0 {
			t.Error("something was found")
		}
		s.end()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// realistic is a reply of about 10 KB: text with line breaks and quotes, as
// files and listings have, and the same structured.
func realistic(dirty bool) string {
	var text, rows strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, `%d. Deployment of \"service-%d\" finished on 2026-03-%02d at 14:%02d in region eu-west-%d.\nSee /var/log/app/%d.log for details; the owner is team-%d.\n`, i, i*7, i%28+1, i, i%3, i, i%5)
		if i > 0 {
			rows.WriteByte(',')
		}
		fmt.Fprintf(&rows, `{"id":%d,"name":"service-%d","region":"eu-west-%d","healthy":true,"replicas":%d,"updated":"2026-03-%02dT14:%02d:00Z"}`, 100000+i, i*7, i%3, i%4, i%28+1, i)
	}
	if dirty {
		text.WriteString(`Mail bob@x.org, key SECRET-abcd1.`)
	}
	return result(`{"content":[{"type":"text","text":"` + text.String() + `"}],"structuredContent":{"services":[` + rows.String() + `]}}`)
}

// silent has the hint of a detector and finds nothing.
type silent struct{ like }

func (*silent) Find(dst []finding.Finding, _ []byte) []finding.Finding { return dst }

// BenchmarkWalk is what the engine itself costs: reading strings and hints.
func BenchmarkWalk(b *testing.B) {
	var detectors []finding.Detector
	words := []string{"ghp_", "github_pat_", "glpat-", "xoxb-", "sk_live_", "sk-ant-", "akia", "-----begin", "eyj", "password", "secret", "token", "api_key", "bearer ", "http://", "https://", "ignore previous", "system prompt", "<script", "javascript:"}
	for i, w := range words {
		detectors = append(detectors, &silent{like{name: fmt.Sprint("d", i), hint: finding.Hint{Words: []string{w}}}})
	}
	for i, h := range []finding.Hint{{Bytes: "@"}, {Digits: 13, MinLen: 13}, {Digits: 9}, {Beyond: true}, {Bytes: "<"}} {
		detectors = append(detectors, &silent{like{name: fmt.Sprint("e", i), hint: h}})
	}
	e, err := New(Options{Route: "r", Detectors: detectors, Results: all(Block)})
	if err != nil {
		b.Fatal(err)
	}
	raw := realistic(false)
	m := message(b, raw, portcullis.ToClient)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Inspect(b.Context(), portcullis.Principal{}, m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	for _, dirty := range []bool{false, true} {
		b.Run(map[bool]string{false: "clean", true: "found"}[dirty], func(b *testing.B) {
			e := mixed(b)
			raw := realistic(dirty)
			m := message(b, raw, portcullis.ToClient)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				one := *m
				if _, err := e.Inspect(b.Context(), portcullis.Principal{}, &one); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

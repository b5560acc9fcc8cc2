package corpus_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/corpus"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// holds checks what every detector promises on any text.
func holds(t *testing.T, d finding.Detector, name, s []byte) {
	t.Helper()
	original := bytes.Clone(s)
	find := d.Find
	if n, ok := d.(finding.Named); ok && len(name) > 0 {
		find = func(dst []finding.Finding, s []byte) []finding.Finding { return n.FindUnder(dst, name, s) }
	}
	findings := find(nil, s)
	if !bytes.Equal(s, original) {
		t.Fatalf("%s changed %q to %q", d.Name(), original, s)
	}
	end := 0
	for _, f := range findings {
		if f.Start < end || f.End <= f.Start || f.End > len(s) {
			t.Fatalf("%s: %v after %d in %q of %d bytes", d.Name(), f, end, s, len(s))
		}
		end = f.End
		if !slices.Contains(d.Kinds(), f.Kind) || f.Score < 1 || f.Score > 100 {
			t.Fatalf("%s: %v in %q", d.Name(), f, s)
		}
		value := s[f.Start:f.End]
		if m, ok := d.(finding.Masker); ok {
			// A value may happen to be a part of the word that stands for all.
			if mask := m.Mask(nil, f.Kind, value); len(mask) == 0 || len(value) > 4 && bytes.Contains(mask, value) && string(mask) != "REDACTED" {
				t.Fatalf("%s: mask of %q is %q", d.Name(), value, mask)
			}
		}
		if c, ok := d.(finding.Cleaner); ok {
			c.Clean(nil, f.Kind, value)
		}
	}
}

func fuzz(f *testing.F, name string) {
	f.Helper()
	for i, s := range corpus.Generate(3) {
		if s.Detector == name && i%7 == 0 {
			f.Add([]byte(s.Name), []byte(s.Text))
		}
	}
	all := detectors(f)
	at := slices.IndexFunc(all, func(d finding.Detector) bool { return d.Name() == name })
	f.Fuzz(func(t *testing.T, under, s []byte) { holds(t, all[at], under, s) })
}

func FuzzSecret(f *testing.F)    { fuzz(f, "secret") }
func FuzzPII(f *testing.F)       { fuzz(f, "pii") }
func FuzzURL(f *testing.F)       { fuzz(f, "url") }
func FuzzEgress(f *testing.F)    { fuzz(f, "egress") }
func FuzzHTML(f *testing.F)      { fuzz(f, "html") }
func FuzzFormula(f *testing.F)   { fuzz(f, "formula") }
func FuzzTerminal(f *testing.F)  { fuzz(f, "terminal") }
func FuzzUnicode(f *testing.F)   { fuzz(f, "unicode") }
func FuzzInjection(f *testing.F) { fuzz(f, "injection") }

// TestMaskIsFinal holds masks to their promise: the mask of a mask is the mask,
// or is not found.
func TestMaskIsFinal(t *testing.T) {
	samples := corpus.Generate(4)
	for _, d := range detectors(t) {
		m, ok := d.(finding.Masker)
		if !ok {
			continue
		}
		for _, s := range samples {
			if s.Detector != d.Name() || !s.Positive() {
				continue
			}
			for _, f := range look(d, s) {
				value := s.Text[f.Start:f.End]
				once := m.Mask(nil, f.Kind, []byte(value))
				if again := d.Find(nil, once); len(again) > 0 && string(m.Mask(nil, again[0].Kind, once[again[0].Start:again[0].End])) != string(once[again[0].Start:again[0].End]) {
					t.Errorf("%s: the mask %q of %q is found again: %v", d.Name(), once, value, again)
				}
			}
		}
	}
}

// hostile texts repeat what makes a careless scanner look at bytes again.
var hostile = []string{
	"<a ", "<!--", "<svg>", "a:", "//", "://", "@", "a@", "password=", "1 ", "1.", "1-", "::", ":1", "ignore ", "ey", "eyJ", "-----BEGIN PRIVATE KEY-----",
	"\x1b]", "\u202e", "\u200b", "=", "\n=(", "%", "\\", "http://a@", "https://h/?", "](", "a.b@c.d.", "AKIA", "[[", "Bearer ", "javascript:", "0.", "'",
	"?token=", "a:/", ":/word ", "data:text/html,", "password=postgres://",
}

// BenchmarkHostile shows that no such text makes the work explode.
func BenchmarkHostile(b *testing.B) {
	for _, unit := range hostile {
		s := []byte(strings.Repeat(unit, 100_000/len(unit)))
		for _, d := range detectors(b) {
			b.Run(d.Name()+"/"+unit, func(b *testing.B) {
				var dst []finding.Finding
				b.SetBytes(int64(len(s)))
				for b.Loop() {
					dst = d.Find(dst[:0], s)
				}
			})
		}
	}
}

// traffic is ten kilobytes of texts in which nothing stands.
func traffic() []byte {
	var b strings.Builder
	for _, s := range corpus.Generate(5) {
		if s.Detector == "" && !s.Positive() && b.Len() < 10<<10 {
			b.WriteString(s.Text + "\n")
		}
	}
	return []byte(b.String())
}

func BenchmarkFind(b *testing.B) {
	s := traffic()
	for _, d := range detectors(b) {
		b.Run(d.Name(), func(b *testing.B) {
			var dst []finding.Finding
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				dst = d.Find(dst[:0], s)
			}
		})
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	s := traffic()
	dst := make([]finding.Finding, 0, 100)
	for _, d := range detectors(t) {
		if n := testing.AllocsPerRun(20, func() { dst = d.Find(dst[:0], s) }); n > 0 {
			t.Errorf("%s: %v allocations", d.Name(), n)
		}
	}
}

// TestHints holds that no string in which a detector finds something fails to
// meet its hint: the engine would not show it.
func TestHints(t *testing.T) {
	for _, d := range detectors(t) {
		h := d.Hint()
		for _, s := range corpus.Generate(6) {
			if len(look(d, s)) > 0 && !meets(h, s) {
				t.Errorf("%s: %q under %q does not meet the hint", d.Name(), s.Text, s.Name)
			}
		}
	}
}

func meets(h finding.Hint, s corpus.Sample) bool {
	digits := 0
	beyond := false
	for i := range len(s.Text) {
		if c := s.Text[i]; c >= '0' && c <= '9' {
			digits++
		} else if c >= 0x80 {
			beyond = true
		}
	}
	if len(s.Text) < h.MinLen || digits < h.Digits {
		return false
	}
	if h.Bytes == "" && len(h.Words) == 0 && !h.Beyond || h.OrDigits > 0 && digits >= h.OrDigits && len(s.Text) >= h.OrLen {
		return true
	}
	for _, w := range h.Words {
		if strings.Contains(strings.ToLower(s.Text), w) || strings.Contains(strings.ToLower(s.Name), w) {
			return true
		}
	}
	return strings.ContainsAny(s.Text, h.Bytes) || h.Beyond && beyond
}

package percent

import (
	"net/url"
	"testing"
)

func TestDecode(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain": "plain", "%41": "A", "%4a%4A": "JJ", "%": "%", "%4": "%4", "%4g": "%4g", "a%zz%41": "a%zzA",
		"%2541": "%41", "%%41": "%A", "x%00y": "x\x00y", "%41%": "A%", "%41tail": "Atail",
	} {
		if got := Decode(in); got != want {
			t.Errorf("Decode(%q) = %q, want %q", in, got, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { Decode("no escape here 100%") }); n != 0 {
		t.Errorf("%v allocations without an escape", n)
	}
}

// FuzzDecode holds Decode to net/url wherever that decodes at all.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "a%41b", "%zz", "%", "%4", "%25%32%35"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Decode(s)
		if want, err := url.PathUnescape(s); err == nil && got != want {
			t.Errorf("Decode(%q) = %q, net/url says %q", s, got, want)
		}
		if len(got) > len(s) {
			t.Errorf("Decode(%q) grew to %q", s, got)
		}
	})
}

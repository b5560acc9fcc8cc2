package diff

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	before := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n"
	after := "1\n2\nthree\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13"
	want := "--- a\n+++ b\n@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n@@ -10,3 +10,4 @@\n 10\n 11\n 12\n+13\n\\ No newline at end of file\n"
	if got := Unified([]byte(before), []byte(after), "a", "b"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Unified([]byte(before), []byte(before), "a", "b"); got != "" {
		t.Errorf("no difference: %q", got)
	}
	if got := Unified(nil, []byte("x\n"), "/dev/null", "b"); got != "--- /dev/null\n+++ b\n@@ -0,0 +1,1 @@\n+x\n" {
		t.Errorf("a new file: %q", got)
	}
}

// Taking the lines of one side out of a comparison gives the other.
func TestCompareLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "\n"}))
		a, b := lines.Draw(t, "a"), lines.Draw(t, "b")
		var old, now strings.Builder
		for _, l := range compare(a, b) {
			if l.sign != '+' {
				old.WriteString(l.text)
			}
			if l.sign != '-' {
				now.WriteString(l.text)
			}
		}
		if old.String() != strings.Join(a, "") || now.String() != strings.Join(b, "") {
			t.Fatalf("%q %q: %q %q", a, b, old.String(), now.String())
		}
	})
}

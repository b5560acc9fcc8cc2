package scope

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawName draws names and patterns from few parts, so that they meet.
func drawName(t *rapid.T, label string) string {
	out := ""
	for range rapid.IntRange(1, 4).Draw(t, label) {
		out += rapid.SampledFrom([]string{"github", "issues", "git", "/", "_", ".", "..", "%2e", "x"}).Draw(t, "part")
	}
	return out
}

func drawScope(t *rapid.T) string {
	s := "tools:" + drawName(t, "scope")
	if rapid.Bool().Draw(t, "wild") {
		s += rapid.SampledFrom([]string{"/*", "*", "_*"}).Draw(t, "star")
	}
	return s
}

// TestNarrowerNeverAllowsMore: of two valid patterns of which one begins with
// the other's stem, the longer covers nothing that the shorter does not; and a
// grant less, or another order of grants, never allows more.
func TestNarrowerNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stem, more := "tools:"+drawName(t, "stem")+"/", drawName(t, "more")
		wide, narrow := stem+"*", stem+more+"/*"
		need := rapid.SampledFrom([]string{stem + more + "/a", stem + more, stem + drawName(t, "need"), "tools:" + drawName(t, "need")}).Draw(t, "need")
		if Match([]string{narrow}, need) && !Match([]string{wide}, need) {
			t.Fatalf("%q covers %q and %q does not", narrow, need, wide)
		}
		if Match([]string{wide}, need) && !Match([]string{"tools:*"}, need) {
			t.Fatalf("%q covers %q and tools:* does not", wide, need)
		}
		granted := rapid.SliceOfN(rapid.Custom(drawScope), 0, 5).Draw(t, "granted")
		all := Match(granted, need)
		turned := slices.Clone(granted)
		slices.Reverse(turned)
		if Match(turned, need) != all {
			t.Fatal("the order matters")
		}
		if len(granted) > 0 && Match(granted[1:], need) && !all {
			t.Fatal("a grant less allows more")
		}
	})
}

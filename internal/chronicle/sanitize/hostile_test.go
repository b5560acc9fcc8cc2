package sanitize_test

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/chronicle/sanitize"
)

// BenchmarkHostile shows that no shape of a URL of the largest size makes the
// work explode: the nesting is capped and each layer reads its bytes once.
func BenchmarkHostile(b *testing.B) {
	s := newSanitizer(b)
	for _, unit := range []string{
		"%25", "a=", "a&", ";", "a=%3D;", "//", "blob:", "/?#", "@", "a:b@", "%2525252525", "https://a?b=", " x=", "eyJ.",
		"https%3A%2F%2F", "[a]", "token=", "%74oken", "a%20https://", "password: ", "%", "ghp_", "\u200b",
	} {
		in := "https://h/?r=" + strings.Repeat(unit, sanitize.MaxURL/len(unit)-8)
		b.Run(unit, func(b *testing.B) {
			for b.Loop() {
				s.Page(in, in)
			}
		})
	}
}

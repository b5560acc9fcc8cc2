// Package field holds the types and checks that sections of the configuration
// share.
package field

import (
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// Size is a number of bytes, see [tomlstrict.Size].
type Size = tomlstrict.Size

// Secret is text that no output shows.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns a mask.
func (s Secret) String() string { return "[masked]" }

// GoString returns a mask.
func (s Secret) GoString() string { return "[masked]" }

// MarshalText returns a mask, so that encoders show nothing.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[masked]"), nil }

// IsToken reports whether s is a name: letters, digits, dots, dashes and
// underscores.
func IsToken(s string) bool {
	for _, c := range []byte(s) {
		ok := c == '.' || c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !ok {
			return false
		}
	}
	return s != ""
}

// Between checks a duration of a field.
func Between(name string, d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("%s: %q: want between %q and %q", name,
			tomlstrict.FormatDuration(d), tomlstrict.FormatDuration(low), tomlstrict.FormatDuration(high))
	}
	return nil
}

// AtLeast checks a number of a field.
func AtLeast(name string, n, low int64) error {
	if n < low {
		return fmt.Errorf("%s: %d: want at least %d", name, n, low)
	}
	return nil
}

package jsonrpc

import "fmt"

// Limits bounds what a message may hold. Every bound is inclusive.
type Limits struct {
	MaxBytes   int `toml:"max_bytes"`   // bytes of the message
	MaxDepth   int `toml:"max_depth"`   // objects and arrays inside one another, the message included
	MaxArray   int `toml:"max_array"`   // elements of one array
	MaxMembers int `toml:"max_members"` // members of one object
	MaxString  int `toml:"max_string"`  // bytes of UTF-8 of one string or name, after unescaping
	MaxMethod  int `toml:"max_method"`  // bytes of the method
}

// The widest limits that Validate lets through.
const (
	widestBytes = 1 << 30
	widestDepth = 1000
)

// DefaultLimits are the limits for what callers send (S0-18, S0-32).
func DefaultLimits() Limits {
	return Limits{
		MaxBytes:   1 << 20,
		MaxDepth:   10,
		MaxArray:   1000,
		MaxMembers: 1000,
		MaxString:  100_000,
		MaxMethod:  100,
	}
}

// DefaultReplyLimits are the limits for what upstreams send, which is more:
// documents, images and long lists.
func DefaultReplyLimits() Limits {
	return Limits{
		MaxBytes:   16 << 20,
		MaxDepth:   64,
		MaxArray:   100_000,
		MaxMembers: 100_000,
		MaxString:  8 << 20,
		MaxMethod:  100,
	}
}

// Validate reports the first limit that is out of range.
func (l Limits) Validate() error {
	for _, f := range [...]struct {
		name      string
		got, most int
	}{
		{"max_bytes", l.MaxBytes, widestBytes},
		{"max_depth", l.MaxDepth, widestDepth},
		{"max_array", l.MaxArray, widestBytes},
		{"max_members", l.MaxMembers, widestBytes},
		{"max_string", l.MaxString, widestBytes},
		{"max_method", l.MaxMethod, widestBytes},
	} {
		if f.got < 1 || f.got > f.most {
			return fmt.Errorf("%s: %d: want 1 to %d", f.name, f.got, f.most)
		}
	}
	return nil
}

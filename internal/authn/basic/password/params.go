package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params are the costs of one hash.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes over the memory
	Threads uint8  // lanes
}

// Bounds of [Params]. The floor of memory and time together is that of OWASP's
// weakest choice (7 MiB, 5 passes); the ceilings also hold for what is stored,
// so that an edited database cannot make the gateway take all memory.
const (
	MinMemory  = 7 << 10 // KiB
	MaxMemory  = 1 << 20 // KiB
	MaxTime    = 16
	MaxThreads = 16
	minWork    = 5 * MinMemory
)

// Default returns what OWASP recommends: 19 MiB, 2 passes, 1 lane.
func Default() Params { return Params{Memory: 19 << 10, Time: 2, Threads: 1} }

// Validate checks costs that are configured.
func (p Params) Validate() error {
	switch {
	case p.Memory < MinMemory || p.Memory > MaxMemory:
		return fmt.Errorf("memory: %d KiB: want %d KiB to %d KiB", p.Memory, MinMemory, MaxMemory)
	case p.Time < 1 || p.Time > MaxTime:
		return fmt.Errorf("passes: %d: want 1 to %d", p.Time, MaxTime)
	case p.Threads < 1 || p.Threads > MaxThreads:
		return fmt.Errorf("threads: %d: want 1 to %d", p.Threads, MaxThreads)
	case uint64(p.Memory)*uint64(p.Time) < minWork:
		return fmt.Errorf("passes: %d over %d KiB are too few: want memory × passes of at least %d KiB", p.Time, p.Memory, minWork)
	}
	return nil
}

// possible checks costs that were read: argon2 itself demands the floors.
func (p Params) possible() bool {
	return p.Time >= 1 && p.Time <= MaxTime && p.Threads >= 1 && p.Threads <= MaxThreads &&
		p.Memory >= 8*uint32(p.Threads) && p.Memory <= MaxMemory
}

const (
	saltLen = 16
	sumLen  = 32
	// Lengths that are accepted of what is stored.
	minSalt, maxSalt = 8, 64
	minSum, maxSum   = 16, 64
	maxText          = 300
)

// ErrMalformed says that a text is no hash that this package reads.
var ErrMalformed = errors.New("not an argon2id hash")

// digest is a PHC string that was read.
type digest struct {
	params    Params
	salt, sum []byte
}

// parse reads a PHC string; it takes exactly what text writes.
func parse(s string) (digest, error) {
	parts := strings.Split(s, "$")
	if len(s) > maxText || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return digest{}, ErrMalformed
	}
	var d digest
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return digest{}, ErrMalformed
	}
	var n [3]uint64
	for i, name := range [...]string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(costs[i], name)
		v, err := strconv.ParseUint(digits, 10, 24)
		if !ok || err != nil {
			return digest{}, ErrMalformed
		}
		n[i] = v
	}
	if n[2] > MaxThreads {
		return digest{}, ErrMalformed
	}
	d.params = Params{Memory: uint32(n[0]), Time: uint32(n[1]), Threads: uint8(n[2])}
	var err1, err2 error
	d.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	d.sum, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || !d.params.possible() ||
		len(d.salt) < minSalt || len(d.salt) > maxSalt || len(d.sum) < minSum || len(d.sum) > maxSum || d.text() != s {
		return digest{}, ErrMalformed
	}
	return d, nil
}

// text writes the PHC string.
func (d digest) text() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, d.params.Memory, d.params.Time, d.params.Threads, b64(d.salt), b64(d.sum))
}

// Valid reports whether a text is a hash that can be checked.
func Valid(s string) bool {
	_, err := parse(s)
	return err == nil
}

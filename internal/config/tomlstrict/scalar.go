package tomlstrict

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

var errDuration = errors.New(`want a duration such as "30s", "5m", "90d" or "1y"`)

// ParseDuration reads what time.ParseDuration reads, and also d (24 hours),
// w (7 days) and y (365 days): "90d", "1y", "1d12h". Negative durations and
// numbers without a unit, except 0, are refused.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	var total time.Duration
	rest := s
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n <= 0 {
			return 0, errDuration
		}
		end := n + len(rest[n:]) - len(strings.TrimLeft(rest[n:], "yawdhmsnuµ"))
		part, err := durationPart(rest[:n], rest[n:end])
		if err != nil {
			return 0, err
		}
		if total += part; total < 0 {
			return 0, fmt.Errorf("duration is longer than %d years", math.MaxInt64/int64(year))
		}
		rest = rest[end:]
	}
	if s == "" {
		return 0, errDuration
	}
	return total, nil
}

func durationPart(number, unit string) (time.Duration, error) {
	var scale time.Duration
	switch unit {
	case "y":
		scale = year
	case "w":
		scale = 7 * day
	case "d":
		scale = day
	default:
		d, err := time.ParseDuration(number + unit)
		if err != nil {
			return 0, errDuration
		}
		return d, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, errDuration
	}
	if f *= float64(scale); f >= math.MaxInt64 {
		return 0, fmt.Errorf("duration is longer than %d years", math.MaxInt64/int64(year))
	}
	return time.Duration(f), nil
}

// FormatDuration writes a duration in the shortest form that [ParseDuration]
// reads back: "1y", "90d", "12h", "1m30s".
func FormatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d >= year && d%year == 0:
		return strconv.FormatInt(int64(d/year), 10) + "y"
	case d >= day && d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Size is a number of bytes. In a file it is an integer, or text with a unit:
// "64KiB", "1MiB", "10MB".
type Size int64

// sizeUnits are tried in order; the longer spelling comes first.
var sizeUnits = [...]struct {
	suffix string
	bytes  int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}, {"", 1},
}

// ParseSize reads "1048576", "1MiB" or "10 MB". Fractions and negative sizes
// are refused.
func ParseSize(s string) (Size, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimRight(number, " "), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/u.bytes {
			break
		}
		return Size(int64(n) * u.bytes), nil
	}
	return 0, errors.New(`want a size such as 65536, "64KiB" or "1MiB"`)
}

// String returns the shortest exact form: "1MiB", "1000B".
func (s Size) String() string {
	for _, u := range sizeUnits[:3] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

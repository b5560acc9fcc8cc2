package ratelimit

import (
	"net/http"
	"strconv"
	"time"
)

// Header keys as net/http stores them.
const (
	headerLimit     = "X-Ratelimit-Limit"
	headerRemaining = "X-Ratelimit-Remaining"
	headerReset     = "X-Ratelimit-Reset"
	headerPolicy    = "Ratelimit-Policy"
	headerState     = "Ratelimit"
)

// seconds rounds up, so that waiting as long as told is enough.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// tighter reports whether a leaves a caller less than b.
func tighter(a, b Result) bool {
	if a.Allowed != b.Allowed {
		return !a.Allowed
	}
	if a.Remaining != b.Remaining {
		return a.Remaining < b.Remaining
	}
	return a.Reset > b.Reset
}

// writeHeaders writes results, which are the first of p's limits, into h. An
// earlier guard may have written its own: the lists are extended by a line,
// and the X-RateLimit fields stay those of whichever is tighter.
//
// This runs on every call, so the three changing values are cut from one
// string and stored in one slice: two allocations.
func writeHeaders(h http.Header, p *plan, results []Result) {
	tight := 0
	for i := range results {
		if tighter(results[i], results[tight]) {
			tight = i
		}
	}
	var room [192]byte
	b := strconv.AppendInt(room[:0], int64(results[tight].Remaining), 10)
	remainingEnd := len(b)
	b = strconv.AppendInt(b, seconds(results[tight].Reset), 10)
	resetEnd := len(b)
	for i, r := range results {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, p.limits[i].label...)
		b = append(b, ";r="...)
		b = strconv.AppendInt(b, int64(r.Remaining), 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, seconds(r.Reset), 10)
	}
	text := string(b)
	values := make([]string, 4)
	values[0], values[1], values[2], values[3] = text[:remainingEnd], text[remainingEnd:resetEnd], text[resetEnd:], p.policy
	if !looser(h, results[tight]) {
		h[headerLimit] = p.limits[tight].public[:1:1]
		h[headerRemaining] = values[0:1:1]
		h[headerReset] = values[1:2:2]
	}
	extend(h, headerState, values[2:3:3])
	extend(h, headerPolicy, values[3:4:4])
}

// looser reports whether r leaves more than the limit already in h.
func looser(h http.Header, r Result) bool {
	have := h[headerRemaining]
	if len(have) == 0 || !r.Allowed {
		return false
	}
	n, err := strconv.Atoi(have[0])
	return err == nil && n < r.Remaining
}

// extend sets a list field or adds a line to it.
func extend(h http.Header, key string, value []string) {
	if old := h[key]; len(old) > 0 {
		h[key] = append(old[:len(old):len(old)], value[0])
		return
	}
	h[key] = value
}

// quote writes a name as a string of RFC 9651 (structured fields): bytes that
// it cannot hold become "?".
func quote(name string) string {
	b := make([]byte, 0, len(name)+2)
	b = append(b, '"')
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c > 0x7e:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

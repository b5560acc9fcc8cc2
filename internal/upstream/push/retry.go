package push

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Bounds of waiting between two attempts.
const (
	firstWait = time.Second
	mostWait  = 10 * time.Minute
	mostAsked = time.Hour // of what a target asks for with Retry-After
)

// wait returns how long to wait after so many failed attempts: twice as long
// each time, up to a bound, and half of it by chance, so that those who failed
// together do not come back together. A target that asks for more gets it.
func wait(attempts int, asked time.Duration, chance func() float64) time.Duration {
	d := mostWait
	if attempts < 12 {
		d = min(firstWait<<max(attempts-1, 0), mostWait)
	}
	d = d/2 + time.Duration(chance()*float64(d/2))
	return max(d, min(asked, mostAsked))
}

func chance() float64 { return rand.Float64() } //nolint:gosec // spreads retries; nothing depends on it being secret

// retryAfter reads Retry-After: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, int(mostAsked/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), mostAsked)
	}
	return 0
}

// Reasons for which a delivery fails, as events and operators see them.
const (
	ReasonAddress   = "address_refused"
	ReasonTarget    = "target_not_allowed"
	ReasonRedirect  = "redirect"
	ReasonChallenge = "challenge_failed"
	ReasonGone      = "gone"
	ReasonStatus    = "status_"
	ReasonNetwork   = "unreachable"
	ReasonTimeout   = "timeout"
	ReasonContained = "contained"
	ReasonOff       = "off"
	ReasonInternal  = "internal"
)

// failure is an attempt that came to nothing.
type failure struct {
	reason string
	final  bool          // another attempt is of no use
	refuse bool          // the target is not one that may be sent to
	after  time.Duration // asked for by the target
	err    error         // for the log
}

func (f *failure) Error() string {
	if f.err != nil {
		return f.reason + ": " + f.err.Error()
	}
	return f.reason
}

// judge says what an answer means; nil is success.
func judge(resp *http.Response, now time.Time) *failure {
	switch status := resp.StatusCode; {
	case status >= 200 && status <= 299:
		return nil
	case status >= 300 && status <= 399:
		return &failure{reason: ReasonRedirect, final: true, refuse: true}
	case status == http.StatusGone:
		return &failure{reason: ReasonGone, final: true}
	default:
		return &failure{reason: ReasonStatus + strconv.Itoa(status), after: retryAfter(resp.Header, now)}
	}
}

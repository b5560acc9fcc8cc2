package push

import (
	"net/http"
	"testing"
	"time"
)

// TestWait: each wait is within its bounds, whatever chance says, and never
// shorter than the least of the one before.
func TestWait(t *testing.T) {
	least := time.Duration(0)
	for attempts := 1; attempts < 100; attempts++ {
		low, high := wait(attempts, 0, func() float64 { return 0 }), wait(attempts, 0, func() float64 { return 1 })
		if low < least || high != 2*low || high > mostWait || low < firstWait/2 {
			t.Errorf("attempt %d: %v to %v after %v", attempts, low, high, least)
		}
		least = low
	}
	if got := wait(1, time.Minute, chance); got != time.Minute {
		t.Errorf("asked for a minute: %v", got)
	}
	if got := wait(1, 1000*time.Hour, chance); got != mostAsked {
		t.Errorf("asked for ever: %v", got)
	}
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "x": 0, "99999999": mostAsked, "99999999999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
		now.Add(100 * time.Hour).Format(http.TimeFormat): mostAsked,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	for status, want := range map[int]struct {
		reason        string
		final, refuse bool
	}{
		200: {}, 204: {}, 301: {ReasonRedirect, true, true}, 307: {ReasonRedirect, true, true}, 410: {ReasonGone, true, false},
		400: {"status_400", false, false}, 429: {"status_429", false, false}, 500: {"status_500", false, false},
	} {
		f := judge(&http.Response{StatusCode: status}, time.Now())
		if f == nil {
			f = new(failure)
		}
		if f.reason != want.reason || f.final != want.final || f.refuse != want.refuse {
			t.Errorf("%d: %+v", status, f)
		}
	}
}

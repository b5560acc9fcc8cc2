// Package failures slows down who guesses at credentials.
package failures

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// Counter counts failed attempts, by address and by what they were for.
type Counter struct{ byAddress, byKey *ratelimit.Limiter }

// New reads the rate of a setting.
func New(setting, rate string) (*Counter, error) {
	r, err := ratelimit.Parse(rate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	var f Counter
	if f.byAddress, err = ratelimit.New(r, 0, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	if f.byKey, err = ratelimit.New(r, 0, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return &f, nil
}

// Wait implements basic.Throttle.
func (f *Counter) Wait(client netip.Addr) time.Duration { return f.byAddress.WaitAddr(client) }

// Failed implements apikey.Throttle and basic.Throttle.
func (f *Counter) Failed(client netip.Addr, id string) time.Duration {
	wait := f.byAddress.TakeAddr(client).RetryAfter
	if id != "" {
		wait = max(wait, f.byKey.Take(id).RetryAfter)
	}
	return wait
}

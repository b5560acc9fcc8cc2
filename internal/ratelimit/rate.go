package ratelimit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a [Rate]. They keep every sum of the arithmetic within an int64 of
// nanoseconds and the rounding of the refill interval under one in a thousand.
const (
	MaxLimit       = 1_000_000
	MaxWindow      = 366 * 24 * time.Hour
	maxBurstFactor = 100 // Burst ≤ 100 × Limit
)

// Rate is Limit calls per Window, of which Burst may come at once. The zero
// Rate is not valid. Rates are values: compare them with ==.
type Rate struct {
	Limit  int           // calls per Window, 1 to MaxLimit
	Burst  int           // size of the bucket in calls; Parse sets it to Limit when not given
	Window time.Duration // whole seconds, 1s to MaxWindow
}

const rateHint = `want "100/1m", "10/minute" or "5/second;burst=20"`

// units are the window names that people write beside Go durations.
var units = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
}

// Parse reads "100/1m", "10/minute", "100/15m", "5/second", "1000/h" or
// "1000/1d", each optionally followed by ";burst=N". Spaces around the parts
// are ignored. The error names the input and what was expected.
func Parse(s string) (Rate, error) {
	main, option, hasOption := strings.Cut(s, ";")
	count, window, ok := strings.Cut(main, "/")
	if !ok {
		return Rate{}, fmt.Errorf("%q: %s", s, rateHint)
	}
	var r Rate
	var err error
	if r.Limit, err = parseCount(count); err != nil {
		return Rate{}, fmt.Errorf("%q: limit: %w", s, err)
	}
	if r.Window, err = parseWindow(strings.TrimSpace(window)); err != nil {
		return Rate{}, fmt.Errorf("%q: window: %w", s, err)
	}
	r.Burst = r.Limit
	if hasOption {
		name, value, ok := strings.Cut(option, "=")
		if !ok || strings.TrimSpace(name) != "burst" {
			return Rate{}, fmt.Errorf("%q: unknown option %q: want burst=N", s, strings.TrimSpace(option))
		}
		if r.Burst, err = parseCount(value); err != nil {
			return Rate{}, fmt.Errorf("%q: burst: %w", s, err)
		}
	}
	if err := r.Validate(); err != nil {
		return Rate{}, fmt.Errorf("%q: %w", s, err)
	}
	return r, nil
}

func parseCount(s string) (int, error) {
	s = strings.TrimSpace(s)
	for i := range len(s) { // strconv would accept a sign
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%q is not a whole number", s)
		}
	}
	n, err := strconv.Atoi(s)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is above %d", s, MaxLimit*maxBurstFactor)
	case err != nil:
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}

func parseWindow(s string) (time.Duration, error) {
	if d, ok := units[strings.ToLower(s)]; ok {
		return d, nil
	}
	if n, ok := strings.CutSuffix(s, "d"); ok { // time.ParseDuration has no days
		days, err := parseCount(n)
		if err != nil || days > int(MaxWindow/(24*time.Hour)) {
			return 0, fmt.Errorf("%q: want at most %dd", s, int(MaxWindow/(24*time.Hour)))
		}
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: want 1s, 15m, minute, hour or day", s)
	}
	return d, nil
}

// Validate reports what is wrong with r, naming the field.
func (r Rate) Validate() error {
	switch {
	case r == Rate{}:
		return errors.New("empty rate: " + rateHint)
	case r.Limit < 1 || r.Limit > MaxLimit:
		return fmt.Errorf("limit %d: want 1 to %d", r.Limit, MaxLimit)
	case r.Window < time.Second || r.Window > MaxWindow || r.Window%time.Second != 0:
		return fmt.Errorf("window %s: want whole seconds from 1s to %dd", r.Window, int(MaxWindow/(24*time.Hour)))
	case r.Burst < 1 || r.Burst > r.Limit*maxBurstFactor:
		return fmt.Errorf("burst %d: want 1 to %d times the limit", r.Burst, maxBurstFactor)
	}
	return nil
}

// String returns the shortest form that [Parse] reads back as r: "100/1m".
func (r Rate) String() string {
	var b []byte
	b = strconv.AppendInt(b, int64(r.Limit), 10)
	b = append(b, '/')
	b = append(b, windowString(r.Window)...)
	if r.Burst != r.Limit {
		b = append(b, ";burst="...)
		b = strconv.AppendInt(b, int64(r.Burst), 10)
	}
	return string(b)
}

// windowString writes a window with the largest unit that divides it.
func windowString(d time.Duration) string {
	switch {
	case d >= 24*time.Hour && d%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d >= time.Minute && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// MarshalText writes the form of [Rate.String].
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [Parse] reads.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

package anomaly

import (
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/pattern"
)

// Config says how a detector judges.
type Config struct {
	WarmUp     time.Duration // how long a subject is known before its own baseline counts
	MinSamples int           // how many values a baseline needs
	ZWarning   float64       // a score above it is a warning
	ZCritical  float64       // a score above it is critical
	// FalseAlarms is how many alarms a day chance alone may make: with many
	// subjects, scores must be higher than ZWarning to count. 0 is no bound.
	FalseAlarms float64
	Floors      Floors
	Quiet       time.Duration // an incident ends when nothing odd came for so long
	AdoptAfter  int           // odd hours in a row that make a new habit
	Patterns    pattern.Config
	Hours       Hours
	Exclude     []string // principals that are not judged
	MaxSubjects int      // of each kind
}

// Floors are the least spreads that are believed, so that a value that never
// changed does not make every change an alarm.
type Floors struct {
	Rate    float64 // of counts, as a share
	Ratio   float64 // of error and denial rates, as the change in the angle of the ratio, about twice the rate where it is small
	Latency float64 // of times, as a share
	Bytes   float64 // of sizes, as a share
}

// Hours are the hours in which people work.
type Hours struct {
	Zone     *time.Location
	From, To int // hours of the day; To is the first that is off
}

// Default returns the configuration of an installation that says nothing.
func Default() Config {
	return Config{
		WarmUp: 3 * 24 * time.Hour, MinSamples: 24, ZWarning: 3, ZCritical: 5, FalseAlarms: 1,
		Floors: Floors{Rate: 0.35, Ratio: 0.1, Latency: 0.3, Bytes: 1},
		Quiet:  2 * time.Hour, AdoptAfter: 24, Patterns: pattern.Default(),
		Hours: Hours{Zone: time.UTC, From: 6, To: 20}, MaxSubjects: 100_000,
	}
}

// Validate checks what a detector cannot work with.
func (c Config) Validate() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(c.WarmUp >= 0 && c.WarmUp <= 90*24*time.Hour, "warm_up: want between 0s and 90d")
	want(c.MinSamples >= 2 && c.MinSamples <= 1000, "min_samples: want between 2 and 1000")
	want(c.ZWarning >= 1 && c.ZWarning <= 100, "z_warning: want between 1 and 100")
	want(c.ZCritical >= c.ZWarning && c.ZCritical <= 1000, "z_critical: want at least z_warning, and at most 1000")
	want(c.FalseAlarms >= 0 && c.FalseAlarms <= 1000, "false_alarms_per_day: want between 0 and 1000")
	for _, f := range [...]struct {
		name  string
		value float64
	}{{"rate", c.Floors.Rate}, {"ratio", c.Floors.Ratio}, {"latency", c.Floors.Latency}, {"bytes", c.Floors.Bytes}} {
		want(f.value >= 0.01 && f.value <= 10, "sigma_floors.%s: want between 0.01 and 10", f.name)
	}
	want(c.Quiet >= time.Minute && c.Quiet <= 24*time.Hour, "quiet: want between 1m and 24h")
	want(c.AdoptAfter >= 2 && c.AdoptAfter <= 200, "adopt_after: want between 2 and 200")
	want(c.Hours.From >= 0 && c.Hours.From < 24 && c.Hours.To > c.Hours.From && c.Hours.To <= 24, "working_hours: want hours such as \"07:00-19:00\"")
	want(c.MaxSubjects >= 100 && c.MaxSubjects <= 2_000_000, "max_subjects: want between 100 and 2000000")
	return errors.Join(append(errs, c.Patterns.Validate())...)
}

// off reports whether an hour of the week is outside working hours.
func (h Hours) off(hour int) bool {
	return hour >= 5*24 || hour%24 < h.From || hour%24 >= h.To
}

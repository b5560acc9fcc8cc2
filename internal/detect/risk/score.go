// Package risk says how risky a caller is right now, from 0 to 100: by what the
// audit journal told of it within a sliding window, in the weights of the guide
// (requirement S4-25).
//
// [Score] is the arithmetic and [Book] the memory. The time of a Book is that
// of the events, so that replaying a journal ends where following it did.
//
// A failed authentication counts against the address that tried and never
// against the name it tried: else anybody could make anybody look risky. An
// address of IPv6 stands for its /64, which is what one caller has.
package risk

import "math"

// Weights of what is known, and their bounds (S4-25).
const (
	WeightAuthFailure    = 20
	WeightFailedAttempts = 40
	WeightTor            = 30
	WeightRapid          = 25
	WeightScanning       = 35
	WeightAnomaly        = 50

	Max               = 100
	ManyAttempts      = 5   // more than this many weigh
	HighAnomaly       = 0.8 // a score above weighs
	DefaultThreshold  = 80  // a score above asks for a response (S4-24)
	halfAnomaly       = 1.25
	maxCountedAttempt = 16
)

// Names of the patterns that detection of anomalies reports.
const (
	PatternRapid    = "RAPID_REQUESTS"
	PatternScanning = "SCANNING"
)

// Facts are what counts of a caller.
type Facts struct {
	AuthFailure    bool
	FailedAttempts int // counted up to 16
	Tor            bool
	Rapid          bool
	Scanning       bool
	Anomaly        float64 // 0 to 1
}

// Score adds the weights up, to at most [Max].
func Score(f Facts) int {
	s := 0
	add := func(is bool, weight int) {
		if is {
			s += weight
		}
	}
	add(f.AuthFailure, WeightAuthFailure)
	add(f.FailedAttempts > ManyAttempts, WeightFailedAttempts)
	add(f.Tor, WeightTor)
	add(f.Rapid, WeightRapid)
	add(f.Scanning, WeightScanning)
	add(f.Anomaly > HighAnomaly, WeightAnomaly)
	return min(s, Max)
}

// Anomaly turns how far a measurement is off, in standard deviations, into a
// score from 0 to 1: |z| / (|z| + 1.25). It is 0.8 at z = 5, so that what the
// guide calls critical (z > 5) and nothing else weighs.
func Anomaly(z float64) float64 {
	z = math.Abs(z)
	switch {
	case math.IsNaN(z):
		return 0
	case math.IsInf(z, 1):
		return 1
	}
	return z / (z + halfAnomaly)
}

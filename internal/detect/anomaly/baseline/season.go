package baseline

import "math"

// Hours is how many hours a week has. Hour 0 is the first of Monday.
const Hours = 7 * 24

const (
	day     = 24
	weekend = 5 * day // first hour of Saturday
	// seasonMemory is how many weeks a cell remembers.
	seasonMemory = 6
	// seasonStep is the step in which means are kept; 16 bits reach to 128.
	seasonStep = 1.0 / 512
)

// Kind says what an expectation was made of.
type Kind string

// What an expectation can be made of, best first.
const (
	HourOfWeek Kind = "hour_of_week" // the same hour of earlier weeks
	HourOfDay  Kind = "hour_of_day"  // the same hour of other working days, or of the weekend
	Overall    Kind = "overall"      // all hours
	Peers      Kind = "peers"        // others of the same route
)

// Season is what each hour of the week usually brings. The zero value knows
// nothing.
type Season struct {
	mean  [Hours]uint16
	weeks [Hours]uint8
}

// Add takes in the value of an hour.
func (s *Season) Add(hour int, x float64) {
	if hour < 0 || hour >= Hours || math.IsNaN(x) {
		return
	}
	n := min(s.weeks[hour]+1, seasonMemory)
	mean := float64(s.mean[hour]) * seasonStep
	mean += (x - mean) / float64(n)
	s.mean[hour] = uint16(min(max(math.Round(mean/seasonStep), 0), math.MaxUint16))
	s.weeks[hour] = n
}

// Expect is what an hour usually brings, from at least need values: its own of
// earlier weeks, else those of the same hour on other days of its kind. ok is
// false when there are too few of either.
func (s *Season) Expect(hour, need int) (x float64, kind Kind, ok bool) {
	if hour < 0 || hour >= Hours {
		return 0, "", false
	}
	if int(s.weeks[hour]) >= need {
		return float64(s.mean[hour]) * seasonStep, HourOfWeek, true
	}
	first, last := hour%day, weekend
	if hour >= weekend {
		first, last = weekend+hour%day, Hours
	}
	var sum, n float64
	for h := first; h < last; h += day {
		w := float64(s.weeks[h])
		sum += w * float64(s.mean[h])
		n += w
	}
	if n < float64(need) || n == 0 {
		return 0, "", false
	}
	return sum / n * seasonStep, HourOfDay, true
}

// Known is how many hours of the week have values.
func (s *Season) Known() int {
	n := 0
	for _, w := range s.weeks {
		if w > 0 {
			n++
		}
	}
	return n
}

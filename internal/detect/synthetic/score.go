package synthetic

import (
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

// late is how long after an attack an alarm still counts for it: what an hour
// brought is judged when it has ended.
const late = 75 * time.Minute

// Result is how a detector did on a month.
type Result struct {
	Planted map[string]int // attacks by kind
	Found   map[string]int
	Delay   []time.Duration // from the first call of an attack to its first alarm, sorted
	Alarms  int             // incidents that were told
	False   []anomaly.Anomaly
	Days    int
	Samples int
	Missed  []Attack
}

// Recall is the share of attacks that were found.
func (r Result) Recall() float64 {
	planted, found := 0, 0
	for k, n := range r.Planted {
		planted += n
		found += r.Found[k]
	}
	if planted == 0 {
		return 1
	}
	return float64(found) / float64(planted)
}

// FalsePerDay is how many alarms a day belong to no attack.
func (r Result) FalsePerDay() float64 { return float64(len(r.False)) / float64(max(r.Days, 1)) }

// Measure runs a month through a detector.
func Measure(m *Month, d *anomaly.Detector) Result {
	r := Result{Planted: map[string]int{}, Found: map[string]int{}, Days: m.cfg.Days}
	found := make([]bool, len(m.Attacks))
	m.Run(func(s *anomaly.Sample) {
		r.Samples++
		for _, a := range d.Observe(s) {
			if a.State == anomaly.Closed {
				continue
			}
			hit := false
			for i := range m.Attacks {
				if !m.Attacks[i].explains(&a) {
					continue
				}
				hit = true
				if !found[i] {
					found[i] = true
					r.Delay = append(r.Delay, a.At.Sub(m.Attacks[i].From))
				}
			}
			if a.State == anomaly.Opened {
				r.Alarms++
				if !hit {
					r.False = append(r.False, a)
				}
			}
		}
	})
	for i, a := range m.Attacks {
		r.Planted[a.Kind]++
		if found[i] {
			r.Found[a.Kind]++
		} else {
			r.Missed = append(r.Missed, a)
		}
	}
	slices.Sort(r.Delay)
	return r
}

// explains reports whether an alarm is about an attack: at its time, and of one
// of those who took part, or of the route or tool that it went for.
func (a *Attack) explains(x *anomaly.Anomaly) bool {
	end := a.To.Add(late)
	if x.Window > time.Hour { // a day is judged when it has ended
		end = a.To.Add(x.Window + late)
	}
	if x.At.Before(a.From) || x.At.After(end) {
		return false
	}
	switch x.Kind {
	case "principal":
		return slices.Contains(a.Principals, x.Subject)
	case "key":
		return slices.Contains(a.Keys, x.Subject)
	case "address":
		return slices.Contains(a.Addresses, x.Subject) || slices.Contains(a.Principals, x.Principal)
	case "tool":
		return slices.Contains(a.Tools, x.Subject) || slices.Contains(a.Principals, x.Principal)
	}
	return x.Subject == a.Route
}

package baseline

import (
	"math"
	"slices"
)

const (
	// kept is how many of the latest values the robust estimate looks at.
	kept = 16
	// grain is the step in which they are kept.
	grain = 1.0 / 256
	// fromMAD makes a standard deviation of a median absolute deviation, for
	// values that are spread like a bell.
	fromMAD = 1.4826
	// trusted bounds how far mean and standard deviation may be from what the
	// median says, as a factor.
	trusted = 3
	// few is how many values make a spread half of what it says.
	few = 3
	// refresh is how many values come between two looks at the median.
	refresh = 4
)

// Rules say how a baseline learns.
type Rules struct {
	Memory float64 // how many values it remembers
	Odd    float64 // from this z on, a value is odd
	Adopt  int     // after so many odd values in a row they are the new habit
}

// Baseline is what is usual for one number.
type Baseline struct {
	Moments
	recent [kept]int16
	middle float32 // median of recent
	robust float32 // spread of recent, as a standard deviation
	count  uint8   // how many of recent hold a value
	next   uint8   // where the next goes
	odd    uint8   // odd values in a row
}

// Warm reports whether at least n values are known.
func (b *Baseline) Warm(n int) bool { return float64(b.N) >= float64(n) }

// Samples is how many values count.
func (b *Baseline) Samples() int { return int(b.N) }

// Center is the usual value: the mean, or the median where the mean is far
// from it, as a few large values make it.
func (b *Baseline) Center() float64 {
	mean, median := float64(b.Mean), float64(b.middle)
	if b.count >= kept && math.Abs(mean-median) > max(float64(b.robust), grain)*trusted {
		return median
	}
	return mean
}

// Spread is the usual distance from the center: the standard deviation, held
// within what the median absolute deviation makes likely, and never below
// floor; wider while it is made of few values. A floor that is not above 0
// counts as the least step.
func (b *Baseline) Spread(floor float64) float64 {
	if !(floor > 0) {
		floor = grain
	}
	sd := b.SD()
	if b.count >= kept {
		robust := max(float64(b.robust), floor)
		sd = min(max(sd, float64(b.robust)), robust*trusted)
	}
	return max(sd, floor) * (1 + few/max(float64(b.N), 1))
}

// Z is how many spreads x is above the center. noise is the standard deviation
// that x has by itself, for a mean of few values. It is finite.
func (b *Baseline) Z(x, floor, noise float64) float64 {
	return Score(x, b.Center(), math.Hypot(b.Spread(floor), noise))
}

// maxZ bounds a score: beyond it numbers say nothing more.
const maxZ = 1000

// Score is (x-mean)/sd, finite and within ±1000; 0 for what is not a number.
func Score(x, mean, sd float64) float64 {
	z := (x - mean) / max(sd, grain)
	if math.IsNaN(z) {
		return 0
	}
	return min(max(z, -maxZ), maxZ)
}

// Learn takes in a value whose score is z, and returns what it took it for.
// Odd values count as the highest that is not odd: one changes little, and what
// is odd again and again makes the spread wide enough for it. More than r.Adopt
// in a row are a new habit: they count as they are, and what was learned before
// loses its weight. Values far too low count as three spreads below the center:
// silence is no attack, and no new habit at once.
func (b *Baseline) Learn(x, z, floor float64, r Rules) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) || math.IsNaN(z) {
		return b.Center()
	}
	switch {
	case z <= r.Odd:
		b.odd = 0
		if b.count >= kept {
			x = max(x, b.Center()-trusted*b.Spread(floor))
		}
	case int(b.odd) < min(r.Adopt, math.MaxUint8):
		b.odd++
		x = min(x, b.Center()+r.Odd*b.Spread(floor))
		b.Add(x, r.Memory)
		return x // the median is for what is not odd
	default: // for long enough: this is how it is now
		b.odd = 0
		b.Forget(2)
		b.count = 0
	}
	b.Add(x, r.Memory)
	b.remember(x)
	return x
}

func (b *Baseline) remember(x float64) {
	if b.count == 0 {
		b.next = 0
	}
	b.recent[b.next%kept] = int16(min(max(math.Round(x/grain), math.MinInt16), math.MaxInt16))
	b.next = (b.next + 1) % kept
	if b.count < kept {
		b.count++
	}
	if b.count == kept && b.next%refresh == 0 {
		b.look()
	}
}

// look works out the median and the median absolute deviation.
func (b *Baseline) look() {
	v := b.recent
	slices.Sort(v[:])
	m := (int32(v[kept/2-1]) + int32(v[kept/2])) / 2
	var d [kept]int32
	for i, x := range v {
		d[i] = max(int32(x)-m, m-int32(x))
	}
	slices.Sort(d[:])
	b.middle = float32(float64(m) * grain)
	b.robust = float32(float64(d[kept/2-1]+d[kept/2]) / 2 * grain * fromMAD)
}

// Odd is how many odd values came in a row.
func (b *Baseline) Odd() int { return int(b.odd) }

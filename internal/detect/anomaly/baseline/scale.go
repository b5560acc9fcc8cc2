package baseline

import "math"

// Counts puts counts on a scale on which they are equally spread, large or
// small: one unit is one standard deviation of a count that is as uneven as
// chance makes it, and at least by the share floor of itself. (It is the
// variance-stabilising transformation of the negative binomial distribution.)
type Counts struct{ floor, none float64 }

// NewCounts returns the scale whose counts vary at least by a share of
// themselves.
func NewCounts(floor float64) Counts {
	c := Counts{floor: floor}
	c.none = c.raw(0)
	return c
}

// shift is Anscombe's.
const shift = 3.0 / 8

// Of is the place of a count. It is 0 for none and grows with the count.
func (c Counts) Of(n float64) float64 {
	if !(n > 0) {
		return 0
	}
	return c.raw(min(n, limit)) - c.none
}

func (c Counts) raw(n float64) float64 {
	return 2 / c.floor * math.Asinh(c.floor*math.Sqrt(n+shift))
}

// Count is the count at a place.
func (c Counts) Count(y float64) float64 {
	if !(y > 0) {
		return 0
	}
	s := math.Sinh(min(y+c.none, 200)*c.floor/2) / c.floor
	return min(max(s*s-shift, 0), limit)
}

// Ratio puts k of n on a scale on which ratios are equally spread, and tells
// how much chance spreads them there.
func Ratio(k, n float64) (y, noise float64) {
	n = whole(n)
	k = min(whole(k), n)
	return 2 * math.Asin(math.Sqrt((k+shift)/(n+2*shift))), 1 / math.Sqrt(n+0.5)
}

// whole is a count; what is none is 0.
func whole(n float64) float64 {
	if !(n > 0) {
		return 0
	}
	return min(n, limit)
}

// RatioAt is the ratio at a place.
func RatioAt(y float64) float64 {
	s := math.Sin(min(whole(y), math.Pi) / 2)
	return s * s
}

// Quantile is the z that a value exceeds with probability p by chance.
func Quantile(p float64) float64 {
	if !(p > 1e-15) {
		p = 1e-15
	}
	if p >= 0.5 {
		return 0
	}
	return math.Sqrt2 * math.Erfinv(1-2*p)
}

package baseline

import "math"

// limit bounds what goes in: no count, size or duration that is real is beyond
// it, and sums of its squares stay finite in 32 bits.
const limit = 1e12

// Moments are mean and spread of a stream of values. The zero value has seen
// none.
type Moments struct {
	N    float32 // how many values count, at most the memory
	Mean float32
	M2   float32 // sum of squared distances from the mean
}

// Add takes a value in. With more values than memory, old ones fade: the latest
// then weighs 1/memory. A value that is not a number changes nothing.
func (m *Moments) Add(x, memory float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return
	}
	x = min(max(x, -limit), limit)
	old, mean, m2 := float64(m.N), float64(m.Mean), float64(m.M2)
	n := old + 1
	if memory >= 2 && n > memory {
		m2 *= (memory - 1) / old
		n = memory
	}
	d := x - mean
	mean += d / n
	m2 += d * (x - mean)
	m.N, m.Mean, m.M2 = float32(n), float32(mean), float32(max(m2, 0))
}

// SD is the standard deviation, 0 for fewer than two values.
func (m *Moments) SD() float64 {
	if m.N < 2 {
		return 0
	}
	return math.Sqrt(max(float64(m.M2), 0) / float64(m.N-1))
}

// Forget makes the values so far weigh no more than n do, so that the next ones
// soon outweigh them.
func (m *Moments) Forget(n float64) {
	if float64(m.N) <= n || n < 2 {
		return
	}
	m.M2 = float32(float64(m.M2) * n / float64(m.N))
	m.N = float32(n)
}

// sound reports whether the numbers can have come from values.
func (m *Moments) sound() bool {
	for _, v := range [...]float32{m.N, m.Mean, m.M2} {
		if v != v || math.Abs(float64(v)) > math.MaxFloat32 {
			return false
		}
	}
	return m.N >= 0 && m.M2 >= 0
}

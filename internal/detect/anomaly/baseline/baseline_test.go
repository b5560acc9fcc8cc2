package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// exact works mean and standard deviation out in two passes.
func exact(v []float64) (mean, sd float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sd += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sd / float64(len(v)-1))
}

func TestMomentsAreThoseOfTheValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var m Moments
		v := make([]float64, 2+rng.IntN(300))
		scale, offset := math.Exp(10*rng.Float64()-5), 100*rng.NormFloat64()
		for i := range v {
			v[i] = offset + scale*rng.NormFloat64()
			m.Add(v[i], 1000)
		}
		mean, sd := exact(v)
		size := math.Abs(mean) + sd
		if math.Abs(float64(m.Mean)-mean) > 1e-4*size || math.Abs(m.SD()-sd) > 1e-3*size {
			t.Fatalf("%d values: mean %g sd %g, want %g %g", len(v), m.Mean, m.SD(), mean, sd)
		}
	}
}

func TestOldValuesFade(t *testing.T) {
	var m Moments
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		m.Add(100+rng.NormFloat64(), 50)
	}
	for range 500 {
		m.Add(10+2*rng.NormFloat64(), 50)
	}
	if math.Abs(float64(m.Mean)-10) > 1.5 || m.SD() > 3.5 || m.SD() < 1 || m.N != 50 {
		t.Errorf("after a change: mean %g sd %g n %g, want about 10, 2, 50", m.Mean, m.SD(), m.N)
	}
	m.Forget(2)
	if m.N != 2 {
		t.Errorf("%g values after Forget(2)", m.N)
	}
}

func TestRobustEstimateIsMedianAndMAD(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var b Baseline
		v := make([]float64, kept)
		for i := range v {
			v[i] = math.Round(rng.NormFloat64()*256*4) / 256
			b.remember(v[i])
		}
		slices.Sort(v)
		median := (v[kept/2-1] + v[kept/2]) / 2
		d := make([]float64, kept)
		for i := range v {
			d[i] = math.Abs(v[i] - median)
		}
		slices.Sort(d)
		mad := (d[kept/2-1] + d[kept/2]) / 2 * fromMAD
		if math.Abs(float64(b.middle)-median) > 2*grain || math.Abs(float64(b.robust)-mad) > 4*grain {
			t.Fatalf("median %g spread %g, want %g %g", b.middle, b.robust, median, mad)
		}
	}
}

// feed learns values of a bell.
func feed(b *Baseline, rng *rand.Rand, n int, mean, sd float64, r Rules) {
	for range n {
		x := mean + sd*rng.NormFloat64()
		b.Learn(x, b.Z(x, 0.1, 0), 0.1, r)
	}
}

func TestOddValuesChangeLittle(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	r := Rules{Memory: 400, Odd: 3, Adopt: 24}
	var b Baseline
	feed(&b, rng, 200, 10, 1, r)
	before := b.Z(20, 0.1, 0)
	for range 8 {
		b.Learn(1e9, b.Z(1e9, 0.1, 0), 0.1, r)
	}
	if after := b.Z(20, 0.1, 0); after < 0.7*before || before < 7 {
		t.Errorf("20 scored %g, and %g after an attack of eight hours", before, after)
	}
	if got := b.Center(); math.Abs(got-10) > 0.6 {
		t.Errorf("the center moved to %g", got)
	}
}

func TestLastingChangeIsAdopted(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	r := Rules{Memory: 400, Odd: 3, Adopt: 24}
	var b Baseline
	feed(&b, rng, 200, 10, 1, r)
	for i := range 200 {
		x := 30 + rng.NormFloat64()
		z := b.Z(x, 0.1, 0)
		if i < 10 && z <= 3 {
			t.Fatalf("hour %d of the change scores %g: adopted too soon", i, z)
		}
		if i > 100 && z > 4 {
			t.Fatalf("hour %d of the change still scores %g", i, z)
		}
		b.Learn(x, z, 0.1, r)
	}
}

func TestConstantValuesHaveTheFloor(t *testing.T) {
	var b Baseline
	for range 100 {
		b.Learn(5, 0, 0.5, Rules{Memory: 100, Odd: 3, Adopt: 5})
	}
	if s := b.Spread(0.5); s < 0.5 || s > 0.6 {
		t.Errorf("spread %g, want the floor", s)
	}
	for _, floor := range []float64{0, -1, math.NaN()} {
		if z := b.Z(6, floor, 0); math.IsNaN(z) || math.IsInf(z, 0) {
			t.Errorf("floor %g: z = %g", floor, z)
		}
	}
}

func TestScoreGrowsWithTheValue(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	var b Baseline
	feed(&b, rng, 100, 5, 2, Rules{Memory: 100, Odd: 3, Adopt: 9})
	last := math.Inf(-1)
	for x := -100.0; x < 100; x += 0.37 {
		z := b.Z(x, 0.1, 0)
		if z < last {
			t.Fatalf("z(%g) = %g is below %g", x, z, last)
		}
		last = z
	}
}

func FuzzNothingIsNaN(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 0.1, uint8(20))
	f.Add(math.Inf(1), math.NaN(), -math.MaxFloat64, math.Inf(-1), uint8(255))
	f.Add(math.MaxFloat64, math.SmallestNonzeroFloat64, 0.0, 0.0, uint8(40))
	f.Fuzz(func(t *testing.T, x, y, z, floor float64, n uint8) {
		var b Baseline
		var s Season
		for i := range int(n) {
			v := [...]float64{x, y, z}[i%3]
			b.Learn(v, b.Z(v, floor, y), floor, Rules{Memory: z, Odd: 3, Adopt: i % 7})
			s.Add(i%200-10, v)
		}
		e, _, _ := s.Expect(int(n)%Hours, 1)
		ratio, noise := Ratio(x, y)
		c := NewCounts(0.3)
		for i, v := range []float64{b.Center(), b.Spread(floor), b.Z(x, floor, y), b.SD(), e, ratio, noise, RatioAt(x), Quantile(x), c.Of(x), c.Count(x), Score(x, y, z)} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("result %d is %g", i, v)
			}
		}
	})
}

func TestCountsAreEvenlySpread(t *testing.T) {
	c := NewCounts(0.3)
	rng := rand.New(rand.NewPCG(13, 14))
	for _, mean := range []float64{5, 20, 100, 1000} {
		var v []float64
		for range 4000 {
			level := mean * math.Exp(0.3*rng.NormFloat64()-0.045)
			v = append(v, c.Of(math.Round(max(level+math.Sqrt(level)*rng.NormFloat64(), 0))))
		}
		if _, sd := exact(v); sd < 0.85 || sd > 1.25 {
			t.Errorf("counts around %g have spread %g on the scale, want about 1", mean, sd)
		}
	}
	for _, n := range []float64{0, 1, 7, 1000, 1e9} {
		if got := c.Count(c.Of(n)); math.Abs(got-n) > 1e-6*(n+1) {
			t.Errorf("%g comes back as %g", n, got)
		}
	}
}

func TestSeasonFallsBack(t *testing.T) {
	var s Season
	if _, _, ok := s.Expect(10, 2); ok {
		t.Error("an empty season expects something")
	}
	for d := range 3 {
		s.Add(d*day+10, 8)
	}
	if y, kind, ok := s.Expect(4*day+10, 2); !ok || kind != HourOfDay || math.Abs(y-8) > 0.01 {
		t.Errorf("Friday 10 h: %g %s %t, want that of other days", y, kind, ok)
	}
	if _, _, ok := s.Expect(5*day+10, 2); ok {
		t.Error("a Saturday is expected to be like a working day")
	}
	s.Add(10, 4)
	if y, kind, _ := s.Expect(10, 2); kind != HourOfWeek || math.Abs(y-6) > 0.01 {
		t.Errorf("Monday 10 h: %g %s, want its own", y, kind)
	}
}

func TestQuantile(t *testing.T) {
	for p, want := range map[float64]float64{0.00135: 3, 2.87e-7: 5, 0.5: 0, 0.9: 0} {
		if got := Quantile(p); math.Abs(got-want) > 0.01 {
			t.Errorf("Quantile(%g) = %g, want %g", p, got, want)
		}
	}
}

func TestEncodeRoundTrip(t *testing.T) {
	var b, back Baseline
	var s, sBack Season
	feed(&b, rand.New(rand.NewPCG(15, 16)), 77, 3, 1, Rules{Memory: 50, Odd: 3, Adopt: 9})
	s.Add(3, 4)
	raw := b.Append(nil)
	if err := back.Decode(raw); err != nil || back != b || len(raw) != BaselineSize {
		t.Errorf("came back as %+v (%v, %d bytes), want %+v", back, err, len(raw), b)
	}
	if err := sBack.Decode(s.Append(nil)); err != nil || sBack != s {
		t.Errorf("the season came back changed: %v", err)
	}
	copy(raw, []byte{0, 0, 0xc0, 0x7f}) // NaN
	if err := back.Decode(raw); err == nil {
		t.Error("a baseline of NaN was taken")
	}
}

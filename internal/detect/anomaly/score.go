package anomaly

import (
	"math"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/baseline"
)

// Least evidence for a judgement, whatever the score: what happened once or
// twice is chance, on any scale.
const (
	leastFailures = 5       // errors or refusals of a window
	leastCalls    = 8       // calls of a window, for its rate
	leastServed   = 6       // calls with a time
	leastBytes    = 1 << 20 // bytes of a window
	dayShare      = 0.75    // the floor of a day's count, as a share of an hour's
	daySamples    = 5       // days that a baseline of days needs
	peerFactor    = 4       // how many more samples peers need than a subject
	seasonNeed    = 2       // weeks, or days, until an hour has an expectation
	bytesUnit     = 1 << 16 // sizes below it are much the same
	callSpread    = 0.8     // of the time of one call, as a logarithm
	noveltyFloor  = 0.8     // of points for what is new
)

// finding is one judgement of one number.
type finding struct {
	metric  Metric
	value   float64
	mean    float64
	sd      float64
	z       float64
	kind    baseline.Kind
	samples int
	learn   float64 // what the baseline is to learn
	floor   float64
}

func (d *Detector) memory(m Metric, s *subject) float64 {
	switch {
	case s.kind == Peers:
		return 2000
	case m.daily():
		return 30
	}
	return 400
}

// reference is the subject whose baseline an expectation comes from.
func (d *Detector) reference(s *subject, m Metric) (ref *subject, kind baseline.Kind) {
	need := d.cfg.MinSamples
	if m.daily() {
		need = daySamples
	}
	age := s.Hour - s.First
	if s.Base[m].Warm(need) && age >= d.warmHours && (m != OffHours || age >= baseline.Hours) { // nights and a weekend
		return s, baseline.Overall
	}
	if m == NewTool { // to who is new all is new
		return nil, ""
	}
	if s.peers != nil && s.peers.Base[m].Warm(need*peerFactor) {
		return s.peers, baseline.Peers
	}
	return nil, ""
}

// judge compares a window of a subject with what ref usually sees. ok is false
// when the window says nothing about the metric.
func (d *Detector) judge(s, ref *subject, m Metric, c *counts) (f finding, ok bool) {
	f.metric = m
	switch m {
	case CallRate:
		return d.judgeRate(s, ref, c)
	case OffHours:
		return d.judgeCount(ref, m, float64(c.Calls), d.rate, d.habit(s))
	case DayCalls:
		return d.judgeCount(ref, m, float64(c.Calls), d.dayRate, 0)
	case ErrorRate:
		return d.judgeRatio(ref, m, c.Errors, c.Calls)
	case DenialRate:
		return d.judgeRatio(ref, m, c.Denials, c.Calls)
	case Latency:
		return d.judgeTime(ref, c)
	case BytesOut, DayBytes:
		return d.judgeBytes(ref, m, c)
	case NewTool:
		f.value, f.learn, f.floor = float64(c.Novelty), float64(c.Novelty), noveltyFloor
		if c.Novelty == 0 {
			return f, false
		}
		b := &ref.Base[m]
		f.mean, f.sd, f.samples = b.Center(), b.Spread(f.floor), b.Samples()
		f.z = baseline.Score(f.value, f.mean, f.sd)
		return f, true
	}
	return f, false
}

func (d *Detector) judgeRate(s, ref *subject, c *counts) (finding, bool) {
	f := finding{metric: CallRate, value: float64(c.Calls), floor: 1}
	y := d.rate.Of(f.value)
	expected, kind := d.expect(ref, s.Hour)
	f.learn = y - expected
	b := &ref.Base[CallRate]
	center, spread := expected+b.Center(), b.Spread(f.floor)
	f.mean = d.rate.Count(center)
	f.sd = d.rate.Count(max(center, 0)+spread) - f.mean
	f.kind, f.samples = kind, b.Samples()
	if c.Calls >= leastCalls {
		f.z = baseline.Score(y, center, spread)
	}
	return f, true
}

// expect is the place of the rate that an hour usually has.
func (d *Detector) expect(s *subject, hour int64) (float64, baseline.Kind) {
	if s.season != nil {
		if y, kind, ok := s.season.Expect(d.hourOfWeek(hour), seasonNeed); ok {
			return y, kind
		}
	}
	return float64(s.Level.Mean), baseline.Overall
}

// habit is what an hour of a subject brought in earlier weeks: who works every
// night is not new to the night.
func (d *Detector) habit(s *subject) float64 {
	if s.season == nil {
		return 0
	}
	y, _, _ := s.season.Expect(d.hourOfWeek(s.Hour), seasonNeed)
	return y
}

func (d *Detector) judgeCount(ref *subject, m Metric, n float64, scale baseline.Counts, habit float64) (finding, bool) {
	f := finding{metric: m, value: n, floor: 1, learn: scale.Of(n)}
	b := &ref.Base[m]
	center, spread := max(b.Center(), habit), b.Spread(f.floor)
	f.mean = scale.Count(center)
	f.sd = scale.Count(max(center, 0)+spread) - f.mean
	f.samples = b.Samples()
	if n >= leastCalls {
		f.z = baseline.Score(f.learn, center, spread)
	}
	return f, true
}

func (d *Detector) judgeRatio(ref *subject, m Metric, k, n uint32) (finding, bool) {
	if n == 0 {
		return finding{}, false
	}
	share := ref.Shares[m-ErrorRate].of()
	expected, noise := baseline.Ratio(share*float64(n), float64(n))
	y, _ := baseline.Ratio(float64(k), float64(n))
	f := finding{metric: m, value: float64(k) / float64(n), floor: d.cfg.Floors.Ratio, learn: y - expected}
	b := &ref.Base[m]
	center := b.Center()
	spread := max(b.Spread(f.floor), math.Hypot(f.floor, noise))
	f.mean = share
	f.sd = max(baseline.RatioAt(expected+center+spread)-share, 0)
	f.samples = b.Samples()
	if k >= leastFailures {
		f.z = baseline.Score(f.learn, center, spread)
	}
	return f, true
}

func (d *Detector) judgeTime(ref *subject, c *counts) (finding, bool) {
	if c.Served == 0 {
		return finding{}, false
	}
	y := 2 * math.Log(max(float64(c.Root)/float64(c.Served), 1))
	f := finding{metric: Latency, value: math.Exp(min(y, 60)) / 1e3, floor: d.cfg.Floors.Latency, learn: y}
	b := &ref.Base[Latency]
	center := b.Center()
	spread := max(b.Spread(f.floor), math.Hypot(f.floor, callSpread/math.Sqrt(float64(c.Served))))
	f.mean = math.Exp(min(center, 60)) / 1e3
	f.sd = f.mean * math.Expm1(min(spread, 60))
	f.samples = b.Samples()
	if c.Served >= leastServed {
		f.z = baseline.Score(y, center, spread)
	}
	return f, true
}

func (d *Detector) judgeBytes(ref *subject, m Metric, c *counts) (finding, bool) {
	if c.Served == 0 {
		return finding{}, false
	}
	y := math.Log1p(float64(c.Bytes) / bytesUnit)
	f := finding{metric: m, value: float64(c.Bytes), floor: d.cfg.Floors.Bytes, learn: y}
	b := &ref.Base[m]
	center, spread := b.Center(), b.Spread(f.floor)
	f.mean = bytesUnit * math.Expm1(min(max(center, 0), 60))
	f.sd = bytesUnit*math.Expm1(min(max(center, 0)+spread, 60)) - f.mean
	f.samples = b.Samples()
	if c.Bytes >= leastBytes {
		f.z = baseline.Score(y, center, spread)
	}
	return f, true
}

// country scores a caller in a country that is new for it, by how often that
// happens to any caller of the route. Who was hardly seen has no habit yet.
func (d *Detector) country(s *subject) (finding, bool) {
	f := finding{metric: NewCountry, value: 1, kind: baseline.Peers}
	trials, news := float64(s.Trials), float64(s.News)
	if p := s.peers; p != nil {
		trials, news = float64(p.Trials), float64(p.News)
	}
	if s.Trials < float32(d.cfg.MinSamples) || s.Hour-s.First < d.warmHours {
		return f, false
	}
	p := (news + 1) / (trials + 2)
	f.mean, f.sd, f.samples = p, math.Sqrt(p*(1-p)), int(trials)
	f.z = baseline.Quantile(p)
	return f, true
}

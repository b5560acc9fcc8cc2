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

// finding is one judgement of one number. Center and spread are on the scale
// of the metric; [Detector.explain] says what they are in its unit.
type finding struct {
	metric   Metric
	value    float64
	place    float64 // of the value, on the scale
	expected float64 // what center is added to: of the hour, or of the share
	center   float64
	spread   float64
	floor    float64
	z        float64
	mean     float64 // in the unit of the value
	sd       float64
	kind     baseline.Kind
	samples  int
}

// learn is what a baseline takes in.
func (f *finding) learn() float64 { return f.place - f.expected }

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
	f, noise, ok := d.measure(m, c)
	if ok {
		d.compare(s, ref, c, &f, noise)
	}
	return f, ok
}

// measure is the value of a window, its place on the scale of the metric, and
// how far chance alone moves it there.
func (d *Detector) measure(m Metric, c *counts) (f finding, noise float64, ok bool) {
	f.metric, f.floor = m, 1
	switch m {
	case CallRate, OffHours:
		f.value = float64(c.Calls)
		f.place = d.rate.Of(f.value)
	case DayCalls:
		f.value = float64(c.Calls)
		f.place = d.dayRate.Of(f.value)
	case ErrorRate, DenialRate:
		if c.Calls == 0 {
			return f, 0, false
		}
		f.value, f.floor = float64(c.failures(m))/float64(c.Calls), d.cfg.Floors.Ratio
		f.place, noise = baseline.Ratio(float64(c.failures(m)), float64(c.Calls))
	case Latency:
		if c.Served == 0 {
			return f, 0, false
		}
		mean := max(float64(c.Root)/float64(c.Served), 1)
		f.value, f.floor = mean*mean/1e3, d.cfg.Floors.Latency
		f.place, noise = 2*math.Log(mean), callSpread/math.Sqrt(float64(c.Served))
	case BytesOut, DayBytes:
		f.value, f.floor = float64(c.Bytes), d.cfg.Floors.Bytes
		f.place = math.Log1p(f.value / bytesUnit)
		return f, 0, c.Served > 0
	case NewTool:
		f.value, f.place, f.floor = float64(c.Novelty), float64(c.Novelty), noveltyFloor
	}
	return f, noise, true
}

// compare scores a measured value.
func (d *Detector) compare(s, ref *subject, c *counts, f *finding, noise float64) {
	b := &ref.Base[f.metric]
	switch f.metric {
	case CallRate:
		f.expected, f.kind = d.expect(ref, s.Hour)
	case ErrorRate, DenialRate:
		f.expected, _ = baseline.Ratio(ref.Shares[f.metric-ErrorRate].of()*float64(c.Calls), float64(c.Calls))
	}
	f.center, f.spread, f.samples = f.expected+b.Center(), b.Spread(f.floor), b.Samples()
	if f.metric == OffHours {
		f.center = max(f.center, d.habit(s))
	}
	if noise > 0 {
		f.spread = max(f.spread, math.Hypot(f.floor, noise))
	}
	if d.evidence(f.metric, c) {
		f.z = baseline.Score(f.place, f.center, f.spread)
	}
}

// evidence reports whether there is enough in a window to judge it.
func (d *Detector) evidence(m Metric, c *counts) bool {
	switch m {
	case ErrorRate, DenialRate:
		return c.failures(m) >= leastFailures
	case Latency:
		return c.Served >= leastServed
	case BytesOut, DayBytes:
		return c.Bytes >= leastBytes
	case NewTool:
		return c.Novelty > 0
	}
	return c.Calls >= leastCalls
}

// explain says what is usual in the unit of the value: the mean, and how far
// the highest of the usual values is from it.
func (d *Detector) explain(f *finding, ref *subject) {
	center, above := max(f.center, 0), max(f.center, 0)+f.spread
	switch f.metric {
	case CallRate, OffHours:
		f.mean, f.sd = d.rate.Count(center), d.rate.Count(above)
	case DayCalls:
		f.mean, f.sd = d.dayRate.Count(center), d.dayRate.Count(above)
	case ErrorRate, DenialRate:
		f.mean, f.sd = ref.Shares[f.metric-ErrorRate].of(), baseline.RatioAt(above)
	case Latency:
		f.mean, f.sd = math.Exp(min(center, 60))/1e3, math.Exp(min(above, 60))/1e3
	case BytesOut, DayBytes:
		f.mean, f.sd = bytesUnit*math.Expm1(min(center, 60)), bytesUnit*math.Expm1(min(above, 60))
	default:
		f.mean, f.sd = center, above
	}
	f.sd = max(f.sd-f.mean, 0)
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

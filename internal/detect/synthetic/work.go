package synthetic

import (
	"cmp"
	"math"
	"net/netip"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

const (
	hourMillis   = 3_600_000
	minuteMillis = 60_000
)

func (m *Month) flush(yield func(*anomaly.Sample)) {
	slices.SortStableFunc(m.queue, func(a, b anomaly.Sample) int { return cmp.Compare(a.At, b.At) })
	for i := range m.queue {
		yield(&m.queue[i])
	}
}

// at is a random time in an hour of the month.
func (m *Month) at(hour int) int64 {
	return m.cfg.Start.UnixMilli() + int64(hour)*hourMillis + m.rng.Int64N(hourMillis)
}

// poisson is a number of events where mean is usual.
func (m *Month) poisson(mean float64) int {
	if mean > 60 {
		return max(int(math.Round(mean+math.Sqrt(mean)*m.rng.NormFloat64())), 0)
	}
	n, p, least := 0, 1.0, math.Exp(-mean)
	for {
		if p *= m.rng.Float64(); p <= least {
			return n
		}
		n++
	}
}

// demand is how many calls someone is expected to make in an hour.
func (m *Month) demand(p *person, hour int) float64 {
	day, clock := hour/24, float64(hour%24)
	switch {
	case day < p.joins, day >= p.away[0] && day < p.away[1]:
		return 0
	case p.todayDay != day:
		p.todayDay = day
		p.today = math.Exp(m.rng.NormFloat64() * 0.3)
	}
	rate := p.perHour
	if day >= p.doubles {
		rate *= 2.2
	}
	if p.steady {
		if p.burst == hour%24 {
			rate += 140
		}
		return rate * math.Exp(m.rng.NormFloat64()*0.1)
	}
	rate *= p.office(clock) * p.today * math.Exp(m.rng.NormFloat64()*0.35)
	if day%7 >= 5 {
		rate *= p.weekend
	}
	if day == m.holiday {
		rate *= 0.1
	}
	return rate
}

func (m *Month) work(p *person, hour int) {
	rate := m.demand(p, hour)
	if rate == 0 {
		return
	}
	address, country := p.desk, p.country
	if hour/24%5 == int(p.home.As4()[3])%5 || hour/24%7 >= 5 {
		address = p.home
	}
	for _, t := range m.travels {
		if t.who == p && hour/24 >= t.from && hour/24 < t.to {
			address, country = netip.AddrFrom4([4]byte{192, 0, 2, p.home.As4()[3]}), t.country
		}
	}
	for range m.poisson(rate) {
		t := p.pick(m)
		s := m.call(p, t, m.at(hour))
		s.Address, s.Country = address, country
		m.queue = append(m.queue, s)
	}
	if rate > 1 && m.rng.Float64() < p.explores/8 { // something new to try
		t := m.tools[p.route*40+m.rng.IntN(36)]
		p.tools = append(p.tools, t)
	}
	if rate > 1 && m.rng.Float64() < 0.004 { // a large report
		s := m.call(p, p.pick(m), m.at(hour))
		s.Address, s.Country = address, country
		if size := int64(m.between(1e6, 4e6)); s.Served {
			s.Bytes = size
		}
		m.queue = append(m.queue, s)
	}
	if rate > 1 && m.rng.Float64() < 0.01 { // a mistyped or expired password, again and again
		for range m.whole(1, 4) {
			m.queue = append(m.queue, anomaly.Sample{At: m.at(hour), Principal: p.id, Route: m.routes[p.route], Address: address, Country: country, Denied: true})
		}
	}
}

// pick chooses a tool: the first ones most of the time.
func (p *person) pick(m *Month) *tool {
	i := int(float64(len(p.tools)) * math.Pow(m.rng.Float64(), 2.2))
	return p.tools[min(i, len(p.tools)-1)]
}

// call is an ordinary call.
func (m *Month) call(p *person, t *tool, at int64) anomaly.Sample {
	s := anomaly.Sample{
		At: at, Principal: p.id, Key: p.key, Route: t.route, Tool: t.name, Address: p.desk, Country: p.country, Proven: true, Served: true,
		Micros: int64(math.Exp(t.micros + 0.6*m.rng.NormFloat64())), Bytes: int64(math.Exp(t.bytes + m.rng.NormFloat64())),
		Error: m.rng.Float64() < t.failing*p.clumsy,
	}
	if m.rng.Float64() < p.forbidden {
		s.Served, s.Error, s.Denied, s.Missing, s.Micros, s.Bytes = false, false, true, true, 0, 0
	}
	hour := int((at - m.cfg.Start.UnixMilli()) / hourMillis)
	for _, o := range m.outages {
		if o.route != t.route || hour < o.from || hour >= o.to || !s.Served {
			continue
		}
		if o.slow {
			s.Micros *= 6
		} else if m.rng.Float64() < 0.5 {
			s.Error = true
		}
	}
	return s
}

// strangers try the door at all times: that is how the internet is.
func (m *Month) strangers(hour int) {
	for range m.poisson(3) {
		m.queue = append(m.queue, anomaly.Sample{
			At: m.at(hour), Route: m.routes[m.rng.IntN(len(m.routes))], Denied: true, Country: "CN",
			Address: netip.AddrFrom4([4]byte{100, byte(64 + m.rng.IntN(64)), byte(m.rng.IntN(256)), byte(m.rng.IntN(256))}),
		})
	}
}

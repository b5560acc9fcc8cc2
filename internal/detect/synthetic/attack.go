package synthetic

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

// plan is an attack with what it does in each of its hours.
type plan struct {
	from, to int // hours of the month
	each     func(m *Month, hour int)
}

func (p *plan) run(m *Month, hour int) {
	if hour >= p.from && hour < p.to {
		p.each(m, hour)
	}
}

// kinds of attacks, planted in turn.
var kinds = [...]struct {
	name string
	make func(m *Month, a *Attack) plan
}{
	{"credential_stuffing", stuffing},
	{"distributed_stuffing", distributedStuffing},
	{"scanning", scanning},
	{"exfiltration", exfiltration},
	{"slow_scrape", slowScrape},
	{"stolen_key", stolenKey},
	{"error_burst", errorBurst},
	{"latency_abuse", latencyAbuse},
	{"new_tools", newTools},
	{"rapid_requests", rapid},
	{"privilege_probing", probing},
	{"distributed_scrape", distributedScrape},
}

// plant writes the attacks into the month, from the second week on: before
// that nobody can know what is usual.
func (m *Month) plant() {
	for i := range m.cfg.Attacks {
		k := kinds[i%len(kinds)]
		a := Attack{Kind: k.name}
		p := k.make(m, &a)
		a.From = m.cfg.Start.Add(time.Duration(p.from) * time.Hour)
		a.To = m.cfg.Start.Add(time.Duration(p.to) * time.Hour)
		m.Attacks = append(m.Attacks, a)
		m.plans = append(m.plans, p)
	}
}

// working is an hour of a working day in which someone can be expected.
func (m *Month) working() int {
	for {
		day := m.whole(8, m.cfg.Days-2)
		if day%7 < 5 && day != m.holiday {
			return day*24 + m.whole(9, 15)
		}
	}
}

func (m *Month) night() int { return m.whole(8, m.cfg.Days-2)*24 + m.whole(0, 4) }

// victim is a person who works regularly, and has for a while.
func (m *Month) victim(a *Attack) *person {
	for {
		p := m.people[m.rng.IntN(len(m.people))]
		if p.steady || p.perHour < 3 || p.joins > 0 || p.away[0] >= 0 {
			continue
		}
		a.Principals, a.Keys, a.Route = append(a.Principals, p.id), append(a.Keys, p.key), m.routes[p.route]
		return p
	}
}

// spread is a time within minutes of an hour.
func (m *Month) spread(hour, from, minutes int) int64 {
	return m.cfg.Start.UnixMilli() + int64(hour)*hourMillis + int64(from)*minuteMillis + m.rng.Int64N(int64(minutes)*minuteMillis)
}

func attacker(m *Month) netip.Addr {
	return netip.AddrFrom4([4]byte{45, byte(m.rng.IntN(256)), byte(m.rng.IntN(256)), byte(m.rng.IntN(256))})
}

func stuffing(m *Month, a *Attack) plan {
	from := m.night() + m.whole(0, 18)
	address := attacker(m)
	n, start := m.whole(80, 500), m.whole(0, 20)
	a.Addresses, a.Route = []string{address.String()}, m.routes[m.rng.IntN(len(m.routes))]
	route := a.Route
	return plan{from, from + 1, func(m *Month, hour int) {
		for i := range n {
			m.queue = append(m.queue, anomaly.Sample{At: m.spread(hour, start, 35), Principal: fmt.Sprintf("user:x%04d", i), Route: route, Address: address, Country: "RU", Denied: true})
		}
	}}
}

func distributedStuffing(m *Month, a *Attack) plan {
	from := m.night() + m.whole(0, 18)
	n := m.whole(60, 150)
	var addresses []netip.Addr
	for range n {
		addresses = append(addresses, attacker(m))
		a.Addresses = append(a.Addresses, addresses[len(addresses)-1].String())
	}
	a.Route = m.routes[m.rng.IntN(len(m.routes))]
	route := a.Route
	return plan{from, from + 2, func(m *Month, hour int) {
		for _, address := range addresses {
			for range m.whole(2, 4) {
				m.queue = append(m.queue, anomaly.Sample{At: m.at(hour), Principal: fmt.Sprintf("user:p%03d", m.rng.IntN(m.cfg.Principals)), Route: route, Address: address, Country: "BR", Denied: true})
			}
		}
	}}
}

func scanning(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	n, minutes := m.whole(30, 80), m.whole(4, 20)
	return plan{from, from + 1, func(m *Month, hour int) {
		start := m.whole(0, 30)
		for i := range n {
			s := m.call(p, m.tools[p.route*40+i%40], m.spread(hour, start, minutes))
			if m.rng.Float64() < 0.7 {
				s.Served, s.Denied, s.Error, s.Missing, s.Micros, s.Bytes = false, true, false, true, 0, 0
			}
			m.queue = append(m.queue, s)
		}
	}}
}

func exfiltration(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	n, size := m.whole(8, 60), math.Exp(m.between(math.Log(1.5e6), math.Log(2e7)))
	return plan{from, from + m.whole(1, 3), func(m *Month, hour int) {
		for range n {
			s := m.call(p, p.pick(m), m.at(hour))
			if s.Served {
				s.Bytes = int64(size * m.between(0.5, 1.5))
			}
			m.queue = append(m.queue, s)
		}
	}}
}

func slowScrape(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	perHour, hours := m.between(15, 35), m.whole(20, 60)
	return plan{from, from + hours, func(m *Month, hour int) {
		for range m.poisson(perHour) {
			m.queue = append(m.queue, m.call(p, p.pick(m), m.at(hour)))
		}
	}}
}

func stolenKey(m *Month, a *Attack) plan {
	from := m.night()
	p := m.victim(a)
	address, perHour := attacker(m), m.between(6, 30)
	country := []string{"KP", "VN", "NG", "RO"}[m.rng.IntN(4)]
	a.Addresses = []string{address.String()}
	return plan{from, from + m.whole(1, 4), func(m *Month, hour int) {
		for range 1 + m.poisson(perHour) {
			s := m.call(p, p.pick(m), m.at(hour))
			s.Address, s.Country = address, country
			m.queue = append(m.queue, s)
		}
	}}
}

func errorBurst(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	n, share := m.whole(25, 80), m.between(0.5, 0.9)
	return plan{from, from + 1, func(m *Month, hour int) {
		for range n {
			s := m.call(p, p.pick(m), m.spread(hour, 5, 40))
			s.Error = s.Served && (s.Error || m.rng.Float64() < share)
			m.queue = append(m.queue, s)
		}
	}}
}

func latencyAbuse(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	n, factor := m.whole(15, 40), int64(m.whole(20, 60))
	return plan{from, from + m.whole(1, 2), func(m *Month, hour int) {
		for range n {
			s := m.call(p, p.pick(m), m.at(hour))
			s.Micros *= factor
			m.queue = append(m.queue, s)
		}
	}}
}

func newTools(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	n := m.whole(4, 8)
	for i := range n {
		a.Tools = append(a.Tools, m.tools[p.route*40+32+i].name)
	}
	return plan{from, from + 1, func(m *Month, hour int) {
		for i := range n {
			for range m.whole(1, 3) {
				s := m.call(p, m.tools[p.route*40+32+i], m.at(hour))
				m.queue = append(m.queue, s)
			}
		}
	}}
}

func rapid(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	n := m.whole(350, 1200)
	return plan{from, from + 1, func(m *Month, hour int) {
		start := m.whole(0, 50)
		for range n {
			m.queue = append(m.queue, m.call(p, p.pick(m), m.spread(hour, start, 2)))
		}
	}}
}

func probing(m *Month, a *Attack) plan {
	from := m.working()
	p := m.victim(a)
	n := m.whole(12, 35)
	return plan{from, from + m.whole(1, 2), func(m *Month, hour int) {
		for range n {
			s := m.call(p, m.tools[p.route*40+m.rng.IntN(40)], m.at(hour))
			s.Served, s.Denied, s.Error, s.Missing, s.Micros, s.Bytes = false, true, false, true, 0, 0
			m.queue = append(m.queue, s)
		}
	}}
}

// distributedScrape uses many stolen keys, each a little, on one tool.
func distributedScrape(m *Month, a *Attack) plan {
	from := m.working()
	route := m.rng.IntN(len(m.routes))
	t := m.tools[route*40+m.rng.IntN(32)]
	a.Route, a.Tools = m.routes[route], []string{t.name}
	var crew []*person
	for _, p := range m.people {
		if p.route == route && !p.steady && len(crew) < 20 && m.rng.Float64() < 0.8 {
			crew = append(crew, p)
			a.Principals, a.Keys = append(a.Principals, p.id), append(a.Keys, p.key)
		}
	}
	perHour := m.between(10, 20)
	return plan{from, from + m.whole(2, 4), func(m *Month, hour int) {
		for _, p := range crew {
			for range m.poisson(perHour) {
				m.queue = append(m.queue, m.call(p, t, m.at(hour)))
			}
		}
	}}
}

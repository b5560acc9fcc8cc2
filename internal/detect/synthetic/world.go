package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

// Config says what month to make.
type Config struct {
	Seed       uint64
	Principals int
	Days       int
	Attacks    int
	Start      time.Time // a midnight in UTC
}

// Default is the month that detection is measured on.
func Default(seed uint64) Config {
	return Config{Seed: seed, Principals: 200, Days: 30, Attacks: 30, Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
}

// Attack is one that was planted.
type Attack struct {
	Kind       string
	From, To   time.Time
	Principals []string
	Keys       []string
	Addresses  []string // as subjects are named
	Route      string
	Tools      []string
}

// Month is a month of calls.
type Month struct {
	Attacks []Attack

	cfg     Config
	rng     *rand.Rand
	routes  []string
	tools   []*tool
	people  []*person
	plans   []plan
	holiday int // a working day on which few work
	outages []outage
	travels []travel
	queue   []anomaly.Sample
}

type tool struct {
	route   string
	name    string
	micros  float64 // logarithm of the median
	bytes   float64
	failing float64 // share of calls that fail
}

type person struct {
	id, key   string
	route     int
	tools     []*tool // from the most to the least used
	desk      netip.Addr
	home      netip.Addr
	country   string
	from, to  float64 // working hours
	perHour   float64
	steady    bool // a program: the same all week
	burst     int  // hour of a batch, or -1
	weekend   float64
	joins     int // day of the first call
	away      [2]int
	doubles   int // day from which on there is twice as much to do, or beyond the month
	clumsy    float64
	today     float64
	todayDay  int
	explores  float64
	forbidden float64 // share of calls that are refused
}

// outage is a server that fails, or is slow, for a while: no attack.
type outage struct {
	route    string
	from, to int // hours
	slow     bool
}

type travel struct {
	who      *person
	from, to int // days
	country  string
}

// New makes a month. Its calls come with [Month.Run].
func New(cfg Config) *Month {
	m := &Month{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x706f7274))}
	m.furnish()
	m.hire()
	m.mishaps()
	m.plant()
	return m
}

func (m *Month) between(a, b float64) float64 { return a + (b-a)*m.rng.Float64() }

// whole is a number from a to b, or a where a month is too short for more.
func (m *Month) whole(a, b int) int { return a + m.rng.IntN(max(b-a, 0)+1) }

func (m *Month) furnish() {
	for r := range 6 {
		route := []string{"crm", "files", "tickets", "search", "billing", "build"}[r]
		m.routes = append(m.routes, route)
		for t := range 40 {
			m.tools = append(m.tools, &tool{
				route: route, name: fmt.Sprintf("%s_%02d", route, t),
				micros: math.Log(m.between(20_000, 400_000)), bytes: math.Log(m.between(800, 12_000)),
				failing: m.between(0.002, 0.03),
			})
		}
	}
}

// office is how much of a working hour's calls an hour sees.
func (p *person) office(hour float64) float64 {
	if hour < p.from || hour >= p.to {
		return 0.004
	}
	lunch := math.Exp(-math.Pow(hour-12.5, 2)) * 0.6
	return 1 - lunch
}

func (m *Month) hire() {
	for i := range m.cfg.Principals {
		p := &person{
			id: fmt.Sprintf("user:p%03d", i), key: fmt.Sprintf("k%04x", 4096+i), route: m.rng.IntN(len(m.routes)),
			country: []string{"DE", "DE", "DE", "FR", "US", "GB"}[m.rng.IntN(6)], burst: -1,
			desk: netip.AddrFrom4([4]byte{198, 51, 100, byte(m.rng.IntN(20))}), home: netip.AddrFrom4([4]byte{203, 0, byte(i / 200), byte(i%200 + 1)}),
			from: m.between(7, 9.5), to: m.between(16, 18.9), perHour: math.Exp(m.rng.NormFloat64()*0.7 + math.Log(12)),
			weekend: 0, joins: 0, doubles: 1 << 30, away: [2]int{-1, -1}, clumsy: m.between(0.5, 2),
			explores: m.between(0, 0.06), forbidden: m.between(0, 0.01), todayDay: -1,
		}
		switch k := m.rng.Float64(); {
		case k < 0.15: // a program that runs all the time
			p.steady, p.perHour = true, m.between(20, 120)
		case k < 0.22: // one that runs at night
			p.steady, p.perHour, p.burst = true, 0.2, m.whole(0, 5)
		case k < 0.32: // someone who also works on Saturdays
			p.weekend = 0.4
		case k < 0.45: // seldom
			p.perHour = m.between(0.5, 2)
		}
		if !p.steady && m.rng.Float64() < 0.1 {
			first := m.whole(7, m.cfg.Days-6)
			p.away = [2]int{first, first + m.whole(4, 8)}
		}
		if m.rng.Float64() < 0.03 {
			p.joins = m.whole(8, m.cfg.Days-5)
		}
		if m.rng.Float64() < 0.015 {
			p.doubles = m.whole(10, m.cfg.Days-8)
		}
		offset := p.route * 40
		for range m.whole(5, 14) {
			p.tools = append(p.tools, m.tools[offset+m.rng.IntN(32)]) // the last eight are for few
		}
		m.people = append(m.people, p)
	}
}

// mishaps are what looks odd and is no attack.
func (m *Month) mishaps() {
	m.holiday = 7*m.whole(1, 2) + m.whole(0, 4)
	for i := range 2 {
		from := m.whole(8, m.cfg.Days-2)*24 + m.whole(8, 16)
		m.outages = append(m.outages, outage{m.routes[m.rng.IntN(len(m.routes))], from, from + m.whole(1, 2), i == 1})
	}
	for range 5 {
		from := m.whole(7, m.cfg.Days-4)
		m.travels = append(m.travels, travel{m.people[m.rng.IntN(len(m.people))], from, from + m.whole(1, 4), []string{"IT", "ES", "NL", "PL"}[m.rng.IntN(4)]})
	}
}

// Run calls yield for every call of the month, in the order of time.
func (m *Month) Run(yield func(*anomaly.Sample)) {
	for hour := range m.cfg.Days * 24 {
		m.queue = m.queue[:0]
		for _, p := range m.people {
			m.work(p, hour)
		}
		m.strangers(hour)
		for i := range m.plans {
			m.plans[i].run(m, hour)
		}
		m.flush(yield)
	}
}

package anomaly

import (
	"math"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/baseline"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/clock"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/pattern"
)

const (
	// grace is how long after an hour its windows stay open for events that
	// come late.
	grace = 2 * 60 * 1000
	// backwards is how far back an event may be and still count.
	backwards = 2 * hourMillis
	// astray is how many events in a row must be further back until it is the
	// clock that is believed to have been wrong.
	astray = 16
	// absent is a silence after which hours without calls say nothing: a
	// holiday is no habit.
	absent = 96
)

// Detector judges samples. It is used by one goroutine at a time.
type Detector struct {
	cfg       Config
	warmHours int64
	rate      baseline.Counts
	dayRate   baseline.Counts
	excluded  map[string]bool

	callers   [2]*clock.Table[string, *subject] // principals, keys
	tools     *clock.Table[name, *subject]
	routes    *clock.Table[string, *subject]
	addresses *clock.Table[netip.Addr, *subject]
	peers     *clock.Table[name, *subject]

	now    int64 // milliseconds
	swept  int64 // hour up to which windows were closed
	strays int
	active []*subject
	family families
	book   book
	stats  Stats
	out    []Anomaly

	cachedHour int64
	cachedWeek int
	cachedDay  int64
}

// Stats count what a detector did.
type Stats struct {
	Samples  uint64 // judged
	Late     uint64 // too far back to count
	Evicted  uint64 // subjects forgotten for want of room
	Subjects [Peers]int
	Open     int // incidents
}

// New returns a detector that knows nothing yet. The configuration is valid.
func New(cfg Config) *Detector {
	d := &Detector{book: newBook(), cachedHour: math.MinInt64}
	d.callers = [2]*clock.Table[string, *subject]{clock.New(cfg.MaxSubjects, textOf), clock.New(cfg.MaxSubjects, textOf)}
	d.tools, d.routes, d.peers = clock.New(cfg.MaxSubjects, nameOf), clock.New(cfg.MaxSubjects, routeOf), clock.New(cfg.MaxSubjects, nameOf)
	d.addresses = clock.New(cfg.MaxSubjects, addrOf)
	d.Configure(cfg)
	return d
}

// Configure changes how the detector judges from now on. What it learned stays.
func (d *Detector) Configure(cfg Config) {
	d.cfg = cfg
	d.warmHours = int64(cfg.WarmUp / time.Hour)
	d.rate = baseline.NewCounts(cfg.Floors.Rate)
	d.dayRate = baseline.NewCounts(cfg.Floors.Rate * dayShare)
	d.excluded = make(map[string]bool, len(cfg.Exclude))
	for _, p := range cfg.Exclude {
		d.excluded[p] = true
	}
	for _, t := range d.tables() {
		t.Resize(cfg.MaxSubjects, d.drop)
	}
	d.cachedHour = math.MinInt64
}

type table interface {
	Resize(most int, drop func(*subject))
	Remove(s *subject)
	Each(f func(*subject))
}

// tables are those of all kinds, by kind.
func (d *Detector) tables() [kinds]table {
	return [kinds]table{d.callers[0], d.callers[1], d.tools, d.routes, d.addresses, d.peers}
}

// cause is who and what one event is about.
type cause struct {
	caller  [2]*subject // principal and key, if proven
	tool    *subject
	route   *subject
	address *subject
}

// Observe judges one sample. The result is valid until the next call.
func (d *Detector) Observe(s *Sample) []Anomaly {
	d.out = d.out[:0]
	if !d.clock(s.At) {
		return d.out
	}
	if s.Proven && d.excluded[s.Principal] {
		return d.out
	}
	d.stats.Samples++
	c := d.find(s)
	var root float32
	if s.Served {
		root = float32(math.Sqrt(float64(max(s.Micros, 1))))
	}
	hour := s.At / hourMillis
	for _, x := range [...]*subject{c.caller[0], c.caller[1], c.address, c.tool, c.route} {
		if x != nil {
			if x.Hour != hour || !x.active {
				d.roll(x, hour)
			}
			x.Now.add(s, root)
			x.Today.add(s, root)
			x.Seen = max(x.Seen, s.At)
		}
	}
	d.news(s, &c)
	d.patterns(s, &c)
	for _, x := range [...]*subject{c.caller[0], c.caller[1], c.address, c.tool, c.route} {
		if x != nil && (x.Now.weight() >= x.next || x.Now.Bytes >= x.nextBig) {
			d.look(x, &c)
		}
	}
	return d.out
}

// clock follows the time of the events, and reports whether one counts.
func (d *Detector) clock(at int64) bool {
	if at < d.now-backwards {
		d.stats.Late++
		if d.strays++; d.strays < astray {
			return false
		}
		d.now, d.swept = at, at/hourMillis // it was the clock that was ahead
	}
	d.strays = 0
	if at > d.now {
		d.now = at
		if hour := (at - grace) / hourMillis; hour > d.swept {
			d.sweep(hour)
		}
	}
	return true
}

// sweep closes the windows of hours that have ended.
func (d *Detector) sweep(hour int64) {
	d.swept = hour
	d.family.turn(hour, d.cfg)
	open := d.active[:0]
	for _, s := range d.active {
		switch {
		case !s.active: // evicted
		case s.Hour >= hour:
			open = append(open, s)
		default:
			s.active = false
			d.close(s)
		}
	}
	clear(d.active[len(open):])
	d.active = open
	d.out = d.book.end(d.now, d.cfg.Quiet.Milliseconds(), d.out)
}

// find returns the subjects of a sample, made where they are new.
func (d *Detector) find(s *Sample) (c cause) {
	if s.Route != "" {
		c.route = get(d, d.routes, s.Route, Route, s.Route, "")
	}
	if s.Proven {
		c.caller[0] = get(d, d.callers[0], s.Principal, Principal, s.Route, s.Principal)
		if s.Key != "" {
			c.caller[1] = get(d, d.callers[1], s.Key, Key, s.Route, s.Key)
		}
		// What a stranger says is a tool may be anything.
		if s.Tool != "" && (s.Served || d.tools.Find(name{s.Route, s.Tool}) != nil) {
			c.tool = get(d, d.tools, name{s.Route, s.Tool}, Tool, s.Route, s.Tool)
		}
	}
	if s.Address.IsValid() {
		a := ofAddress(s.Address)
		x := d.addresses.See(a)
		if x == nil {
			x = d.make(Address, s.Route, addressText(a))
			d.drop(d.addresses.Add(a, x))
		}
		c.address = x
	}
	if c.caller[0] != nil {
		if c.caller[1] != nil {
			c.caller[1].mate = c.caller[0]
		}
		if c.address != nil {
			c.address.mate = c.caller[0]
		}
	}
	return c
}

func get[K comparable](d *Detector, t *clock.Table[K, *subject], k K, kind Kind, route, text string) *subject {
	x := t.Find(k)
	if x == nil {
		x = d.make(kind, route, text)
		d.drop(t.Add(k, x))
	}
	return x
}

func (d *Detector) drop(s *subject) {
	if s != nil {
		s.active = false
		d.stats.Evicted++
		d.book.forget(s)
	}
}

func (d *Detector) make(kind Kind, route, text string) *subject {
	x := newSubject(kind, route, text)
	x.First = math.MinInt64
	d.befriend(x)
	return x
}

// befriend finds the peers of a subject.
func (d *Detector) befriend(x *subject) {
	if x.kind == Route || x.kind == Peers {
		return
	}
	key := name{x.route, x.kind.String()}
	if x.peers = d.peers.Peek(key); x.peers == nil {
		x.peers = get(d, d.peers, key, Peers, key.route, key.name)
	}
}

// news looks for tools and countries that are new for a caller.
func (d *Detector) news(s *Sample, c *cause) {
	if c.caller[0] == nil {
		return
	}
	if c.tool != nil && s.Served && !s.Missing {
		rare := c.tool.Tools.Count() <= 2
		c.tool.Tools.Note(c.caller[0].sum)
		for _, x := range c.caller {
			if x != nil && x.Tools.Note(c.tool.sum) {
				points := float32(1)
				if rare {
					points = 2.5
				}
				x.Now.Novelty += points
				x.next = 0
			}
		}
	}
	if s.Country == "" {
		return
	}
	for _, x := range c.caller {
		if x == nil {
			continue
		}
		if x.Country.Visit(s.Country) {
			if f, ok := d.country(x); ok {
				d.raise(x, c, f)
			}
			if x.peers != nil {
				x.peers.News++
			}
			x.News++
		}
	}
}

// patterns looks for behaviour that is odd by itself.
func (d *Detector) patterns(s *Sample, c *cause) {
	for _, x := range [...]*subject{c.caller[0], c.address} {
		if x == nil || x.kind == Address && s.Proven && !s.Denied && !s.Missing { // many may share an address
			continue
		}
		if x.window == nil {
			x.window = new(pattern.Window)
		}
		p := &d.cfg.Patterns
		if n := x.window.Request(s.At, p); p.RapidCount > 0 && n > float64(p.RapidCount) {
			d.pattern(x, c, RapidRequests, n, float64(p.RapidCount), p.RapidWindow)
		}
		if s.Denied || s.Missing {
			if n := x.window.Miss(s.At, p); p.ScanMisses > 0 && n > float64(p.ScanMisses) {
				d.pattern(x, c, Scanning, n, float64(p.ScanMisses), p.ScanWindow)
			}
		}
		if x.kind == Principal && s.Tool != "" {
			var sum uint64
			if c.tool != nil {
				sum = c.tool.sum
			} else {
				sum = hash(s.Route, s.Tool)
			}
			if n := x.window.Tool(s.At, sum, p); p.ScanTools > 0 && n > float64(p.ScanTools) {
				d.pattern(x, c, Scanning, math.Round(n), float64(p.ScanTools), p.ScanWindow)
			}
		}
	}
}

// look judges the open window of a subject. What it judges next is later by a
// quarter, so that a busy subject costs no more than a quiet one, and does not
// get more chances to look odd.
func (d *Detector) look(x *subject, c *cause) {
	x.next = x.Now.weight()*5/4 + 4
	x.nextBig = max(2*x.Now.Bytes, leastBytes)
	for _, m := range watched[x.kind] {
		counts := &x.Now
		if m.daily() {
			counts = &x.Today
		}
		if !d.evidence(m, counts) || m == OffHours && !d.cfg.Hours.off(d.hourOfWeek(x.Hour)) || m.daily() && x.weekend(d) {
			continue
		}
		ref, kind := d.reference(x, m)
		if ref == nil {
			continue
		}
		f, ok := d.judge(x, ref, m, counts)
		if !ok || f.z <= d.cfg.ZWarning {
			continue
		}
		if f.kind == "" || kind == baseline.Peers {
			f.kind = kind
		}
		d.explain(&f, ref)
		d.raise(x, c, f)
	}
}

// weekend reports whether the day of a subject is one of few, whose calls say
// little about those of working days.
func (s *subject) weekend(d *Detector) bool { return d.hourOfWeek(s.Hour) >= 5*24 }

// hash is FNV-1a, mixed so that all its bits are of use. It is the same in
// every process: what is remembered of it is written to the state file.
func hash(a, b string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(a) {
		h = (h ^ uint64(a[i])) * 1099511628211
	}
	h = (h ^ 0xff) * 1099511628211
	for i := range len(b) {
		h = (h ^ uint64(b[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

// Stats returns what the detector did so far.
func (d *Detector) Stats() Stats {
	s := d.stats
	s.Subjects = [Peers]int{d.callers[0].Len(), d.callers[1].Len(), d.tools.Len(), d.routes.Len(), d.addresses.Len()}
	s.Open = d.book.open()
	return s
}

// Now is the time of the detector: that of the latest event.
func (d *Detector) Now() time.Time { return time.UnixMilli(d.now).UTC() }

// all calls f for every subject, peers first, about the least recently seen of
// each kind first.
func (d *Detector) all(f func(*subject)) {
	tables := d.tables()
	for _, k := range [...]Kind{Peers, Route, Tool, Principal, Key, Address} {
		tables[k].Each(f)
	}
}

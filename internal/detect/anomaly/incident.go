package anomaly

import (
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/pattern"
)

const (
	dayMask = 1<<DayCalls | 1<<DayBytes
	// between is how long an incident that only spreads is not told again.
	between = 15 * 60 * 1000
	// maxIncidents bounds those that are open. More at once are one flood, and
	// what is new in it is counted, not told.
	maxIncidents = 2000
	// maxMembers bounds the subjects that one incident names.
	maxMembers = 20
	// From so many subjects of a route on that are odd in the same way within an
	// hour, it is the route. Errors and slowness come from the server: fewer do.
	crowdServer = 3
	crowd       = 6
)

// incident is one that is open.
type incident struct {
	latest  Anomaly
	metrics uint32
	members []*subject
	last    int64 // last odd value
	told    int64
	pending bool         // it spread since
	signs   [signs]int64 // when each was told last
}

// Signs are what risk counts on: each is told when it shows first, and again
// while it goes on. Else who was held back for a while, and goes on behind it,
// would be the same incident of which all is told.
const (
	signRapid = iota
	signScanning
	signHigh
	signs
)

// shows are the signs of a finding.
func shows(a *Anomaly, high bool) [signs]bool {
	return [signs]bool{signRapid: a.Pattern == pattern.Rapid, signScanning: a.Pattern == pattern.Scanning, signHigh: high}
}

// due reports whether a finding has a sign that was not told for a while.
func (in *incident) due(a *Anomaly, high bool, now int64) bool {
	for i, is := range shows(a, high) {
		if is && (in.signs[i] == 0 || now-in.signs[i] >= between || now < in.signs[i]-backwards) {
			return true
		}
	}
	return false
}

// note remembers the signs that are told.
func (in *incident) note(a *Anomaly, high bool, now int64) {
	for i, is := range shows(a, high) {
		if is {
			in.signs[i] = now
		}
	}
}

// book holds what is open.
type book struct {
	of    map[*subject]*incident
	list  []*incident
	route map[crowdKey]*crowdCount
}

type crowdKey struct {
	route  string
	metric Metric
}

type crowdCount struct {
	hour int64
	n    int
	last *incident
}

func newBook() book {
	return book{of: make(map[*subject]*incident), route: make(map[crowdKey]*crowdCount)}
}

func (b *book) open() int { return len(b.list) }

// pattern tells of behaviour that is odd by itself. The score is how many times
// the bound was exceeded.
func (d *Detector) pattern(x *subject, c *cause, m Metric, n, least float64, window time.Duration) {
	f := finding{metric: m, value: n, mean: 0, z: n / least, kind: "bound"}
	text := pattern.Rapid
	if m == Scanning {
		text = pattern.Scanning
	}
	d.tell(x, c, f, Anomaly{Pattern: text, Window: window, Least: least, Severity: d.grave(n >= 3*least)})
}

func (d *Detector) grave(yes bool) portcullis.Severity {
	if yes {
		return portcullis.SeverityCritical
	}
	return portcullis.SeverityWarn
}

// raise tells of a score, if it is high enough for the number of scores there
// are.
func (d *Detector) raise(x *subject, c *cause, f finding) {
	least := d.family.least(f.metric, &d.cfg)
	if f.z <= least {
		if in := d.book.of[x]; in != nil {
			in.last = max(in.last, d.moment(x)) // not odd enough for a new one, and not over
		}
		return
	}
	window := time.Hour
	if f.metric.daily() {
		window = 24 * time.Hour
	}
	d.tell(x, c, f, Anomaly{Window: window, Least: least, Severity: d.grave(f.z > d.cfg.ZCritical)})
}

// tell adds a finding to the incident it belongs to, or opens one.
func (d *Detector) tell(x *subject, c *cause, f finding, a Anomaly) {
	d.describe(&a, x, c, f)
	in := d.join(x, c, f.metric)
	if in == nil {
		if x.told&(1<<f.metric) != 0 || d.book.open() >= maxIncidents {
			return
		}
		x.told |= 1 << f.metric
		a.State, a.Since = Opened, a.At
		a.ID = fmt.Sprintf("%016x", hash(a.Kind+" "+a.Metric+" "+a.Route, fmt.Sprint(a.Subject, x.Hour)))
		in = &incident{latest: a, metrics: 1 << f.metric, members: []*subject{x}, last: d.moment(x), told: d.now}
		d.book.list = append(d.book.list, in)
		d.book.of[x] = in
		in.note(&a, a.Z > d.cfg.ZCritical, d.now)
		d.crowds(x, f.metric, in)
		d.out = append(d.out, a)
		return
	}
	x.told |= 1 << f.metric
	in.last = max(in.last, d.moment(x))
	spread := in.metrics&(1<<f.metric) == 0
	in.metrics |= 1 << f.metric
	if !slices.Contains(in.members, x) && len(in.members) < maxMembers {
		spread = true
		in.members = append(in.members, x)
		in.latest.Also = append(in.latest.Also, x.kind.String()+" "+x.label())
		if d.book.of[x] == nil {
			d.book.of[x] = in
		}
	}
	high := a.Z > d.cfg.ZCritical && *c != (cause{}) // what is found at the end of an hour may wait
	worse := a.Severity == portcullis.SeverityCritical && in.latest.Severity != portcullis.SeverityCritical || in.due(&a, high, d.now)
	in.pending = in.pending || spread
	if !worse && (!in.pending || d.now-in.told < between) {
		return
	}
	in.pending = false
	in.note(&a, high, d.now)
	a.ID, a.State, a.Since, a.Also = in.latest.ID, Updated, in.latest.Since, in.latest.Also
	if in.latest.Severity == portcullis.SeverityCritical {
		a.Severity = portcullis.SeverityCritical
	}
	in.latest, in.told = a, d.now
	a.Also = slices.Clone(a.Also)
	d.out = append(d.out, a)
}

// moment is when what is being judged happened: now, or at the end of the
// window if that is over.
func (d *Detector) moment(x *subject) int64 { return min(d.now, (x.Hour+1)*hourMillis-1) }

// label is what a subject is called.
func (s *subject) label() string {
	if s.kind == Route {
		return s.route
	}
	return s.name
}

func (d *Detector) describe(a *Anomaly, x *subject, c *cause, f finding) {
	a.Kind, a.Subject, a.Route, a.Metric = x.kind.String(), x.label(), x.route, f.metric.String()
	a.At = time.UnixMilli(d.moment(x)).UTC()
	a.Value, a.Mean, a.SD, a.Z, a.Baseline, a.Samples = f.value, f.mean, f.sd, f.z, string(f.kind), f.samples
	if c.route != nil {
		a.Route = c.route.route
	}
	for _, s := range [...]struct {
		from *subject
		to   *string
	}{{c.caller[0], &a.Principal}, {c.caller[1], &a.Key}, {c.address, &a.Address}, {c.tool, &a.Tool}} {
		if s.from != nil {
			*s.to = s.from.name
		}
	}
	switch x.kind {
	case Principal:
		a.Principal = x.name
	case Key:
		a.Key = x.name
		if x.mate != nil { // a key is of one principal
			a.Principal = x.mate.name
		}
	case Address:
		a.Address = x.name
	case Tool:
		a.Tool = x.name
	}
}

// join returns the open incident that a finding belongs to: one of its own
// subject, of the caller who set it off, of the route or tool whose server
// fails, or, for what many share, one of the same route.
func (d *Detector) join(x *subject, c *cause, m Metric) *incident {
	b := &d.book
	if in := b.of[x]; in != nil {
		return in
	}
	for _, s := range [...]*subject{c.caller[0], c.caller[1], x.mate} {
		if s != nil && b.of[s] != nil {
			return b.of[s]
		}
	}
	if x.kind != Principal && x.kind != Key && c.address != nil && b.of[c.address] != nil { // others may call from there too
		return b.of[c.address]
	}
	if m == ErrorRate || m == Latency {
		for _, s := range [...]*subject{c.tool, c.route} {
			if s != nil && b.of[s] != nil && b.of[s].metrics&(1<<m) != 0 {
				return b.of[s]
			}
		}
	}
	if x.kind == Tool || x.kind == Route {
		for _, in := range slices.Backward(b.list) {
			if in.latest.Route == x.route && in.metrics&alike(m) != 0 && d.now-in.last <= 2*hourMillis {
				return in
			}
		}
	}
	most := crowd
	if m == ErrorRate || m == Latency {
		most = crowdServer
	}
	if k := b.route[crowdKey{x.route, m}]; k != nil && d.now/hourMillis-k.hour <= 1 && k.n >= most && slices.Contains(b.list, k.last) {
		return k.last
	}
	return nil
}

// alike are the metrics that one cause makes odd together, as bits.
func alike(m Metric) uint32 {
	for _, group := range [...]uint32{
		1<<CallRate | 1<<OffHours | 1<<DayCalls | 1<<RapidRequests,
		1<<BytesOut | 1<<DayBytes,
		1<<DenialRate | 1<<ErrorRate | 1<<Scanning,
	} {
		if group&(1<<m) != 0 {
			return group
		}
	}
	return 1 << m
}

// crowds counts how many subjects of a route became odd in the same way.
func (d *Detector) crowds(x *subject, m Metric, in *incident) {
	key := crowdKey{x.route, m}
	hour := d.now / hourMillis
	k := d.book.route[key]
	if k == nil {
		k = &crowdCount{hour: hour}
		d.book.route[key] = k
	}
	if hour-k.hour > 1 || hour < k.hour {
		*k = crowdCount{hour: hour}
	}
	k.n++
	k.last = in
}

// end closes what was quiet for so long.
func (b *book) end(now, quiet int64, out []Anomaly) []Anomaly {
	for hour, k := range b.route {
		if now/hourMillis-k.hour > 1 {
			delete(b.route, hour)
		}
	}
	kept := b.list[:0]
	for _, in := range b.list {
		if now-in.last < quiet && now >= in.last-backwards {
			kept = append(kept, in)
			continue
		}
		for _, s := range in.members {
			if b.of[s] == in {
				delete(b.of, s)
			}
		}
		a := in.latest
		a.State, a.At, a.Also = Closed, time.UnixMilli(now).UTC(), slices.Clone(a.Also)
		out = append(out, a)
	}
	clear(b.list[len(kept):])
	b.list = kept
	return out
}

// forget takes a subject that was evicted out of its incident, which goes on
// without it.
func (b *book) forget(s *subject) { delete(b.of, s) }

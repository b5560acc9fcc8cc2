package risk

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Bounds of a Book.
const (
	DefaultWindow   = 15 * time.Minute
	DefaultSubjects = 1 << 17 // callers and addresses that are kept
)

// Details of events that a Book reads.
const (
	DetailPattern = "pattern"        // of ANOMALY_DETECTED
	DetailZ       = "z"              // of ANOMALY_DETECTED
	DetailKind    = "subject_kind"   // of ANOMALY_DETECTED: whom it is about
	DetailNothing = "no_credentials" // of AUTH_FAILURE: nobody tried anything
)

// Subject is whom a score is about: a principal or the network of an address.
type Subject struct {
	Principal string
	Network   netip.Prefix
}

// String returns "ip:203.0.113.9" for an address and the id of a principal.
func (s Subject) String() string {
	switch {
	case s.Principal != "":
		return s.Principal
	case s.Network.IsSingleIP():
		return "ip:" + s.Network.Addr().String()
	case s.Network.IsValid():
		return "ip:" + s.Network.String()
	}
	return ""
}

// Of returns the subject of an address.
func Of(addr netip.Addr) Subject {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return Subject{}
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return Subject{Network: p}
}

// Assessment is the score of one subject after an event.
type Assessment struct {
	Subject Subject
	Score   int
	Facts   Facts
}

// Options are the settings of a Book. The zero value is of use.
type Options struct {
	Window   time.Duration         // 0 = DefaultWindow
	Subjects int                   // 0 = DefaultSubjects
	Tor      func(netip.Addr) bool // nil = no address is an exit
}

// Book keeps what counts of callers. It is safe for concurrent use.
type Book struct {
	tor func(netip.Addr) bool

	mu     sync.RWMutex
	window time.Duration
	half   int
	young  map[Subject]*state // what was touched since turned
	old    map[Subject]*state // what was touched before
	turned time.Time          // by the events
}

// state is what counts of one subject, by the time of the events.
type state struct {
	fails    [maxCountedAttempt]int64 // attempts that failed, a ring of unix nanoseconds
	attempts int                      // all of them
	refused  int64                    // the last failed authentication, attempt or not
	tor      int64
	rapid    int64
	scanning int64
	anomaly  int64 // the last that is high
	high     float64
	z        int64 // the last of any height
	low      float64
}

// NewBook returns an empty Book.
func NewBook(o Options) *Book {
	b := &Book{tor: o.Tor, window: o.Window, half: o.Subjects / 2}
	if b.tor == nil {
		b.tor = func(netip.Addr) bool { return false }
	}
	if b.window <= 0 {
		b.window = DefaultWindow
	}
	if b.half <= 0 {
		b.half = DefaultSubjects / 2
	}
	b.young, b.old = map[Subject]*state{}, map[Subject]*state{}
	return b
}

// SetWindow changes how long what happened counts.
func (b *Book) SetWindow(w time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w > 0 {
		b.window = w
	}
}

// Observe takes an event of the journal and returns the new scores of whom it
// is about: nothing for events that do not count.
func (b *Book) Observe(e *portcullis.Event) []Assessment {
	switch e.Type {
	case portcullis.EventAuthFailure, portcullis.EventInvalidAPIKey, portcullis.EventZKPAuthFailure:
		return b.failed(e)
	case portcullis.EventAnomalyDetected:
		return b.anomalous(e)
	case portcullis.EventAuthSuccess, portcullis.EventCallStarted: // whose actor is proved
		if e.Actor.ID != "" && e.Actor.IP.IsValid() && b.tor(e.Actor.IP) {
			b.mu.Lock()
			defer b.mu.Unlock()
			s := b.touch(Subject{Principal: e.Actor.ID}, e.Time)
			s.tor = e.Time.UnixNano()
			return b.assess(nil, Subject{Principal: e.Actor.ID}, s, e.Time)
		}
	}
	return nil
}

// failed counts against the address, and against nobody else.
func (b *Book) failed(e *portcullis.Event) []Assessment {
	who := Of(e.Actor.IP)
	if who == (Subject{}) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.touch(who, e.Time)
	b.latest(&s.refused, e.Time)
	if v, ok := detail(e, DetailNothing); !ok || v.Kind() != slog.KindBool || !v.Bool() {
		s.fails[s.attempts%len(s.fails)] = e.Time.UnixNano()
		s.attempts++
	}
	return b.assess(nil, who, s, e.Time, e.Actor.IP)
}

// latest moves the time of a fact on. A time that is further ahead than a window
// is of a clock that was wrong, and gives way.
func (b *Book) latest(have *int64, at time.Time) {
	t := at.UnixNano()
	if t > *have || *have-t > int64(b.window) {
		*have = t
	}
}

// about returns those whom an anomaly counts against: whom it is about. Another
// caller's call may have set it off, one from the same address, or one of a tool
// that does badly. An anomaly of a tool or a route counts against nobody.
func about(e *portcullis.Event) []Subject {
	kind := ""
	if v, ok := detail(e, DetailKind); ok && v.Kind() == slog.KindString {
		kind = v.String()
	}
	switch kind {
	case "principal", "key":
		return []Subject{{Principal: e.Actor.ID}}
	case "address":
		return []Subject{Of(e.Actor.IP)}
	case "": // not of this program's detection
		return []Subject{{Principal: e.Actor.ID}, Of(e.Actor.IP)}
	}
	return nil
}

// anomalous counts against those whom an anomaly is about.
func (b *Book) anomalous(e *portcullis.Event) (out []Assessment) {
	if e.Severity == portcullis.SeverityInfo { // it says that an anomaly is over
		return nil
	}
	pattern := ""
	if v, ok := detail(e, DetailPattern); ok && v.Kind() == slog.KindString {
		pattern = v.String()
	}
	score := 0.0
	if v, ok := detail(e, DetailZ); ok {
		score = Anomaly(number(v))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, who := range about(e) {
		if who == (Subject{}) {
			continue
		}
		s := b.touch(who, e.Time)
		switch pattern {
		case PatternRapid:
			b.latest(&s.rapid, e.Time)
		case PatternScanning:
			b.latest(&s.scanning, e.Time)
		}
		if score > HighAnomaly {
			b.latest(&s.anomaly, e.Time)
			s.high = score
		} else if score > 0 {
			b.latest(&s.z, e.Time)
			s.low = score
		}
		out = b.assess(out, who, s, e.Time, e.Actor.IP)
	}
	return out
}

// touch returns the state of a subject, and turns the generations when it is
// time. The caller holds mu.
func (b *Book) touch(who Subject, at time.Time) *state {
	if b.turned.IsZero() || b.turned.Sub(at) > b.window { // the clock was ahead
		b.turned = at
	}
	if at.Sub(b.turned) > b.window || len(b.young) >= b.half {
		b.old, b.young, b.turned = b.young, map[Subject]*state{}, at
	}
	s := b.young[who]
	if s == nil {
		if s = b.old[who]; s == nil {
			s = new(state)
		}
		delete(b.old, who)
		b.young[who] = s
	}
	return s
}

func (b *Book) assess(out []Assessment, who Subject, s *state, now time.Time, from ...netip.Addr) []Assessment {
	f := s.facts(now, b.window)
	if who.Principal == "" && len(from) > 0 && b.tor(from[0]) {
		f.Tor = true
	}
	return append(out, Assessment{Subject: who, Score: Score(f), Facts: f})
}

// facts are what of s counts at a time.
func (s *state) facts(now time.Time, window time.Duration) Facts {
	if s == nil {
		return Facts{}
	}
	since, until := now.Add(-window).UnixNano(), now.Add(window).UnixNano()
	counts := func(at int64) bool { return at > since && at < until } // else a clock that was ahead made it count for years
	f := Facts{AuthFailure: counts(s.refused), Tor: counts(s.tor), Rapid: counts(s.rapid), Scanning: counts(s.scanning)}
	for _, at := range s.fails {
		if counts(at) {
			f.FailedAttempts++
		}
	}
	if counts(s.z) {
		f.Anomaly = s.low
	}
	if counts(s.anomaly) {
		f.Anomaly = s.high
	}
	return f
}

// Score is the score of a caller at a time: that of the principal or that of
// its address, whichever is higher. The two are not added up: behind one
// address may be many callers.
func (b *Book) Score(principal string, addr netip.Addr, now time.Time) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	score := 0
	if principal != "" {
		score = Score(b.peek(Subject{Principal: principal}).facts(now, b.window))
	}
	if who := Of(addr); who != (Subject{}) {
		f := b.peek(who).facts(now, b.window)
		f.Tor = b.tor(addr)
		score = max(score, Score(f))
	}
	return score
}

// peek returns the state of a subject, nil if it has none. The caller holds mu.
func (b *Book) peek(who Subject) *state {
	if s := b.young[who]; s != nil {
		return s
	}
	return b.old[who]
}

// Len is the number of subjects that are kept.
func (b *Book) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.young) + len(b.old)
}

func detail(e *portcullis.Event, key string) (slog.Value, bool) {
	for i := range e.Details {
		if e.Details[i].Key == key {
			return e.Details[i].Value, true
		}
	}
	return slog.Value{}, false
}

func number(v slog.Value) float64 {
	switch v.Kind() {
	case slog.KindFloat64:
		return v.Float64()
	case slog.KindInt64:
		return float64(v.Int64())
	case slog.KindUint64:
		return float64(v.Uint64())
	}
	return 0
}

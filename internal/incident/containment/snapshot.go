package containment

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// hold is a containment as calls meet it.
type hold struct {
	Containment
	rate *meter // of a throttle; kept from one snapshot to the next
}

// snapshot is what is in force. Nobody changes one that is in use.
type snapshot struct {
	principals  map[string][]*hold
	credentials map[string][]*hold
	networks    map[netip.Prefix][]*hold
	routes      map[string][]*hold
	upstreams   map[string][]*hold
	everything  []*hold
	bits4       []int // lengths of prefixes that there are, longest first
	bits6       []int
}

// newSnapshot indexes what is in force. old hands over the meters.
func newSnapshot(list []Containment, old *snapshot) *snapshot {
	s := &snapshot{principals: map[string][]*hold{}, credentials: map[string][]*hold{}, networks: map[netip.Prefix][]*hold{}, routes: map[string][]*hold{}, upstreams: map[string][]*hold{}}
	meters := map[string]*meter{}
	for _, h := range old.all() {
		meters[h.ID] = h.rate
	}
	for _, c := range list {
		h := &hold{Containment: c}
		if c.Measure == Throttle {
			if h.rate = meters[c.ID]; h.rate == nil || h.rate.perHour != c.PerHour {
				h.rate = &meter{perHour: c.PerHour}
			}
		}
		switch c.Subject.Kind {
		case KindPrincipal:
			s.principals[c.Subject.ID] = append(s.principals[c.Subject.ID], h)
		case KindCredential:
			s.credentials[c.Subject.ID] = append(s.credentials[c.Subject.ID], h)
		case KindRoute:
			s.routes[c.Subject.Route] = append(s.routes[c.Subject.Route], h)
		case KindUpstream:
			s.upstreams[c.Subject.ID] = append(s.upstreams[c.Subject.ID], h)
		case KindEverything:
			s.everything = append(s.everything, h)
		case KindAddress:
			p := c.Subject.Net
			s.networks[p] = append(s.networks[p], h)
			if p.Addr().Is4() {
				s.bits4 = append(s.bits4, p.Bits())
			} else {
				s.bits6 = append(s.bits6, p.Bits())
			}
		}
	}
	for _, list := range []*[]int{&s.bits4, &s.bits6} {
		slices.Sort(*list)
		slices.Reverse(*list)
		*list = slices.Compact(*list)
	}
	if len(s.principals)+len(s.credentials)+len(s.networks)+len(s.routes)+len(s.upstreams)+len(s.everything) == 0 {
		return nil // calls look no further
	}
	return s
}

func (s *snapshot) all() (out []*hold) {
	if s == nil {
		return nil
	}
	out = append(out, s.everything...)
	for _, m := range []map[string][]*hold{s.principals, s.credentials, s.routes, s.upstreams} {
		for _, list := range m {
			out = append(out, list...)
		}
	}
	for _, list := range s.networks {
		out = append(out, list...)
	}
	return out
}

// place is where a call comes from and where it goes.
type place struct {
	addr     netip.Addr
	route    string // "" on the admin listener
	upstream string // of the route
}

// each calls f for what is in force for a caller until f returns false. A
// principal that is nobody has its address and where it goes only.
func (s *snapshot) each(at place, who portcullis.Principal, now func() time.Time, f func(*hold) bool) {
	if s == nil {
		return
	}
	var t time.Time
	visit := func(list []*hold) bool {
		for _, h := range list {
			if t.IsZero() {
				t = now() // the clock is asked only for those who are contained
			}
			if h.Active(t) && !f(h) {
				return false
			}
		}
		return true
	}
	if who.ID != "" && !visit(s.principals[who.ID]) {
		return
	}
	if who.KeyID != "" && !visit(s.credentials[who.KeyID]) {
		return
	}
	if !visit(s.everything) || at.route != "" && !visit(s.routes[at.route]) || at.upstream != "" && !visit(s.upstreams[at.upstream]) {
		return
	}
	addr := at.addr.Unmap().WithZone("")
	bits := s.bits4
	if addr.Is6() {
		bits = s.bits6
	}
	for _, n := range bits {
		p, err := addr.Prefix(n)
		if err != nil { // no address
			return
		}
		if !visit(s.networks[p]) {
			return
		}
	}
}

// meter lets so many calls pass in an hour, evenly, and a tenth of them at once
// (GCRA). It is safe for concurrent use.
type meter struct {
	perHour int
	next    atomic.Int64 // theoretical arrival time, unix nanoseconds
}

// take counts a call and returns 0, or how long the caller has to wait.
func (m *meter) take(now time.Time) time.Duration {
	every := int64(time.Hour) / int64(m.perHour)
	burst := every * int64(max(1, m.perHour/10))
	at := now.UnixNano()
	for {
		have := m.next.Load()
		next := max(have, at) + every
		if wait := next - at - burst; wait > 0 {
			return time.Duration(wait)
		}
		if m.next.CompareAndSwap(have, next) {
			return 0
		}
	}
}

package containment

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Reasons that callers read.
const (
	ReasonContained = "contained"
	ReasonStepUp    = "step_up_required"
	ReasonThrottled = "rate_limited"
)

// GuardName is the name of the guard in every phase it stands in.
const GuardName = "containment"

// Guard refuses those who are contained. It stands in three phases: addresses
// are refused at the edge, before they can try another credential; everybody
// else once they are known; and who is throttled where rates are.
type Guard struct {
	now       func() time.Time
	state     *atomic.Pointer[snapshot]
	upstreams *atomic.Pointer[map[string]string] // of routes
	admin     bool                               // only what holds on the admin listener too
	login     bool                               // where callers log in: step-up lets them

	mu      sync.Mutex
	streams map[*stream]struct{} // that run, to be ended
}

type stream struct {
	from place
	who  portcullis.Principal
	end  func()
}

var (
	_ portcullis.EdgeGuard   = (*Guard)(nil)
	_ portcullis.Container   = (*Guard)(nil)
	_ portcullis.CallerGuard = (*Guard)(nil)
)

// Name returns "containment".
func (*Guard) Name() string { return GuardName }

// snapshot is what is in force. A guard of no book contains nobody: it stands
// where only its name is asked.
func (g *Guard) snapshot() *snapshot {
	if g.state == nil {
		return nil
	}
	return g.state.Load()
}

// Admin returns the guard for the admin listener. It refuses those only whose
// containment says that it holds there: to be contained by mistake must not
// keep an operator from undoing it.
func (g *Guard) Admin() portcullis.Container {
	return &Guard{now: g.now, state: g.state, upstreams: g.upstreams, admin: true}
}

// Login returns the guard for paths where callers log in.
func (g *Guard) Login() portcullis.Container {
	return &Guard{now: g.now, state: g.state, upstreams: g.upstreams, login: true}
}

// place is where a call comes from and goes to.
func (g *Guard) place(c *portcullis.Conn) place {
	p := place{addr: c.Client, route: c.Route}
	if g.upstreams != nil {
		if m := g.upstreams.Load(); m != nil {
			p.upstream = (*m)[c.Route]
		}
	}
	return p
}

// CheckConn implements [portcullis.EdgeGuard]: it refuses blocked addresses,
// and everybody where a route, an upstream or everything is blocked.
func (g *Guard) CheckConn(_ context.Context, c *portcullis.Conn) error {
	return g.check(g.place(c), portcullis.Principal{})
}

// CheckContained implements [portcullis.Container].
func (g *Guard) CheckContained(_ context.Context, c *portcullis.Conn, who portcullis.Principal) error {
	return g.check(g.place(c), who)
}

func (g *Guard) check(at place, who portcullis.Principal) error {
	s := g.snapshot()
	if s == nil {
		return nil
	}
	var found *hold
	s.each(at, who, g.now, func(h *hold) bool {
		switch {
		case g.admin && !h.Admin || h.Measure == Throttle:
			return true
		case h.Measure == StepUp:
			if who.IsZero() || g.login || h.cleared(who) {
				return true
			}
			if found == nil {
				found = h
			}
			return true // a block says more
		}
		found = h
		return false
	})
	if found == nil {
		return nil
	}
	return found.refusal(who)
}

// cleared reports whether a caller has logged in since the step-up.
func (h *hold) cleared(who portcullis.Principal) bool {
	for _, id := range h.Cleared {
		if id == who.KeyID {
			return true
		}
	}
	return false
}

// refusal is what a contained caller reads. A key or a certificate is the same
// whenever it is shown: only an operator lifts a step-up from it.
func (h *hold) refusal(who portcullis.Principal) *portcullis.Error {
	e := &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: ReasonContained, Public: "Access is suspended",
		Event: portcullis.EventCallContained, Detail: "contained: " + string(h.Measure),
		Facts: h.facts(),
	}
	if h.Measure == StepUp {
		e.Reason = ReasonStepUp
	}
	if h.Measure == StepUp && who.Method != "api_key" && who.Method != "mtls" {
		e.Kind, e.Reason, e.Public = portcullis.KindUnauthenticated, ReasonStepUp, "Log in again"
		e.Header = http.Header{"Www-Authenticate": {`Bearer error="insufficient_user_authentication", error_description="Log in again"`}} // RFC 9470
	}
	return e
}

// facts name no person: the event is about the caller, whose data is sealed.
func (h *hold) facts() []slog.Attr {
	out := []slog.Attr{slog.String("containment", h.ID), slog.String("measure", string(h.Measure)), slog.String("kind", h.Subject.Kind.String())}
	if h.Incident != "" {
		out = append(out, slog.String("incident", h.Incident))
	}
	return out
}

// CheckCaller implements [portcullis.CallerGuard]: it counts the calls of who
// is throttled.
func (g *Guard) CheckCaller(_ context.Context, c *portcullis.Conn, who portcullis.Principal, _ portcullis.Action) error {
	s := g.snapshot()
	if s == nil {
		return nil
	}
	var wait time.Duration
	var found *hold
	s.each(g.place(c), who, g.now, func(h *hold) bool {
		if h.Measure != Throttle || g.admin && !h.Admin {
			return true
		}
		if wait = h.rate.take(g.now()); wait > 0 {
			found = h
		}
		return wait == 0
	})
	if found == nil {
		return nil
	}
	return &portcullis.Error{
		Kind: portcullis.KindRateLimited, Reason: ReasonThrottled, Public: "Too many requests", RetryAfter: wait,
		Event: portcullis.EventCallContained, Detail: "contained: throttle", Facts: found.facts(),
	}
}

// Watch calls end, once and from another goroutine, when the caller of a
// running stream is contained. stop ends the watch.
func (g *Guard) Watch(c *portcullis.Conn, who portcullis.Principal, end func()) (stop func()) {
	s := &stream{from: g.place(c), who: who, end: end}
	g.mu.Lock()
	if g.streams == nil {
		g.streams = map[*stream]struct{}{}
	}
	g.streams[s] = struct{}{}
	g.mu.Unlock()
	if g.check(s.from, s.who) != nil { // contained since it was let in
		go end()
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.streams, s)
	}
}

// endStreams ends those whose caller is contained by now.
func (g *Guard) endStreams() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.streams {
		if g.check(s.from, s.who) != nil {
			delete(g.streams, s)
			go s.end()
		}
	}
}

// EndStreams ends the streams that run now of a principal, of everybody if it is
// "", and returns how many there were. Who may come back does.
func (g *Guard) EndStreams(principal string) (ended int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.streams {
		if principal == "" || s.who.ID == principal {
			delete(g.streams, s)
			go s.end()
			ended++
		}
	}
	return ended
}

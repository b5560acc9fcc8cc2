package privacy

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis"
)

// ReasonRestricted is what a caller reads whose processing is restricted.
const ReasonRestricted = "processing_restricted"

// guard refuses calls of persons whose processing is restricted (Art. 18 GDPR),
// but where they log in and use their rights.
type guard struct {
	mu  sync.Mutex // one change at a time
	who atomic.Pointer[map[string]bool]
}

func newGuard() *guard {
	g := new(guard)
	g.who.Store(&map[string]bool{})
	return g
}

// set says whether the processing of a principal is restricted.
func (g *guard) set(id string, restricted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := maps.Clone(*g.who.Load())
	if delete(next, id); restricted {
		next[id] = true
	}
	g.who.Store(&next)
}

// restricted reports whether the processing of a principal is restricted.
func (g *guard) restricted(id string) bool { return (*g.who.Load())[id] }

// Name returns "restriction".
func (*guard) Name() string { return "restriction" }

// CheckContained implements portcullis.Container.
func (g *guard) CheckContained(_ context.Context, _ *portcullis.Conn, who portcullis.Principal) error {
	if !g.restricted(who.ID) {
		return nil
	}
	return &portcullis.Error{
		Kind: portcullis.KindForbidden, Reason: ReasonRestricted, Public: "Processing is restricted",
		Event: portcullis.EventCallContained, Detail: "the processing of this subject is restricted",
	}
}

// Login returns the guard of paths where callers log in and use their rights.
func (g *guard) Login() portcullis.Container { return allowed{} }

// Admin returns the guard of the admin listener: operators administer.
func (g *guard) Admin() portcullis.Container { return allowed{} }

// allowed lets everybody pass.
type allowed struct{}

// Name returns "restriction".
func (allowed) Name() string { return "restriction" }

// CheckContained implements portcullis.Container.
func (allowed) CheckContained(context.Context, *portcullis.Conn, portcullis.Principal) error {
	return nil
}

package gateway

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// greetings remembers whose successful authentication was recorded lately, so
// that a caller of a thousand calls a second makes one AUTH_SUCCESS in
// greetEvery, not a thousand. Forgetting costs an extra event, never a missing
// one. Safe for concurrent use; reads take no lock.
type greetings struct {
	seen  sync.Map // greetKey → *atomic.Int64, unix seconds
	count atomic.Int64
}

type greetKey struct {
	id, key string
	ip      netip.Addr
}

const (
	greetEvery   = 5 * time.Minute
	maxGreetings = 10_000
)

func (g *greetings) first(who portcullis.Principal, ip netip.Addr, now time.Time) bool {
	k := greetKey{who.ID, who.KeyID, ip}
	sec := now.Unix()
	if v, ok := g.seen.Load(k); ok {
		last := v.(*atomic.Int64)
		was := last.Load()
		return sec-was >= int64(greetEvery/time.Second) && last.CompareAndSwap(was, sec)
	}
	if g.count.Add(1) > maxGreetings {
		g.seen.Clear()
		g.count.Store(1)
	}
	v := new(atomic.Int64)
	v.Store(sec)
	_, had := g.seen.LoadOrStore(k, v)
	return !had
}

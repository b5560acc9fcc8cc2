// Package greeting decides which successful authentications are worth an audit
// event: the first of a caller from an address, and then one every few minutes.
package greeting

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Book remembers whose successful authentication was recorded lately, so that a
// caller of a thousand calls a second makes one AUTH_SUCCESS in five minutes,
// not a thousand. Forgetting costs an extra event, never a missing one. The
// zero Book is empty and ready. Safe for concurrent use; reads take no lock.
type Book struct {
	seen  sync.Map // entry → *atomic.Int64, unix seconds
	count atomic.Int64
}

type entry struct {
	id, key string
	ip      netip.Addr
}

const (
	every      = 5 * time.Minute
	maxEntries = 10_000
)

// Due reports whether the authentication of who from ip is to be recorded, and
// takes it as recorded: call [Book.Forget] if that came to nothinb.
func (b *Book) Due(who portcullis.Principal, ip netip.Addr, now time.Time) bool {
	k := entry{who.ID, who.KeyID, ip}
	sec := now.Unix()
	if v, ok := b.seen.Load(k); ok {
		last := v.(*atomic.Int64)
		was := last.Load()
		return sec-was >= int64(every/time.Second) && last.CompareAndSwap(was, sec)
	}
	if b.count.Add(1) > maxEntries {
		b.seen.Clear()
		b.count.Store(1)
	}
	v := new(atomic.Int64)
	v.Store(sec)
	_, had := b.seen.LoadOrStore(k, v)
	return !had
}

// Forget makes the next authentication of who from ip due.
func (b *Book) Forget(who portcullis.Principal, ip netip.Addr) {
	if v, ok := b.seen.Load(entry{who.ID, who.KeyID, ip}); ok {
		v.(*atomic.Int64).Store(0)
	}
}

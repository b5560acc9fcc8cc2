package zkp

import (
	"container/heap"
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Challenge is one that was given out.
type Challenge struct {
	ID       string // 128 random bits in hexadecimal
	Value    Element
	UserID   string
	Audience string
	Expires  time.Time
}

// Errors of a store of challenges.
var (
	ErrTooMany = errors.New("too many challenges wait for this user or of this network")
	ErrFull    = errors.New("too many challenges wait")
)

// Challenges keeps those that wait for their proof.
type Challenges interface {
	// Put keeps a challenge until it expires. from is who asked for it. The
	// only challenge that an address has waiting for a user is never given up
	// for another one: where there is no room, Put returns ErrTooMany or
	// ErrFull.
	Put(ctx context.Context, c Challenge, from netip.Addr) error
	// Take returns a challenge and forgets it: of any number of callers one
	// gets it. It returns false, always the same, for one that is unknown,
	// expired, taken, or another user's or audience's; the last two stay.
	Take(ctx context.Context, id, user, audience string) (Challenge, bool, error)
}

// Bounds of [Memory].
const (
	MaxWaiting        = 1 << 16 // challenges in all, about 20 MB
	MaxWaitingPerUser = 64

	// MaxWaitingPerNetwork keeps a few networks from taking all room.
	MaxWaitingPerNetwork = 1024
)

// Memory keeps challenges in this process. They are lost when it ends: callers
// ask for another one. Safe for concurrent use.
type Memory struct {
	mu     sync.Mutex
	clock  func() time.Time
	byID   map[string]*waiting
	byUser map[string][]*waiting // oldest first
	byNet  map[netip.Prefix]int
	byEnd  ending
}

var _ Challenges = (*Memory)(nil)

type waiting struct {
	Challenge
	from netip.Prefix
	at   int // in byEnd
}

// NewMemory returns an empty store. clock may be nil.
func NewMemory(clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{clock: clock, byID: map[string]*waiting{}, byUser: map[string][]*waiting{}, byNet: map[netip.Prefix]int{}}
}

// Put implements [Challenges].
func (m *Memory) Put(_ context.Context, c Challenge, from netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetExpired()
	w := &waiting{Challenge: c, from: network(from)}
	if _, there := m.byID[c.ID]; there || len(m.byID) >= MaxWaiting {
		return ErrFull
	}
	if m.byNet[w.from] >= MaxWaitingPerNetwork {
		return ErrTooMany
	}
	if len(m.byUser[c.UserID]) >= MaxWaitingPerUser {
		surplus := m.surplus(c.UserID, w.from)
		if surplus == nil {
			return ErrTooMany
		}
		m.drop(surplus)
	}
	m.byID[c.ID] = w
	m.byNet[w.from]++
	m.byUser[c.UserID] = append(m.byUser[c.UserID], w)
	heap.Push(&m.byEnd, w)
	return nil
}

// surplus returns the youngest challenge of whoever holds the most for a user,
// if that is at least two more than from holds; else nil. So one who floods a
// user's name takes room from nobody else, and one who asks once keeps it.
func (m *Memory) surplus(user string, from netip.Prefix) *waiting {
	held := map[netip.Prefix]int{}
	for _, w := range m.byUser[user] {
		held[w.from]++
	}
	var most *waiting
	for _, w := range m.byUser[user] {
		if most == nil || held[w.from] >= held[most.from] { // later = younger
			most = w
		}
	}
	if most == nil || held[most.from] < held[from]+2 {
		return nil
	}
	return most
}

// Take implements [Challenges].
func (m *Memory) Take(_ context.Context, id, user, audience string) (Challenge, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetExpired()
	w := m.byID[id]
	if w == nil || w.UserID != user || w.Audience != audience {
		return Challenge{}, false, nil
	}
	m.drop(w)
	return w.Challenge, true, nil
}

// Len is how many challenges wait.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetExpired()
	return len(m.byID)
}

func (m *Memory) forgetExpired() {
	now := m.clock()
	for len(m.byEnd) > 0 && !now.Before(m.byEnd[0].Expires) {
		m.drop(m.byEnd[0])
	}
}

func (m *Memory) drop(w *waiting) {
	heap.Remove(&m.byEnd, w.at)
	delete(m.byID, w.ID)
	if m.byNet[w.from]--; m.byNet[w.from] == 0 {
		delete(m.byNet, w.from)
	}
	all := m.byUser[w.UserID]
	kept := make([]*waiting, 0, len(all)-1)
	for _, other := range all {
		if other != w {
			kept = append(kept, other)
		}
	}
	if len(kept) == 0 {
		delete(m.byUser, w.UserID)
		return
	}
	m.byUser[w.UserID] = kept
}

// network is what counts as one address: for IPv6 a /48, the most that one
// subscriber is given. With a /64 whoever has 64 of them, as every home may,
// could fill a user's room and keep it full.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() && !a.Is4In6() {
		bits = 48
	}
	p, err := a.Unmap().WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address, as over a Unix socket
	}
	return p
}

// ending is a heap of challenges by their end.
type ending []*waiting

func (e ending) Len() int           { return len(e) }
func (e ending) Less(i, j int) bool { return e[i].Expires.Before(e[j].Expires) }

func (e ending) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].at, e[j].at = i, j
}

// Push implements [heap.Interface].
func (e *ending) Push(v any) {
	w := v.(*waiting)
	w.at = len(*e)
	*e = append(*e, w)
}

// Pop implements [heap.Interface].
func (e *ending) Pop() any {
	last := len(*e) - 1
	w := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	return w
}

package zkp

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

// TestMemoryModel runs random histories against what is promised: a challenge
// is had once, by its user at its audience, before it expires; nothing grows
// beyond its bound; and the only challenge of an address for a user stays.
func TestMemoryModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &clock{now: time.Unix(1_000_000, 0)}
		m := NewMemory(c.time)
		type put struct {
			Challenge
			from netip.Prefix
			gone bool // taken, or may have been given up
		}
		var all []*put
		live := func(user string, from netip.Prefix) (n int) {
			for _, p := range all {
				if !p.gone && p.UserID == user && p.from == from && c.time().Before(p.Expires) {
					n++
				}
			}
			return n
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				user, from := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "user"), addr(rapid.IntRange(0, 80).Draw(rt, "from"))
				for range rapid.SampledFrom([]int{1, 1, 1, 70}).Draw(rt, "times") {
					p := &put{from: network(from), Challenge: Challenge{
						ID: fmt.Sprint(len(all)), UserID: user, Audience: "x",
						Expires: c.time().Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "ttl")) * time.Second),
					}}
					err := m.Put(rt.Context(), p.Challenge, from)
					if err != nil && len(m.byUser[user]) < MaxWaitingPerUser {
						rt.Fatalf("refused with room: %v", err)
					}
					if err == nil {
						all = append(all, p)
					}
				}
				// what was given up was the surplus of somebody
				for _, p := range all {
					if _, there := m.byID[p.ID]; !there && !p.gone && c.time().Before(p.Expires) {
						if live(p.UserID, p.from) < 2 {
							rt.Fatalf("the only challenge of %v for %s was given up", p.from, p.UserID)
						}
						p.gone = true
					}
				}
			},
			"take": func(rt *rapid.T) {
				if len(all) == 0 {
					rt.Skip()
				}
				p := all[rapid.IntRange(0, len(all)-1).Draw(rt, "which")]
				user, audience := p.UserID, p.Audience
				if rapid.Bool().Draw(rt, "foreign") {
					user = "mallory"
				} else if rapid.Bool().Draw(rt, "elsewhere") {
					audience = "y"
				}
				got, ok, err := m.Take(rt.Context(), p.ID, user, audience)
				want := user == p.UserID && audience == p.Audience && !p.gone && c.time().Before(p.Expires)
				if err != nil || ok != want || ok && got != p.Challenge {
					rt.Fatalf("take: %v %+v, want %v; %v", ok, got, want, err)
				}
				p.gone = p.gone || ok
			},
			"wait": func(rt *rapid.T) { c.move(time.Duration(rapid.IntRange(0, 200).Draw(rt, "seconds")) * time.Second) },
			"": func(rt *rapid.T) {
				if n := m.Len(); n != len(m.byEnd) || n > MaxWaiting {
					rt.Fatalf("%d challenges, %d ends", n, len(m.byEnd))
				}
				sum := 0
				for user, list := range m.byUser {
					sum += len(list)
					if len(list) == 0 || len(list) > MaxWaitingPerUser {
						rt.Fatalf("%s: %d", user, len(list))
					}
				}
				if sum != m.Len() {
					rt.Fatalf("%d by user, %d in all", sum, m.Len())
				}
			},
		})
	})
}

// TestFloodLeavesRoom: one address that fills a user's room neither takes the
// user's challenge away nor keeps the user from getting another one.
func TestFloodLeavesRoom(t *testing.T) {
	c := &clock{now: time.Unix(1_000_000, 0)}
	m := NewMemory(c.time)
	put := func(id string, from netip.Addr) error {
		return m.Put(t.Context(), Challenge{ID: id, UserID: "alice", Audience: "x", Expires: c.time().Add(time.Minute)}, from)
	}
	if err := put("hers", addr(1)); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range 1000 {
		if put(fmt.Sprint(i), addr(2)) != nil {
			refused++
		}
	}
	if refused != 1000-(MaxWaitingPerUser-1) {
		t.Errorf("%d refused", refused)
	}
	for i := range 20 {
		if err := put(fmt.Sprint("more", i), addr(1)); err != nil {
			t.Fatalf("another one for her: %v", err)
		}
	}
	if _, ok, _ := m.Take(t.Context(), "hers", "alice", "x"); !ok {
		t.Error("her challenge is gone")
	}
	// One IPv6 subscriber may have a whole /48.
	one, two := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:0:ffff:1:2:3:4")
	if network(one) != network(two) || network(one) == network(netip.MustParseAddr("2001:db8:1::1")) ||
		network(netip.MustParseAddr("::ffff:10.0.0.1")) != network(addr(1)) || network(netip.Addr{}).IsValid() {
		t.Error("networks")
	}
}

// TestSubscriberLeavesRoom: one subscriber with all its IPv6 networks fills
// neither a user's room nor all of it.
func TestSubscriberLeavesRoom(t *testing.T) {
	c := &clock{now: time.Unix(1_000_000, 0)}
	m := NewMemory(c.time)
	ends := c.time().Add(time.Minute)
	from := func(i int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, byte(i >> 8), byte(i), 15: 1})
	}
	for i := range 2 * MaxWaitingPerUser {
		err := m.Put(t.Context(), Challenge{ID: fmt.Sprint("a", i), UserID: "alice", Expires: ends}, from(i))
		if (err != nil) != (i >= MaxWaitingPerUser) {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := m.Put(t.Context(), Challenge{ID: "hers", UserID: "alice", Expires: ends}, addr(1)); err != nil {
		t.Errorf("alice, from elsewhere: %v", err)
	}
	for i := range MaxWaiting {
		err := m.Put(t.Context(), Challenge{ID: fmt.Sprint("n", i), UserID: fmt.Sprint("user", i), Expires: ends}, from(i))
		if err != nil && err != ErrTooMany {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if n := m.Len(); n > MaxWaitingPerNetwork+1 {
		t.Errorf("%d challenges of one subscriber", n)
	}
	if err := m.Put(t.Context(), Challenge{ID: "his", UserID: "bob", Expires: ends}, addr(2)); err != nil {
		t.Errorf("bob, from elsewhere: %v", err)
	}
	if c.move(time.Minute); m.Len() != 0 || len(m.byNet) != 0 {
		t.Errorf("%d challenges, networks %v after the end", m.Len(), m.byNet)
	}
}

// TestMemoryFull: nothing is given up for what comes when all room is taken.
func TestMemoryFull(t *testing.T) {
	c := &clock{now: time.Unix(1_000_000, 0)}
	m := NewMemory(c.time)
	put := func(i int) error {
		return m.Put(t.Context(), Challenge{ID: fmt.Sprint(i), UserID: fmt.Sprint(i % 5000), Audience: "x", Expires: c.time().Add(time.Minute)}, addr(i))
	}
	for i := range MaxWaiting {
		if err := put(i); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := put(MaxWaiting); err != ErrFull {
		t.Fatalf("full: %v", err)
	}
	if _, ok, _ := m.Take(t.Context(), "0", "0", "x"); !ok {
		t.Error("the first is gone")
	}
	c.move(time.Minute)
	if m.Len() != 0 || len(m.byUser) != 0 || put(1) != nil {
		t.Error("expired challenges hold room")
	}
}

// TestTakeOnce: of many callers with one challenge, one gets it.
func TestTakeOnce(t *testing.T) {
	m := NewMemory(nil)
	for i := range 20 {
		id := fmt.Sprint(i)
		if err := m.Put(t.Context(), Challenge{ID: id, UserID: "alice", Audience: "x", Expires: time.Now().Add(time.Hour)}, addr(1)); err != nil {
			t.Fatal(err)
		}
		var had atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, ok, _ := m.Take(t.Context(), id, "alice", "x"); ok {
					had.Add(1)
				}
			})
		}
		wg.Wait()
		if had.Load() != 1 {
			t.Fatalf("%d had it", had.Load())
		}
	}
}

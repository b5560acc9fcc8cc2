package containment

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
)

// model is what has to be true: the newest block of each subject, and until
// when it holds.
type model map[string]time.Time

func (m model) refuses(who portcullis.Principal, from netip.Addr, route string, now time.Time) bool {
	for text, until := range m {
		s, _ := ParseSubject(text)
		hit := s.Kind == KindPrincipal && s.ID == who.ID || s.Kind == KindCredential && s.ID == who.KeyID || s.Kind == KindAddress && s.Net.Contains(from) ||
			s.Kind == KindRoute && s.Route == route || s.Kind == KindUpstream && s.ID == upstreams[route] || s.Kind == KindEverything
		if hit && now.Before(until) {
			return true
		}
	}
	return false
}

// upstreams are those of the routes of the model.
var upstreams = map[string]string{"files": "files.example.com", "more": "files.example.com", "mail": "mail.example.com"}

// TestMachine: whatever order of containing, releasing, waiting, sweeping and
// restarting, a call is refused if and only if something in force is about it.
func TestMachine(t *testing.T) {
	subjects := []string{"user:alice", "user:bob", "key:k1", "key:k2", "ip:10.0.0.1", "ip:10.0.0.0/24", "ip:10.0.0.0/8", "ip:2001:db8::/64", "route:files", "upstream:files.example.com", "everything"}
	callers := []portcullis.Principal{{ID: "user:alice", KeyID: "k1"}, {ID: "user:bob", KeyID: "k2"}, {ID: "user:carol", KeyID: "k3"}, {ID: "user:alice", KeyID: "k2"}}
	addrs := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("192.0.2.1")}
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
		m := newMemory()
		open := func() *Book {
			b, err := NewBook(t.Context(), m, m, nil, func() time.Time { return now })
			if err != nil {
				rt.Fatal(err)
			}
			b.UseUpstreams(upstreams)
			return b
		}
		b, want := open(), model{}
		rt.Repeat(map[string]func(*rapid.T){
			"contain": func(rt *rapid.T) {
				text := rapid.SampledFrom(subjects).Draw(rt, "subject")
				s, _ := ParseSubject(text)
				until := now.Add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "minutes")) * time.Minute)
				if _, err := b.Contain(t.Context(), Containment{Subject: s, Measure: Block, Reason: "x", Until: until}, root); err != nil {
					rt.Fatal(err)
				}
				want[text] = until
			},
			"release": func(rt *rapid.T) {
				text := rapid.SampledFrom(subjects).Draw(rt, "subject")
				until, there := want[text]
				_, err := b.Release(t.Context(), text, "", root)
				if (err == nil) != (there && now.Before(until)) {
					rt.Fatalf("releasing %s: %v", text, err)
				}
				delete(want, text)
			},
			"wait": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "minutes")) * time.Minute)
			},
			"sweep": func(rt *rapid.T) {
				if err := b.Sweep(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"restart": func(*rapid.T) { b = open() },
			"": func(rt *rapid.T) {
				active := 0
				for _, until := range want {
					if now.Before(until) {
						active++
					}
				}
				if got := len(b.Active()); got != active {
					rt.Fatalf("%d are in force, want %d", got, active)
				}
				for _, who := range callers {
					for _, from := range addrs {
						route := rapid.SampledFrom([]string{"files", "more", "mail", ""}).Draw(rt, "route")
						refused := b.Guard().CheckContained(t.Context(), &portcullis.Conn{Client: from, Route: route}, who) != nil
						if refused != want.refuses(who, from.Unmap(), route, now) {
							rt.Fatalf("%s with %s from %s at %q: refused %t with %v at %s", who.ID, who.KeyID, from, route, refused, want, now)
						}
						if b.Guard().Admin().CheckContained(t.Context(), &portcullis.Conn{Client: from}, who) != nil {
							rt.Fatalf("%s is refused on the admin listener with %v", who.ID, want)
						}
					}
				}
			},
		})
	})
}

// TestConcurrentChanges: calls go on while containments come and go, and who is
// contained all the time is refused all the time.
func TestConcurrentChanges(t *testing.T) {
	b := newBook(t, newMemory())
	contain(t, b, "user:alice", Block)
	var calls, changes sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		calls.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if b.Guard().CheckContained(t.Context(), &portcullis.Conn{Client: near}, alice) == nil {
					t.Error("alice passed")
					return
				}
				_ = b.Guard().CheckCaller(t.Context(), &portcullis.Conn{Client: near}, robot, portcullis.Action{})
				b.Guard().Watch(&portcullis.Conn{Client: far}, robot, func() {})()
			}
		})
	}
	for w := range 3 {
		changes.Go(func() {
			for i := range 50 {
				text := fmt.Sprintf("user:%d-%d", w, i)
				contain(t, b, text, Throttle)
				if _, err := b.Release(t.Context(), text, "", root); err != nil {
					t.Error(err)
				}
			}
		})
	}
	changes.Wait()
	close(stop)
	calls.Wait()
}

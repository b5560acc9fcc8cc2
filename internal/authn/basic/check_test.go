package basic

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/lockout"
	"github.com/portcullis-dev/portcullis/internal/authn/basic/password"
)

func TestCheck(t *testing.T) {
	w := newWorld(t, cheap())
	v := w.add("Alice@Example.com")
	who, e := w.try("ALICE@example.com", good, home())
	want := portcullis.Principal{
		ID: v.ID, Name: "alice@example.com", Method: "basic", KeyID: strings.TrimPrefix(v.ID, "user:") + ".1",
		Roles: []string{"viewer"}, Scopes: []string{"tools:*"},
	}
	if e != nil || !reflect.DeepEqual(who, want) {
		t.Errorf("%+v, %v", who, e)
	}
	if ok, err := w.Current(t.Context(), who); !ok || err != nil {
		t.Errorf("not current: %v", err)
	}
}

// TestSameWork: whatever is wrong, the answer is the same after one hash.
func TestSameWork(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	w.add("bob")
	if _, err := w.SetDisabled(t.Context(), "bob", true, "", portcullis.Actor{}); err != nil {
		t.Fatal(err)
	}
	var first *portcullis.Error
	for i, a := range [][2]string{
		{"alice", evil}, {"nobody", evil}, {"bob", good}, {"bob", evil}, {"a:b", evil}, {"", evil}, {strings.Repeat("x", 5000), evil},
		{"alice", ""}, {"alice", strings.Repeat("x", 5000)}, {"alice", "nul\x00" + good}, {"alice", "\xff"}, {"\xff", evil}, {"al\u202eice", evil},
	} {
		before := w.hasher.Computed()
		e := w.want(refused, a[0], a[1], elsewhere(byte(i)))
		if n := w.hasher.Computed() - before; n != 1 {
			t.Errorf("%.20q: %d hashes", a, n)
		}
		if first == nil {
			first = e
		}
		if e.Public != first.Public || e.Reason != first.Reason || e.Event != portcullis.EventAuthFailure || e.RetryAfter != 0 ||
			!reflect.DeepEqual(e.Header, first.Header) || !reflect.DeepEqual(e.Data, first.Data) {
			t.Errorf("%.20q is answered %+v, the first %+v", a, e, first)
		}
	}
	// And who is right costs no more.
	before := w.hasher.Computed()
	w.want(accepted, "alice", good, home())
	if n := w.hasher.Computed() - before; n != 1 {
		t.Errorf("the right password costs %d hashes", n)
	}
}

// TestAttempted: events name a user there is, and hide a name that nobody has:
// it may be a password.
func TestAttempted(t *testing.T) {
	w := newWorld(t, cheap())
	v := w.add("alice")
	if e := w.want(refused, "alice", evil, home()); e.Attempted.ID != v.ID || e.Attempted.Method != "basic" || e.Facts[0].Value.Int64() != 1 {
		t.Errorf("%+v", e)
	}
	if e := w.want(refused, "alice", evil+"2", home()); e.Facts[0].Key != "attempts" || e.Facts[0].Value.Int64() != 2 {
		t.Errorf("%+v", e.Facts)
	}
	a, b := w.want(refused, "hunter2-typed-here", evil, home()), w.want(refused, "hunter2-typed-here", evil, elsewhere(1))
	c := w.want(refused, "another", evil, home())
	if !strings.HasPrefix(a.Attempted.ID, "name:") || len(a.Attempted.ID) != 21 || a.Attempted.ID != b.Attempted.ID || a.Attempted.ID == c.Attempted.ID {
		t.Errorf("%q %q %q", a.Attempted.ID, b.Attempted.ID, c.Attempted.ID)
	}
	w.restart(cheap())
	if again := w.want(refused, "hunter2-typed-here", evil, home()); again.Attempted.ID != a.Attempted.ID {
		t.Error("the same name reads another way after a restart")
	}
}

// TestLock: existing or not, a name is locked for an address after so many
// failures, for longer each time, and without a hash.
func TestLock(t *testing.T) {
	for _, name := range []string{"alice", "nobody"} {
		w := newWorld(t, cheap())
		v := w.add("alice")
		for i := range 5 {
			w.want(refused, name, fmt.Sprint(evil, i), home())
		}
		before := w.hasher.Computed()
		e := w.want(locked, name, good, home())
		if e.RetryAfter != 2*time.Second || e.Event != portcullis.EventRateLimitExceeded || w.hasher.Computed() != before {
			t.Errorf("%s: %+v, %d hashes", name, e, w.hasher.Computed()-before)
		}
		if name == "alice" && e.Attempted.ID != v.ID {
			t.Errorf("a lock of %s is told as one of %s", v.ID, e.Attempted.ID)
		}
		w.pass(2 * time.Second)
		w.want(refused, name, evil, home())
		if e := w.want(locked, name, good, home()); e.RetryAfter != 4*time.Second {
			t.Errorf("%s: then %s", name, e.RetryAfter)
		}
		w.pass(4 * time.Second)
		if name == "alice" {
			w.want(accepted, name, good, home())
			for i := range 4 { // free again
				w.want(refused, name, fmt.Sprint(evil, i), home())
			}
			w.want(accepted, name, good, home())
		}
	}
}

// TestLockIsNoDenial: guessing from elsewhere never locks a user out at home,
// and locks the name for strangers.
func TestLockIsNoDenial(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	w.want(accepted, "alice", good, home())
	refusals := 0
	for n := range byte(200) {
		if _, e := w.try("alice", evil, elsewhere(n)); e.Kind == refused {
			refusals++
		}
	}
	if refusals > 50 {
		t.Errorf("%d guesses from many addresses", refusals)
	}
	if e := w.want(locked, "alice", good, elsewhere(250)); e.RetryAfter == 0 {
		t.Error("no Retry-After")
	}
	w.want(accepted, "alice", good, home())
	w.pass(2 * time.Minute) // no longer in the cache
	w.want(accepted, "alice", good, home())
	w.pass(15 * time.Minute)
	w.want(accepted, "alice", good, elsewhere(250))
}

// TestFullTableIsNoDenial: whoever fills the table of failures with names that
// nobody has locks out no user at an address where they have logged in, and a
// login is not counted against those who share what room is left.
func TestFullTableIsNoDenial(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	w.add("bob")
	lock := lockout.Config{After: w.cfg.LockAfter, First: w.cfg.LockFirst, Max: w.cfg.LockMax, Size: 8}
	var err error
	if w.pairs, err = lockout.New(lock); err != nil {
		t.Fatal(err)
	}
	w.want(accepted, "alice", good, home())
	fill := func(n int) {
		for i := range n {
			_, _ = w.try(fmt.Sprint("nobody", i), evil, elsewhere(byte(i)))
		}
	}
	fill(lock.Size)
	for range 3 * lock.After { // good logins from new places while there is no room
		w.want(accepted, "bob", good, elsewhere(200))
		w.familiar.drop("bob")
		w.verified.drop("bob")
	}
	fill(10 * lock.Size)
	w.want(locked, "bob", good, elsewhere(201)) // strangers share a lock
	w.want(accepted, "alice", good, home())
	w.verified.drop("alice")
	w.want(accepted, "alice", good, home())
	for range lock.After { // at home guesses are counted as ever
		w.want(refused, "alice", evil, home())
	}
	w.want(locked, "alice", good, home())
}

// TestLockedCacheIsNoOracle: while a name is locked for an address, a password
// that was verified there a moment ago opens nothing either: a guesser behind
// the same address would learn of it.
func TestLockedCacheIsNoOracle(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	w.want(accepted, "alice", good, home())
	for i := range 5 {
		w.want(refused, "alice", fmt.Sprint(evil, i), home())
	}
	w.want(locked, "alice", good, home())
	w.want(accepted, "alice", good, elsewhere(1))
}

// TestThrottle: an address that failed too often waits, whatever the name, but
// for passwords that were verified there.
func TestThrottle(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	w.add("bob")
	w.want(accepted, "alice", good, home())
	w.want(refused, "bob", evil, home())
	if w.throttle.failed != 1 {
		t.Errorf("%d failures counted", w.throttle.failed)
	}
	w.throttle.wait = 7 * time.Second
	before := w.hasher.Computed()
	if e := w.want(locked, "bob", good, home()); e.RetryAfter != 7*time.Second || w.hasher.Computed() != before {
		t.Errorf("%+v", e)
	}
	w.want(accepted, "alice", good, home())
}

// TestGuessing is the property that matters: however an attacker spreads the
// guesses over time, one address gets few of them, and the user at home is
// never refused.
func TestGuessing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, cheap())
		w.add("alice")
		w.want(accepted, "alice", good, home())
		decided, passed := 0, time.Duration(0)
		for i := range rapid.IntRange(1, 40).Draw(rt, "guesses") {
			before := w.hasher.Computed()
			_, e := w.try("alice", fmt.Sprint(evil, i), elsewhere(1))
			if e == nil || e.Kind == refused != (w.hasher.Computed() > before) {
				rt.Fatalf("guess %d: %v", i, e)
			}
			if e.Kind == refused {
				decided++
			}
			step := time.Duration(rapid.IntRange(0, 5000).Draw(rt, "ms")) * time.Millisecond
			w.pass(step)
			passed += step
			w.want(accepted, "alice", good, home())
		}
		bound, lock := 5, 2*time.Second
		for at := lock; at <= passed; at += lock {
			bound++
			lock *= 2
		}
		if decided > bound {
			rt.Fatalf("%d guesses in %s, want at most %d", decided, passed, bound)
		}
	})
}

// TestTogether: the same attempt made by many at once is one; different ones
// are counted each.
func TestTogether(t *testing.T) {
	c := cheap()
	c.Queue = 1000
	w := newWorld(t, c)
	w.add("alice")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { w.want(accepted, "alice", good, home()) })
	}
	wg.Wait()
	var mu sync.Mutex
	kinds := map[portcullis.Kind]int{}
	for i := range 100 {
		wg.Go(func() {
			_, err := w.Check(t.Context(), Attempt{Name: "alice", Password: fmt.Sprint(evil, i), Client: elsewhere(1)})
			var e *portcullis.Error
			if !errors.As(err, &e) {
				t.Errorf("%v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			kinds[e.Kind]++
		})
	}
	wg.Wait()
	if kinds[refused] != 5 || kinds[locked] != 95 {
		t.Errorf("%v", kinds)
	}
}

// TestNoOldAnswer: an attempt that comes after a user was changed does not get
// the answer to the same attempt that was under way before.
func TestNoOldAnswer(t *testing.T) {
	for name, change := range map[string]func(*world) error{
		"password": func(w *world) error {
			_, err := w.SetPassword(t.Context(), "alice", "another good password", portcullis.Actor{})
			return err
		},
		"disabled": func(w *world) error {
			_, err := w.SetDisabled(t.Context(), "alice", true, "", portcullis.Actor{})
			return err
		},
		"removed": func(w *world) error { return w.Remove(t.Context(), "alice", "", portcullis.Actor{}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, cheap())
			w.add("alice")
			var first atomic.Bool
			has, goOn := make(chan struct{}), make(chan struct{})
			w.store.read = func() {
				if first.CompareAndSwap(false, true) {
					close(has)
					<-goOn
				}
			}
			var early sync.WaitGroup
			early.Go(func() { w.want(accepted, "alice", good, home()) }) // it began before the change
			<-has
			if err := change(w); err != nil {
				t.Error(err)
			}
			var late sync.WaitGroup
			late.Go(func() { w.want(refused, "alice", good, home()) })
			waited := make(chan struct{})
			go func() { late.Wait(); close(waited) }()
			select {
			case <-waited:
			case <-time.After(5 * time.Second):
				t.Error("an attempt waits for one that began before the change")
			}
			close(goOn)
			early.Wait()
			late.Wait()
			w.want(refused, "alice", good, home())
		})
	}
}

// TestBusy: beyond the queue the answer is 503, and nothing is counted.
func TestBusy(t *testing.T) {
	c := cheap()
	c.Parallel, c.Queue = 1, 0
	w := newWorld(t, c)
	w.add("alice")
	slow, err := password.New(password.Options{Params: password.Params{Memory: 64 << 10, Time: 4, Threads: 1}, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.hasher = slow
	var wg sync.WaitGroup
	var mu sync.Mutex
	busy := 0
	for i := range 20 {
		wg.Go(func() {
			_, err := w.Check(t.Context(), Attempt{Name: fmt.Sprint("user", i), Password: evil, Client: home()})
			var e *portcullis.Error
			if errors.As(err, &e) && e.Kind == portcullis.KindUnavailable && e.RetryAfter > 0 {
				mu.Lock()
				defer mu.Unlock()
				busy++
			}
		})
	}
	wg.Wait()
	if busy == 0 || int(slow.Computed())+busy != 20 {
		t.Errorf("%d busy, %d computed", busy, slow.Computed())
	}
	w.restart(cheap())
	w.want(accepted, "alice", good, home())
}

func TestStoreDown(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	w.want(accepted, "alice", good, home())
	w.store.err = errors.New("disk on fire")
	w.want(accepted, "alice", good, home()) // verified a moment ago
	for range 20 {
		if e := w.want(portcullis.KindUnavailable, "alice", good, elsewhere(1)); strings.Contains(e.Public, "fire") {
			t.Errorf("%q", e.Public)
		}
	}
	w.pass(time.Minute)
	w.want(portcullis.KindUnavailable, "alice", good, home())
	w.store.err = nil
	w.want(accepted, "alice", good, elsewhere(1)) // nothing of that was counted
}

// TestCache: a verified password costs no hash for a while, is good at its
// address only, and is forgotten with every change of the user.
func TestCache(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	w.add("bob")
	cost := func(name, pass string, n byte) uint64 {
		before := w.hasher.Computed()
		w.want(accepted, name, pass, elsewhere(n))
		return w.hasher.Computed() - before
	}
	if cost("alice", good, 1) != 1 || cost("alice", good, 1) != 0 || cost("ALICE", good, 1) != 0 || cost("alice", good, 2) != 1 || cost("bob", good, 1) != 1 {
		t.Error("the cache remembers too much or too little")
	}
	w.pass(time.Minute - time.Millisecond)
	if cost("alice", good, 1) != 0 {
		t.Error("forgotten early")
	}
	w.pass(time.Millisecond)
	if cost("alice", good, 1) != 1 {
		t.Error("remembered for too long")
	}
	w.pass(-time.Hour)
	if cost("alice", good, 1) != 1 {
		t.Error("a clock that was set back makes it immortal")
	}
	cost("bob", good, 1)
	ctx, by := t.Context(), portcullis.Actor{}
	if _, err := w.SetGrants(ctx, "alice", []string{"admin"}, nil, by); err != nil {
		t.Fatal(err)
	}
	if who, _ := w.try("alice", good, elsewhere(1)); !slices.Equal(who.Roles, []string{"admin"}) || cost("bob", good, 1) != 0 {
		t.Errorf("%+v", who)
	}
	if _, err := w.SetPassword(ctx, "alice", "another "+good, by); err != nil {
		t.Fatal(err)
	}
	w.want(refused, "alice", good, elsewhere(1))
	w.want(accepted, "alice", "another "+good, elsewhere(1))
	if _, err := w.SetDisabled(ctx, "alice", true, "", by); err != nil {
		t.Fatal(err)
	}
	w.want(refused, "alice", "another "+good, elsewhere(1))
	if err := w.Remove(ctx, "bob", "", by); err != nil {
		t.Fatal(err)
	}
	w.want(refused, "bob", good, elsewhere(1))
}

// TestCacheBound: the cache holds so many and no more.
func TestCacheBound(t *testing.T) {
	v := newVerified(time.Minute)
	now := time.Unix(1_700_000_000, 0)
	for i := range maxVerified + 100 {
		v.put([32]byte{byte(i), byte(i >> 8)}, "n", portcullis.Principal{ID: "x"}, now, 0)
	}
	if len(v.m) != maxVerified {
		t.Errorf("%d", len(v.m))
	}
	v.put([32]byte{31: 1}, "n", portcullis.Principal{ID: "x"}, now.Add(time.Hour), 0)
	if len(v.m) != 1 {
		t.Errorf("%d after the others expired", len(v.m))
	}
	v.drop("n")
	v.put([32]byte{31: 2}, "n", portcullis.Principal{ID: "x"}, now, 0) // proved before the change
	if len(v.m) != 0 {
		t.Error("what was proved before a change is remembered after it")
	}
}

// TestRehash: the hash follows the configured costs at the next login, and the
// sessions and what was verified stay.
func TestRehash(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	old := w.store.m["alice"]
	c := cheap()
	c.Hash.Memory = 128
	w.restart(c)
	w.want(refused, "alice", evil, home())
	if w.store.m["alice"].Hash != old.Hash {
		t.Error("a wrong password changed the hash")
	}
	w.want(accepted, "alice", good, home())
	now := w.store.m["alice"]
	if !strings.Contains(now.Hash, "m=128,") || now.Epoch != old.Epoch || now.ChangedAt != old.ChangedAt || len(w.sessions.ended) != 0 {
		t.Errorf("%+v", now)
	}
	w.want(accepted, "alice", good, elsewhere(1))
	if w.store.m["alice"].Hash != now.Hash {
		t.Error("hashed again")
	}
}

// TestCorruptHash: what cannot be read admits nobody.
func TestCorruptHash(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	r := w.store.m["alice"]
	r.Hash = "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	w.store.m["alice"] = r
	w.want(portcullis.KindUnavailable, "alice", good, home())
}

func BenchmarkCachedCheck(b *testing.B) {
	w := newWorld(b, cheap())
	w.add("alice")
	w.want(accepted, "alice", good, home())
	a := Attempt{Name: "alice", Password: good, Client: home()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Check(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	w := newWorld(b, Default())
	w.add("alice")
	w.verified.ttl = 0
	a := Attempt{Name: "alice", Password: good, Client: home()}
	for b.Loop() {
		if _, err := w.Check(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}

// Package notices checks drivers against the contract of push.Store.
package notices

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// Check checks a driver against the contract of push.Store.
func Check(t *testing.T, open func(t *testing.T) push.Store) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, pushed){
		"registrations": pushRegistrations, "bind": pushBind, "settle": pushSettle, "remove": pushRemove, "full": pushFull,
		"queue": pushQueue, "dead letters": pushDead, "expire": pushExpire,
	} {
		t.Run(name, func(t *testing.T) { check(t, pushed{t, open(t)}) })
	}
}

// pushed is a store under test.
type pushed struct {
	t *testing.T
	push.Store
}

func registration(id, who, task, name string) push.Registration {
	r := push.Registration{
		ID: id, Route: "agent", Principal: who, KeyID: "k1", Task: task, Name: name, Version: "1.0", Origin: "https://hooks.example.com",
		Sealed: []byte("sealed " + id), CreatedAt: base(), Until: base().Add(time.Hour),
	}
	copy(r.Ticket[:], "ticket "+id)
	copy(r.Secret[:], "secret "+id)
	return r
}

func (p pushed) add(r push.Registration) {
	p.t.Helper()
	p.ok(p.AddRegistration(p.t.Context(), r, 100))
}

func (p pushed) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p pushed) queue(id, registration string, after time.Duration) push.Delivery {
	p.t.Helper()
	d := push.Delivery{ID: id, Registration: registration, Sealed: []byte("body " + id), CreatedAt: base(), NextAt: base().Add(after)}
	p.ok(p.Queue(p.t.Context(), d, push.Most{Deliveries: 100, Bytes: 1000, All: 100}))
	return d
}

func (p pushed) due(after time.Duration, want ...string) {
	p.t.Helper()
	list, err := p.Due(p.t.Context(), base().Add(after), 100)
	var got []string
	for _, d := range list {
		got = append(got, d.ID)
	}
	if slices.Sort(got); err != nil || !slices.Equal(got, want) {
		p.t.Errorf("due after %v: %v, %v, want %v", after, got, err, want)
	}
}

func (p pushed) gone(id string) {
	p.t.Helper()
	if _, err := p.ByID(p.t.Context(), id, base()); !errors.Is(err, push.ErrUnknown) {
		p.t.Errorf("%q is still there: %v", id, err)
	}
}

func pushRegistrations(t *testing.T, p pushed) {
	a, b := registration("a", "alice", "t1", "one"), registration("b", "bob", "", "")
	p.add(a)
	p.add(b)
	for _, want := range []push.Registration{a, b} {
		for _, find := range []func() (push.Registration, error){
			func() (push.Registration, error) { return p.ByTicket(t.Context(), want.Ticket, base()) },
			func() (push.Registration, error) { return p.ByID(t.Context(), want.ID, base()) },
		} {
			got, err := find()
			if err != nil || got.ID != want.ID || got.Principal != want.Principal || got.KeyID != want.KeyID || got.Task != want.Task || got.Name != want.Name ||
				got.Version != want.Version || got.Origin != want.Origin || got.Ticket != want.Ticket || got.Secret != want.Secret ||
				string(got.Sealed) != string(want.Sealed) || !got.CreatedAt.Equal(want.CreatedAt) || !got.Until.Equal(want.Until) || !got.CheckedAt.IsZero() {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		}
	}
	if _, err := p.ByTicket(t.Context(), push.Hash{1}, base()); !errors.Is(err, push.ErrUnknown) {
		t.Errorf("a ticket of nobody: %v", err)
	}
	if _, err := p.ByTicket(t.Context(), a.Ticket, a.Until); !errors.Is(err, push.ErrUnknown) {
		t.Errorf("a ticket that is over: %v", err)
	}
	p.ok(p.Checked(t.Context(), "a", base().Add(time.Minute)))
	if got, err := p.ByID(t.Context(), "a", base()); err != nil || !got.CheckedAt.Equal(base().Add(time.Minute)) {
		t.Errorf("checked: %+v, %v", got, err)
	}
}

func pushBind(t *testing.T, p pushed) {
	p.add(registration("a", "alice", "", "one"))
	until := base().Add(2 * time.Hour)
	for _, tt := range []struct {
		id, task string
		want     bool
	}{{"a", "t1", true}, {"a", "t1", true}, {"a", "t2", false}, {"nobody", "t1", false}} {
		if ok, err := p.Bind(t.Context(), tt.id, tt.task, until); ok != tt.want || err != nil {
			t.Errorf("Bind(%q, %q) = %v, %v", tt.id, tt.task, ok, err)
		}
	}
	if got, err := p.ByID(t.Context(), "a", base()); err != nil || got.Task != "t1" || !got.Until.Equal(until) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func pushSettle(t *testing.T, p pushed) {
	p.add(registration("old", "alice", "t1", "one"))
	p.add(registration("other", "alice", "t2", "one"))
	p.add(registration("bobs", "bob", "t1", "one"))
	p.queue("d1", "old", 0)
	p.add(registration("new", "alice", "t1", "draft"))
	until := base().Add(5 * time.Hour)
	p.ok(p.Settle(t.Context(), "new", "one", until))
	p.gone("old")
	if got, err := p.ByID(t.Context(), "new", base()); err != nil || got.Name != "one" || !got.Until.Equal(until) {
		t.Errorf("settled: %+v, %v", got, err)
	}
	for _, id := range []string{"new", "other", "bobs"} {
		if _, err := p.ByID(t.Context(), id, base()); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	list, err := p.Due(t.Context(), base(), 10)
	if err != nil || len(list) != 1 || list[0].Registration != "new" {
		t.Errorf("what was queued: %+v, %v", list, err)
	}
}

func pushRemove(t *testing.T, p pushed) {
	p.add(registration("a", "alice", "t1", "one"))
	p.add(registration("b", "alice", "", "one"))
	p.add(registration("c", "alice", "t2", "one"))
	p.add(registration("d", "bob", "t1", "one"))
	p.queue("d1", "a", 0)
	if n, err := p.Remove(t.Context(), "agent", "alice", "t1", "one"); n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	p.gone("a")
	p.due(0)
	p.ok(p.Drop(t.Context(), "d"))
	p.gone("d")
	for _, id := range []string{"b", "c"} {
		if _, err := p.ByID(t.Context(), id, base()); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func pushFull(t *testing.T, p pushed) {
	draft := registration("draft", "alice", "", "")
	p.ok(p.AddRegistration(t.Context(), draft, 2))
	p.ok(p.AddRegistration(t.Context(), registration("a", "alice", "t1", "one"), 2))
	p.ok(p.AddRegistration(t.Context(), registration("b", "alice", "t2", "one"), 2))
	p.gone("draft")
	if err := p.AddRegistration(t.Context(), registration("c", "alice", "t3", "one"), 2); !errors.Is(err, push.ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	p.ok(p.AddRegistration(t.Context(), registration("d", "bob", "t3", "one"), 2))
}

func pushQueue(t *testing.T, p pushed) {
	p.add(registration("a", "alice", "t1", "one"))
	p.add(registration("b", "alice", "t2", "one"))
	first := p.queue("d1", "a", 0)
	p.queue("d2", "a", 0)
	p.queue("d3", "b", time.Minute)
	p.due(0, "d1") // in order
	p.due(time.Minute, "d1", "d3")
	first.NextAt, first.Attempts, first.Reason = base().Add(time.Hour), 3, "timeout"
	p.ok(p.Update(t.Context(), first))
	p.due(time.Minute, "d3") // the second waits for the first
	list, err := p.Due(t.Context(), base().Add(time.Hour), 1)
	if err != nil || len(list) != 1 {
		t.Errorf("limit: %v, %v", list, err)
	}
	p.ok(p.Done(t.Context(), "d1"))
	p.due(time.Minute, "d2", "d3")
	more := push.Delivery{ID: "d4", Registration: "a", CreatedAt: base(), NextAt: base(), Sealed: []byte{1}}
	for _, most := range []push.Most{{Deliveries: 1, Bytes: 1000, All: 100}, {Deliveries: 100, Bytes: len("body d2"), All: 100}, {Deliveries: 100, Bytes: 1000, All: 2}} {
		if err := p.Queue(t.Context(), more, most); !errors.Is(err, push.ErrFull) {
			t.Errorf("full by %+v: %v", most, err)
		}
	}
	more.Registration = "nobody"
	if err := p.Queue(t.Context(), more, push.Most{Deliveries: 100, Bytes: 1000, All: 100}); !errors.Is(err, push.ErrUnknown) {
		t.Errorf("for nobody: %v", err)
	}
}

func pushDead(t *testing.T, p pushed) {
	p.add(registration("a", "alice", "t1", "one"))
	d := p.queue("d1", "a", 0)
	p.queue("d2", "a", 0)
	d.FailedAt, d.Attempts, d.Reason = base().Add(time.Minute), 9, "gone"
	p.ok(p.Update(t.Context(), d))
	p.due(0, "d2") // a dead letter holds up nothing
	list, err := p.Dead(t.Context(), 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("dead: %+v, %v", list, err)
	}
	l := list[0]
	if l.ID != "d1" || l.Route != "agent" || l.Principal != "alice" || l.Task != "t1" || l.Origin != "https://hooks.example.com" ||
		l.Attempts != 9 || l.Reason != "gone" || !l.FailedAt.Equal(d.FailedAt) {
		t.Errorf("letter %+v", l)
	}
	for _, tt := range []struct {
		id   string
		want int
	}{{"nobody", 0}, {"d2", 0}, {"d1", 1}, {"d1", 0}, {"", 0}} {
		if n, err := p.Replay(t.Context(), tt.id, base().Add(time.Hour)); n != tt.want || err != nil {
			t.Errorf("Replay(%q) = %d, %v", tt.id, n, err)
		}
	}
	p.due(time.Minute) // the first again, and it is not due
	p.due(time.Hour, "d1")
}

func pushExpire(t *testing.T, p pushed) {
	over := registration("over", "alice", "t1", "one")
	over.Until = base().Add(time.Minute)
	p.add(over)
	p.queue("d0", "over", 0)
	p.add(registration("a", "alice", "t2", "one"))
	for i, id := range []string{"d1", "d2", "d3", "d4"} {
		d := p.queue(id, "a", 0)
		d.FailedAt = base().Add(time.Duration(i+1) * time.Minute)
		p.ok(p.Update(t.Context(), d))
	}
	p.queue("d5", "a", 0)
	p.ok(p.Expire(context.WithoutCancel(t.Context()), base().Add(time.Minute), base().Add(2*time.Minute), 2))
	p.gone("over")
	p.due(0, "d5")
	list, err := p.Dead(t.Context(), 10)
	if err != nil || len(list) != 2 || list[0].ID != "d4" || list[1].ID != "d3" {
		t.Errorf("dead letters: %+v, %v", list, err)
	}
}

// base is when the tests begin, in the resolution that drivers have to keep.
func base() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC) }

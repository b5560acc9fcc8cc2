package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a source whose answer a test sets.
type fake struct {
	mu     sync.Mutex
	secret Secret
	err    error
	asked  int
	renew  func(Lease) (Lease, error)
	renews int
}

func (f *fake) Fetch(context.Context, Ref) (Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.secret, f.err
}

func (f *fake) set(s Secret, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secret, f.err = s, err
}

func (f *fake) questions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

type renewing struct{ *fake }

func (r renewing) Renew(_ context.Context, _ Ref, l Lease) (Lease, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renews++
	return r.renew(l)
}

// notes collects what an observer is told.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(format string, a ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, a...))
}
func (n *notes) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}
func (n *notes) Read(ref Ref, first, changed bool)     { n.add("read %s %t %t", ref, first, changed) }
func (n *notes) Failed(ref Ref, first bool, err error) { n.add("failed %s %t %v", ref, first, err) }

func open(t testing.TB, s Source, text string) (*Resolver, *Handle, *notes) {
	t.Helper()
	n := new(notes)
	r := New(map[string]Source{"x": s}, DefaultRules(), n)
	ref, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.Handle(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r, h, n
}

func get(t *testing.T, h *Handle) Value {
	t.Helper()
	v, err := h.Get()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// run keeps the resolver fresh, as the process does.
func run(ctx context.Context, r *Resolver) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.Refresh(ctx)
		}
	}
}

func TestLastGoodValueUntilMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := &fake{secret: Secret{Text: "one"}}
		r, h, n := open(t, f, "secret://x/a")
		if _, err := h.Get(); err == nil || !strings.Contains(err.Error(), "secret://x/a") {
			t.Errorf("before it was read: %v", err)
		}
		r.Load(ctx)
		go run(ctx, r)
		if v := get(t, h); v.Text != "one" {
			t.Fatalf("got %q", v.Text)
		}
		f.set(Secret{Text: "two"}, nil)
		time.Sleep(6 * time.Minute) // more than the refresh and its jitter
		if v := get(t, h); v.Text != "two" || v.Reading != 2 {
			t.Fatalf("not refreshed: %v %d", v.Text, v.Reading)
		}
		f.set(Secret{}, errors.New("down"))
		time.Sleep(50 * time.Minute)
		if v := get(t, h); v.Text != "two" {
			t.Fatalf("the last good value was lost: %q", v.Text)
		}
		time.Sleep(20 * time.Minute)
		if _, err := h.Get(); !errors.Is(err, ErrExpired) {
			t.Fatalf("an old value is still given: %v", err)
		}
		if s := r.States()["x"]; s.Expired != 1 || s.Secrets != 1 {
			t.Errorf("state %+v", s)
		}
		f.set(Secret{Text: "three"}, nil)
		time.Sleep(2 * time.Minute) // pauses after failures are at most a minute
		if v := get(t, h); v.Text != "three" {
			t.Fatalf("did not recover: %q", v.Text)
		}
		if first := n.told()[0]; first != "read secret://x/a true true" || f.questions() > 200 {
			t.Errorf("told %q after %d questions", first, f.questions())
		}
	})
}

func TestLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		number := 0
		f := &fake{}
		f.renew = func(l Lease) (Lease, error) {
			if f.renews > 3 { // it has come to its greatest length
				return Lease{}, ErrNotRenewable
			}
			return Lease{ID: l.ID, For: time.Hour, Renewable: true}, nil
		}
		next := func() {
			number++
			f.set(Secret{Fields: map[string]string{"username": fmt.Sprint("u", number), "password": fmt.Sprint("p", number)},
				Lease: Lease{ID: fmt.Sprint(number), For: time.Hour, Renewable: true}}, nil)
		}
		next()
		r, h, _ := open(t, renewing{f}, "secret://x/db#username")
		ref, _ := Parse("secret://x/db#password")
		p, err := r.Handle(ref)
		if err != nil {
			t.Fatal(err)
		}
		r.Load(ctx)
		if f.questions() != 1 {
			t.Errorf("two fields of one secret made %d questions", f.questions())
		}
		next()
		go run(ctx, r)
		time.Sleep(2 * time.Hour) // renewed, not replaced
		if u, pw := get(t, h), get(t, p); u.Text != "u1" || pw.Text != "p1" || u.Reading != pw.Reading {
			t.Fatalf("lease was not renewed: %s %s", u.Text, pw.Text)
		}
		time.Sleep(2 * time.Hour)
		if u, pw := get(t, h), get(t, p); u.Text != "u2" || pw.Text != "p2" || u.Reading != pw.Reading {
			t.Fatalf("no other secret after the greatest length: %s %s", u.Text, pw.Text)
		}
	})
}

func TestFieldsAreNeeded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, ref string
		secret    Secret
		want      string // "" = fails
	}{
		{"text", "secret://x/a", Secret{Text: "v"}, "v"},
		{"JSON in a text", "secret://x/a#k", Secret{Text: `{"k":"v","n":3}`}, "v"},
		{"number", "secret://x/a#n", Secret{Text: `{"k":"v","n":3}`}, "3"},
		{"only field", "secret://x/a", Secret{Fields: map[string]string{"k": "v"}}, "v"},
		{"which field", "secret://x/a", Secret{Fields: map[string]string{"k": "v", "l": "w"}}, ""},
		{"no such field", "secret://x/a#z", Secret{Fields: map[string]string{"k": "canary"}}, ""},
		{"field of a text", "secret://x/a#z", Secret{Text: "canary"}, ""},
		{"object", "secret://x/a#o", Secret{Text: `{"o":{"canary":1}}`}, ""},
		{"empty", "secret://x/a", Secret{}, ""},
		{"long", "secret://x/a", Secret{Text: strings.Repeat("canary", maxField)}, ""},
	} {
		r, h, _ := open(t, &fake{secret: c.secret}, c.ref)
		r.Load(t.Context())
		v, err := h.Get()
		if v.Text != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q %v", c.name, v.Text, err)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "secret://x/a")) {
			t.Errorf("%s: error tells too much, or not enough: %v", c.name, err)
		}
	}
}

// TestBrokenReadingChangesNothing: half an edit must not take a good secret
// away.
func TestBrokenReadingChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{secret: Secret{Text: `{"k":"v"}`, Poll: time.Second}}
		r, h, n := open(t, f, "secret://x/a#k")
		r.Load(t.Context())
		f.set(Secret{Text: `{"k":`, Poll: time.Second}, nil)
		time.Sleep(10 * time.Second)
		r.Refresh(t.Context())
		if v := get(t, h); v.Text != "v" {
			t.Errorf("got %q", v.Text)
		}
		if told := n.told(); len(told) != 2 || !strings.HasPrefix(told[1], "failed secret://x/a true") {
			t.Errorf("told %q", told)
		}
	})
}

func TestRefreshIsSharedAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{secret: Secret{Text: "one"}}
		r, h, _ := open(t, f, "secret://x/a")
		r.Load(t.Context())
		seen := get(t, h).Reading
		time.Sleep(time.Minute)
		f.set(Secret{Text: "two"}, nil)
		var changed atomic.Int32
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if ok, err := h.Refresh(t.Context(), seen); err == nil && ok {
					changed.Add(1)
				}
			})
		}
		wg.Wait()
		if f.questions() != 2 || changed.Load() != 100 {
			t.Errorf("%d questions, %d saw the change", f.questions(), changed.Load())
		}
		seen = get(t, h).Reading
		for range 10 { // an upstream that refuses everything
			if ok, _ := h.Refresh(t.Context(), seen); ok {
				t.Error("a change that is none")
			}
		}
		if f.questions() != 2 {
			t.Errorf("%d questions in no time", f.questions())
		}
	})
}

func TestNextSharesWhatIsKnown(t *testing.T) {
	t.Parallel()
	a, b := &fake{secret: Secret{Text: "one"}}, &fake{secret: Secret{Text: "other"}}
	r, _, _ := open(t, a, "secret://x/a")
	r.Load(t.Context())
	ref, _ := Parse("secret://x/a")
	again := r.Next(map[string]Source{"x": a})
	h, err := again.Handle(ref)
	if err != nil {
		t.Fatal(err)
	}
	again.Load(t.Context())
	if get(t, h).Text != "one" || a.questions() != 1 {
		t.Errorf("read again: %d questions", a.questions())
	}
	other := again.Next(map[string]Source{"x": b})
	if h, err = other.Handle(ref); err != nil {
		t.Fatal(err)
	}
	other.Load(t.Context())
	if got := get(t, h).Text; got != "other" {
		t.Errorf("a secret of another source was taken over: %q", got)
	}
	if _, err := other.Handle(Ref{Source: "y", Path: "a"}); err == nil || !strings.Contains(err.Error(), `no source "y"`) {
		t.Errorf("unknown source: %v", err)
	}
}

func TestNothingPrints(t *testing.T) {
	t.Parallel()
	s := Secret{Text: "canary", Fields: map[string]string{"a": "canary"}}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s, s, s, s), fmt.Sprintf("%v %#v", Value{Text: "canary"}, Value{Text: "canary"})} {
		if strings.Contains(text, "canary") {
			t.Errorf("printed %q", text)
		}
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	r, h, _ := open(t, &fake{secret: Secret{Text: `{"k":"v"}`}}, "secret://x/a#k")
	r.Load(t.Context())
	if n := testing.AllocsPerRun(1000, func() { _, _ = h.Get() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkGet is a cached resolve: at most 100 ns and no allocation.
func BenchmarkGet(b *testing.B) {
	r, h, _ := open(b, &fake{secret: Secret{Text: `{"k":"v"}`}}, "secret://x/a#k")
	r.Load(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Get(); err != nil {
			b.Fatal(err)
		}
	}
}

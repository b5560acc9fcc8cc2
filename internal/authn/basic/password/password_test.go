package password

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// cheap are costs that only tests use.
func cheap() Params { return Params{Memory: 64, Time: 1, Threads: 1} }

func hasher(t testing.TB, p Params) *Hasher {
	t.Helper()
	h, err := New(Options{Params: p, Parallel: 2, Queue: 8})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashAndVerify(t *testing.T) {
	ctx, h := t.Context(), hasher(t, cheap())
	a, err := h.Hash(ctx, "correct horse")
	if err != nil || !strings.HasPrefix(a, "$argon2id$v=19$m=64,t=1,p=1$") || !Valid(a) {
		t.Fatalf("%q, %v", a, err)
	}
	if b, err := h.Hash(ctx, "correct horse"); err != nil || a == b {
		t.Errorf("the same salt twice: %q, %v", b, err)
	}
	for text, want := range map[string]bool{"correct horse": true, "correct horse ": false, "Correct horse": false, "": false} {
		if match, outdated, err := h.Verify(ctx, a, text); match != want || outdated || err != nil {
			t.Errorf("%q: %t, %t, %v", text, match, outdated, err)
		}
	}
	other := hasher(t, Params{Memory: 128, Time: 1, Threads: 1})
	if match, outdated, err := other.Verify(ctx, a, "correct horse"); !match || !outdated || err != nil {
		t.Errorf("other costs: %t, %t, %v", match, outdated, err)
	}
}

// TestVector is one of the reference implementation (test.c of phc-winner-argon2,
// version 0x13): t=2, m=65536 KiB, p=1, "password" and "somesalt".
func TestVector(t *testing.T) {
	const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if match, _, err := hasher(t, cheap()).Verify(t.Context(), stored, "password"); !match || err != nil {
		t.Errorf("%t, %v", match, err)
	}
}

// malformed are texts that look like hashes.
func malformed() []string {
	const salt, sum = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	return []string{
		"", "$", "plain", "$argon2id$v=19$m=64,t=1,p=1$" + salt, "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=4294967295,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=2097152,t=1,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=17,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=0,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=1,p=0$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=257$" + salt + "$" + sum, "$argon2id$v=19$m=7,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=064,t=1,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=+64,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$t=1,m=64,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=64,t=1,p=1,x=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "=$" + sum, "$argon2id$v=19$m=64,t=1,p=1$c29t$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$CTFh", "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + sum + "$",
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "\n$" + sum, "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 400) + "$" + sum,
	}
}

func TestMalformed(t *testing.T) {
	h := hasher(t, cheap())
	for _, s := range malformed() {
		if Valid(s) {
			t.Errorf("%q is taken", s)
		}
		if match, _, err := h.Verify(t.Context(), s, "x"); match || !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %t, %v", s, match, err)
		}
	}
	if h.Computed() != 0 {
		t.Error("work was done for what cannot be read")
	}
}

// FuzzParse: what is read is bounded and has one form.
func FuzzParse(f *testing.F) {
	for _, s := range malformed() {
		f.Add(s)
	}
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parse(s)
		if err != nil {
			return
		}
		if d.text() != s || !d.params.possible() || len(d.salt) > maxSalt || len(d.sum) > maxSum {
			t.Errorf("%q is read as %q", s, d.text())
		}
	})
}

func TestParams(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []Params{
		{}, {Memory: MinMemory, Time: 5, Threads: 1}, {Memory: 47104, Time: 1, Threads: 1}, {Memory: 12288, Time: 3, Threads: 1},
		{Memory: MinMemory, Time: 4, Threads: 1}, {Memory: MinMemory - 1, Time: 16, Threads: 1}, {Memory: MaxMemory + 1, Time: 1, Threads: 1},
		{Memory: MaxMemory, Time: 17, Threads: 1}, {Memory: MaxMemory, Time: 1, Threads: 17}, {Memory: MaxMemory, Time: 1},
	} {
		want := p.Time == 5 || p.Memory == 47104 || p.Memory == 12288
		if got := p.Validate() == nil; got != want {
			t.Errorf("%+v: %t", p, got)
		}
	}
	for _, o := range []Options{{}, {Params: cheap()}, {Params: cheap(), Parallel: 1, Queue: -1}, {Params: Params{Memory: 1 << 30, Time: 1, Threads: 1}, Parallel: 1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestQueue: beyond those at work and those in the queue nobody waits.
func TestQueue(t *testing.T) {
	h, err := New(Options{Params: cheap(), Parallel: 1, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	h.slots <- struct{}{} // one is at work
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.Waste(t.Context(), "x"); err != nil {
			t.Error(err)
		}
	})
	for h.waiting.Load() == 0 { // until it stands in the queue
		if t.Context().Err() != nil {
			t.Fatal("nobody waits")
		}
	}
	if err := h.Waste(t.Context(), "x"); !errors.Is(err, ErrBusy) {
		t.Errorf("beyond the queue: %v", err)
	}
	<-h.slots
	wg.Wait()
	if h.Computed() != 1 || h.waiting.Load() != 0 {
		t.Errorf("%d computed, %d waiting", h.Computed(), h.waiting.Load())
	}
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Waste(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("who left still waits: %v", err)
	}
}

// BenchmarkVerify is what a login costs.
func BenchmarkVerify(b *testing.B) {
	h := hasher(b, Default())
	stored, err := h.Hash(b.Context(), "correct horse")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if match, _, err := h.Verify(b.Context(), stored, "correct horse"); !match || err != nil {
			b.Fatal(match, err)
		}
	}
}

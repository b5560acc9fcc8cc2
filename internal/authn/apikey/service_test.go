package apikey

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
)

func TestNewRefusesWhatWouldFailOpen(t *testing.T) {
	good := Options{
		Config: Default(), Store: newMemStore(), Recorder: &journal{}, Pepper: make([]byte, 32),
		ValidateScope: func(string) error { return nil },
	}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		"no store":         func(o *Options) { o.Store = nil },
		"no recorder":      func(o *Options) { o.Recorder = nil },
		"no scope grammar": func(o *Options) { o.ValidateScope = nil },
		"pepper of 0":      func(o *Options) { o.Pepper = nil },
		"pepper of 31":     func(o *Options) { o.Pepper = make([]byte, 31) },
		"negative":         func(o *Options) { o.CacheTTL = -1 },
		"prefix":           func(o *Options) { o.Config.Prefix = "" },
		"schedule":         func(o *Options) { o.Config.Schedule = "" },
	} {
		o := good
		change(&o)
		if s, err := New(o); err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCreate(t *testing.T) {
	h := newHarness(t)
	by := portcullis.Actor{ID: "root", Method: "socket"}
	c := h.create(t, CreateRequest{
		Name: "CI – 鍵", Scopes: []string{"tools:echo", "tools:sum", "tools:echo"}, Roles: []string{"editor"},
		Routes: []string{"front"}, Tenant: "acme", By: by,
	})
	now := h.clock.now()
	key, err := h.Grammar().Parse(c.Key.Reveal())
	if err != nil || key.ID() != c.View.ID || c.Reveal().Key != c.Key.Reveal() {
		t.Fatalf("the key does not read: %v", err)
	}
	end := now.Add(90 * 24 * time.Hour)
	want := View{
		ID: key.ID(), Name: "CI – 鍵", Scopes: []string{"tools:echo", "tools:sum"}, Roles: []string{"editor"}, Routes: []string{"front"},
		Owner: "key:" + key.ID(), Tenant: "acme", Schedule: Quarterly, Status: StatusActive, CreatedAt: now, ExpiresAt: &end,
	}
	if !reflect.DeepEqual(c.View, want) {
		t.Errorf("got  %+v\nwant %+v", c.View, want)
	}
	if v, err := h.Show(t.Context(), key.ID()); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("Show: %+v, %v", v, err)
	}
	if l, err := h.List(t.Context(), Page{}); err != nil || len(l) != 1 || !reflect.DeepEqual(l[0], want) {
		t.Errorf("List: %+v, %v", l, err)
	}
	// Stored is a keyed hash and nothing of the secret.
	rec := h.store.recs[key.ID()]
	if rec.Hash != keyedHash(make([]byte, 32))(key.Secret()) || rec.Hash == keyedHash([]byte(strings.Repeat("x", 32)))(key.Secret()) {
		t.Error("the hash is not HMAC-SHA256 under the pepper")
	}
	if bytes.Contains(rec.Hash[:], key.Secret()[:8]) {
		t.Error("the secret is in the store")
	}
	events := h.journal.take()
	if len(events) != 1 {
		t.Fatalf("events: %+v", events)
	}
	e := events[0]
	details := map[string]string{}
	for _, a := range e.Details {
		details[a.Key] = a.Value.String()
	}
	if e.Type != portcullis.EventAPIKeyCreated || e.Actor != by || e.Outcome != portcullis.OutcomeSuccess ||
		e.Resource != "api_key:"+key.ID() || details["keyId"] != key.ID() || details["scopes"] != "tools:echo tools:sum" {
		t.Errorf("event %+v with %v", e, details)
	}
}

func TestCreateExpiry(t *testing.T) {
	h := newHarness(t)
	now, day := h.clock.now(), 24*time.Hour
	for _, tc := range []struct {
		schedule Schedule
		expires  time.Time
		want     time.Time
	}{
		{Daily, time.Time{}, now.Add(day)},
		{Weekly, time.Time{}, now.Add(7 * day)},
		{Monthly, time.Time{}, now.Add(30 * day)},
		{"", time.Time{}, now.Add(90 * day)},
		{Never, time.Time{}, time.Time{}},
		{Never, now.Add(time.Hour), now.Add(time.Hour)},
		{Daily, now.Add(time.Hour).In(time.FixedZone("x", 3600)), now.Add(time.Hour)},
	} {
		c := h.create(t, CreateRequest{Schedule: tc.schedule, Expires: tc.expires})
		got := time.Time{}
		if c.View.ExpiresAt != nil {
			got = *c.View.ExpiresAt
		}
		if got != tc.want {
			t.Errorf("%q, %s: expires %s, want %s", tc.schedule, tc.expires, got, tc.want)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	h := newHarness(t)
	many := make([]string, 101)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	scope := []string{"tools:*"}
	for want, req := range map[string]CreateRequest{
		`name: ""`:           {Scopes: scope},
		`name: " x"`:         {Name: " x", Scopes: scope},
		`name: "a\nb"`:       {Name: "a\nb", Scopes: scope},
		`name: "a\x1b[31m"`:  {Name: "a\x1b[31m", Scopes: scope},
		`name: "a\u202eb"`:   {Name: "a\u202eb", Scopes: scope},
		`name: "\xff"`:       {Name: "\xff", Scopes: scope},
		`1 to 100`:           {Name: strings.Repeat("é", 101), Scopes: scope},
		`scopes: none given`: {Name: "x"},
		`scopes: bad scope`:  {Name: "x", Scopes: []string{"tools:*", "!"}},
		`at most 100`:        {Name: "x", Scopes: many},
		`roles: ""`:          {Name: "x", Roles: []string{""}},
		`routes: "a\tb"`:     {Name: "x", Scopes: scope, Routes: []string{"a\tb"}},
		`owner: "a\x00"`:     {Name: "x", Scopes: scope, Owner: "a\x00"},
		`tenant: "t "`:       {Name: "x", Scopes: scope, Tenant: "t "},
		`schedule: "yearly"`: {Name: "x", Scopes: scope, Schedule: "yearly"},
		`is in the past`:     {Name: "x", Scopes: scope, Expires: h.clock.now()},
	} {
		if _, err := h.Create(t.Context(), req); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if len(h.store.recs)+len(h.journal.take()) != 0 {
		t.Error("a refused request left something behind")
	}
	h.create(t, CreateRequest{Name: strings.Repeat("é", 100)})
}

func TestCreateWithoutItsParts(t *testing.T) {
	req := CreateRequest{Name: "x", Scopes: []string{"tools:*"}}

	h := newHarness(t)
	h.journal.err = errors.New("disk full")
	if c, err := h.Create(t.Context(), req); !errors.Is(err, h.journal.err) || c.Key.Reveal() != "" {
		t.Errorf("an unrecorded key was handed out: %v", err)
	}
	for _, r := range h.store.recs {
		if r.Status != StatusRevoked {
			t.Errorf("an unrecorded key is %s", r.Status)
		}
	}

	h = newHarness(t)
	h.store.down.Store(true)
	if _, err := h.Create(t.Context(), req); !errors.Is(err, errDown) || len(h.journal.take()) != 0 {
		t.Errorf("got %v and events", err)
	}

	h = newHarness(t, func(o *Options) { o.Rand = strings.NewReader("short") })
	if _, err := h.Create(t.Context(), req); err == nil || len(h.store.recs) != 0 {
		t.Errorf("a key without randomness: %v", err)
	}
}

func TestRevoke(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{})
	text := c.Key.Reveal()
	h.journal.take()
	if v, err := h.Verify(t.Context(), text); err != nil || !v.Valid {
		t.Fatalf("before: %+v, %v", v, err)
	}
	by := portcullis.Actor{ID: "op"}
	view, err := h.Revoke(t.Context(), c.View.ID, "leaked", by)
	if err != nil || view.Status != StatusRevoked || view.RevokeReason != "leaked" || !view.RevokedAt.Equal(h.clock.now()) {
		t.Fatalf("%+v, %v", view, err)
	}
	events := h.journal.take()
	if len(events) != 1 || events[0].Type != portcullis.EventAPIKeyRevoked || events[0].Actor != by ||
		events[0].Reason != "leaked" || events[0].Details[0].Value.String() != c.View.ID || events[0].Details[1].Value.String() != "leaked" {
		t.Errorf("events %+v", events)
	}
	v, err := h.Verify(t.Context(), text)
	if err != nil || v.Valid || v.Reason != "revoked" || v.Key == nil {
		t.Errorf("after: %+v, %v", v, err)
	}
	// Again: nothing happens, the first reason stays.
	h.clock.advance(time.Hour)
	view, err = h.Revoke(t.Context(), c.View.ID, "other", by)
	if err != nil || view.RevokeReason != "leaked" || len(h.journal.take()) != 0 {
		t.Errorf("again: %+v, %v", view, err)
	}
	for _, id := range []string{"", "x", strings.Repeat("0", 32), strings.Repeat("Z", 32)} {
		if _, err := h.Revoke(t.Context(), id, "", by); !errors.Is(err, ErrNotFound) {
			t.Errorf("revoking %q: %v", id, err)
		}
		if _, err := h.Show(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("showing %q: %v", id, err)
		}
	}
	if _, err := h.Revoke(t.Context(), c.View.ID, "a\nb", by); !errors.Is(err, ErrInvalid) {
		t.Errorf("a reason of two lines: %v", err)
	}
}

func TestRevokeWithoutItsParts(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{})
	h.store.down.Store(true)
	if _, err := h.Revoke(t.Context(), c.View.ID, "", portcullis.Actor{}); !errors.Is(err, errDown) {
		t.Errorf("store down: %v", err)
	}
	h.store.down.Store(false)
	// The key must end even if the log cannot be written, and the caller hears of it.
	h.journal.err = errors.New("disk full")
	if v, err := h.Revoke(t.Context(), c.View.ID, "", portcullis.Actor{}); !errors.Is(err, h.journal.err) || v.Status != StatusRevoked {
		t.Errorf("log down: %+v, %v", v, err)
	}
	if v, err := h.Verify(t.Context(), c.Key.Reveal()); err != nil || v.Valid {
		t.Errorf("after: %+v, %v", v, err)
	}
}

func TestRevokeRace(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{})
	h.journal.take()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := h.Revoke(t.Context(), c.View.ID, "x", portcullis.Actor{}); err != nil {
				t.Errorf("Revoke: %v", err)
			}
		})
	}
	wg.Wait()
	if n := len(h.journal.take()); n != 1 {
		t.Errorf("%d events for one revocation", n)
	}
}

func TestVerify(t *testing.T) {
	h := newHarness(t)
	c, other := h.create(t, CreateRequest{}), h.create(t, CreateRequest{Expires: h.clock.now().Add(time.Minute)})
	h.journal.take()
	forged := forge(t, h, c.View.ID)
	unknown := forge(t, h, strings.Repeat("ab", 16))
	check := func(text string, valid bool, reason string, shown bool) {
		t.Helper()
		v, err := h.Verify(t.Context(), text)
		if err != nil || v.Valid != valid || v.Reason != reason || (v.Key != nil) != shown {
			t.Errorf("%+v, %v; want valid %v, reason %q", v, err, valid, reason)
		}
	}
	for range 2 { // from the store, then from the cache
		check(c.Key.Reveal(), true, "", true)
		check(other.Key.Reveal(), true, "", true)
		check(forged, false, "wrong secret", false)
		check(unknown, false, "unknown id", false)
		check("mcp_x", false, "malformed", false)
	}
	h.clock.advance(time.Minute)
	check(other.Key.Reveal(), false, "expired", true)
	if err := h.Flush(t.Context()); err != nil || !h.store.recs[c.View.ID].LastUsedAt.IsZero() || len(h.journal.take()) != 0 {
		t.Errorf("Verify had side effects: %v", err)
	}
	h.clock.advance(DefaultCacheTTL)
	h.store.down.Store(true)
	if _, err := h.Verify(t.Context(), c.Key.Reveal()); !errors.Is(err, errDown) {
		t.Errorf("store down: %v", err)
	}
	if _, err := h.List(t.Context(), Page{}); !errors.Is(err, errDown) {
		t.Errorf("store down: %v", err)
	}
}

// forge makes a well-formed key with a right checksum for an id.
func forge(t testing.TB, h *harness, id string) string {
	t.Helper()
	text := h.Grammar().Complete(id, make([]byte, keytext.RandomLen)).Reveal()
	if _, err := h.Grammar().Parse(text); err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRevokedIsNeverAccepted checks keys from many goroutines while they are
// revoked: no check that starts after Revoke has returned may pass.
func TestRevokedIsNeverAccepted(t *testing.T) {
	h := newHarness(t)
	var wg sync.WaitGroup
	for range 20 {
		c := h.create(t, CreateRequest{})
		text := c.Key.Reveal()
		var revoked atomic.Bool
		var passed atomic.Int64
		for range 4 {
			wg.Go(func() {
				for {
					after := revoked.Load() // before the check starts
					_, v, err := h.check(t.Context(), text, h.clock.now())
					if err != nil && !after {
						continue // the storm of invalidations below may wear a check out
					}
					if err != nil {
						t.Errorf("check: %v", err)
					}
					if v == accepted {
						passed.Add(1)
					}
					if after {
						if v != refusedRevoked {
							t.Errorf("a revoked key was %s", v)
						}
						return
					}
				}
			})
		}
		wg.Go(func() {
			for passed.Load() < 20 {
				h.Invalidate(c.View.ID) // so that checks keep asking the store
			}
			if _, err := h.Revoke(t.Context(), c.View.ID, "", portcullis.Actor{}); err != nil {
				t.Errorf("Revoke: %v", err)
			}
			revoked.Store(true)
		})
	}
	wg.Wait()
}

// TestLateAnswerIsNotCached revokes a key while a check holds an old answer of
// the store in its hands.
func TestLateAnswerIsNotCached(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{})
	var done atomic.Bool
	h.store.hook = func(string) {
		if done.Swap(true) {
			return // Revoke reads the store too
		}
		if _, err := h.Revoke(t.Context(), c.View.ID, "", portcullis.Actor{}); err != nil {
			t.Errorf("Revoke: %v", err)
		}
	}
	if _, v, err := h.check(t.Context(), c.Key.Reveal(), h.clock.now()); err != nil || v != refusedRevoked {
		t.Errorf("an answer from before the revocation: %s, %v", v, err)
	}
	// A store whose keys never stop changing is no reason to say yes.
	h.store.hook = func(id string) { h.Invalidate(id) }
	h.Invalidate(c.View.ID)
	if _, v, err := h.check(t.Context(), c.Key.Reveal(), h.clock.now()); err == nil || v == accepted {
		t.Errorf("keys keep changing: %s, %v", v, err)
	}
}

// TestAcceptedMeanwhileIsNotCached revokes a key after the store's answer was
// cached and before the secret is found right: that one call began earlier and
// may pass, the next may not.
func TestAcceptedMeanwhileIsNotCached(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{})
	mac, done := h.mac, false
	h.mac = func(secret *[32]byte) [32]byte {
		if !done {
			done = true
			if _, err := h.Revoke(t.Context(), c.View.ID, "", portcullis.Actor{}); err != nil {
				t.Errorf("Revoke: %v", err)
			}
		}
		return mac(secret)
	}
	for round := range 2 {
		_, v, err := h.check(t.Context(), c.Key.Reveal(), h.clock.now())
		if err != nil || (round == 1 && v != refusedRevoked) {
			t.Errorf("round %d: %s, %v", round, v, err)
		}
	}
}

// TestLifeOfAKey drives keys through random operations and a jumping clock,
// and compares every check with what the stored record says.
func TestLifeOfAKey(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHarness(t)
		var keys []Created
		ended := map[string]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				if len(keys) < 4 {
					s := rapid.SampledFrom([]Schedule{Daily, Never}).Draw(rt, "schedule")
					keys = append(keys, h.create(t, CreateRequest{Schedule: s}))
				}
			},
			"revoke": func(rt *rapid.T) {
				if len(keys) == 0 {
					return
				}
				k := rapid.SampledFrom(keys).Draw(rt, "key")
				if _, err := h.Revoke(t.Context(), k.View.ID, "x", portcullis.Actor{}); err != nil {
					rt.Fatal(err)
				}
				ended[k.View.ID] = true
			},
			"rotate": func(rt *rapid.T) {
				if len(keys) == 0 {
					return
				}
				k := rapid.SampledFrom(keys).Draw(rt, "key")
				rec, err := h.store.Get(t.Context(), k.View.ID)
				if err != nil || !rec.RotatedAt.IsZero() || rec.Status != StatusActive {
					return
				}
				now := h.clock.now()
				rec.Status, rec.RotatedAt = StatusRotating, now
				rec.DeprecateAt, rec.RevokeAt = now.Add(time.Hour), now.Add(2*time.Hour)
				if err := h.store.Put(t.Context(), rec); err != nil {
					rt.Fatal(err)
				}
				h.Invalidate(rec.ID)
			},
			"clock": func(rt *rapid.T) {
				h.clock.advance(time.Duration(rapid.IntRange(-7200, 7200).Draw(rt, "seconds")) * time.Second)
			},
			"": func(rt *rapid.T) {
				for _, k := range keys {
					rec := h.store.recs[k.View.ID]
					want := rec.StatusAt(h.clock.now()) != StatusRevoked
					_, v, err := h.check(t.Context(), k.Key.Reveal(), h.clock.now())
					if err != nil || (v == accepted) != want || (ended[rec.ID] && v != refusedRevoked) {
						rt.Fatalf("%s: %s, %v; stored %s", rec.ID, v, err, rec.StatusAt(h.clock.now()))
					}
				}
			},
		})
	})
}

func TestUnique(t *testing.T) {
	if got := unique([]string{"b", "a", "b"}); !slices.Equal(got, []string{"b", "a"}) {
		t.Error(got)
	}
}

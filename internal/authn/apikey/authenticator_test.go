package apikey

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

var _ portcullis.Authenticator = (*Authenticator)(nil)

// conn returns a request with header lines "Name: value".
func conn(t testing.TB, target string, lines ...string) *portcullis.Conn {
	t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, target, nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return &portcullis.Conn{HTTP: r, Route: "front", Reply: http.Header{}}
}

func TestAuthenticateAccepts(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{Name: "CI", Scopes: []string{"tools:echo"}, Roles: []string{"editor"}, Expires: h.clock.now().Add(time.Hour)})
	text := c.Key.Reveal()
	want := portcullis.Principal{
		ID: "key:" + c.View.ID, Name: "CI", Method: "api_key", KeyID: c.View.ID,
		Scopes: []string{"tools:echo"}, Roles: []string{"editor"}, Expires: h.clock.now().Add(time.Hour),
	}
	a := h.Authenticator()
	if a.Name() != "api_key" {
		t.Error(a.Name())
	}
	for range 2 {
		for _, line := range []string{"X-API-Key: ", "x-api-key: ", "Authorization: Bearer ", "Authorization: bearer ", "authorization: BEARER "} {
			p, err := a.Authenticate(t.Context(), conn(t, "/mcp?x=1", line+text))
			if err != nil || !reflect.DeepEqual(p, want) {
				t.Errorf("%q: %+v, %v", line, p, err)
			}
		}
	}
	if h.store.gets.Load() != 1 || h.macs.Load() != 2 { // one at creation, one at the first call
		t.Errorf("%d reads and %d hashes for one key", h.store.gets.Load(), h.macs.Load())
	}
}

func TestNoCredentials(t *testing.T) {
	h := newHarness(t)
	a := h.Authenticator()
	text := h.create(t, CreateRequest{}).Key.Reveal()
	for _, lines := range [][]string{
		nil,
		{"Authorization: "},
		{"Authorization: Bearer"},
		{"Authorization: Bearer "},
		{"Authorization: Bearer eyJhbGciOiJFZERTQSJ9.e30.c2ln"},
		{"Authorization: Bearer  eyJhbGciOiJFZERTQSJ9.e30.c2ln"},
		{"Authorization: Bearermcp_x"},
		{"Authorization: Basic bWNwOng="},
		{"Authorization: Basic " + text},
		{"Authorization: ApiKey " + text},
		{"Authorization: " + text}, // a scheme is not optional (S3-4)
		{"Authorization: Bearer eyJ.e30.x", "Authorization: Basic bWNwOng="},
		{"X-Apikey: " + text},
		{"Cookie: X-API-Key=" + text},
	} {
		p, err := a.Authenticate(t.Context(), conn(t, "/mcp", lines...))
		if !errors.Is(err, portcullis.ErrNoCredentials) || !p.IsZero() {
			t.Errorf("%q: %+v, %v", lines, p, err)
		}
	}
	if _, err := a.Authenticate(t.Context(), &portcullis.Conn{}); !errors.Is(err, portcullis.ErrNoCredentials) {
		t.Errorf("no request: %v", err)
	}
}

// refused runs one call and returns its refusal.
func refused(t *testing.T, h *harness, c *portcullis.Conn) *portcullis.Error {
	t.Helper()
	p, err := h.Authenticator().Authenticate(t.Context(), c)
	var e *portcullis.Error
	if !errors.As(err, &e) || !p.IsZero() {
		t.Fatalf("got %+v, %v; want a refusal", p, err)
	}
	return e
}

func TestInvalidKeysAreAnsweredAlike(t *testing.T) {
	h := newHarness(t)
	good := h.create(t, CreateRequest{})
	revoked := h.create(t, CreateRequest{})
	expired := h.create(t, CreateRequest{Expires: h.clock.now().Add(time.Second)})
	elsewhere := h.create(t, CreateRequest{Routes: []string{"back", "side"}})
	if _, err := h.Revoke(t.Context(), revoked.View.ID, "", portcullis.Actor{}); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Second)
	id := good.View.ID
	for _, tc := range []struct{ name, line, detail string }{
		{"unknown id", "X-API-Key: " + forge(t, h, strings.Repeat("ab", 16)), "api key: unknown id"},
		{"wrong secret", "X-API-Key: " + forge(t, h, id), "api key " + id + ": wrong secret"},
		{"revoked", "X-API-Key: " + revoked.Key.Reveal(), "api key " + revoked.View.ID + ": revoked"},
		{"expired", "X-API-Key: " + expired.Key.Reveal(), "api key " + expired.View.ID + ": expired"},
		{"other route", "X-API-Key: " + elsewhere.Key.Reveal(), "api key " + elsewhere.View.ID + ": not for this route"},
		{"swapped id", "X-API-Key: mcp_" + id + revoked.Key.Reveal()[36:], "api key: malformed"},
		{"malformed", "X-API-Key: mcp_x", "api key: malformed"},
		{"no key at all", "X-API-Key: undefined", "api key: malformed"},
		{"two in one field", "X-API-Key: " + good.Key.Reveal() + ", " + good.Key.Reveal(), "api key: malformed"},
		{"bearer in the key field", "X-API-Key: Bearer " + good.Key.Reveal(), "api key: malformed"},
		{"bearer unknown", "Authorization: Bearer " + forge(t, h, strings.Repeat("cd", 16)), "api key: unknown id"},
		{"bearer malformed", "Authorization: Bearer mcp_x", "api key: malformed"},
		{"two spaces", "Authorization: Bearer  " + good.Key.Reveal(), "api key: malformed"},
		{"tab", "Authorization: Bearer\t" + good.Key.Reveal(), "api key: malformed"},
		{"trailing space", "Authorization: Bearer " + good.Key.Reveal() + " ", "api key: malformed"},
	} {
		for range 2 { // from the store, then from the caches
			e := refused(t, h, conn(t, "/mcp", tc.line))
			want := &portcullis.Error{
				Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated", Public: "Invalid API key",
				Header: http.Header{"Www-Authenticate": {`Bearer realm="portcullis", error="invalid_token"`}},
				Event:  portcullis.EventInvalidAPIKey, Detail: tc.detail,
				Attempted: portcullis.Actor{Method: Method},
			}
			if rest, known := strings.CutPrefix(tc.detail, "api key "); known {
				want.Attempted.KeyID, _, _ = strings.Cut(rest, ":")
			}
			if !reflect.DeepEqual(e, want) {
				t.Errorf("%s: got  %+v\nwant %+v", tc.name, e, want)
			}
		}
	}
}

// TestRefusalsDoTheSameWork counts hashes and store reads: a caller who
// measures time must not learn which ids exist or why a key is refused.
func TestRefusalsDoTheSameWork(t *testing.T) {
	h := newHarness(t)
	good := h.create(t, CreateRequest{})
	revoked := h.create(t, CreateRequest{})
	expired := h.create(t, CreateRequest{Expires: h.clock.now().Add(time.Second)})
	if _, err := h.Revoke(t.Context(), revoked.View.ID, "", portcullis.Actor{}); err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Second)
	refused(t, h, conn(t, "/mcp", "X-API-Key: "+expired.Key.Reveal())) // the first one writes its end down
	for name, text := range map[string]string{
		"unknown": forge(t, h, strings.Repeat("12", 16)), "wrong secret": forge(t, h, good.View.ID),
		"revoked": revoked.Key.Reveal(), "expired": expired.Key.Reveal(),
	} {
		for round, wantGets := range []int64{1, 0, 0} {
			macs, gets := h.macs.Load(), h.store.gets.Load()
			refused(t, h, conn(t, "/mcp", "X-API-Key: "+text))
			if m, g := h.macs.Load()-macs, h.store.gets.Load()-gets; m != 1 || g != wantGets {
				t.Errorf("%s, round %d: %d hashes and %d reads, want 1 and %d", name, round, m, g, wantGets)
			}
		}
	}
}

func TestTwoCredentials(t *testing.T) {
	h := newHarness(t)
	text := h.create(t, CreateRequest{}).Key.Reveal()
	for _, lines := range [][]string{
		{"X-API-Key: " + text, "Authorization: Bearer " + text},
		{"X-API-Key: " + text, "Authorization: Basic bWNwOng="},
		{"X-API-Key: " + text, "Authorization: Bearer eyJ.e30.x"},
		{"X-API-Key: ", "Authorization: Bearer " + text},
		{"X-API-Key: " + text, "X-API-Key: " + text},
		{"X-API-Key: " + text, "x-api-key: other"},
		{"Authorization: Bearer " + text, "Authorization: Bearer " + text},
		{"Authorization: Basic bWNwOng=", "Authorization: Bearer " + text},
	} {
		e := refused(t, h, conn(t, "/mcp", lines...))
		if e.Kind != portcullis.KindUnauthenticated || e.Public != publicTwo || e.Detail != "more than one credential" ||
			e.Header.Get("WWW-Authenticate") != challengeRequest {
			t.Errorf("%q: %+v", lines, e)
		}
	}
	e := refused(t, h, conn(t, "/mcp", "X-API-Key: "))
	if e.Kind != portcullis.KindUnauthenticated || e.Public != "API key required" || e.Header.Get("WWW-Authenticate") != challengePlain {
		t.Errorf("empty X-API-Key: %+v", e)
	}
}

func TestKeyInURL(t *testing.T) {
	h := newHarness(t)
	text := h.create(t, CreateRequest{}).Key.Reveal()
	double := url.QueryEscape("%6dcp%5f" + text[4:])
	for _, target := range []string{
		"/mcp?api_key=" + text, "/mcp?" + text, "/mcp?a=b&x=" + text + "&c=d", "/mcp?k=%6Dcp_" + text[4:],
		"/mcp?k=mcp%5F" + text[4:], "/mcp?bad=%zz&k=mcp%5f" + text[4:], "/mcp?k=" + double,
		"/mcp/" + text, "/mcp/mcp%5f" + text[4:] + "/x", "/mcp?k=" + text[:36], "/mcp?k=mcp_mcp_" + strings.ToUpper(text[4:36]),
	} {
		for _, lines := range [][]string{nil, {"X-API-Key: " + text}} {
			e := refused(t, h, conn(t, target, lines...))
			if e.Kind != portcullis.KindMalformed || e.Reason != "input_rejected" || e.Event != portcullis.EventInputRejected ||
				strings.Contains(e.Error()+e.Public, text[4:36]) {
				t.Errorf("%s: %+v", target, e)
			}
		}
	}
	for _, target := range []string{"/mcp?api_key=hello", "/mcp_/x?mcp_=1", "/mcp?q=mcp_0123456789", "/mcp?q=%25%25%25"} {
		if _, err := h.Authenticator().Authenticate(t.Context(), conn(t, target, "X-API-Key: "+text)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestStoreDown(t *testing.T) {
	h := newHarness(t)
	c, cold := h.create(t, CreateRequest{}), h.create(t, CreateRequest{})
	a := h.Authenticator()
	call := func(text string) error {
		_, err := a.Authenticate(t.Context(), conn(t, "/mcp", "X-API-Key: "+text))
		return err
	}
	if err := call(c.Key.Reveal()); err != nil {
		t.Fatal(err)
	}
	h.store.down.Store(true)
	h.clock.advance(DefaultCacheTTL - 1)
	if err := call(c.Key.Reveal()); err != nil {
		t.Errorf("a cached key within its time: %v", err)
	}
	for name, text := range map[string]string{"never seen": cold.Key.Reveal(), "unknown": forge(t, h, strings.Repeat("0f", 16))} {
		e := refused(t, h, conn(t, "/mcp", "X-API-Key: "+text))
		if e.Kind != portcullis.KindUnavailable || e.RetryAfter <= 0 || !errors.Is(e, errDown) || strings.Contains(e.Public, "store") {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := refused(t, h, conn(t, "/mcp", "X-API-Key: "+forge(t, h, c.View.ID))); e.Public != publicInvalid {
		t.Errorf("wrong secret of a cached key: %+v", e)
	}
	h.clock.advance(1)
	if e := refused(t, h, conn(t, "/mcp", "X-API-Key: "+c.Key.Reveal())); e.Kind != portcullis.KindUnavailable {
		t.Errorf("a cached key after its time: %+v", e)
	}
	h.store.down.Store(false)
	if err := call(c.Key.Reveal()); err != nil {
		t.Errorf("the store is back: %v", err)
	}
}

func TestCacheFollowsTheClock(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{Expires: h.clock.now().Add(30 * time.Second)})
	text := c.Key.Reveal()
	check := func(want verdict, reads int64) {
		t.Helper()
		before := h.store.gets.Load()
		_, v, err := h.check(t.Context(), text, h.clock.now())
		if err != nil || v != want || h.store.gets.Load()-before != reads {
			t.Errorf("%s after %d reads, %v; want %s after %d", v, h.store.gets.Load()-before, err, want, reads)
		}
	}
	check(accepted, 1)
	h.clock.advance(30*time.Second - 1)
	check(accepted, 0)
	h.clock.advance(1) // a cached key ends at its own time, not at the cache's
	check(refusedExpired, 0)
	h.clock.advance(-time.Minute) // set back before the entry was made
	check(accepted, 1)
	// Changed behind our back, as by another replica: seen after the cache's
	// time, or at once when we are told.
	rec := h.store.recs[c.View.ID]
	rec.ExpiresAt = h.clock.now().Add(time.Hour)
	if err := h.store.Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	rec = h.store.recs[c.View.ID]
	rec.Status = StatusRevoked
	if err := h.store.Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	check(accepted, 0)
	h.Invalidate(c.View.ID)
	h.Invalidate("not an id")
	check(refusedRevoked, 1)
}

// TestUnknownIDIsForgottenSoon: a key that another replica makes works within
// seconds even if somebody tried its id before.
func TestUnknownIDIsForgottenSoon(t *testing.T) {
	h := newHarness(t)
	c := h.create(t, CreateRequest{})
	rec := h.store.recs[c.View.ID]
	delete(h.store.recs, c.View.ID)
	if _, v, _ := h.check(t.Context(), c.Key.Reveal(), h.clock.now()); v != refusedUnknown {
		t.Fatal(v)
	}
	h.store.recs[c.View.ID] = rec
	if _, v, _ := h.check(t.Context(), c.Key.Reveal(), h.clock.now()); v != refusedUnknown {
		t.Fatal(v)
	}
	h.clock.advance(unknownTTL)
	if _, v, _ := h.check(t.Context(), c.Key.Reveal(), h.clock.now()); v != accepted {
		t.Fatal(v)
	}
}

func BenchmarkAuthenticateCached(b *testing.B) {
	h := newHarness(b, func(o *Options) { o.Clock = time.Now })
	a := h.Authenticator()
	for name, line := range map[string]string{"X-API-Key": "X-API-Key: ", "Bearer": "Authorization: Bearer "} {
		c := conn(b, "/mcp", line+h.create(b, CreateRequest{}).Key.Reveal())
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(context.Background(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAuthenticateParallel(b *testing.B) {
	h := newHarness(b, func(o *Options) { o.Clock = time.Now })
	a := h.Authenticator()
	c := conn(b, "/mcp", "X-API-Key: "+h.create(b, CreateRequest{}).Key.Reveal())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := a.Authenticate(context.Background(), c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAuthenticateCold(b *testing.B) {
	h := newHarness(b, func(o *Options) { o.Clock = time.Now })
	a := h.Authenticator()
	created := h.create(b, CreateRequest{})
	c := conn(b, "/mcp", "X-API-Key: "+created.Key.Reveal())
	b.ReportAllocs()
	for b.Loop() {
		h.Invalidate(created.View.ID)
		if _, err := a.Authenticate(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCachedCheckDoesNotAllocate(t *testing.T) {
	h := newHarness(t)
	a := h.Authenticator()
	c := conn(t, "/mcp?x=1", "Authorization: Bearer "+h.create(t, CreateRequest{Routes: []string{"front"}}).Key.Reveal())
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := a.Authenticate(ctx, c); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

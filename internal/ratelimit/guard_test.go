package ratelimit

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func mustSet(t testing.TB, clock func() time.Time, rules ...string) *Set {
	t.Helper()
	var c Config
	for _, s := range rules {
		r, err := ParseRule(s)
		if err != nil {
			t.Fatal(err)
		}
		c.Rules = append(c.Rules, r)
	}
	set, err := NewSet(c, clock)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func conn(addr string) *portcullis.Conn {
	return &portcullis.Conn{Client: netip.MustParseAddr(addr), Reply: http.Header{}}
}

func principal(id string) portcullis.Principal {
	return portcullis.Principal{ID: id, Method: "api_key"}
}

func tool(name string) portcullis.Action {
	return portcullis.Action{Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name}}
}

func wantRefused(t *testing.T, err error, retry time.Duration) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want a refusal", err)
	}
	if e.Kind != portcullis.KindRateLimited || e.Reason != "rate_limited" || e.Event != portcullis.EventRateLimitExceeded ||
		e.RetryAfter != retry || e.Data["retryAfter"] != seconds(retry) || e.Public != "Rate limit exceeded" {
		t.Errorf("refusal = %+v, want retry after %s", e, retry)
	}
}

func wantHeader(t *testing.T, h http.Header, want map[string][]string) {
	t.Helper()
	for key, values := range want {
		if got := h.Values(key); !slices.Equal(got, values) {
			t.Errorf("%s: %q, want %q", key, got, values)
		}
	}
}

func TestEdge(t *testing.T) {
	g := mustSet(t, newClock().Now, "2/1m per address").Edge()
	ctx := context.Background()
	c := conn("192.0.2.1")
	for range 2 {
		if err := g.CheckConn(ctx, c); err != nil {
			t.Fatal(err)
		}
		c.Reply = http.Header{}
	}
	wantRefused(t, g.CheckConn(ctx, c), 30*time.Second)
	wantHeader(t, c.Reply, map[string][]string{
		"X-RateLimit-Limit":     {"2"},
		"X-RateLimit-Remaining": {"0"},
		"X-RateLimit-Reset":     {"60"},
		"RateLimit-Policy":      {`"address";q=2;w=60`},
		"RateLimit":             {`"address";r=0;t=60`},
	})
	if err := g.CheckConn(ctx, conn("192.0.2.2")); err != nil {
		t.Errorf("another address: %v", err)
	}
}

func TestCallerScopes(t *testing.T) {
	clock := newClock()
	set := mustSet(t, clock.Now, "9/1m per address", "3/1m per key", "2/1m per tool", "1/1m per tool:search", "5/1m per route")
	g := set.Caller()
	ctx := context.Background()
	check := func(who, name string) error {
		return g.CheckCaller(ctx, conn("192.0.2.1"), principal(who), tool(name))
	}
	pass := func(who, name string) {
		t.Helper()
		if err := check(who, name); err != nil {
			t.Fatalf("%s calls %s: %v", who, name, err)
		}
	}
	pass("alice", "search")
	wantRefused(t, check("alice", "search"), time.Minute) // tool:search replaces tool
	pass("alice", "echo")                                 // third attempt of alice
	wantRefused(t, check("alice", "echo"), 20*time.Second)
	pass("bob", "search") // counts of callers are apart
	pass("bob", "echo")
	pass("carol", "echo") // fifth call of the route
	wantRefused(t, check("dave", "echo"), 12*time.Second)
	clock.add(time.Minute)
	pass("dave", "echo")
}

func TestRefusedCallsDoNotCostOthers(t *testing.T) {
	g := mustSet(t, newClock().Now, "1/1m per key", "2/1m per route").Caller()
	ctx := context.Background()
	for range 50 {
		_ = g.CheckCaller(ctx, conn("192.0.2.1"), principal("mallory"), tool("x"))
	}
	if err := g.CheckCaller(ctx, conn("192.0.2.1"), principal("alice"), tool("x")); err != nil {
		t.Errorf("one caller's refused calls used up the route: %v", err)
	}
}

func TestCallerIdentity(t *testing.T) {
	g := mustSet(t, newClock().Now, "1/1m per key").Caller()
	ctx := context.Background()
	check := func(addr string, p portcullis.Principal) bool {
		return g.CheckCaller(ctx, conn(addr), p, portcullis.Action{Method: "initialize"}) == nil
	}
	p := principal("alice")
	p.KeyID = "k1"
	if !check("192.0.2.1", p) {
		t.Fatal("first call refused")
	}
	p.KeyID = "k2"
	if check("192.0.2.9", p) {
		t.Error("another key or address of the same principal has its own count")
	}
	anonymous := portcullis.Principal{ID: "anonymous", Method: "none"}
	if !check("192.0.2.1", anonymous) || !check("192.0.2.2", anonymous) || check("192.0.2.1", anonymous) {
		t.Error("callers nobody authenticated are not counted by address")
	}
}

func TestHeadersOfBothGuards(t *testing.T) {
	set := mustSet(t, newClock().Now, "9/1m per address", "9/1s per address", "3/1m per key", `7/1h per tool:a"b`)
	ctx := context.Background()
	c := conn("192.0.2.1")
	if err := set.Edge().CheckConn(ctx, c); err != nil {
		t.Fatal(err)
	}
	wantHeader(t, c.Reply, map[string][]string{"X-RateLimit-Limit": {"9"}, "X-RateLimit-Remaining": {"8"}, "X-RateLimit-Reset": {"7"}})
	if err := set.Caller().CheckCaller(ctx, c, principal("alice"), tool(`a"b`)); err != nil {
		t.Fatal(err)
	}
	wantHeader(t, c.Reply, map[string][]string{
		"X-RateLimit-Limit":     {"3"},
		"X-RateLimit-Remaining": {"2"},
		"X-RateLimit-Reset":     {"20"},
		"RateLimit-Policy":      {`"address/1m";q=9;w=60, "address/1s";q=9;w=1`, `"key";q=3;w=60, "tool:a\"b";q=7;w=3600`},
		"RateLimit":             {`"address/1m";r=8;t=7, "address/1s";r=8;t=1`, `"key";r=2;t=20, "tool:a\"b";r=6;t=515`},
	})

	// The address has less left than the key: its X-RateLimit fields stay.
	set = mustSet(t, newClock().Now, "2/1m per address", "30/1m per key")
	c = conn("192.0.2.1")
	if err := set.Edge().CheckConn(ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := set.Caller().CheckCaller(ctx, c, principal("alice"), tool("x")); err != nil {
		t.Fatal(err)
	}
	wantHeader(t, c.Reply, map[string][]string{"X-RateLimit-Limit": {"2"}, "X-RateLimit-Remaining": {"1"}, "X-RateLimit-Reset": {"30"}})
}

func TestNoRulesNoGuard(t *testing.T) {
	set := mustSet(t, nil)
	if set.Edge() != nil || set.Caller() != nil {
		t.Error("a Set without rules has guards")
	}
	set = mustSet(t, nil, "1/1s per tool:x")
	c := conn("192.0.2.1")
	if err := set.Caller().CheckCaller(context.Background(), c, principal("a"), tool("y")); err != nil || len(c.Reply) != 0 {
		t.Errorf("a tool without limit: %v, %v", err, c.Reply)
	}
	if set.Caller().Name() != "rate_caller" || (&Edge{}).Name() != "rate_address" {
		t.Error("names of guards are part of metrics and may not change")
	}
}

// TestManyRules counts more rules than fit the array on the stack.
func TestManyRules(t *testing.T) {
	rules := []string{}
	for _, w := range []string{"1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s", "9s", "10s"} {
		rules = append(rules, "1/"+w)
	}
	set := mustSet(t, newClock().Now, rules...)
	c := conn("192.0.2.1")
	if err := set.Caller().CheckCaller(context.Background(), c, principal("a"), tool("x")); err != nil {
		t.Fatal(err)
	}
	if set.Stats().Live != len(rules) {
		t.Errorf("stats = %+v", set.Stats())
	}
	wantRefused(t, set.Caller().CheckCaller(context.Background(), c, principal("a"), tool("x")), time.Second)
	set.Reset()
	if set.Stats().Live != 0 || len(set.Rules()) != len(rules) {
		t.Error("Reset keeps counts or loses rules")
	}
}

// TestOverflowIsPerRule: a slow rule whose slots ran out must not hold back the
// overflow of a fast one.
func TestOverflowIsPerRule(t *testing.T) {
	tb := newTable(1)
	slow, fast := newBucket(mustRate(t, "1/1d")), newBucket(mustRate(t, "1/1s"))
	fast.index = 1
	for i := range uint64(probe * firstSlots) { // same shard, all slots taken
		tb.take(slow, i, 1)
	}
	tb.take(slow, 99999, 1)
	if r := tb.take(fast, 99998, 1); !r.Allowed {
		t.Errorf("fast rule: %+v", r)
	}
}

func TestHeaderSlicesAreNotShared(t *testing.T) {
	set := mustSet(t, newClock().Now, "5/1m per key")
	ctx := context.Background()
	a, b := conn("192.0.2.1"), conn("192.0.2.1")
	for _, c := range []*portcullis.Conn{a, b} {
		if err := set.Caller().CheckCaller(ctx, c, principal("x"), tool("t")); err != nil {
			t.Fatal(err)
		}
		for key := range c.Reply { // appending to one must not reach another
			c.Reply[key] = append(c.Reply[key], "more")
		}
	}
	for key, values := range a.Reply {
		if len(values) != 2 || values[1] != "more" || b.Reply[key][0] == "more" {
			t.Errorf("%s: %q and %q", key, values, b.Reply[key])
		}
	}
}

func BenchmarkCheckConn(b *testing.B) {
	g := mustSet(b, nil, "1000000/1s per address").Edge()
	c := conn("192.0.2.1")
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		clear(c.Reply)
		if err := g.CheckConn(ctx, c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckCaller(b *testing.B) {
	g := mustSet(b, nil, "1000000/1s per key", "1000000/1s per route", "1000000/1s per tool:search").Caller()
	c := conn("192.0.2.1")
	p, a := principal("0123456789abcdef0123456789abcdef"), tool("search")
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		clear(c.Reply)
		if err := g.CheckCaller(ctx, c, p, a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckCallerOneRule(b *testing.B) {
	g := mustSet(b, nil, "1000000/1s per key").Caller()
	c := conn("192.0.2.1")
	p, a := principal("0123456789abcdef0123456789abcdef"), tool("search")
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		clear(c.Reply)
		if err := g.CheckCaller(ctx, c, p, a); err != nil {
			b.Fatal(err)
		}
	}
}

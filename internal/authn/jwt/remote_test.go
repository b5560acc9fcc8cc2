package jwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portcullis-dev/portcullis"
)

func unavailable(t *testing.T, err error) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindUnavailable || e.RetryAfter <= 0 {
		t.Errorf("got %v, want 503", err)
	}
}

// fresh makes a token that is in no cache.
func (f *fixture) fresh(kid string) string {
	f.t.Helper()
	k := f.key
	k.kid = kid
	return k.sign(f.t, nil, f.claims(map[string]any{"jti": fmt.Sprint(f.clock.now().UnixNano(), kid)}))
}

func TestKeysAreFetchedOnceAndRotate(t *testing.T) {
	f := newFixture(t, nil)
	for range 5 {
		if _, err := f.try(f.fresh("k1")); err != nil {
			t.Fatal(err)
		}
		f.clock.add(time.Second)
	}
	if n := f.iss.count("/jwks"); n != 1 {
		t.Errorf("%d fetches", n)
	}
	old := f.key
	f.key = newSigner(t, "k2", "ES256")
	f.iss.set(func() { f.iss.keys = []jose.JSONWebKey{f.key.public()} })
	f.clock.add(10 * time.Second)
	if _, err := f.try(f.fresh("k2")); err != nil {
		t.Errorf("a new key: %v", err)
	}
	f.key = old
	_, err := f.try(f.fresh("k1"))
	refused(t, err, "unknown key")
}

// TestUnknownKeysDoNotReachTheIssuer lets callers invent kids: the issuer is
// asked at most once per MinRefresh.
func TestUnknownKeysDoNotReachTheIssuer(t *testing.T) {
	f := newFixture(t, nil)
	if _, err := f.try(f.fresh("k1")); err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		_, err := f.try(f.fresh(fmt.Sprint("x", i)))
		refused(t, err, "unknown key")
		f.clock.add(10 * time.Millisecond)
	}
	if n := f.iss.count("/jwks"); n > 3 { // the first, and two in 20 s
		t.Errorf("%d fetches", n)
	}
	before := f.iss.count("/jwks")
	f.clock.add(11 * time.Second)
	_, err := f.try(f.fresh("x1999"))
	refused(t, err, "unknown key")
	if n := f.iss.count("/jwks"); n != before {
		t.Errorf("a kid known to be unknown was looked for again")
	}
}

func TestIssuerDown(t *testing.T) {
	f := newFixture(t, nil)
	f.iss.set(func() { f.iss.status = http.StatusInternalServerError })
	_, err := f.try(f.fresh("k1"))
	unavailable(t, err)
	f.clock.add(11 * time.Second)
	f.iss.set(func() { f.iss.status = http.StatusOK })
	if _, err := f.try(f.fresh("k1")); err != nil {
		t.Fatal(err)
	}
	f.iss.set(func() { f.iss.status = http.StatusInternalServerError })
	f.clock.add(23 * time.Hour)
	if _, err := f.try(f.fresh("k1")); err != nil {
		t.Errorf("keys under their maximum age: %v", err)
	}
	f.clock.add(2 * time.Hour)
	_, err = f.try(f.fresh("k1"))
	unavailable(t, err)
	f.clock.add(-48 * time.Hour) // a clock that jumps back does not lock the issuer out
	f.iss.set(func() { f.iss.status = http.StatusOK })
	if _, err := f.try(f.fresh("k1")); err != nil {
		t.Errorf("after the clock was set back: %v", err)
	}
}

// TestOneFetchAtATime lets many callers need the same keys.
func TestOneFetchAtATime(t *testing.T) {
	f := newFixture(t, nil)
	gate := make(chan struct{})
	f.iss.gate = gate
	tokens := make([]string, 100)
	for i := range tokens {
		tokens[i] = f.token(map[string]any{"jti": fmt.Sprint(i)})
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(tokens))
	for _, token := range tokens {
		wg.Go(func() {
			_, err := f.try(token)
			errs <- err
		})
	}
	close(gate)
	wg.Wait()
	for range tokens {
		if err := <-errs; err != nil {
			t.Errorf("got %v", err)
		}
	}
	if n := f.iss.count("/jwks"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// TestImpatientCaller leaves while keys are fetched for others too.
func TestImpatientCaller(t *testing.T) {
	f := newFixture(t, nil)
	gate := make(chan struct{})
	f.iss.gate = gate
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.guard.Authenticate(ctx, f.conn("Authorization", "Bearer "+f.fresh("k1")))
	unavailable(t, err)
	close(gate)
	if _, err := f.try(f.fresh("k1")); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestDiscoveryRefusals(t *testing.T) {
	for name, change := range map[string]func(m map[string]any){
		"another issuer":           func(m map[string]any) { m["issuer"] = "https://evil.example" },
		"issuer with a slash":      func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" },
		"no jwks_uri":              func(m map[string]any) { delete(m, "jwks_uri") },
		"jwks_uri without TLS":     func(m map[string]any) { m["jwks_uri"] = "http://issuer.example/jwks" },
		"jwks_uri of a file":       func(m map[string]any) { m["jwks_uri"] = "file:///etc/passwd" },
		"jwks_uri with a password": func(m map[string]any) { m["jwks_uri"] = "https://a:b@issuer.example/jwks" },
		"introspection elsewhere":  func(m map[string]any) { m["introspection_endpoint"] = "http://10.0.0.1/x" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			change(f.iss.meta)
			_, err := f.try(f.fresh("k1"))
			unavailable(t, err)
		})
	}
	for _, c := range [][2]string{
		{"https://issuer.example", "http://127.0.0.1/jwks"}, {"https://issuer.example", "https://localhost/jwks"},
		{"https://issuer.example", "https://10.0.0.1/jwks"}, {"https://issuer.example", "https://169.254.169.254/jwks"},
	} {
		if err := sameKindOfHost(c[0], c[1]); err == nil {
			t.Errorf("%s may lead to %s", c[0], c[1])
		}
	}
	got, err := metadataURLs("https://a.example/tenant/1/")
	if err != nil || strings.Join(got, " ") != "https://a.example/tenant/1/.well-known/openid-configuration https://a.example/.well-known/oauth-authorization-server/tenant/1" {
		t.Errorf("%v, %v", got, err)
	}
}

func withIntrospection(c *Config) { c.ClientID, c.ClientSecret = "gate way", "s:cret" }

func TestIntrospection(t *testing.T) {
	f := newFixture(t, withIntrospection)
	now := f.clock.now().Unix()
	answer := func(changes map[string]any) map[string]any {
		c := f.claims(map[string]any{"active": true, "token_type": "Bearer"})
		for k, v := range changes {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	f.iss.answers["opaque-1"] = answer(nil)
	who, err := f.try("opaque-1")
	if err != nil || who.ID != "oidc|alice" || len(who.Scopes) != 2 {
		t.Fatalf("%+v, %v", who, err)
	}
	if got := f.iss.last.Get("Authorization"); got != "Basic Z2F0ZSt3YXk6cyUzQWNyZXQ=" { // gate+way:s%3Acret
		t.Errorf("client authentication %q", got)
	}
	for range 10 {
		if _, err := f.try("opaque-1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.iss.count("/introspect"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	f.iss.set(func() { delete(f.iss.answers, "opaque-1") }) // revoked at the issuer
	f.clock.add(61 * time.Second)
	_, err = f.try("opaque-1")
	refused(t, err, "not active")
	_, err = f.try("opaque-1")
	refused(t, err, "not active")
	if n := f.iss.count("/introspect"); n != 2 {
		t.Errorf("asked %d times about an inactive token", n)
	}
	for name, c := range map[string]struct {
		changes map[string]any
		why     string
	}{
		"inactive":         {map[string]any{"active": false}, "not active"},
		"active as text":   {map[string]any{"active": "true"}, "not active"},
		"other issuer":     {map[string]any{"iss": "https://evil.example"}, "another issuer"},
		"no audience":      {map[string]any{"aud": nil}, "no aud"},
		"other audience":   {map[string]any{"aud": "x"}, "another audience"},
		"expired":          {map[string]any{"exp": now - 3600}, "expired"},
		"a refresh token":  {map[string]any{"token_type": "refresh_token"}, "not an access token"},
		"nobody":           {map[string]any{"sub": nil}, "no sub"},
		"bound, no proof":  {map[string]any{"cnf": map[string]any{"jkt": b64(strings.Repeat("x", 32))}}, "binding"},
		"bound otherwise":  {map[string]any{"cnf": map[string]any{"x": "y"}}, "not supported"},
		"unlimited in nbf": {map[string]any{"nbf": now + 7200, "exp": now + 9000}, "not valid yet"},
	} {
		token := "opaque-" + b64(name)
		f.iss.set(func() { f.iss.answers[token] = answer(c.changes) })
		_, err := f.try(token)
		refused(t, err, c.why)
	}
	f.iss.set(func() { f.iss.answers["no-exp"] = answer(map[string]any{"exp": nil, "iss": nil, "token_type": nil}) })
	if who, err := f.try("no-exp"); err != nil || who.Expires.Sub(f.clock.now()) > 2*time.Minute {
		t.Errorf("%+v, %v", who, err)
	}
	_, err = f.try("with\"quote")
	refused(t, err, "not a token")
	f.iss.set(func() { f.iss.status = http.StatusBadGateway })
	_, err = f.try("opaque-new")
	unavailable(t, err)
}

func TestRevocation(t *testing.T) {
	f := newFixture(t, nil)
	token := f.token(nil)
	who, err := f.try(token)
	if err != nil {
		t.Fatal(err)
	}
	other := f.token(map[string]any{"jti": "j2"})
	d := digestOf(other)
	for _, id := range []string{who.KeyID, "j3", hexDigest(&d)} {
		if err := f.svc.Invalidate(id); err != nil {
			t.Fatal(err)
		}
	}
	for _, tok := range []string{token, other, f.token(map[string]any{"jti": "j3"})} {
		_, err = f.try(tok)
		refused(t, err, "revoked")
	}
	if _, err := f.try(f.token(map[string]any{"jti": "j4"})); err != nil {
		t.Errorf("another token: %v", err)
	}
}

func TestCacheEndsWithTheToken(t *testing.T) {
	f := newFixture(t, nil)
	token := f.token(nil)
	if _, err := f.try(token); err != nil {
		t.Fatal(err)
	}
	f.clock.add(629 * time.Second)
	if _, err := f.try(token); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	f.clock.add(2 * time.Second)
	_, err := f.try(token)
	refused(t, err, "expired")
}

// TestWithdrawnKey: a token that was verified does not outlive the issuer's key
// for long.
func TestWithdrawnKey(t *testing.T) {
	f := newFixture(t, nil)
	token := f.token(map[string]any{"exp": f.clock.now().Unix() + 7200})
	if _, err := f.try(token); err != nil {
		t.Fatal(err)
	}
	f.iss.set(func() { f.iss.keys = []jose.JSONWebKey{newSigner(t, "k2", "EdDSA").public()} })
	f.clock.add(11 * time.Minute)
	if _, err := f.try(token); err != nil { // starts the fetch, and waits for nothing
		t.Logf("refused at once: %v", err)
	}
	if err := f.svc.keys.(*remoteKeys).flight.do(t.Context(), time.Minute, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	f.clock.add(10 * time.Minute)
	_, err := f.try(token)
	refused(t, err, "unknown key")
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	f := newFixture(t, nil)
	c := f.conn("Authorization", "Bearer "+f.token(nil))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := f.guard.Authenticate(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCached(b *testing.B) {
	f := newFixture(b, nil)
	c := f.conn("Authorization", "Bearer "+f.token(nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.guard.Authenticate(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range publicAlgorithms {
		b.Run(alg, func(b *testing.B) {
			f := newFixture(b, nil)
			f.key = newSigner(b, "k1", alg)
			f.iss.keys = []jose.JSONWebKey{f.key.public()}
			token := f.token(nil)
			d := digestOf(token)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.svc.checkJWT(context.Background(), token, &d, f.clock.now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzToken(f *testing.F) {
	x := newFixture(f, nil)
	good := x.token(nil)
	f.Add(good)
	f.Add("..")
	f.Add(b64(`{"alg":"none"}`) + "." + b64(`{}`) + ".")
	f.Fuzz(func(t *testing.T, token string) {
		if who, err := x.try(token); err == nil && token != good {
			t.Errorf("%q opens the door to %q", token, who.ID)
		}
	})
}

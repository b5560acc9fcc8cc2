package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
)

func TestOpen(t *testing.T) {
	w := newWorld(t)
	w.wantEvents("start", portcullis.EventSecretRotated, portcullis.EventSecretRotated)
	g := w.login()
	w.wantEvents("login", portcullis.EventSessionOpened)
	if g.ExpiresIn != 10*time.Minute || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(g.SessionID) ||
		!regexp.MustCompile(`^mcprt_[0-9a-f]{32}\.[A-Za-z0-9_-]{64}$`).MatchString(g.RefreshToken) {
		t.Errorf("%+v", g)
	}
	head, body := claimsOf(t, g.AccessToken)
	if head["typ"] != "at+jwt" || head["alg"] != "EdDSA" || len(head) != 3 {
		t.Errorf("header %v", head)
	}
	now := float64(w.clock.now().Unix())
	jti, _ := body["jti"].(string)
	delete(body, "jti")
	want := map[string]any{
		"iss": "https://mcp.example.com", "aud": []any{"https://mcp.example.com"}, "sub": "alice", "iat": now, "nbf": now, "exp": now + 600,
		"sid": g.SessionID, "amr": []any{"basic"}, "scope": "tools:*", "roles": []any{"editor"}, "name": "Alice",
	}
	if !reflect.DeepEqual(body, want) || !strings.HasPrefix(jti, g.SessionID+".") {
		t.Errorf("claims %v (jti %s)\nwant   %v", body, jti, want)
	}
	p := w.accepted("a new token", g.AccessToken)
	if p.ID != "alice" || p.Method != "basic" || p.KeyID != g.SessionID || p.Name != "Alice" || len(p.Scopes) != 1 || len(p.Roles) != 1 {
		t.Errorf("%+v", p)
	}
	w.refused("on a route without the method", g.AccessToken, "method the route does not take", "jwt", "oidc", "zkp")
	w.refused("on a route without the method, again", g.AccessToken, "method the route does not take", "zkp")
	w.clock.advance(10 * time.Minute)
	w.refused("after its time", g.AccessToken, "expired")
}

// TestOpenRefuses: what a login method gets wrong opens nothing.
func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	w.types()
	for name, change := range map[string]func(*token.Login){
		"no subject":        func(l *token.Login) { l.Subject = "" },
		"control character": func(l *token.Login) { l.Subject = "a\nb" },
		"long subject":      func(l *token.Login) { l.Subject = strings.Repeat("a", 256) },
		"no method":         func(l *token.Login) { l.Method = "" },
		"nothing granted":   func(l *token.Login) { l.Scopes, l.Roles = nil, nil },
		"wrong scope":       func(l *token.Login) { l.Scopes = []string{"tools:"} },
		"two in one scope":  func(l *token.Login) { l.Scopes = []string{"tools:a manage"} },
		"empty role":        func(l *token.Login) { l.Roles = []string{""} },
		"over already":      func(l *token.Login) { l.Until = w.clock.now() },
		"too large": func(l *token.Login) {
			l.Roles = nil
			for i := range 250 {
				l.Roles = append(l.Roles, strings.Repeat("r", 40)+string(rune('a'+i%26))+strings.Repeat("x", i/26))
			}
		},
	} {
		l := alice()
		change(&l)
		if g, err := w.Open(t.Context(), l); !errors.Is(err, token.ErrInvalid) || g != (token.Grant{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.wantEvents("nothing happened")
	w.events.setFail(true)
	if g, err := w.Open(t.Context(), alice()); err == nil || g.AccessToken != "" {
		t.Error("a session was opened that is not in the journal")
	}
	w.events.setFail(false)
	if list, err := w.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	w.cfg.On = false
	w.use()
	if _, err := w.Open(t.Context(), alice()); !errors.Is(err, token.ErrOff) {
		t.Errorf("sessions that are off: %v", err)
	}
}

// TestUntil: a session ends when the login method says, tokens included.
func TestUntil(t *testing.T) {
	w := newWorld(t)
	l := alice()
	l.Until = w.clock.now().Add(15 * time.Minute)
	g, err := w.Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(9 * time.Minute)
	if g, err = w.refresh(g.RefreshToken); err != nil || g.ExpiresIn != 6*time.Minute {
		t.Fatalf("ends in %v, %v", g.ExpiresIn, err)
	}
	w.clock.advance(6 * time.Minute)
	if _, err := w.refresh(g.RefreshToken); !errors.Is(err, token.ErrGrant) {
		t.Errorf("refreshed after its end: %v", err)
	}
	w.refused("after the end of the session", g.AccessToken, "expired")
}

func TestIdleAndAbsoluteLife(t *testing.T) {
	w := newWorld(t)
	g, idle := w.login(), w.login()
	var err error
	for range 23 { // every 31 minutes for just under 12 hours
		w.clock.advance(31 * time.Minute)
		if g, err = w.refresh(g.RefreshToken); err != nil {
			t.Fatal(err)
		}
	}
	w.types()
	if _, err := w.refresh(idle.RefreshToken); !errors.Is(err, token.ErrGrant) {
		t.Errorf("an idle session: %v", err)
	}
	w.wantEvents("idle", portcullis.EventAuthFailure)
	w.clock.advance(8 * time.Minute)
	if _, err := w.refresh(g.RefreshToken); !errors.Is(err, token.ErrGrant) {
		t.Errorf("after 12 hours: %v", err)
	}
	w.refused("after 12 hours", g.AccessToken, "expired")
	if list, err := w.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestRefreshReuse: a token that was used ends the session for all who hold
// tokens of it, and a made-up one ends nothing.
func TestRefreshReuse(t *testing.T) {
	w := newWorld(t)
	first, other := w.login(), w.login()
	second, err := w.refresh(first.RefreshToken)
	if err != nil || second.SessionID != first.SessionID || second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Fatalf("%+v, %v", second, err)
	}
	w.accepted("the new token", second.AccessToken)
	w.accepted("the old token until it ends", first.AccessToken)
	w.types()

	made := first.SessionID + "." + strings.Repeat("A", 64)
	for _, text := range []string{
		"", "mcprt_", "mcprt_" + made, made, "mcprt_" + first.SessionID, second.AccessToken, second.RefreshToken + "A",
		strings.Replace(first.RefreshToken, first.SessionID, other.SessionID, 1), strings.ToUpper(first.RefreshToken),
		first.RefreshToken[:len(first.RefreshToken)-1], "mcprt_" + strings.Repeat("0", 32) + second.RefreshToken[38:],
	} {
		if _, err := w.refresh(text); !errors.Is(err, token.ErrGrant) {
			t.Errorf("%q: %v", text, err)
		}
		w.wantEvents("made up", portcullis.EventAuthFailure)
	}
	w.accepted("after guesses", second.AccessToken)

	if _, err := w.refresh(first.RefreshToken); !errors.Is(err, token.ErrGrant) {
		t.Errorf("used twice: %v", err)
	}
	events := w.events.take()
	if len(events) != 1 || events[0].Type != portcullis.EventSessionRevoked || events[0].Severity != portcullis.SeverityError ||
		events[0].Reason != "refresh_reuse" || events[0].Actor.ID != "alice" || events[0].Resource != "session:"+first.SessionID {
		t.Errorf("%+v", events)
	}
	w.refused("the token of the thief, or of the holder", second.AccessToken, "revoked")
	if _, err := w.refresh(second.RefreshToken); !errors.Is(err, token.ErrGrant) {
		t.Errorf("the session goes on: %v", err)
	}
	w.accepted("another session", other.AccessToken)
}

// TestRefreshRace: of many who use one token at once at most one gets the next,
// and because somebody used it twice, the session is over.
func TestRefreshRace(t *testing.T) {
	w := newWorld(t)
	g := w.login()
	w.types()
	var wg sync.WaitGroup
	var won atomic.Pointer[token.Grant]
	var n atomic.Int64
	for range 40 {
		wg.Go(func() {
			next, err := w.refresh(g.RefreshToken)
			if err == nil {
				n.Add(1)
				won.Store(&next)
			} else if !errors.Is(err, token.ErrGrant) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Fatalf("%d got a token", n.Load())
	}
	w.refused("the session", won.Load().AccessToken, "revoked")
	revoked := 0
	for _, e := range w.types() {
		if e == portcullis.EventSessionRevoked {
			revoked++
		}
	}
	if revoked != 1 {
		t.Errorf("revoked %d times in the log", revoked)
	}
}

// TestRefreshUnrecorded: a refresh that is not in the journal gives nothing.
func TestRefreshUnrecorded(t *testing.T) {
	w := newWorld(t)
	g := w.login()
	w.events.setFail(true)
	if got, err := w.refresh(g.RefreshToken); err == nil || errors.Is(err, token.ErrGrant) || got.AccessToken != "" {
		t.Errorf("%+v, %v", got, err)
	}
	w.events.setFail(false)
	w.refused("its session", g.AccessToken, "revoked")
}

// TestRevoke: revoked means refused on the very next call, by whatever names
// the session, and after a restart.
func TestRevoke(t *testing.T) {
	by := portcullis.Actor{ID: "ops"}
	for name, revoke := range map[string]func(*world, token.Grant) error{
		"by id": func(w *world, g token.Grant) error {
			kind, err := w.Revoke(t.Context(), g.SessionID, "lost", by)
			if kind != token.KindSession {
				t.Errorf("kind %q", kind)
			}
			return err
		},
		"by jti": func(w *world, g token.Grant) error {
			_, body := claimsOf(t, g.AccessToken)
			_, err := w.Revoke(t.Context(), body["jti"].(string), "lost", by)
			return err
		},
		"by subject": func(w *world, _ token.Grant) error {
			_, err := w.RevokeSubject(t.Context(), "alice", "lost", by)
			return err
		},
		"all":              func(w *world, _ token.Grant) error { _, err := w.RevokeAll(t.Context(), "lost", by); return err },
		"by access token":  func(w *world, g token.Grant) error { return w.RevokeByHolder(t.Context(), g.AccessToken, by) },
		"by refresh token": func(w *world, g token.Grant) error { return w.RevokeByHolder(t.Context(), g.RefreshToken, by) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g := w.login()
			for range 3 {
				w.accepted("before", g.AccessToken)
			}
			w.types()
			if err := revoke(w, g); err != nil {
				t.Fatal(err)
			}
			w.wantEvents("revoked", portcullis.EventSessionRevoked)
			w.refused("the next call", g.AccessToken, "revoked")
			if _, err := w.refresh(g.RefreshToken); !errors.Is(err, token.ErrGrant) {
				t.Errorf("refreshed: %v", err)
			}
			w.restart()
			w.refused("after a restart", g.AccessToken, "revoked")
			w.types()
			if err := revoke(w, g); err != nil {
				t.Errorf("again: %v", err)
			}
			w.wantEvents("again")
		})
	}
}

// TestRevokeNothing: what is not of this gateway ends nothing.
func TestRevokeNothing(t *testing.T) {
	w := newWorld(t)
	g, stranger := w.login(), newWorld(t)
	foreign := stranger.login()
	w.types()
	parts := strings.Split(g.AccessToken, ".")
	for _, text := range []string{
		"", "x", "a.b.c", foreign.RefreshToken[:5] + g.SessionID + foreign.RefreshToken[37:],
		parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86), foreign.AccessToken, parts[0] + "." + parts[1] + ".",
	} {
		if err := w.RevokeByHolder(t.Context(), text, portcullis.Actor{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, id := range []string{strings.Repeat("0", 32), "x", "jti:0011223344556677"} {
		if _, err := w.Revoke(t.Context(), id, "", portcullis.Actor{}); !errors.Is(err, token.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := w.Revoke(t.Context(), "", "", portcullis.Actor{}); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("no id: %v", err)
	}
	if _, err := w.RevokeSubject(t.Context(), "", "", portcullis.Actor{}); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("no subject: %v", err)
	}
	w.wantEvents("nothing")
	w.accepted("still", g.AccessToken)
}

// TestRevokeUnderLoad: whoever starts a call after Revoke has returned is
// refused, whatever others are verifying at the time.
func TestRevokeUnderLoad(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		g := w.login()
		var revoked atomic.Bool
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				guard := w.guard("basic") // of its own, as routes have
				for {
					after := revoked.Load()
					if _, err := guard.Authenticate(t.Context(), bearer(g.AccessToken)); err == nil && after {
						t.Error("accepted after it was revoked")
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		if _, err := w.Revoke(t.Context(), g.SessionID, "", portcullis.Actor{}); err != nil {
			t.Fatal(err)
		}
		revoked.Store(true)
		w.refused("after", g.AccessToken, "revoked")
		close(stop)
		wg.Wait()
	}
}

// TestRevokeUnsure: a revocation whose answer was lost holds all the same, also
// for tokens that were taken a moment ago.
func TestRevokeUnsure(t *testing.T) {
	for _, subject := range []string{"alice", ""} {
		w := newWorld(t)
		g := w.login()
		w.accepted("before", g.AccessToken)
		w.unsure.Store(true)
		revoke := func() (int, error) {
			if subject == "" {
				return w.RevokeAll(t.Context(), "incident", portcullis.Actor{})
			}
			return w.RevokeSubject(t.Context(), subject, "left", portcullis.Actor{})
		}
		if _, err := revoke(); err == nil {
			t.Fatal("a lost answer is no error")
		}
		w.refused("after the answer was lost", g.AccessToken, "revoked")
		w.unsure.Store(false)
		if n, err := revoke(); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
		w.refused("after that", g.AccessToken, "revoked")
	}
}

// TestEveryVerifierHears: however often the settings change, what is in force
// is told of revocations.
func TestEveryVerifierHears(t *testing.T) {
	w := newWorld(t)
	g, issuer := w.login(), w.cfg.Issuer
	w.accepted("before", g.AccessToken)
	first, others := w.verifier, []*jwt.Service(nil)
	for i := range 40 { // each a reload that comes to nothing
		c := w.cfg
		c.Issuer = fmt.Sprintf("%s/%d", issuer, i)
		v, err := w.Verifier(c)
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, v)
	}
	if v, err := w.Verifier(w.cfg); err != nil || v != first {
		t.Errorf("the verifier in force was forgotten: %v", err)
	}
	if _, err := w.Revoke(t.Context(), g.SessionID, "", portcullis.Actor{}); err != nil {
		t.Fatal(err)
	}
	w.refused("after a revocation", g.AccessToken, "revoked")
	runtime.KeepAlive(others)
}

// TestOldVerifiersHear: calls that began under settings past are refused too.
func TestOldVerifiersHear(t *testing.T) {
	w := newWorld(t)
	g, old := w.login(), w.guard("basic")
	if _, err := old.Authenticate(t.Context(), bearer(g.AccessToken)); err != nil {
		t.Fatal(err)
	}
	before := w.verifier
	w.use()
	if w.verifier != before {
		t.Error("the same settings have another verifier")
	}
	w.cfg.Issuer = "https://new.example.com"
	w.use()
	w.refused("of the issuer before", g.AccessToken, "unknown issuer")
	if _, err := w.Revoke(t.Context(), g.SessionID, "", portcullis.Actor{}); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Authenticate(t.Context(), bearer(g.AccessToken)); err == nil {
		t.Error("a verifier of settings past still takes a revoked token")
	}
}

func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	known, cold := w.login(), w.login()
	w.accepted("before", known.AccessToken)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.accepted("a token that was verified, without the store", known.AccessToken)
	_, err := w.call(cold.AccessToken)
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindUnavailable {
		t.Errorf("a token nobody can tell of: %v", err)
	}
	if _, err := w.refresh(known.RefreshToken); err == nil || errors.Is(err, token.ErrGrant) {
		t.Errorf("refresh: %v", err)
	}
	if err := w.RevokeByHolder(t.Context(), cold.RefreshToken, portcullis.Actor{}); err == nil {
		t.Error("a revocation that was lost")
	}
	w.open()
}

// TestLimit: a further login ends the session that was longest unused.
func TestLimit(t *testing.T) {
	w := newWorld(t)
	w.cfg.MaxPerSubject = 2
	w.use()
	first := w.login()
	w.clock.advance(time.Second)
	second := w.login()
	w.accepted("first", first.AccessToken)
	w.clock.advance(time.Second)
	first, err := w.refresh(first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	w.types()
	third := w.login()
	w.wantEvents("third login", portcullis.EventSessionOpened, portcullis.EventSessionRevoked)
	w.accepted("first", first.AccessToken)
	w.accepted("third", third.AccessToken)
	w.refused("second", second.AccessToken, "revoked")
}

func TestIssue(t *testing.T) {
	w := newWorld(t)
	w.types()
	g, err := w.Issue(t.Context(), token.Issue{Subject: "ci", Scopes: []string{"tools:echo"}, By: portcullis.Actor{ID: "ops"}})
	if err != nil || g.ExpiresIn != 15*time.Minute || g.RefreshToken != "" {
		t.Fatalf("%+v, %v", g, err)
	}
	w.wantEvents("issue", portcullis.EventTokenIssued)
	if p, err := w.call(g.AccessToken, "jwt"); err != nil || p.ID != "ci" || p.Method != "jwt" {
		t.Errorf("%+v, %v", p, err)
	}
	w.refused("on a route for logins", g.AccessToken, "method the route does not take", "basic")
	list, err := w.List(t.Context(), "ci")
	if err != nil || len(list) != 1 || !list[0].Issued || list[0].ID != g.SessionID {
		t.Errorf("%+v, %v", list, err)
	}
	for _, ttl := range []time.Duration{-1, time.Millisecond, 16 * time.Minute, 24 * time.Hour} {
		if _, err := w.Issue(t.Context(), token.Issue{Subject: "ci", Scopes: []string{"tools:echo"}, TTL: ttl}); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("ttl %v: %v", ttl, err)
		}
	}
	w.cfg.IssueTTLMax = 24 * time.Hour
	w.use()
	long, err := w.Issue(t.Context(), token.Issue{Subject: "ci", Scopes: []string{"tools:echo"}, TTL: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(24*time.Hour - time.Second)
	if err := w.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.call(long.AccessToken, "jwt"); err != nil {
		t.Errorf("before its end: %v", err)
	}
	w.clock.advance(2 * time.Second)
	if _, err := w.call(long.AccessToken, "jwt"); err == nil {
		t.Error("after its end")
	}
}

// TestMaintain: sessions that are over are removed, and keys rotate, while
// every token that may be used is accepted.
func TestMaintain(t *testing.T) {
	w := newWorld(t)
	w.cfg.TTL, w.cfg.Idle = 30*24*time.Hour, 30*24*time.Hour
	w.use()
	g := w.login()
	kids := map[any]bool{}
	for range 29 * 6 {
		w.clock.advance(4 * time.Hour)
		if err := w.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		var err error
		if g, err = w.refresh(g.RefreshToken); err != nil {
			t.Fatal(err)
		}
		head, _ := claimsOf(t, g.AccessToken)
		kids[head["kid"]] = true
		w.accepted("now", g.AccessToken)
	}
	if len(kids) != 1 {
		t.Errorf("%d keys in 29 days", len(kids))
	}
	w.clock.advance(3 * 24 * time.Hour)
	if err := w.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.Sessions().Session(t.Context(), g.SessionID); !errors.Is(err, token.ErrNotFound) {
		t.Errorf("kept: %v", err)
	}
	next := w.login()
	if head, _ := claimsOf(t, next.AccessToken); kids[head["kid"]] {
		t.Error("the key did not rotate")
	}
	w.accepted("under the next key", next.AccessToken)
}

// TestForeignTokens: a revoked token of another issuer stays revoked when the
// process or the issuer's service is new.
func TestForeignTokens(t *testing.T) {
	w := newWorld(t)
	cfg := jwt.Default(jwt.MethodJWT)
	cfg.Issuer, cfg.Secret, cfg.Audience = "https://ci.example.com", strings.Repeat("s", 32), []string{"api"}
	service := func() *jwt.Service {
		s, err := jwt.New(cfg, http.DefaultClient, slog.New(slog.DiscardHandler), w.clock.now)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Follow(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	now := w.clock.now().Unix()
	foreign := func(jti string) string {
		return hs256(t, []byte(cfg.Secret), map[string]any{"alg": "HS256", "typ": "at+jwt"},
			map[string]any{"iss": cfg.Issuer, "aud": "api", "sub": "bob", "iat": now, "exp": now + 3600, "jti": jti, "sid": "x", "amr": []string{"basic"}})
	}
	text := foreign("job-7")
	call := func(s *jwt.Service) error {
		_, err := jwt.NewAuthenticator(jwt.Options{Services: []*jwt.Service{s, w.verifier}, Name: "jwt", Methods: []string{"jwt"}}).Authenticate(t.Context(), bearer(text))
		return err
	}
	s := service()
	if err := call(s); err != nil {
		t.Fatal(err)
	}
	w.types()
	if kind, err := w.Revoke(t.Context(), "job-7", "leaked", portcullis.Actor{ID: "ops"}); err != nil || kind != token.KindToken {
		t.Fatalf("%q, %v", kind, err)
	}
	events := w.events.take()
	if len(events) != 1 || events[0].Type != portcullis.EventSessionRevoked || events[0].Resource != "token:"+jwt.JTIHash("job-7") || events[0].Reason != "leaked" {
		t.Errorf("%+v", events)
	}
	if call(s) == nil {
		t.Error("accepted on the next call")
	}
	var others []*jwt.Service
	for range 40 { // as many reloads that change another issuer
		others = append(others, service())
	}
	if call(others[0]) == nil {
		t.Error("accepted by a new service")
	}
	if _, err := w.Revoke(t.Context(), "job-8", "leaked", portcullis.Actor{ID: "ops"}); err != nil {
		t.Fatal(err)
	}
	text = foreign("job-8")
	if call(s) == nil || call(others[0]) == nil {
		t.Error("a service that is in use was not told")
	}
	w.restart()
	if call(service()) == nil {
		t.Error("accepted after a restart")
	}
	w.clock.advance(400 * 24 * time.Hour)
	if err := w.Maintain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if list, err := w.db.Sessions().RevokedTokens(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("kept for ever: %v, %v", list, err)
	}
}

func TestConfig(t *testing.T) {
	if err := token.Default().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*token.Config){
		"access_ttl":            func(c *token.Config) { c.AccessTTL = 15*time.Minute + 1 },
		"ttl":                   func(c *token.Config) { c.TTL = time.Minute },
		"idle":                  func(c *token.Config) { c.Idle = time.Minute },
		"key_rotation":          func(c *token.Config) { c.KeyRotation = time.Hour },
		"issue_ttl_max":         func(c *token.Config) { c.IssueTTLMax = 25 * time.Hour },
		"max_sessions_per_user": func(c *token.Config) { c.MaxPerSubject = math.MaxInt32 },
		"audience[0]":           func(c *token.Config) { c.Audience = []string{"a b"} },
		"issuer":                func(c *token.Config) { c.Issuer = "a\nb" },
	} {
		c := token.Default()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want+":") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

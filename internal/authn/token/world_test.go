package token_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// clock is a wall clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// recorder keeps events; with fail it takes none.
type recorder struct {
	mu   sync.Mutex
	list []portcullis.Event
	fail bool
}

func (r *recorder) Record(_ context.Context, e *portcullis.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail {
		return errors.New("journal is full")
	}
	r.list = append(r.list, *e)
	return nil
}

// take returns the events since the last call.
func (r *recorder) take() []portcullis.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.list
	r.list = nil
	return out
}

func (r *recorder) setFail(on bool) { r.mu.Lock(); defer r.mu.Unlock(); r.fail = on }

// world is a service over a real store, and the guard of a route.
type world struct {
	t      testing.TB
	path   string
	clock  *clock
	events *recorder
	cfg    token.Config
	db     *sqlite.DB
	ring   *signing.Ring
	*token.Service
	verifier *jwt.Service
	unsure   atomic.Bool // the store ends sessions and says that it failed
}

// unsureStore is a store whose answer gets lost.
type unsureStore struct {
	token.Store
	on *atomic.Bool
}

func (s unsureStore) EndAll(ctx context.Context, subject, reason string, at time.Time) ([]string, error) {
	ids, err := s.Store.EndAll(ctx, subject, reason, at)
	if err == nil && s.on.Load() {
		return nil, errors.New("the answer was lost")
	}
	return ids, err
}

func key(b byte) []byte { return []byte(strings.Repeat(string(rune(b)), 32)) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, path: filepath.Join(t.TempDir(), "p.db"), events: new(recorder), cfg: token.Default(),
		clock: &clock{at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)},
	}
	w.cfg.On, w.cfg.Issuer, w.cfg.Audience = true, "https://mcp.example.com", []string{"https://mcp.example.com"}
	w.open()
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	ctx := context.Background()
	var err error
	if w.db, err = sqlite.Open(ctx, w.path); err != nil {
		w.t.Fatal(err)
	}
	if w.ring, err = signing.New(ctx, w.db.Sessions(), key('s'), w.clock.now); err != nil {
		w.t.Fatal(err)
	}
	w.Service, err = token.New(token.Options{
		Store: unsureStore{w.db.Sessions(), &w.unsure}, Recorder: w.events, Ring: w.ring, Pepper: key('p'), ValidateScope: scope.Validate, Clock: w.clock.now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.use()
}

func (w *world) use() {
	w.t.Helper()
	var err error
	if w.verifier, err = w.Verifier(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Use(context.Background(), w.cfg); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// restart is a new process over the same data folder.
func (w *world) restart() {
	w.close()
	w.open()
}

func alice() token.Login {
	return token.Login{Subject: "alice", Name: "Alice", Method: "basic", Scopes: []string{"tools:*"}, Roles: []string{"editor"}, By: portcullis.Actor{ID: "alice"}}
}

func (w *world) login() token.Grant {
	w.t.Helper()
	g, err := w.Open(context.Background(), alice())
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func (w *world) refresh(text string) (token.Grant, error) {
	g, _, err := w.Refresh(context.Background(), text, portcullis.Actor{})
	return g, err
}

// guard is that of a route which lists methods.
func (w *world) guard(methods ...string) *jwt.Authenticator {
	return jwt.NewAuthenticator(jwt.Options{Services: []*jwt.Service{w.verifier}, Name: "session", Methods: methods, KeyPrefix: "mcp_"})
}

func bearer(text string) *portcullis.Conn {
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	r.Header.Set("Authorization", "Bearer "+text)
	return &portcullis.Conn{HTTP: r, RequestID: "r"}
}

// call uses an access token on a route that lists methods.
func (w *world) call(text string, methods ...string) (portcullis.Principal, error) {
	if len(methods) == 0 {
		methods = []string{"basic"}
	}
	return w.guard(methods...).Authenticate(context.Background(), bearer(text))
}

func (w *world) accepted(what, text string) portcullis.Principal {
	w.t.Helper()
	p, err := w.call(text)
	if err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
	return p
}

// refused checks that a token is refused as a failed authentication whose
// detail, for the log, holds why.
func (w *world) refused(what, text, why string, methods ...string) {
	w.t.Helper()
	p, err := w.call(text, methods...)
	var e *portcullis.Error
	switch {
	case err == nil:
		w.t.Errorf("%s: accepted as %+v", what, p)
	case !errors.As(err, &e):
		w.t.Errorf("%s: %v", what, err)
	case e.Kind != portcullis.KindUnauthenticated || e.Event != portcullis.EventAuthFailure || e.Public != "Invalid token" || !strings.Contains(e.Detail, why):
		w.t.Errorf("%s: kind %d, event %s, public %q, detail %q; want %q", what, e.Kind, e.Event, e.Public, e.Detail, why)
	case !p.IsZero():
		w.t.Errorf("%s: refused with a principal", what)
	case len(text) > 20 && strings.Contains(e.Error(), text[10:20]):
		w.t.Errorf("%s: a part of the token is in the error", what)
	}
}

func (w *world) types() []portcullis.EventType {
	var out []portcullis.EventType
	for _, e := range w.events.take() {
		out = append(out, e.Type)
	}
	return out
}

func (w *world) wantEvents(what string, want ...portcullis.EventType) {
	w.t.Helper()
	if got := w.types(); !slices.Equal(got, want) {
		w.t.Errorf("%s: events %v, want %v", what, got, want)
	}
}

// claimsOf reads the claims of a token without checking it.
func claimsOf(t testing.TB, text string) (head, body map[string]any) {
	t.Helper()
	parts := strings.Split(text, ".")
	for i, into := range []*map[string]any{&head, &body} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	return head, body
}

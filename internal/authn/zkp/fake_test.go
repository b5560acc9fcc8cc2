package zkp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

// setup is a verification key whose secrets are known: with them a valid proof
// can be made for any public inputs, as a real prover makes one who knows a
// private key.
type setup struct {
	key                      *groth16.Key
	alpha, beta, gamma, delt fr.Element
	ic                       [inputs + 1]fr.Element
}

func scalar(t testing.TB) (e fr.Element) {
	t.Helper()
	if _, err := e.SetRandom(); err != nil {
		t.Fatal(err)
	}
	return e
}

func g1(e fr.Element) bn254.G1Affine {
	var p bn254.G1Affine
	p.ScalarMultiplicationBase(e.BigInt(new(big.Int)))
	return p
}

func g2(e fr.Element) bn254.G2Affine {
	var p bn254.G2Affine
	p.ScalarMultiplicationBase(e.BigInt(new(big.Int)))
	return p
}

func newSetup(t testing.TB) *setup {
	t.Helper()
	s := &setup{alpha: scalar(t), beta: scalar(t), gamma: scalar(t), delt: scalar(t)}
	parts := groth16.Parts{Alpha: g1(s.alpha), Beta: g2(s.beta), Gamma: g2(s.gamma), Delta: g2(s.delt)}
	for i := range s.ic {
		s.ic[i] = scalar(t)
		parts.IC = append(parts.IC, g1(s.ic[i]))
	}
	var err error
	if s.key, err = groth16.NewKey(parts); err != nil {
		t.Fatal(err)
	}
	return s
}

// prove makes a valid proof for two inputs.
func (s *setup) prove(t testing.TB, publicKey, challenge Element) []byte {
	t.Helper()
	sum := s.ic[0]
	for i, text := range []Element{publicKey, challenge} {
		in, err := groth16.ParseScalar(string(text))
		if err != nil {
			t.Fatal(err)
		}
		in.Mul(&in, &s.ic[i+1])
		sum.Add(&sum, &in)
	}
	a, b := scalar(t), scalar(t)
	var c, term fr.Element
	c.Mul(&a, &b)
	c.Sub(&c, term.Mul(&s.alpha, &s.beta))
	c.Sub(&c, term.Mul(&s.gamma, &sum))
	c.Mul(&c, term.Inverse(&s.delt))
	p, err := groth16.NewProof(g1(a), g2(b), g1(c))
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// memory is a Store in maps.
type memory struct {
	mu  sync.Mutex
	all map[string]Enrolment
	err error // of every call, if not nil
}

func (m *memory) Enrol(_ context.Context, e Enrolment, replace bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for user, other := range m.all {
		if user != e.UserID && other.PublicKey == e.PublicKey {
			return ErrKeyTaken
		}
	}
	if _, there := m.all[e.UserID]; there && !replace {
		return ErrEnrolled
	}
	m.all[e.UserID] = e
	return m.err
}

func (m *memory) Enrolment(_ context.Context, user string) (Enrolment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return Enrolment{}, m.err
	}
	e, ok := m.all[user]
	if !ok {
		return e, ErrNotEnrolled
	}
	return e, nil
}

func (m *memory) Enrolments(context.Context) ([]Enrolment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.all), func(a, b Enrolment) int { return strings.Compare(a.UserID, b.UserID) }), m.err
}

func (m *memory) Remove(_ context.Context, user string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, user)
	return m.err
}

// sessions counts what was opened and ended.
type sessions struct {
	mu     sync.Mutex
	opened []token.Login
	ended  []string
	err    error
}

func (s *sessions) Open(_ context.Context, l token.Login) (token.Grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return token.Grant{}, s.err
	}
	s.opened = append(s.opened, l)
	return token.Grant{AccessToken: "access-" + rand.Text(), RefreshToken: "refresh-" + rand.Text(), ExpiresIn: 15 * time.Minute, SessionID: "s1"}, nil
}

func (s *sessions) RevokeSubject(_ context.Context, subject, _ string, _ portcullis.Actor) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, subject)
	return 1, s.err
}

// journal keeps events, or fails.
type journal struct {
	mu     sync.Mutex
	events []portcullis.Event
	err    error
}

func (j *journal) Record(_ context.Context, e *portcullis.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	c := *e
	c.Details = slices.Clone(e.Details)
	j.events = append(j.events, c)
	return nil
}

func (j *journal) take() []portcullis.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.events
	j.events = nil
	return out
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const audience = "https://mcp.example.com"

// world is a login with two users.
type world struct {
	*Login
	t        testing.TB
	setup    *setup
	store    *memory
	sessions *sessions
	journal  *journal
	clock    *clock
	pending  *Memory
}

const (
	aliceKey = Element("1234567890123456789")
	bobKey   = Element("9876543210987654321")
)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, setup: newSetup(t), store: &memory{all: map[string]Enrolment{}}, sessions: &sessions{}, journal: &journal{},
		clock: &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)},
	}
	registry, err := NewRegistry(Options{
		Store: w.store, Sessions: w.sessions, Recorder: w.journal, Clock: w.clock.time,
		ValidateScope: func(s string) error {
			if !strings.Contains(s, ":") {
				return errors.New("want kind:name")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for user, key := range map[string]Element{"alice": aliceKey, "bob": bobKey} {
		if _, err := registry.Enrol(t.Context(), EnrolRequest{UserID: user, PublicKey: string(key), Scopes: []string{"tools:*"}, Roles: []string{"editor"}}); err != nil {
			t.Fatal(err)
		}
	}
	w.pending = NewMemory(w.clock.time)
	w.Login = w.login(registry, audience)
	w.journal.take()
	return w
}

func (w *world) login(r *Registry, audience string) *Login {
	w.t.Helper()
	v, err := NewVerifier(w.setup.key)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := NewLogin(LoginOptions{Registry: r, Challenges: w.pending, Verifier: v, Audience: audience, TTL: MaxChallengeTTL, Clock: w.clock.time})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func post(t testing.TB, h http.Handler, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.7:1"
	r.Header.Set("X-Request-Id", "req-1")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func (w *world) ask(user string) Offer {
	w.t.Helper()
	rec := post(w.t, w.ChallengeHandler(), ChallengePath, fmt.Sprintf(`{"userId":%q}`, user))
	var o Offer
	if err := json.Unmarshal(rec.Body.Bytes(), &o); err != nil || rec.Code != http.StatusOK {
		w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return o
}

func (w *world) send(body string) *httptest.ResponseRecorder {
	w.t.Helper()
	return post(w.t, w.VerifyHandler(), VerifyPath, body)
}

// attemptBody is a request to log in; extra are further members.
func attemptBody(user string, o Offer, proof []byte, extra string) string {
	return fmt.Sprintf(`{"userId":%q,"challengeId":%q,"proof":%s%s}`, user, o.ChallengeID, proof, extra)
}

package zkp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
)

// TestConcurrentUseOfOneChallenge: of many attempts with one good proof, one
// logs in.
func TestConcurrentUseOfOneChallenge(t *testing.T) {
	w := newWorld(t)
	o := w.ask("alice")
	body := attemptBody("alice", o, w.setup.prove(t, aliceKey, o.Challenge), "")
	var won, expired atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			switch rec := w.send(body); {
			case rec.Code == http.StatusOK:
				won.Add(1)
			case rec.Code == http.StatusBadRequest && strings.Contains(rec.Body.String(), "Challenge expired"):
				expired.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || expired.Load() != 31 || len(w.sessions.opened) != 1 || len(w.journal.take()) != 32 {
		t.Errorf("%d won, %d expired, %d sessions", won.Load(), expired.Load(), len(w.sessions.opened))
	}
}

// TestOtherAudience: a challenge of one audience is none at another one.
func TestOtherAudience(t *testing.T) {
	w := newWorld(t)
	o := w.ask("alice")
	proof := w.setup.prove(t, aliceKey, o.Challenge)
	elsewhere := w.login(w.Registry, "https://other.example.com")
	rec := post(t, elsewhere.VerifyHandler(), VerifyPath, attemptBody("alice", o, proof, ""))
	w.wantRefused(t, rec.Code, rec.Header(), rec.Body.String(), 400, reasonChallenge)
	if rec := w.send(attemptBody("alice", o, proof, "")); rec.Code != http.StatusOK {
		t.Errorf("at its own: %d %s", rec.Code, rec.Body)
	}
}

// TestChallengeTellsNothing: users who are enrolled and users who are not get
// the same, and the store is not even asked.
func TestChallengeTellsNothing(t *testing.T) {
	w := newWorld(t)
	w.store.err = errors.New("asked")
	seen := map[Element]bool{}
	for _, user := range []string{"alice", "bob", "nobody", "alice@example.com", strings.Repeat("x", 128)} {
		o := w.ask(user)
		if _, err := ParseElement(string(o.Challenge)); err != nil || seen[o.Challenge] || o.ExpiresIn != 300 || len(o.ChallengeID) != 32 || len(o.Nonce) != 64 {
			t.Errorf("%s: %+v", user, o)
		}
		seen[o.Challenge] = true
	}
	for _, body := range []string{"", `{}`, `{"userId":""}`, `{"userId":"a b"}`, `{"userId":"-x"}`, `{"userId":1}`, `{"userId":null}`, `{"userId":"a","x":1}`, `{"userId":"a","userId":"a"}`, `{"userId":"a"}{}`, `{"USERID":"a"}`, `{"userId":"` + strings.Repeat("x", 129) + `"}`} {
		rec := post(t, w.ChallengeHandler(), ChallengePath, body)
		if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), `"detail":"Invalid request"`) {
			t.Errorf("%q: %d %s", body, rec.Code, rec.Body)
		}
	}
	if n := len(w.journal.take()); n != 0 {
		t.Errorf("%d events", n)
	}
}

// TestTooManyChallenges: one address that asks without end is turned away, with
// an event; another one is not.
func TestTooManyChallenges(t *testing.T) {
	w := newWorld(t)
	for range MaxWaitingPerUser {
		w.ask("alice")
	}
	rec := post(t, w.ChallengeHandler(), ChallengePath, `{"userId":"alice"}`)
	if rec.Code != http.StatusTooManyRequests || rec.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if e := w.journal.take(); len(e) != 1 || e[0].Type != portcullis.EventRateLimitExceeded || e[0].RequestID != "req-1" || e[0].Actor.ID != "zkp:alice" {
		t.Errorf("%+v", e)
	}
	w.ask("bob")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, ChallengePath, strings.NewReader(`{"userId":"alice"}`))
	r.RemoteAddr = "198.51.100.1:1"
	rec = httptest.NewRecorder()
	if w.ChallengeHandler().ServeHTTP(rec, r); rec.Code != http.StatusOK {
		t.Errorf("from elsewhere: %d %s", rec.Code, rec.Body)
	}
}

// TestNotRecordedNotDone: without a journal nobody logs in, and without store or
// sessions the answer is to try again.
func TestNotRecordedNotDone(t *testing.T) {
	for name, tt := range map[string]struct {
		breaks func(*world)
		events int
	}{
		"journal":  {func(w *world) { w.journal.err = errors.New("disk full") }, 0},
		"store":    {func(w *world) { w.store.err = errors.New("disk on fire") }, 1},
		"sessions": {func(w *world) { w.sessions.err = errors.New("no key") }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.ask("alice")
			tt.breaks(w)
			for range 2 {
				rec := w.send(attemptBody("alice", o, w.setup.prove(t, aliceKey, o.Challenge), ""))
				if rec.Code != http.StatusServiceUnavailable && rec.Code != http.StatusBadRequest || strings.Contains(rec.Body.String(), "disk") {
					t.Errorf("%d %s", rec.Code, rec.Body)
				}
				if n := len(w.journal.events); rec.Code == http.StatusServiceUnavailable && n != tt.events {
					t.Errorf("%d events: %+v", n, w.journal.events)
				}
				w.journal.take()
				if name == "journal" {
					return
				}
			}
			if len(w.sessions.opened) != 0 {
				t.Error("a session")
			}
		})
	}
}

// slow is a verifier that waits to be let go.
type slow struct{ begun, free chan struct{} }

func (s slow) Verify([]byte, Element, Element) error {
	s.begun <- struct{}{}
	<-s.free
	return errors.New("no")
}

// TestParallel: no more proofs are checked at a time than processors are given,
// and who is turned away keeps the challenge.
func TestParallel(t *testing.T) {
	w := newWorld(t)
	s := slow{make(chan struct{}), make(chan struct{})}
	l, err := NewLogin(LoginOptions{Registry: w.Registry, Challenges: w.pending, Verifier: s, Audience: audience, TTL: time.Minute, Clock: w.clock.time, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	bodies := make([]string, 3)
	for i := range bodies {
		bodies[i] = attemptBody("alice", w.ask("alice"), []byte("{}"), "")
	}
	for i := range 2 {
		wg.Go(func() { post(t, l.VerifyHandler(), VerifyPath, bodies[i]) })
		<-s.begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, VerifyPath, strings.NewReader(bodies[2]))
	rec := httptest.NewRecorder()
	if l.VerifyHandler().ServeHTTP(rec, r); rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if n := w.pending.Len(); n != 1 {
		t.Errorf("%d challenges wait", n)
	}
	close(s.free)
	wg.Wait()
}

// TestQueueIsBounded: who finds the queue full is turned away at once.
func TestQueueIsBounded(t *testing.T) {
	w := newWorld(t)
	w.waiting.Store(maxWaiters)
	o := w.ask("alice")
	body := attemptBody("alice", o, w.setup.prove(t, aliceKey, o.Challenge), "")
	if rec := w.send(body); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	w.waiting.Store(0)
	if rec := w.send(body); rec.Code != http.StatusOK {
		t.Errorf("later: %d %s", rec.Code, rec.Body)
	}
}

// changing removes the user while their proof is checked.
type changing struct {
	*Registry
	t    *testing.T
	done bool
}

func (c *changing) Verify([]byte, Element, Element) error {
	if !c.done {
		c.done = true
		if _, err := c.Remove(c.t.Context(), "alice", portcullis.Actor{}); err != nil {
			c.t.Error(err)
		}
	}
	return nil
}

// TestRemovedMeanwhile: an enrolment that ends while a proof is checked opens
// nothing any more.
func TestRemovedMeanwhile(t *testing.T) {
	w := newWorld(t)
	l, err := NewLogin(LoginOptions{Registry: w.Registry, Challenges: w.pending, Verifier: &changing{Registry: w.Registry, t: t}, Audience: audience, TTL: time.Minute, Clock: w.clock.time})
	if err != nil {
		t.Fatal(err)
	}
	o := w.ask("alice")
	rec := post(t, l.VerifyHandler(), VerifyPath, attemptBody("alice", o, []byte("{}"), ""))
	if rec.Code != http.StatusUnauthorized || len(w.sessions.opened) != 0 || !slices.Equal(w.sessions.ended, []string{"zkp:alice"}) {
		t.Errorf("%d %s, opened %v, ended %v", rec.Code, rec.Body, w.sessions.opened, w.sessions.ended)
	}
	e := w.journal.take()
	if len(e) != 2 || e[0].Type != portcullis.EventZKPRemoved || e[1].Type != portcullis.EventZKPAuthFailure || e[1].Reason != reasonChanged {
		t.Errorf("%+v", e)
	}
}

func TestEnrol(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	good := EnrolRequest{UserID: "carol@example.com", PublicKey: "42", Scopes: []string{"tools:a"}, By: portcullis.Actor{ID: "op"}}
	for name, change := range map[string]func(*EnrolRequest){
		"no user":      func(r *EnrolRequest) { r.UserID = "" },
		"blank":        func(r *EnrolRequest) { r.UserID = "a b" },
		"begin":        func(r *EnrolRequest) { r.UserID = ".a" },
		"slash":        func(r *EnrolRequest) { r.UserID = "a/b" },
		"pipe":         func(r *EnrolRequest) { r.UserID = "a|b" },
		"not ASCII":    func(r *EnrolRequest) { r.UserID = "zoë" },
		"no key":       func(r *EnrolRequest) { r.PublicKey = "" },
		"zero key":     func(r *EnrolRequest) { r.PublicKey = "0" },
		"hex key":      func(r *EnrolRequest) { r.PublicKey = "0x2a" },
		"leading zero": func(r *EnrolRequest) { r.PublicKey = "042" },
		"negative":     func(r *EnrolRequest) { r.PublicKey = "-1" },
		"order": func(r *EnrolRequest) {
			r.PublicKey = "21888242871839275222246405745257275088548364400416034343698204186575808495617"
		},
		"bad scope":     func(r *EnrolRequest) { r.Scopes = []string{"x"} },
		"bad role":      func(r *EnrolRequest) { r.Roles = []string{"a b"} },
		"empty role":    func(r *EnrolRequest) { r.Roles = []string{""} },
		"no rights":     func(r *EnrolRequest) { r.Scopes = nil },
		"too many":      func(r *EnrolRequest) { r.Scopes = slices.Repeat([]string{"tools:a"}, 257) },
		"control":       func(r *EnrolRequest) { r.UserID = "a\x00" },
		"user too long": func(r *EnrolRequest) { r.UserID = strings.Repeat("a", 129) },
	} {
		req := good
		change(&req)
		if _, err := w.Registry.Enrol(ctx, req); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if e, err := w.Registry.Enrol(ctx, good); err != nil || e.Subject() != "zkp:carol@example.com" || e.EnrolledBy != "op" {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := w.Registry.Enrol(ctx, good); !errors.Is(err, ErrEnrolled) {
		t.Errorf("again: %v", err)
	}
	taken := good
	taken.UserID = "dave"
	if _, err := w.Registry.Enrol(ctx, taken); !errors.Is(err, ErrKeyTaken) {
		t.Errorf("key of another: %v", err)
	}
	if len(w.sessions.ended) != 0 {
		t.Errorf("ended %v", w.sessions.ended)
	}
	good.Replace, good.PublicKey = true, "43"
	if _, err := w.Registry.Enrol(ctx, good); err != nil || !slices.Equal(w.sessions.ended, []string{"zkp:carol@example.com"}) {
		t.Errorf("replaced: %v, ended %v", err, w.sessions.ended)
	}
	if _, err := w.Registry.Remove(ctx, "nobody", portcullis.Actor{}); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("remove: %v", err)
	}
	events := w.journal.take()
	if len(events) != 2 || events[1].Type != portcullis.EventZKPEnrolled || !strings.Contains(fmt.Sprint(events[1].Details), "replaced=true") || strings.Contains(fmt.Sprint(events), "=43") {
		t.Errorf("%+v", events)
	}
	// Sessions that cannot be ended keep the enrolment as it is.
	w.sessions.err = errors.New("away")
	good.PublicKey = "44"
	if _, err := w.Registry.Enrol(ctx, good); err == nil || w.store.all[good.UserID].PublicKey != "43" {
		t.Errorf("%v, %+v", err, w.store.all)
	}
	if _, err := w.Registry.Remove(ctx, good.UserID, portcullis.Actor{}); err == nil || w.store.all[good.UserID].UserID == "" {
		t.Errorf("%v, %+v", err, w.store.all)
	}
}

func TestOptions(t *testing.T) {
	w := newWorld(t)
	if _, err := NewRegistry(Options{}); err == nil {
		t.Error("a registry of nothing")
	}
	ok := w.LoginOptions
	for name, change := range map[string]func(*LoginOptions){
		"no registry": func(o *LoginOptions) { o.Registry = nil },
		"no verifier": func(o *LoginOptions) { o.Verifier = nil },
		"no audience": func(o *LoginOptions) { o.Audience = "" },
		"long":        func(o *LoginOptions) { o.TTL = MaxChallengeTTL + 1 },
		"short":       func(o *LoginOptions) { o.TTL = 0 },
	} {
		o := ok
		change(&o)
		if _, err := NewLogin(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	three := w.setup.key.Parts()
	three.IC = append(three.IC, three.IC[0])
	other, err := groth16.NewKey(three)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []*groth16.Key{nil, other} {
		if _, err := NewVerifier(key); err == nil {
			t.Error("the key of another circuit is taken")
		}
	}
}

func FuzzAttempt(f *testing.F) {
	for _, s := range []string{
		`{"userId":"alice","challengeId":"00112233445566778899aabbccddeeff","proof":{}}`,
		`{"userId":"alice","challengeId":"00112233445566778899aabbccddeeff","proof":{"pi_a":["1","2","1"]},"publicSignals":["1","2"],"publicKey":"1"}`,
		`{"userId":"alice","userId":"bob"}`, `[`, `{"proof":{"a":1,"a":2}}`, `{"userId":"a"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, VerifyPath, strings.NewReader(body))
		a, err := readAttempt(r)
		if err != nil {
			return
		}
		if CheckUserID(a.userID) != nil || len(a.challengeID) != 32 || !json.Valid(a.proof) || !json.Valid([]byte(body)) {
			t.Fatalf("%+v", a)
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &object); err != nil {
			t.Fatal(err)
		}
		if _, named := object["publicSignals"]; named && a.claims("1", "2") && a.claims("1", "3") {
			t.Fatal("signals that fit two challenges")
		}
	})
}

func FuzzElement(f *testing.F) {
	for _, s := range []string{"0", "1", "01", "-1", "+1", "0x1", "1e3", " 1", "", "21888242871839275222246405745257275088548364400416034343698204186575808495616", "21888242871839275222246405745257275088548364400416034343698204186575808495617"} {
		f.Add(s)
	}
	v, err := NewVerifier(newSetup(f).key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseElement(s)
		if err == nil && string(e) != s {
			t.Fatalf("%q became %q", s, e)
		}
		if err == nil && v.Verify([]byte("{}"), e, e) == nil {
			t.Fatal("verified nothing")
		}
	})
}

// BenchmarkVerify is a whole attempt: reading, taking, verifying, recording.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	h := w.VerifyHandler()
	for b.Loop() {
		b.StopTimer()
		o := w.ask("alice")
		body := attemptBody("alice", o, w.setup.prove(b, aliceKey, o.Challenge), "")
		w.journal.take()
		b.StartTimer()
		if rec := post(b, h, VerifyPath, body); rec.Code != http.StatusOK {
			b.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
}

func BenchmarkChallenge(b *testing.B) {
	w := newWorld(b)
	h := w.ChallengeHandler()
	for i := 0; b.Loop(); i++ {
		if rec := post(b, h, ChallengePath, fmt.Sprintf(`{"userId":"u%d"}`, i)); rec.Code != http.StatusOK {
			w.clock.move(time.Hour)
		}
	}
}

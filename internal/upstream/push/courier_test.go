package push_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// rig is a courier with a clock that tests move.
type rig struct {
	t        *testing.T
	book     *push.Book
	db       *sqlite.DB
	settings push.Settings
	standing push.Standing
	events   chan portcullis.Event
	names    *net.Resolver
	log      strings.Builder

	mu        sync.Mutex
	ahead     time.Duration
	delivered int
	retried   int
	dead      int
	changed   chan struct{}
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

func (r *rig) later(d time.Duration) {
	r.mu.Lock()
	r.ahead += d
	r.mu.Unlock()
	r.book.Wake()
}

func (r *rig) count(n *int) {
	r.mu.Lock()
	*n++
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *rig) Delivered(time.Duration) { r.count(&r.delivered) }
func (r *rig) Retried()                { r.count(&r.retried) }
func (r *rig) Dead()                   { r.count(&r.dead) }

func (r *rig) Record(_ context.Context, e *portcullis.Event) error {
	r.events <- *e
	return nil
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, db: db, standing: push.Good, events: make(chan portcullis.Event, 64), changed: make(chan struct{}, 1)}
	ring, err := envelope.NewRing("push", envelope.Key{ID: 1, Secret: envelope.NewKey()})
	if err != nil {
		t.Fatal(err)
	}
	r.book = push.NewBook(db.Push(), ring, r.now)
	r.settings = push.Settings{
		Issuer: "https://gateway.example", Challenge: true, Insecure: true, Attempts: 3, MaxAge: time.Hour,
		Refuses: func(string) string { return "" },
	}
	return r
}

// run delivers until the test ends or stop is called.
func (r *rig) run(server *httptest.Server) (stop func()) {
	r.t.Helper()
	var cfg *tls.Config
	if server != nil && server.Certificate() != nil {
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		cfg = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, ServerName: "example.com"}
	}
	c := push.NewCourier(push.Options{
		Book: r.book, Sign: func(p []byte) (string, error) { return "signed." + string(p), nil }, TLS: cfg, Names: r.names, Clock: r.now,
		Settings: func(string) *push.Settings { return &r.settings },
		Standing: func(context.Context, *push.Registration) push.Standing { return r.standing },
		Recorder: r, Metrics: r, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) register(target string) push.Registration {
	r.t.Helper()
	reg, _, err := r.book.Register(r.t.Context(), push.Registration{Route: "agent", Principal: "alice", KeyID: "k1", Task: "t1", Name: "one", Version: "1.0"},
		push.Target{URL: target, Token: "t0ken", Schemes: []string{"Bearer"}, Credentials: "s3cret"})
	if err != nil {
		r.t.Fatal(err)
	}
	return reg
}

func (r *rig) queue(reg push.Registration, body string) string {
	r.t.Helper()
	id, err := r.book.Queue(r.t.Context(), &reg, []byte(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// until waits for counts.
func (r *rig) until(delivered, retried, dead int) {
	r.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		ok := r.delivered == delivered && r.retried == retried && r.dead == dead
		got := []int{r.delivered, r.retried, r.dead}
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-limit:
			r.t.Fatalf("delivered, retried, dead: %v, want %v", got, []int{delivered, retried, dead})
		}
	}
}

func (r *rig) event(want portcullis.EventType, reason string) {
	r.t.Helper()
	select {
	case e := <-r.events:
		text, err := json.Marshal(e.Details)
		if e.Type != want || e.Reason != reason || e.Actor.ID != "alice" || err != nil || strings.Contains(string(text), "s3cret") || strings.Contains(string(text), "/hook") {
			r.t.Errorf("event %+v, want %s for %s", e, want, reason)
		}
	case <-time.After(10 * time.Second):
		r.t.Errorf("no event %s", want)
	}
}

// echo answers challenges and hands over what is posted.
func echo(told chan<- *http.Request, post func(w http.ResponseWriter, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
			return
		}
		body, _ := io.ReadAll(r.Body)
		r = r.Clone(context.WithoutCancel(r.Context()))
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if told != nil {
			told <- r
		}
		if post != nil {
			post(w, r)
		}
	})
}

func TestDelivers(t *testing.T) {
	told := make(chan *http.Request, 8)
	server := httptest.NewTLSServer(echo(told, nil))
	t.Cleanup(server.Close)
	r := newRig(t)
	reg := r.register(server.URL + "/hook?who=me")
	first, second := r.queue(reg, `{"n":1}`), r.queue(reg, `{"n":2}`)
	r.run(server)
	r.until(2, 0, 0)
	for i, id := range []string{first, second} {
		req := <-told
		body, err := io.ReadAll(req.Body)
		if err != nil || string(body) != `{"n":`+strconv.Itoa(i+1)+`}` {
			t.Errorf("body %s, %v", body, err)
		}
		h := req.Header
		if h.Get(push.HeaderDelivery) != id || h.Get("Authorization") != "Bearer s3cret" || h.Get(push.HeaderToken) != "t0ken" || req.URL.RawQuery != "who=me" ||
			h.Get("Content-Type") != "application/a2a+json" || !strings.Contains(h.Get(push.HeaderSignature), `"aud":"`+server.URL+`"`) {
			t.Errorf("headers %v of %s", h, req.URL)
		}
	}
}

// TestTries: the same delivery comes again, later each time, and is a dead
// letter at the end, which can be sent again.
func TestTries(t *testing.T) {
	told := make(chan *http.Request, 8)
	status := http.StatusServiceUnavailable
	var mu sync.Mutex
	server := httptest.NewServer(echo(told, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	r := newRig(t)
	id := r.queue(r.register(server.URL+"/hook"), `{}`)
	r.run(server)
	for n := 1; n < 3; n++ {
		r.until(0, n, 0)
		r.later(time.Minute)
	}
	r.until(0, 2, 1)
	r.event(portcullis.EventPushDelayed, "status_503")
	r.event(portcullis.EventPushDead, "status_503")
	for range 3 {
		if req := <-told; req.Header.Get(push.HeaderDelivery) != id {
			t.Errorf("delivery %q", req.Header.Get(push.HeaderDelivery))
		}
	}
	letters := r.letters(1)
	if letters[0].ID != id || letters[0].Attempts != 3 || letters[0].Reason != "status_503" || letters[0].Origin != server.URL {
		t.Errorf("letter %+v", letters[0])
	}
	mu.Lock()
	status = http.StatusNoContent
	mu.Unlock()
	if n, err := r.book.Replay(t.Context(), id); n != 1 || err != nil {
		t.Fatalf("Replay: %d, %v", n, err)
	}
	r.until(1, 2, 1)
}

func (r *rig) letters(want int) []push.Letter {
	r.t.Helper()
	list, err := r.book.Dead(r.t.Context(), 10)
	if err != nil || len(list) != want {
		r.t.Fatalf("dead letters %+v, %v, want %d", list, err, want)
	}
	return list
}

// TestRetryAfter is waited for.
func TestRetryAfter(t *testing.T) {
	told := make(chan *http.Request, 8)
	server := httptest.NewServer(echo(told, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	r := newRig(t)
	r.queue(r.register(server.URL), `{}`)
	r.run(server)
	r.until(0, 1, 0)
	list, err := r.db.Push().Due(t.Context(), r.now().Add(9*time.Minute), 10)
	if err != nil || len(list) != 0 {
		t.Errorf("due before it may be: %v, %v", list, err)
	}
}

// TestRefusedTargets: nothing is posted to what may not be sent to, and an
// event says so.
func TestRefusedTargets(t *testing.T) {
	posted := make(chan *http.Request, 8)
	inside := httptest.NewServer(echo(posted, nil))
	t.Cleanup(inside.Close)
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posted <- r
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(silent.Close)
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	redirects := func(status int) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
				return
			}
			http.Redirect(w, r, inside.URL, status)
		}))
		t.Cleanup(s.Close)
		return s
	}
	secure := func(r *rig) { r.settings.Insecure = false }
	for _, c := range []struct {
		name, target string
		change       func(*rig)
		reason       string
	}{
		{"no echo", silent.URL, nil, push.ReasonChallenge},
		{"nothing there", missing.URL, nil, push.ReasonChallenge},
		{"redirect", redirects(http.StatusFound).URL, nil, push.ReasonRedirect},
		{"redirect of the body", redirects(http.StatusPermanentRedirect).URL, nil, push.ReasonRedirect},
		{"http", inside.URL, secure, push.ReasonTarget},
		{"loopback", strings.Replace(inside.URL, "http:", "https:", 1), secure, push.ReasonAddress},
		// A name that led elsewhere when it was checked: what counts is the
		// address that is connected to.
		{"rebound", "https://localhost:" + inside.URL[strings.LastIndex(inside.URL, ":")+1:], secure, push.ReasonAddress},
		{"metadata", "https://169.254.169.254/latest", secure, push.ReasonAddress},
		{"metadata although private is allowed", "http://169.254.169.254/latest", nil, push.ReasonAddress},
		{"IPv4 in IPv6", "https://[::ffff:127.0.0.1]/", secure, push.ReasonAddress},
		{"no longer listed", inside.URL, func(r *rig) { r.settings.Refuses = func(string) string { return "not listed" } }, push.ReasonTarget},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.change != nil {
				c.change(r)
			}
			r.queue(r.register(c.target+"/hook"), `{}`)
			r.run(nil)
			r.until(0, 0, 1)
			r.event(portcullis.EventPushRefused, c.reason)
			if l := r.letters(1); l[0].Reason != c.reason {
				t.Errorf("letter %+v", l[0])
			}
			select {
			case req := <-posted:
				t.Errorf("posted %v", req.URL)
			default:
			}
		})
	}
}

// TestChallengedOnce: a target that has echoed is not asked again.
func TestChallengedOnce(t *testing.T) {
	asked := make(chan string, 8)
	h := echo(nil, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			asked <- r.URL.Query().Get("validationToken")
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	r := newRig(t)
	reg := r.register(server.URL)
	r.queue(reg, `{}`)
	r.queue(reg, `{}`)
	r.run(server)
	r.until(2, 0, 0)
	if len(asked) != 1 || len(<-asked) < 40 {
		t.Errorf("asked %d more times", len(asked))
	}
}

// TestSlowTarget is given up, and holds up nobody else.
func TestSlowTarget(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(echo(nil, func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	fast := httptest.NewServer(echo(nil, nil))
	t.Cleanup(fast.Close)
	r := newRig(t)
	for range 8 {
		r.queue(r.register(slow.URL), `{}`)
	}
	r.run(slow)
	r.queue(r.register(fast.URL), `{}`)
	r.until(1, 0, 0)
}

// TestBoundedAnswer: what a target says is not read on and on.
func TestBoundedAnswer(t *testing.T) {
	server := httptest.NewServer(echo(nil, func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	r := newRig(t)
	r.queue(r.register(server.URL), `{}`)
	r.run(server)
	r.until(1, 0, 0)
}

// TestStanding: a caller who is contained is told nothing, and one whose key is
// revoked is forgotten.
func TestStanding(t *testing.T) {
	told := make(chan *http.Request, 8)
	server := httptest.NewServer(echo(told, nil))
	t.Cleanup(server.Close)
	r := newRig(t)
	r.standing = push.Held
	reg := r.register(server.URL)
	r.queue(reg, `{}`)
	stop := r.run(server)
	r.until(0, 1, 0)
	stop()
	r.standing = push.Ended
	r.later(time.Hour - time.Minute)
	r.run(server)
	for {
		if _, err := r.db.Push().ByID(t.Context(), reg.ID, r.now()); errors.Is(err, push.ErrUnknown) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if len(told) > 0 {
		t.Error("told although it must not be")
	}
}

// TestRestart: what was queued before a process ended is delivered by the next.
func TestRestart(t *testing.T) {
	told := make(chan *http.Request, 8)
	began := make(chan struct{}, 8)
	hang := make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(echo(told, func(_ http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		once.Do(func() { <-hang })
	}))
	t.Cleanup(server.Close)
	r := newRig(t)
	id := r.queue(r.register(server.URL), `{}`)
	stop := r.run(server)
	<-began // it is on its way when the process ends
	stop()
	close(hang)
	r.run(server)
	r.until(1, 0, 0)
	for range 2 { // at least once
		if req := <-told; req.Header.Get(push.HeaderDelivery) != id {
			t.Errorf("delivery %q", req.Header.Get(push.HeaderDelivery))
		}
	}
}

// TestNothingAtRest: the database holds neither targets nor credentials, bodies
// or tickets.
func TestNothingAtRest(t *testing.T) {
	r := newRig(t)
	reg, ticket, err := r.book.Register(t.Context(), push.Registration{Route: "agent", Principal: "alice", Task: "t1", Name: "one"},
		push.Target{URL: "https://hooks.example.com/secret-path", Token: "canary-token", Credentials: "canary-credentials"})
	if err != nil {
		t.Fatal(err)
	}
	r.queue(reg, `{"canary":"body"}`)
	kept, err := r.db.Push().ByID(t.Context(), reg.ID, r.now())
	if err != nil {
		t.Fatal(err)
	}
	list, err := r.db.Push().Due(t.Context(), r.now(), 10)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	all := string(kept.Sealed) + string(kept.Ticket[:]) + string(kept.Secret[:]) + kept.Origin + string(list[0].Sealed)
	for _, canary := range []string{"secret-path", "canary", ticket.Path, ticket.Secret} {
		if strings.Contains(all, canary) {
			t.Errorf("%q is kept in clear", canary)
		}
	}
	if len(ticket.Path) < 43 || len(ticket.Secret) < 43 || ticket.Path == ticket.Secret {
		t.Errorf("ticket %+v", ticket)
	}
	for _, guess := range []string{"", ticket.Secret, ticket.Path[1:], ticket.Path + "x"} {
		if _, err := r.book.Find(t.Context(), guess); !errors.Is(err, push.ErrUnknown) {
			t.Errorf("%q found: %v", guess, err)
		}
	}
	found, err := r.book.Find(t.Context(), ticket.Path)
	if err != nil || !found.Proves(ticket.Secret) || found.Proves("") || found.Proves(ticket.Path) {
		t.Errorf("found %+v, %v", found, err)
	}
	found.Principal = "mallory" // a row moved to somebody else does not open
	if _, err := r.book.Target(&found); err == nil {
		t.Error("opened for somebody else")
	}
}

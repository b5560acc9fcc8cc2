package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// life is a key service that can be stopped and started over one data folder,
// with a clock in the test's hands.
type life struct {
	t     *testing.T
	path  string
	clock atomic.Int64
	*apikey.Service
	stop func()
}

func (l *life) now() time.Time           { return time.Unix(0, l.clock.Load()).UTC() }
func (l *life) advance(by time.Duration) { l.clock.Add(int64(by)) }

// restart ends the process, as far as a test can, and starts another.
func (l *life) restart() {
	l.t.Helper()
	if l.stop != nil {
		l.stop()
	}
	dir, err := datadir.Open(l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	pepper, err := dir.Derive("apikey/pepper/v1", 32)
	if err != nil {
		l.t.Fatal(err)
	}
	db, err := sqlite.Open(l.t.Context(), dir.DB())
	if err != nil {
		l.t.Fatal(err)
	}
	l.stop = func() {
		if err := errors.Join(db.Close(), dir.Close()); err != nil {
			l.t.Error(err)
		}
	}
	l.Service, err = apikey.New(apikey.Options{
		Config: apikey.Default(), Store: db.APIKeys(), Recorder: &events{}, Pepper: pepper, Clock: l.now,
		ValidateScope: func(string) error { return nil },
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// caller authenticates as a request does.
func (l *life) caller(text string) (portcullis.Principal, error) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/mcp", nil)
	r.Header.Set("X-API-Key", text)
	return l.HolderAuthenticator().Authenticate(r.Context(), &portcullis.Conn{HTTP: r, Route: "mcp", Reply: http.Header{}})
}

// crowd lets 1000 callers come at once, in turn with each of the keys, while
// the given things happen. All valid keys must pass and no dead one may.
func (l *life) crowd(when string, valid, dead []string, meanwhile ...func()) {
	l.t.Helper()
	var wg sync.WaitGroup
	var refused, accepted atomic.Int64
	for n := range 1000 {
		wg.Go(func() {
			if _, err := l.caller(valid[n%len(valid)]); err != nil {
				refused.Add(1)
			}
			if len(dead) > 0 {
				if _, err := l.caller(dead[n%len(dead)]); err == nil {
					accepted.Add(1)
				}
			}
		})
		if n == 500 {
			for _, do := range meanwhile {
				wg.Go(do)
			}
		}
	}
	wg.Wait()
	if refused.Load() > 0 || accepted.Load() > 0 {
		l.t.Fatalf("%s: %d valid callers refused, %d revoked keys accepted", when, refused.Load(), accepted.Load())
	}
}

// TestLifeOfAKey drives a daily key through five generations, across restarts
// and a clock that jumps both ways.
func TestLifeOfAKey(t *testing.T) {
	l := &life{t: t, path: filepath.Join(t.TempDir(), "data")}
	l.clock.Store(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	l.restart()
	defer func() { l.stop() }()
	made, err := l.Create(t.Context(), apikey.CreateRequest{Name: "k", Scopes: []string{"tools:*"}, Schedule: apikey.Daily})
	if err != nil {
		t.Fatal(err)
	}
	owner, current, ends := made.View.Owner, made.Key.Reveal(), *made.View.ExpiresAt
	var dead []string
	sweep := func() {
		if err := l.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
	}
	jump := func(by time.Duration, keys ...string) { // away, and where it was
		l.advance(by)
		l.crowd("away", keys, dead, sweep)
		l.advance(-by)
		l.crowd("back", keys, dead)
	}
	for range 5 {
		jump(-36*time.Hour, current)
		jump(12*time.Hour, current)
		l.clock.Store(ends.Add(-2 * time.Hour).UnixNano()) // in time for the overlap
		l.crowd("rotating", []string{current}, dead, func() {
			if r, err := l.RotateDue(t.Context(), portcullis.Actor{ID: "portcullis"}); err != nil || len(r) != 1 {
				t.Errorf("%d due, %v", len(r), err)
			}
		}, sweep)
		l.restart()
		jump(-36*time.Hour, current)
		var next string
		l.crowd("claiming", []string{current}, dead, func() {
			who, err := l.caller(current)
			if err != nil {
				t.Error(err)
				return
			}
			claimed, err := l.Claim(t.Context(), who, "", portcullis.Actor{ID: who.ID})
			if err != nil || claimed.View.Owner != owner {
				t.Errorf("%+v, %v", claimed.View, err)
			}
			next, ends = claimed.Key.Reveal(), *claimed.View.ExpiresAt
		})
		if next == "" {
			t.Fatal("no successor")
		}
		both := []string{current, next}
		l.crowd("claimed", both, dead, sweep)
		l.advance(time.Hour)
		l.crowd("deprecated", both, dead, sweep)
		l.restart()
		jump(-36*time.Hour, both...)
		l.advance(time.Hour)
		dead = append(dead, current)
		l.crowd("revoked", []string{next}, dead, sweep)
		jump(-72*time.Hour, next)
		l.restart()
		jump(-72*time.Hour, next)
		current = next
	}
}

// envRotateIn names the data folder in which the test binary, started anew,
// rotates keys until it is killed.
const envRotateIn = "PORTCULLIS_TEST_ROTATE_IN"

// TestRotateUntilKilled is the child of TestKillWhileRotating and has nothing
// to do without it.
func TestRotateUntilKilled(t *testing.T) {
	path := os.Getenv(envRotateIn)
	if path == "" {
		t.Log("runs as the child of TestKillWhileRotating")
		return
	}
	l := &life{t: t, path: path}
	l.clock.Store(time.Now().UnixNano())
	l.restart()
	ready := false
	for n := 0; ; n++ {
		keys, err := l.List(t.Context(), apikey.Page{})
		if err != nil {
			t.Fatal(err)
		}
		o := apikey.RotateOptions{Emergency: n%3 == 0, Delivery: apikey.Delivery(n % 2), By: portcullis.Actor{ID: "child"}}
		for _, k := range keys {
			if k.Successor == "" && k.ClaimUntil == nil {
				_, err = l.Rotate(t.Context(), k.ID, o)
			} else if k.ClaimUntil != nil {
				_, err = l.Claim(t.Context(), portcullis.Principal{Method: apikey.MethodClaim, KeyID: k.ID}, "", portcullis.Actor{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !ready {
			ready = true
			if _, err := os.Stdout.WriteString("rotating\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestKillWhileRotating kills a process that rotates, with SIGKILL, again and
// again over one data folder. Each time the chain of keys is whole: linked both
// ways, with one living end, and what was not told is told.
func TestKillWhileRotating(t *testing.T) {
	l := &life{t: t, path: filepath.Join(t.TempDir(), "data")}
	l.clock.Store(time.Now().UnixNano())
	l.restart()
	if _, err := l.Create(t.Context(), apikey.CreateRequest{Name: "k", Scopes: []string{"tools:*"}, Schedule: apikey.Never}); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		l.stop()
		killWhileRotating(t, l.path)
		l.restart()
		checkChain(l)
	}
	keys, err := l.List(t.Context(), apikey.Page{})
	if err != nil || len(keys) < 12 {
		t.Errorf("%d keys, %v: nothing was rotated", len(keys), err)
	}
	l.stop()
}

func killWhileRotating(t *testing.T, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRotateUntilKilled$")
	cmd.Env = append(os.Environ(), envRotateIn+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "rotating\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	<-time.After(rand.N(20 * time.Millisecond)) // any moment will do
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

func checkChain(l *life) {
	l.t.Helper()
	ctx := l.t.Context()
	keys, err := l.List(ctx, apikey.Page{})
	if err != nil {
		l.t.Fatal(err)
	}
	byID := map[string]apikey.View{}
	for _, k := range keys {
		byID[k.ID] = k
	}
	var ends, starts []string
	for _, k := range keys {
		if k.Successor == "" {
			ends = append(ends, k.ID)
		} else if byID[k.Successor].Predecessor != k.ID || k.Status == apikey.StatusActive {
			l.t.Errorf("half a rotation: %+v → %+v", k, byID[k.Successor])
		}
		if k.Predecessor == "" {
			starts = append(starts, k.ID)
		} else if byID[k.Predecessor].Successor != k.ID {
			l.t.Errorf("a successor without predecessor: %+v", k)
		}
	}
	if len(ends) != 1 || len(starts) != 1 || byID[ends[0]].Status != apikey.StatusActive {
		l.t.Fatalf("ends %v, starts %v", ends, starts)
	}
	if err := l.Sweep(ctx); err != nil {
		l.t.Fatal(err)
	}
}

package apikey

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// admin is who rotates in tests.
var admin = portcullis.Actor{ID: "alice", Method: "socket"}

func (h *harness) rotate(t testing.TB, id string, o RotateOptions) Rotated {
	t.Helper()
	o.By = admin
	r, err := h.Rotate(t.Context(), id, o)
	if err != nil {
		t.Fatalf("Rotate: %v", err)
	}
	return r
}

func (h *harness) valid(t testing.TB, text string) bool {
	t.Helper()
	v, err := h.Verify(t.Context(), text)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return v.Valid
}

func (h *harness) status(t testing.TB, id string) Status {
	t.Helper()
	v, err := h.Show(t.Context(), id)
	if err != nil {
		t.Fatalf("Show: %v", err)
	}
	return v.Status
}

// types returns the types of the events since the last call.
func (j *journal) types() []portcullis.EventType {
	var out []portcullis.EventType
	for _, e := range j.take() {
		out = append(out, e.Type)
	}
	return out
}

func wantEvents(t *testing.T, j *journal, want ...portcullis.EventType) {
	t.Helper()
	if got := j.types(); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestRotateLife(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{Scopes: []string{"tools:a"}, Roles: []string{"r"}, Routes: []string{"mcp"}, Owner: "bob"})
	h.journal.take()
	next := h.rotate(t, old.View.ID, RotateOptions{Reason: "monthly"})
	if next.View.Predecessor != old.View.ID || next.View.Owner != "bob" || next.View.Scopes[0] != "tools:a" || next.View.Schedule != Quarterly {
		t.Errorf("successor %+v", next.View)
	}
	events := h.journal.take()
	if len(events) != 1 || events[0].Type != portcullis.EventAPIKeyRotated || events[0].Actor.ID != "alice" || events[0].Reason != "monthly" {
		t.Fatalf("events %+v", events)
	}
	for i, want := range []string{old.View.ID, next.View.ID, "alice"} {
		if got := events[0].Details[i]; got.Value.String() != want {
			t.Errorf("detail %s, want %s", got, want)
		}
	}
	oldText, newText := old.Key.Reveal(), next.Key.Reveal()
	for _, step := range []struct {
		after  time.Duration
		status Status
		events []portcullis.EventType
	}{
		{0, StatusRotating, nil},
		{59 * time.Minute, StatusRotating, nil},
		{time.Minute, StatusDeprecated, []portcullis.EventType{portcullis.EventAPIKeyDeprecated}},
		{59 * time.Minute, StatusDeprecated, nil},
		{time.Minute, StatusRevoked, []portcullis.EventType{portcullis.EventAPIKeyRevoked}},
		{time.Hour, StatusRevoked, nil},
		{-24 * time.Hour, StatusRevoked, nil}, // the clock is set back
	} {
		h.clock.advance(step.after)
		if got := h.status(t, old.View.ID); got != step.status {
			t.Errorf("after %s: %s, want %s", step.after, got, step.status)
		}
		if got := h.valid(t, oldText); got != (step.status != StatusRevoked) {
			t.Errorf("after %s: the old key is valid: %t", step.after, got)
		}
		if !h.valid(t, newText) {
			t.Errorf("after %s: the new key is refused", step.after)
		}
		for range 2 { // the second sweep finds nothing to tell
			if err := h.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		wantEvents(t, h.journal, step.events...)
	}
}

func TestRotateTwice(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	first := h.rotate(t, old.View.ID, RotateOptions{})
	var done *RotatedError
	if _, err := h.Rotate(t.Context(), old.View.ID, RotateOptions{}); !errors.As(err, &done) || done.Successor != first.View.ID {
		t.Errorf("got %v", err)
	}
	// Emergency ends the overlap and makes no second successor.
	again := h.rotate(t, old.View.ID, RotateOptions{Emergency: true, Reason: "leaked"})
	if again.View.ID != first.View.ID || again.Key.Reveal() != "" || h.valid(t, old.Key.Reveal()) || !h.valid(t, first.Key.Reveal()) {
		t.Errorf("%+v", again.View)
	}
	if _, err := h.Rotate(t.Context(), old.View.ID, RotateOptions{Emergency: true}); !errors.As(err, &done) {
		t.Errorf("got %v", err)
	}
	if recs, err := h.List(t.Context(), Page{}); err != nil || len(recs) != 2 {
		t.Errorf("%d keys, %v", len(recs), err)
	}
}

func TestEmergency(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	h.valid(t, old.Key.Reveal()) // cached
	h.journal.take()
	next := h.rotate(t, old.View.ID, RotateOptions{Emergency: true})
	if h.valid(t, old.Key.Reveal()) || !h.valid(t, next.Key.Reveal()) {
		t.Error("the old key works or the new one does not")
	}
	wantEvents(t, h.journal, portcullis.EventAPIKeyRotated, portcullis.EventAPIKeyRevoked)
	if v, _ := h.Show(t.Context(), old.View.ID); v.RevokeReason != "emergency rotation" {
		t.Errorf("reason %q", v.RevokeReason)
	}
}

func TestRotateRefusals(t *testing.T) {
	h := newHarness(t)
	gone := h.create(t, CreateRequest{})
	if _, err := h.Revoke(t.Context(), gone.View.ID, "", admin); err != nil {
		t.Fatal(err)
	}
	own := h.create(t, CreateRequest{Expires: h.clock.now().Add(time.Hour)})
	byHolder := h.rotate(t, h.create(t, CreateRequest{}).View.ID, RotateOptions{Delivery: ByHolder})
	h.clock.advance(time.Hour)
	for id, want := range map[string]error{
		strings.Repeat("0", 32): ErrNotFound, "x": ErrNotFound, gone.View.ID: ErrInvalid, own.View.ID: ErrInvalid, byHolder.View.ID: ErrInvalid,
	} {
		if _, err := h.Rotate(t.Context(), id, RotateOptions{}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", id, err, want)
		}
	}
	if _, err := h.Rotate(t.Context(), own.View.ID, RotateOptions{Reason: strings.Repeat("x", 201)}); !errors.Is(err, ErrInvalid) {
		t.Errorf("long reason: %v", err)
	}
}

// TestRotateRace rotates one key from many goroutines: one successor comes of
// it, and whoever was not first is told which.
func TestRotateRace(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	var mu sync.Mutex
	made, told := map[string]int{}, map[string]int{}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			r, err := h.Rotate(t.Context(), old.View.ID, RotateOptions{By: admin})
			var done *RotatedError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made[r.View.ID]++
			case errors.As(err, &done):
				told[done.Successor]++
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 || len(told) != 1 {
		t.Fatalf("made %v, told %v", made, told)
	}
	for id := range made {
		if told[id] != 99 {
			t.Errorf("told %v, made %s", told, id)
		}
	}
}

func TestRotateDue(t *testing.T) {
	h := newHarness(t)
	daily := h.create(t, CreateRequest{Schedule: Daily})
	h.create(t, CreateRequest{Schedule: Never})
	h.create(t, CreateRequest{Schedule: Daily, Expires: h.clock.now().Add(23 * time.Hour)}) // an end of its own
	due := func(want int) []Rotated {
		t.Helper()
		r, err := h.RotateDue(t.Context(), portcullis.Actor{ID: "portcullis"})
		if err != nil || len(r) != want {
			t.Fatalf("%d rotated, want %d; %v", len(r), want, err)
		}
		return r
	}
	h.clock.advance(22*time.Hour - time.Second)
	due(0)
	h.clock.advance(time.Second)
	next := due(1)[0]
	due(0) // the successor waits to be claimed
	v, err := h.Show(t.Context(), daily.View.ID)
	if err != nil || v.Successor != next.View.ID || !v.RevokeAt.Equal(*v.ExpiresAt) {
		t.Errorf("%+v, %v: rotation is to take nothing from a key's life", v, err)
	}
	if next.Key.Reveal() != "" || next.Token.Reveal() != "" || next.View.ClaimUntil == nil {
		t.Errorf("%+v", next)
	}
	h.clock.advance(2 * time.Hour)
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, _ := h.Show(t.Context(), next.View.ID); v.Status != StatusRevoked || v.RevokeReason != "not claimed" {
		t.Errorf("unclaimed: %+v", v)
	}
}

func TestRotateAll(t *testing.T) {
	h := newHarness(t)
	for range 3 {
		h.create(t, CreateRequest{})
	}
	revoked := h.create(t, CreateRequest{})
	if _, err := h.Revoke(t.Context(), revoked.View.ID, "", admin); err != nil {
		t.Fatal(err)
	}
	made, err := h.RotateAll(t.Context(), RotateOptions{Emergency: true, By: admin})
	if err != nil || len(made) != 3 {
		t.Fatalf("%d, %v", len(made), err)
	}
	for _, m := range made {
		if !h.valid(t, m.Key.Reveal()) || h.status(t, m.View.Predecessor) != StatusRevoked {
			t.Errorf("%+v", m.View)
		}
	}
}

// TestCrashPoints lets the store and the audit log fail at each step of a
// rotation, as if the process ended there. A new process over the same store
// then finds both keys or the old one alone, and tells what was not told.
func TestCrashPoints(t *testing.T) {
	for _, emergency := range []bool{false, true} {
		for step := range int64(4) {
			h := newHarness(t)
			old := h.create(t, CreateRequest{})
			h.journal.take()
			h.clock.advance(time.Second) // so that the successor is listed second
			h.store.puts.Store(0)
			h.store.failFrom = step
			if step == 3 {
				h.store.failFrom, h.journal.err = 0, errors.New("disk full")
			}
			_, err := h.Rotate(t.Context(), old.View.ID, RotateOptions{Emergency: emergency, By: admin})
			h.store.failFrom, h.journal.err = 0, nil
			again := newHarness(t, func(o *Options) { o.Store, o.Recorder, o.Clock = h.store, h.journal, h.clock.now })
			v, serr := again.Show(t.Context(), old.View.ID)
			if serr != nil {
				t.Fatal(serr)
			}
			recs, _ := again.List(t.Context(), Page{})
			switch {
			case step == 1:
				if err == nil || len(recs) != 1 || v.Successor != "" || !again.valid(t, old.Key.Reveal()) {
					t.Errorf("emergency %t, step %d: half a rotation: %+v, %v", emergency, step, recs, err)
				}
			case len(recs) != 2 || v.Successor != recs[1].ID || recs[1].Predecessor != v.ID || again.valid(t, old.Key.Reveal()) == emergency:
				t.Errorf("emergency %t, step %d: %+v", emergency, step, recs)
			}
			if err := again.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			told := h.journal.types()
			if want := step != 1; slices.Contains(told, portcullis.EventAPIKeyRotated) != want ||
				slices.Contains(told, portcullis.EventAPIKeyRevoked) != (want && emergency) {
				t.Errorf("emergency %t, step %d: told %v", emergency, step, told)
			}
		}
	}
}

// TestClockJumps: what a caller was once told is over stays over.
func TestClockJumps(t *testing.T) {
	h := newHarness(t)
	key := h.create(t, CreateRequest{Schedule: Daily})
	h.journal.take()
	call := func() error {
		_, err := h.Authenticator().Authenticate(t.Context(), conn(t, "/mcp", "X-API-Key: "+key.Key.Reveal()))
		return err
	}
	for range 3 {
		h.clock.advance(-48 * time.Hour)
		if err := call(); err != nil {
			t.Fatalf("before its end: %v", err)
		}
		h.clock.advance(48 * time.Hour)
	}
	h.clock.advance(24 * time.Hour)
	if err := call(); err == nil {
		t.Fatal("an expired key is accepted")
	}
	wantEvents(t, h.journal, portcullis.EventAPIKeyRevoked)
	h.clock.advance(-24 * time.Hour)
	if err := call(); err == nil {
		t.Error("a clock that was set back revived a key")
	}
}

func TestStaleHeadersAndEvents(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	start := h.clock.now()
	use := func(text string) http.Header {
		t.Helper()
		c := conn(t, "/mcp", "X-API-Key: "+text)
		c.Reply = http.Header{}
		if _, err := h.Authenticator().Authenticate(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return c.Reply
	}
	if r := use(old.Key.Reveal()); len(r) != 0 {
		t.Errorf("headers of an active key: %v", r)
	}
	next := h.rotate(t, old.View.ID, RotateOptions{})
	h.journal.take()
	for range 3 {
		r := use(old.Key.Reveal())
		if got, want := r.Get("Deprecation"), "@"+strconv.FormatInt(start.Add(time.Hour).Unix(), 10); got != want {
			t.Errorf("Deprecation %q, want %q", got, want)
		}
		if got, want := r.Get("Sunset"), start.Add(2*time.Hour).Format(http.TimeFormat); got != want {
			t.Errorf("Sunset %q, want %q", got, want)
		}
	}
	if r := use(next.Key.Reveal()); len(r) != 0 {
		t.Errorf("headers of the successor: %v", r)
	}
	wantEvents(t, h.journal, portcullis.EventAPIKeyStale)
	h.clock.advance(time.Hour) // another hour, and deprecated
	use(old.Key.Reveal())
	use(old.Key.Reveal())
	wantEvents(t, h.journal, portcullis.EventAPIKeyStale)
}

// TestOperatorTakesAnUnclaimedSuccessor: rotating again hands it out, on record.
func TestOperatorTakesAnUnclaimedSuccessor(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	offered := h.rotate(t, old.View.ID, RotateOptions{Delivery: ByHolder})
	h.journal.take()
	got := h.rotate(t, old.View.ID, RotateOptions{})
	if got.View.ID != offered.View.ID || !h.valid(t, got.Key.Reveal()) || !h.valid(t, old.Key.Reveal()) {
		t.Errorf("%+v", got.View)
	}
	wantEvents(t, h.journal, portcullis.EventAPIKeyClaimed)
	if _, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), ""); !errors.Is(err, ErrClaimed) {
		t.Errorf("the holder after the operator: %v", err)
	}
}

// TestToldOnce lets sweeps run against a rotation and a revocation: each
// change is told once.
func TestToldOnce(t *testing.T) {
	h := newHarness(t)
	for range 20 {
		old := h.create(t, CreateRequest{})
		h.journal.take()
		var wg sync.WaitGroup
		for n := range 10 {
			wg.Go(func() {
				switch n {
				case 4:
					if _, err := h.Rotate(t.Context(), old.View.ID, RotateOptions{By: admin}); err != nil && !errors.Is(err, ErrInvalid) {
						t.Error(err)
					}
				case 5:
					if _, err := h.Revoke(t.Context(), old.View.ID, "", admin); err != nil {
						t.Error(err)
					}
				default:
					if err := h.Sweep(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		seen := map[portcullis.EventType]int{}
		for _, typ := range h.journal.types() {
			seen[typ]++
		}
		if seen[portcullis.EventAPIKeyRevoked] != 1 || seen[portcullis.EventAPIKeyRotated] > 1 {
			t.Fatalf("told %v", seen)
		}
	}
}

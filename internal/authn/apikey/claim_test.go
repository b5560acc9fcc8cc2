package apikey

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/keytext"
)

const nonce = "0123456789abcdefghijkl"

func (h *harness) claimWith(t testing.TB, a portcullis.Authenticator, credential, nonce string) (Rotated, error) {
	t.Helper()
	who, err := a.Authenticate(t.Context(), conn(t, "/claim", "Authorization: Bearer "+credential))
	if err != nil {
		return Rotated{}, err
	}
	return h.Claim(t.Context(), who, nonce, portcullis.Actor{ID: who.ID})
}

func TestClaimByHolder(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{Routes: []string{"mcp"}}) // the claim endpoint is not among them
	if _, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), ""); !errors.Is(err, ErrNothingToClaim) {
		t.Errorf("before the rotation: %v", err)
	}
	next := h.rotate(t, old.View.ID, RotateOptions{Delivery: ByHolder})
	if rec, _ := h.store.Get(t.Context(), next.View.ID); rec.Hash != [32]byte{} || rec.ClaimHash != [32]byte{} {
		t.Error("a secret exists before anyone asked for it")
	}
	h.journal.take()
	got, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), "")
	if err != nil || got.View.ID != next.View.ID || got.View.ClaimUntil != nil || !h.valid(t, got.Key.Reveal()) {
		t.Fatalf("%+v, %v", got.View, err)
	}
	wantEvents(t, h.journal, portcullis.EventAPIKeyStale, portcullis.EventAPIKeyClaimed)
	if !h.valid(t, old.Key.Reveal()) {
		t.Error("claiming ended the overlap")
	}
	for _, n := range []string{"", nonce} {
		if _, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), n); !errors.Is(err, ErrClaimed) {
			t.Errorf("twice: %v", err)
		}
	}
	shown := h.rotate(t, got.View.ID, RotateOptions{})
	if _, err := h.claimWith(t, h.HolderAuthenticator(), got.Key.Reveal(), ""); !errors.Is(err, ErrClaimed) || shown.View.ID == "" {
		t.Errorf("a successor that was shown: %v", err)
	}
}

// TestClaimRepeats: a reply that was lost is not a key that was lost.
func TestClaimRepeats(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	h.rotate(t, old.View.ID, RotateOptions{Delivery: ByHolder})
	first, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), nonce)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), nonce)
	if err != nil || again.Key.Reveal() != first.Key.Reveal() {
		t.Errorf("another key, %v", err)
	}
	if _, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), strings.ToUpper(nonce)); !errors.Is(err, ErrClaimed) {
		t.Errorf("another nonce: %v", err)
	}
	for _, bad := range []string{"short", strings.Repeat("a", 129), strings.Repeat("é", 22)} {
		if _, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("nonce %q: %v", bad, err)
		}
	}
	h.clock.advance(2 * time.Hour)
	if _, err := h.claimWith(t, h.ClaimAuthenticator(), "claim_x", nonce); err == nil {
		t.Error("a malformed token is accepted")
	}
}

func TestClaimByToken(t *testing.T) {
	h := newHarness(t, func(o *Options) { o.Config.SelfClaim = false })
	old := h.create(t, CreateRequest{})
	next := h.rotate(t, old.View.ID, RotateOptions{Delivery: ByToken})
	void := next.Token.Reveal()
	if !strings.HasPrefix(void, "claim_"+next.View.ID+".") || fmt.Sprint(next) == void || next.Key.Reveal() != "" {
		t.Errorf("token of %s", next.View.ID)
	}
	token := h.rotate(t, old.View.ID, RotateOptions{Delivery: ByToken}).Token.Reveal()
	claims := h.ClaimAuthenticator()
	for name, text := range map[string]string{
		"void": void, "malformed": token[:len(token)-1],
		"forged":  h.claims.Complete(next.View.ID, make([]byte, keytext.RandomLen)).Reveal(),
		"unknown": h.claims.Complete(strings.Repeat("12", 16), make([]byte, keytext.RandomLen)).Reveal(),
		"shown":   h.claims.Complete(old.View.ID, make([]byte, keytext.RandomLen)).Reveal(),
	} {
		var e *portcullis.Error
		if _, err := h.claimWith(t, claims, text, ""); !errors.As(err, &e) || e.Kind != portcullis.KindUnauthenticated || e.Event != portcullis.EventInvalidAPIKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, foreign := range []string{old.Key.Reveal(), "eyJhbGciOi"} {
		if _, err := h.claimWith(t, claims, foreign, ""); !errors.Is(err, portcullis.ErrNoCredentials) {
			t.Errorf("foreign: %v", err)
		}
	}
	if _, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), ""); !errors.Is(err, ErrNothingToClaim) {
		t.Errorf("by the holder, which is off: %v", err)
	}
	// A token opens no route.
	if _, err := h.Authenticator().Authenticate(t.Context(), conn(t, "/mcp", "Authorization: Bearer "+token)); !errors.Is(err, portcullis.ErrNoCredentials) {
		t.Errorf("a token on a route: %v", err)
	}
	h.store.down.Store(true)
	var e *portcullis.Error
	if _, err := h.claimWith(t, claims, token, ""); !errors.As(err, &e) || e.Kind != portcullis.KindUnavailable {
		t.Errorf("store down: %v", err)
	}
	h.store.down.Store(false)
	got, err := h.claimWith(t, claims, token, "")
	if err != nil || !h.valid(t, got.Key.Reveal()) {
		t.Fatal(err)
	}
	if _, err := h.claimWith(t, claims, token, ""); !errors.Is(err, ErrClaimed) {
		t.Errorf("twice: %v", err)
	}
}

// TestTokenEndsWithTheOverlap, also after an emergency, when the token is the
// only way to the successor.
func TestTokenEndsWithTheOverlap(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	token := h.rotate(t, old.View.ID, RotateOptions{Delivery: ByToken, Emergency: true}).Token.Reveal()
	if _, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), ""); err == nil {
		t.Error("a revoked key claims its successor")
	}
	h.clock.advance(2*time.Hour - time.Second)
	who, err := h.ClaimAuthenticator().Authenticate(t.Context(), conn(t, "/claim", "Authorization: Bearer "+token))
	if err != nil {
		t.Fatal(err)
	}
	h.clock.advance(time.Second)
	if _, err := h.Claim(t.Context(), who, "", portcullis.Actor{}); !errors.Is(err, ErrNothingToClaim) {
		t.Errorf("too late: %v", err)
	}
	if _, err := h.claimWith(t, h.ClaimAuthenticator(), token, ""); err == nil {
		t.Error("a token outlives the overlap")
	}
	if _, err := h.Claim(t.Context(), portcullis.Principal{Method: "jwt", KeyID: old.View.ID}, "", portcullis.Actor{}); !errors.Is(err, ErrNothingToClaim) {
		t.Errorf("another method: %v", err)
	}
}

// TestClaimRace claims from many goroutines: one gets the key.
func TestClaimRace(t *testing.T) {
	h := newHarness(t)
	old := h.create(t, CreateRequest{})
	h.rotate(t, old.View.ID, RotateOptions{Delivery: ByHolder})
	var mu sync.Mutex
	var keys []string
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			r, err := h.claimWith(t, h.HolderAuthenticator(), old.Key.Reveal(), "")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				keys = append(keys, r.Key.Reveal())
			} else if !errors.Is(err, ErrClaimed) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if len(keys) != 1 || !h.valid(t, keys[0]) {
		t.Errorf("%d got a key", len(keys))
	}
}

// countdown is a Throttle that allows so many failures per address and per id.
type countdown struct {
	mu   sync.Mutex
	left map[string]int
}

func (c *countdown) Failed(client netip.Addr, id string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	over := false
	for _, k := range []string{client.String(), id} {
		c.left[k]++
		over = over || k != "" && c.left[k] > 3
	}
	if over {
		return 7 * time.Second
	}
	return 0
}

func TestFailuresAreSlowedAndHoldersAreNot(t *testing.T) {
	throttle := &countdown{left: map[string]int{}}
	h := newHarness(t, func(o *Options) { o.Throttle = throttle })
	good := h.create(t, CreateRequest{}).Key.Reveal()
	bad := forge(t, h, good[4:36])
	from := func(addr, text string) *portcullis.Error {
		t.Helper()
		c := conn(t, "/mcp", "X-API-Key: "+text)
		c.Client = netip.MustParseAddr(addr)
		_, err := h.Authenticator().Authenticate(t.Context(), c)
		var e *portcullis.Error
		errors.As(err, &e)
		return e
	}
	for i := range 5 {
		e := from("192.0.2.1", bad)
		if e == nil || (e.Kind == portcullis.KindRateLimited) != (i >= 3) {
			t.Fatalf("attempt %d: %v", i, e)
		}
		if i >= 3 && (e.RetryAfter != 7*time.Second || e.Event != portcullis.EventRateLimitExceeded || strings.Contains(e.Public, "wrong")) {
			t.Errorf("%+v", e)
		}
	}
	// By key id: guesses at the same key from another address are slowed.
	if e := from("192.0.2.2", bad); e == nil || e.Kind != portcullis.KindRateLimited {
		t.Errorf("another address: %v", e)
	}
	// The holder passes, from anywhere, cached or not.
	for _, addr := range []string{"192.0.2.3", "192.0.2.1"} {
		h.Invalidate(good[4:36])
		if e := from(addr, good); e != nil {
			t.Errorf("the holder from %s: %v", addr, e)
		}
	}
	for i := range 4 {
		if e := from("192.0.2.9", "mcp_nonsense"); e == nil || (e.Kind == portcullis.KindRateLimited) != (i >= 3) {
			t.Errorf("malformed, attempt %d: %v", i, e)
		}
	}
}

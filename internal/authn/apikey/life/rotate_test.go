package life

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestStatusNeverMovesBack plays random lives: rotations, revocations, sweeps
// that write down what time has done, restarts from what is stored, and a
// clock that jumps both ways. What was written is never taken back, nobody is
// cut off before the times that were promised, and the times stand in order.
func TestStatusNeverMovesBack(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		rec := Record{ID: "a", Status: StatusActive, Told: StatusActive, Schedule: Daily, CreatedAt: start}
		if seed%2 == 0 {
			rec.ExpiresAt = start.Add(24 * time.Hour)
		}
		now := start
		for step := range 60 {
			now = now.Add(time.Duration(r.Int64N(int64(3*time.Hour))) - time.Hour)
			before := rec
			switch r.IntN(5) {
			case 0:
				if rec.Successor == "" && rec.Status != StatusRevoked {
					rec.Successor = "b"
					rec.Retire(now, time.Hour, r.IntN(8) == 0, "")
				}
			case 1:
				if r.IntN(10) == 0 && rec.Status != StatusRevoked {
					rec.Revoke(now, "lost")
				}
			case 2:
				rec.Status = rec.StatusAt(now) // a sweep
			}
			checkLife(t, seed, step, &before, &rec, now)
		}
	}
}

func checkLife(t *testing.T, seed uint64, step int, before, rec *Record, now time.Time) {
	t.Helper()
	if rec.Status < before.Status {
		t.Fatalf("seed %d, step %d: %s became %s", seed, step, before.Status, rec.Status)
	}
	at := rec.StatusAt(now)
	if at < rec.Status || before.Status == StatusRevoked && at != StatusRevoked {
		t.Fatalf("seed %d, step %d: stored %s, but %s at %s", seed, step, rec.Status, at, now)
	}
	promised := rec.Status != StatusRevoked && !Reached(rec.End(), now)
	if promised != (at != StatusRevoked) {
		t.Fatalf("seed %d, step %d: %s at %s, end %s", seed, step, at, now, rec.End())
	}
	if rec.Status != StatusRevoked && !rec.RotatedAt.IsZero() {
		if rec.DeprecateAt.Before(rec.RotatedAt) || rec.RevokeAt.Before(rec.DeprecateAt) ||
			!rec.ExpiresAt.IsZero() && rec.RevokeAt.After(rec.ExpiresAt) {
			t.Fatalf("seed %d, step %d: times out of order: %+v", seed, step, rec)
		}
	}
	// Between the moments of change nothing changes: what a cache relies on.
	next := rec.NextChange(now)
	for _, probe := range []time.Duration{time.Millisecond, time.Minute, time.Hour} {
		if p := now.Add(probe); (next.IsZero() || p.Before(next)) && (rec.StatusAt(p) != at || rec.Expired(p) != rec.Expired(now)) {
			t.Fatalf("seed %d, step %d: changed at %s, announced for %s", seed, step, p, next)
		}
	}
}

func TestRetireKeepsTheKeysOwnEnd(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name       string
		left       time.Duration // 0 = never expires
		emergency  bool
		status     Status
		deprecated time.Duration
		revoked    time.Duration
		reason     string
	}{
		{"never expires", 0, false, StatusRotating, time.Hour, 2 * time.Hour, ""},
		{"long life", 48 * time.Hour, false, StatusRotating, time.Hour, 2 * time.Hour, ""},
		{"short life", time.Hour, false, StatusRotating, 30 * time.Minute, time.Hour, ""},
		{"emergency", 48 * time.Hour, true, StatusRevoked, 0, 0, "emergency rotation"},
		{"expired", -time.Hour, false, StatusRevoked, 0, 0, "expired"},
	} {
		r := Record{Status: StatusActive}
		if tt.left != 0 {
			r.ExpiresAt = now.Add(tt.left)
		}
		r.Retire(now, time.Hour, tt.emergency, "")
		if r.Status != tt.status || r.RevokeReason != tt.reason || !r.RotatedAt.Equal(now) {
			t.Errorf("%s: %+v", tt.name, r)
		}
		if tt.revoked > 0 && (!r.DeprecateAt.Equal(now.Add(tt.deprecated)) || !r.RevokeAt.Equal(now.Add(tt.revoked))) {
			t.Errorf("%s: deprecated at %s, revoked at %s", tt.name, r.DeprecateAt, r.RevokeAt)
		}
	}
}

func TestHeirKeepsRightsAndOwner(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := Record{
		ID: "a", Name: "n", Scopes: []string{"s"}, Roles: []string{"r"}, Routes: []string{"x"}, Owner: "key:a", Tenant: "t",
		Schedule: Daily, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
	}
	later := now.Add(23 * time.Hour)
	h := r.Heir(later)
	if h.Predecessor != "a" || h.Owner != "key:a" || h.Tenant != "t" || h.Scopes[0] != "s" || h.Roles[0] != "r" || h.Routes[0] != "x" ||
		!h.ExpiresAt.Equal(later.Add(24*time.Hour)) || h.Status != StatusActive {
		t.Errorf("%+v", h)
	}
	h.Scopes[0] = "changed"
	if r.Scopes[0] != "s" {
		t.Error("the successor shares its scopes with the key")
	}
	r.ExpiresAt = now.Add(100 * time.Hour) // an end of its own
	if h := r.Heir(later); !h.ExpiresAt.Equal(r.ExpiresAt) {
		t.Errorf("the end moved to %s", h.ExpiresAt)
	}
}

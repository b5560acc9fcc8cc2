package life

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStatusAt(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	past, future := now.Add(-time.Nanosecond), now.Add(time.Nanosecond)
	for name, tc := range map[string]struct {
		r    Record
		want Status
	}{
		"zero record":          {Record{}, StatusRevoked},
		"unknown status":       {Record{Status: 9}, StatusRevoked},
		"active":               {Record{Status: StatusActive}, StatusActive},
		"not yet expired":      {Record{Status: StatusActive, ExpiresAt: future}, StatusActive},
		"expires now":          {Record{Status: StatusActive, ExpiresAt: now}, StatusRevoked},
		"expired":              {Record{Status: StatusActive, ExpiresAt: past}, StatusRevoked},
		"rotating by time":     {Record{Status: StatusActive, RotatedAt: past, DeprecateAt: future}, StatusRotating},
		"deprecated by time":   {Record{Status: StatusRotating, RotatedAt: past, DeprecateAt: now, RevokeAt: future}, StatusDeprecated},
		"revoked by time":      {Record{Status: StatusRotating, RotatedAt: past, DeprecateAt: past, RevokeAt: now}, StatusRevoked},
		"stored is the least":  {Record{Status: StatusDeprecated, RotatedAt: past, DeprecateAt: future}, StatusDeprecated},
		"stored revoked stays": {Record{Status: StatusRevoked, ExpiresAt: future}, StatusRevoked},
	} {
		if got := tc.r.StatusAt(now); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// TestStatusIsMonotonic: whatever times a record holds, its status only grows
// while the clock runs forward, nextChange never passes over a change, and
// writing the status down never changes what holds.
func TestStatusIsMonotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		at := func(name string) time.Time {
			n := rapid.IntRange(-1, 20).Draw(t, name)
			if n < 0 {
				return time.Time{}
			}
			return base.Add(time.Duration(n) * time.Second)
		}
		r := Record{
			Status:    Status(rapid.IntRange(1, 4).Draw(t, "status")),
			ExpiresAt: at("expires"), RotatedAt: at("rotated"), DeprecateAt: at("deprecate"), RevokeAt: at("revoke"),
		}
		last := Status(0)
		for n := range 22 {
			now := base.Add(time.Duration(n) * time.Second)
			s := r.StatusAt(now)
			if s < last || s < r.Status || !s.Valid() {
				t.Fatalf("%+v: %s after %s", r, s, last)
			}
			change := r.NextChange(now)
			for m := n; m < 22; m++ {
				later := base.Add(time.Duration(m) * time.Second)
				if (change.IsZero() || later.Before(change)) && r.StatusAt(later) != s {
					t.Fatalf("%+v changes at %s, before nextChange %s", r, later, change)
				}
			}
			if rapid.Bool().Draw(t, "write down") {
				r.Status = s
			}
			last = s
		}
	})
}

func TestWords(t *testing.T) {
	for _, s := range []Status{StatusActive, StatusRotating, StatusDeprecated, StatusRevoked} {
		if got, err := ParseStatus(s.String()); err != nil || got != s {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, bad := range []string{"", "invalid", "Active", "deleted"} {
		if _, err := ParseStatus(bad); err == nil {
			t.Errorf("%q is a status", bad)
		}
	}
	if Status(0).String() != "invalid" || Status(77).String() != "invalid" {
		t.Error("a status that is none has a name")
	}
	day := 24 * time.Hour
	for s, want := range map[Schedule]time.Duration{Daily: day, Weekly: 7 * day, Monthly: 30 * day, Quarterly: 90 * day, Never: 0, "x": 0} {
		if s.Period() != want {
			t.Errorf("%s: %s", s, s.Period())
		}
	}
}

func TestViewJSON(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r := Record{ID: "i", Name: "n", Hash: [32]byte{1, 2, 3}, Schedule: Never, Status: StatusActive, CreatedAt: now}
	b, err := json.Marshal(r.ViewAt(now))
	want := `{"id":"i","name":"n","scopes":[],"schedule":"never","status":"active","created_at":"2026-11-01T00:00:00Z","expires_at":null}`
	if err != nil || string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	r.ExpiresAt, r.Predecessor = now, "p"
	b, err = json.Marshal(r.ViewAt(now))
	for _, part := range []string{`"status":"revoked"`, `"expired":true`, `"expires_at":"2026-11-01T00:00:00Z"`, `"predecessor":"p"`} {
		if err != nil || !strings.Contains(string(b), part) {
			t.Errorf("no %s in %s", part, b)
		}
	}
	if strings.Contains(strings.ToLower(string(b)), "hash") {
		t.Errorf("the hash is in %s", b)
	}
}

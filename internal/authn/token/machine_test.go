package token_test

import (
	"errors"
	"flag"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
)

// family is what the model knows of a session.
type family struct {
	id       string
	good     string   // the refresh token that is good now
	used     []string // those that were
	access   []string // tokens that are not over by their own time
	over     bool
	began    time.Time
	lastUsed time.Time
}

// TestRefreshMachine drives sessions through any order of logins, refreshes,
// reuse, revocations, time and restarts, against a model. What holds always: a
// refresh token is accepted at most once; using one twice ends its session and
// no other; what has ended stays so, also in a new process.
func TestRefreshMachine(t *testing.T) {
	if err := flag.Set("rapid.checks", "12"); err != nil { // each runs on a disk
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		w.cfg.TTL, w.cfg.Idle, w.cfg.AccessTTL = 2*time.Hour, 30*time.Minute, 10*time.Minute
		w.use()
		var all []*family
		alive := func(f *family) bool {
			now := w.clock.now()
			return !f.over && now.Before(f.began.Add(w.cfg.TTL)) && now.Before(f.lastUsed.Add(w.cfg.Idle))
		}
		pick := func(r *rapid.T) *family {
			if len(all) == 0 {
				r.Skip("no session")
			}
			return rapid.SampledFrom(all).Draw(r, "session")
		}
		present := func(r *rapid.T, f *family, text string) {
			g, err := w.refresh(text)
			switch want := alive(f) && text == f.good; {
			case want && err != nil:
				r.Fatalf("a good token is refused: %v", err)
			case want:
				f.used = append(f.used, f.good)
				f.good, f.lastUsed = g.RefreshToken, w.clock.now()
				f.access = append(f.access, g.AccessToken)
			case err == nil:
				r.Fatalf("accepted: session over %t, token good %t", !alive(f), text == f.good)
			case !errors.Is(err, token.ErrGrant):
				r.Fatal(err)
			case alive(f): // reuse
				f.over = true
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"login": func(*rapid.T) {
				g := w.login()
				now := w.clock.now()
				all = append(all, &family{id: g.SessionID, good: g.RefreshToken, access: []string{g.AccessToken}, began: now, lastUsed: now})
			},
			"refresh": func(r *rapid.T) { f := pick(r); present(r, f, f.good) },
			"reuse": func(r *rapid.T) {
				f := pick(r)
				if len(f.used) == 0 {
					r.Skip("nothing used")
				}
				present(r, f, rapid.SampledFrom(f.used).Draw(r, "used token"))
			},
			"revoke": func(r *rapid.T) {
				f := pick(r)
				if _, err := w.Revoke(t.Context(), f.id, "", portcullis.Actor{}); err != nil {
					r.Fatal(err)
				}
				f.over = true
			},
			"revoke by holder": func(r *rapid.T) {
				f := pick(r)
				text := rapid.SampledFrom(append(append([]string{f.good}, f.used...), f.access...)).Draw(r, "token")
				if err := w.RevokeByHolder(t.Context(), text, portcullis.Actor{}); err != nil {
					r.Fatal(err)
				}
				f.over = true
			},
			"time": func(r *rapid.T) {
				w.clock.advance(time.Duration(rapid.IntRange(1, 40).Draw(r, "minutes")) * time.Minute)
			},
			"restart": func(*rapid.T) { w.restart() },
			"": func(r *rapid.T) {
				live := 0
				for _, f := range all {
					if alive(f) {
						live++
					}
					for i, text := range f.access {
						_, err := w.call(text)
						if !alive(f) && err == nil {
							r.Fatalf("token %d of a session that is over is accepted", i)
						}
						if i == len(f.access)-1 && alive(f) && err != nil && w.clock.now().Before(f.lastUsed.Add(w.cfg.AccessTTL)) {
							r.Fatalf("the newest token of a session is refused: %v", err)
						}
					}
				}
				list, err := w.List(t.Context(), "alice")
				if err != nil || len(list) != live {
					r.Fatalf("%d sessions listed, %d live: %v", len(list), live, err)
				}
			},
		})
		n, err := w.RevokeSubject(t.Context(), "alice", "end", portcullis.Actor{})
		if err != nil || n < 0 {
			r.Fatal(n, err)
		}
		for _, f := range all {
			f.over = true
			present(r, f, f.good)
		}
	})
}

package token_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// BenchmarkCheck is the check of an access token on a call: cached, when it was
// seen before, and cold, with signature and store.
func BenchmarkCheck(b *testing.B) {
	w := newWorld(b)
	g := w.login()
	guard, conn := w.guard("basic"), bearer(g.AccessToken)
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := guard.Authenticate(b.Context(), conn); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.verifier.Forget(g.SessionID)
			if _, err := guard.Authenticate(b.Context(), conn); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	w := newWorld(b)
	for b.Loop() {
		w.login()
		w.events.take()
	}
}

func BenchmarkRefresh(b *testing.B) {
	w := newWorld(b)
	g := w.login()
	for b.Loop() {
		next, _, err := w.Refresh(b.Context(), g.RefreshToken, portcullis.Actor{})
		if err != nil {
			b.Fatal(err)
		}
		g = next
		w.events.take()
	}
}

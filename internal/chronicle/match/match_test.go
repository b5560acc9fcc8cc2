package match_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/chronicle/history"
	"github.com/portcullis-dev/portcullis/internal/chronicle/match"
)

func TestSubstring(t *testing.T) {
	for _, tt := range []struct {
		q, title, url string
		want          bool
	}{
		{"go", "Let's GO", "", true}, {"GO", "", "https://go.dev/", true}, {"%", "100", "", false}, {"_", "a b", "", false},
		{"100%", "100% sure", "", true}, {"ÜBER", "über uns", "", true}, {"abc", "ab", "", false}, {"aab", "aaab", "", true},
		{"", "anything", "", true}, {"x", "", "", false}, {"1", "a1", "", true},
	} {
		if _, got := match.Substring(tt.q)(&history.Page{Title: tt.title, URL: tt.url}); got != tt.want {
			t.Errorf("%q in %q %q: %v", tt.q, tt.title, tt.url, got)
		}
	}
}

func FuzzSubstring(f *testing.F) {
	f.Add("aB", "xxAbxx")
	f.Fuzz(func(t *testing.T, q, s string) {
		if q == "" || strings.ContainsFunc(q+s, func(r rune) bool { return r > 126 }) {
			return
		}
		_, got := match.Substring(q)(&history.Page{Title: s})
		if want := strings.Contains(strings.ToLower(s), strings.ToLower(q)); got != want {
			t.Fatalf("%q in %q: %v, want %v", q, s, got, want)
		}
	})
}

func TestFuzzy(t *testing.T) {
	for _, tt := range []struct {
		q, title, url string
		score         float64
	}{
		{"portculis", "Portcullis - Wikipedia", "", 0.9}, {"github", "GitHub", "", 1}, {"gogle", "", "https://www.google.com/", 5.0 / 6},
		{"effectve go", "Effective Go - The Go Programming Language", "", 1 - 1.0/12}, {"zzzz", "Portcullis", "", 0}, {"a", "", "", 0},
	} {
		score, ok := match.Fuzzy(tt.q, 0.6)(&history.Page{Title: tt.title, URL: tt.url})
		if math.Abs(score-tt.score) > 1e-9 || ok != (tt.score >= 0.6) {
			t.Errorf("%q in %q %q: %v %v, want %v", tt.q, tt.title, tt.url, score, ok, tt.score)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, tt := range []struct {
		host, domain string
		want         bool
	}{
		{"github.com", "github.com", true}, {"api.github.com", "github.com", true}, {"notgithub.com", "github.com", false},
		{"github.com.evil.example", "github.com", false}, {"", "github.com", false}, {"com", "github.com", false},
	} {
		if got := match.Under(tt.host, tt.domain); got != tt.want {
			t.Errorf("%q under %q: %v", tt.host, tt.domain, got)
		}
	}
}

func TestFilterStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := &history.History{Pages: make([]history.Page, 10)}
	if _, err := match.Filter(ctx, h, 0, match.Everything, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if hits, err := match.Filter(t.Context(), h, 3, match.Everything, nil); err != nil || len(hits) != 3 {
		t.Errorf("%d hits, %v", len(hits), err)
	}
}

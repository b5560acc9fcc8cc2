package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

// claims answers every claim with what the test says.
type claims struct {
	err   error
	nonce string
}

func (c *claims) Claim(_ context.Context, _ portcullis.Principal, nonce string, _ portcullis.Actor) (apikey.Rotated, error) {
	c.nonce = nonce
	return apikey.Rotated{View: apikey.View{ID: "next"}}, c.err
}

func TestClaimAnswers(t *testing.T) {
	for _, tt := range []struct {
		body   string
		err    error
		status int
		want   string
	}{
		{"", nil, 200, `"id":"next"`},
		{"{}", nil, 200, `"id":"next"`},
		{`{"nonce":"abc"}`, nil, 200, `"id":"next"`},
		{`{"nonce":1}`, nil, 400, "want no body"},
		{`{"other":"x"}`, nil, 400, "want no body"},
		{`{} {}`, nil, 400, "want no body"},
		{"", apikey.ErrInvalid, 400, "nonce: want"},
		{"", apikey.ErrClaimed, 409, "fetched before"},
		{"", apikey.ErrNothingToClaim, 404, "nothing to fetch"},
		{"", apikey.ErrNotFound, 404, "nothing to fetch"},
		{"", errors.New("disk on fire"), 503, "Try again later"},
	} {
		c := &claims{err: tt.err}
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, ClaimPath, strings.NewReader(tt.body))
		NewClaim(c, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || w.Header().Get("Cache-Control") != "no-store" ||
			strings.Contains(w.Body.String(), "fire") {
			t.Errorf("%q, %v: %d %s", tt.body, tt.err, w.Code, w.Body)
		}
		if strings.Contains(tt.body, "abc") && c.nonce != "abc" {
			t.Errorf("nonce %q", c.nonce)
		}
	}
}

// TestFetchClaimRepeats: an answer that breaks off is asked for again, with the
// same nonce; a refusal is not.
func TestFetchClaimRepeats(t *testing.T) {
	var calls atomic.Int64
	var nonces []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		nonces = append(nonces, string(b))
		switch calls.Add(1) {
		case 1:
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"id":`)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			if r.Header.Get("Authorization") != "Bearer claim_x" || r.URL.Path != ClaimPath {
				t.Errorf("%s %v", r.URL, r.Header)
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"id": "next", "key": "k"})
		}
	}))
	defer srv.Close()
	got, err := FetchClaim(t.Context(), srv.URL+"/mcp", "claim_x")
	if err != nil || got.ID != "next" || got.Key != "k" || calls.Load() != 3 {
		t.Fatalf("%+v after %d calls, %v", got, calls.Load(), err)
	}
	if len(nonces[0]) < 32 || nonces[0] != nonces[1] || nonces[1] != nonces[2] {
		t.Errorf("nonces %q", nonces)
	}
	no := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"detail":"The key was fetched before"}`)
	}))
	defer no.Close()
	calls.Store(0)
	var refused *RefusedError
	if _, err := FetchClaim(t.Context(), no.URL, "x"); !errors.As(err, &refused) || calls.Load() != 1 || !strings.Contains(err.Error(), "fetched before") {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	for _, bad := range []string{"", "mcp.example.com", "ftp://x/"} {
		if _, err := FetchClaim(t.Context(), bad, "x"); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

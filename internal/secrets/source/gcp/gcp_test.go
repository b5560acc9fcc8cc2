package gcp

import (
	"errors"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// TestFetch speaks to a fake of the REST API; the token comes from a source of
// the vendor's library.
func TestFetch(t *testing.T) {
	t.Parallel()
	sum := strconv.FormatUint(uint64(crc32.Checksum([]byte("secret"), crc32.MakeTable(crc32.Castagnoli))), 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer tok":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v1/projects/p/secrets/database-url/versions/latest:access":
			_, _ = w.Write([]byte(`{"name":"projects/1/secrets/database-url/versions/4","payload":{"data":"c2VjcmV0","dataCrc32c":"` + sum + `"}}`))
		case r.URL.Path == "/v1/projects/q/secrets/database-url/versions/2:access":
			_, _ = w.Write([]byte(`{"name":"projects/1/secrets/database-url/versions/2","payload":{"data":"b2xk"}}`))
		case strings.Contains(r.URL.Path, "changed"):
			_, _ = w.Write([]byte(`{"name":"x","payload":{"data":"c2VjcmV0","dataCrc32c":"1"}}`))
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":{"message":"canary"}}`))
		}
	}))
	defer srv.Close()
	s, err := New(Config{Project: "p", Endpoint: srv.URL, Tokens: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "tok"})})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Fetch(t.Context(), source.Ref{Path: "database-url"}); err != nil || got.Text != "secret" || got.Version != "4" {
		t.Errorf("%v %v", got.Version, err)
	}
	if got, err := s.Fetch(t.Context(), source.Ref{Path: "q/database-url", Version: "2"}); err != nil || got.Text != "old" {
		t.Errorf("%v %v", got.Version, err)
	}
	for path, want := range map[string]error{"none": source.ErrNotFound, "changed": nil, "a/b/c": nil} {
		if _, err := s.Fetch(t.Context(), source.Ref{Path: path}); err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

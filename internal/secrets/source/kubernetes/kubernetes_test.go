package kubernetes

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// TestFetch speaks to a fake of the API server over TLS: its path, its bearer
// token and the envelope of a Secret.
func TestFetch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tokens, ca := filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt")
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, _ := os.ReadFile(tokens)
		switch {
		case r.Header.Get("Authorization") != "Bearer "+strings.TrimSpace(string(want)) || strings.HasPrefix(string(want), "bad"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"kind":"Status","message":"canary"}`))
		case r.URL.Path == "/api/v1/namespaces/agents/secrets/agent-secrets":
			_, _ = w.Write([]byte(`{"kind":"Secret","metadata":{"resourceVersion":"77"},"data":{"api-key":"c2VjcmV0","tls.key":"AAE="}}`))
		case strings.HasSuffix(r.URL.Path, "/broken"):
			_, _ = w.Write([]byte(`{"data":{"a":"%%canary"}}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := errors.Join(os.WriteFile(ca, block, 0o600), os.WriteFile(tokens, []byte("good\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Server: srv.URL, CAFile: ca, TokenFile: tokens, Namespace: "agents"})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"agents/agent-secrets", "agent-secrets"} {
		got, err := s.Fetch(t.Context(), source.Ref{Path: path})
		if err != nil || got.Fields["api-key"] != "secret" || got.Fields["tls.key"] != "\x00\x01" || got.Version != "77" {
			t.Errorf("%s: %v %v", path, got.Version, err)
		}
	}
	for path, want := range map[string]error{"other/x": source.ErrNotFound, "a/b/c": nil, "broken": nil} {
		if _, err := s.Fetch(t.Context(), source.Ref{Path: path}); err == nil || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := s.Fetch(t.Context(), source.Ref{Path: "agent-secrets", Version: "1"}); !errors.Is(err, source.ErrNoVersion) {
		t.Errorf("version: %v", err)
	}
	if err := os.WriteFile(tokens, []byte("bad"), 0o600); err != nil { // replaced by the kubelet
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), source.Ref{Path: "agent-secrets"}); !errors.Is(err, source.ErrDenied) || strings.Contains(err.Error(), "canary") {
		t.Errorf("refused: %v", err)
	}
	if err := os.WriteFile(ca, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Server: srv.URL, CAFile: ca}); err == nil {
		t.Error("a CA without certificate")
	}
	if _, err := New(Config{Lookup: func(string) (string, bool) { return "", false }}); err == nil || !strings.Contains(err.Error(), "no pod") {
		t.Errorf("outside a pod: %v", err)
	}
}

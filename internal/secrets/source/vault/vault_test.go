package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// server answers like a Vault or OpenBao server: the paths, envelopes and
// statuses of its HTTP API for mounts, KV 1 and 2, dynamic secrets, leases,
// tokens, AppRole and Kubernetes logins. It is a fake, not the server itself.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	tokens  map[string]bool
	logins  int
	leases  int
	renewed []string
	seen    []string // requests as "METHOD path?query namespace"
	secret  string   // secret id or JWT that logs in
	ttl     int
}

func start(t *testing.T) *server {
	t.Helper()
	s := &server{tokens: map[string]bool{"root": true}, secret: "sid", ttl: 3600}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	s.seen = append(s.seen, r.Method+" "+path+"?"+r.URL.RawQuery+" "+r.Header.Get("X-Vault-Namespace"))
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	fail := func(status int) {
		w.WriteHeader(status)
		reply(map[string]any{"errors": []string{"canary of the server"}})
	}
	if r.Header.Get("X-Vault-Request") != "true" {
		fail(http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login") {
		if body["secret_id"] != s.secret && body["jwt"] != s.secret || body["role_id"] == nil && body["role"] == nil {
			fail(http.StatusBadRequest)
			return
		}
		s.logins++
		token := fmt.Sprint("token", s.logins)
		s.tokens[token] = true
		reply(map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": s.ttl, "renewable": true}})
		return
	}
	if !s.tokens[r.Header.Get("X-Vault-Token")] {
		fail(http.StatusForbidden)
		return
	}
	mount := func(p, kind, version string) {
		reply(map[string]any{"data": map[string]any{"path": p, "type": kind, "options": map[string]string{"version": version}}})
	}
	switch {
	case strings.HasPrefix(path, "sys/internal/ui/mounts/kv/"):
		mount("kv/", "kv", "2")
	case strings.HasPrefix(path, "sys/internal/ui/mounts/old/"):
		mount("old/", "kv", "1")
	case strings.HasPrefix(path, "sys/internal/ui/mounts/database/"):
		mount("database/", "database", "")
	case path == "kv/data/agent":
		version := 2
		if r.URL.Query().Get("version") == "1" {
			version = 1
		}
		reply(map[string]any{"data": map[string]any{
			"data": map[string]any{"database_url": fmt.Sprint("db", version), "port": 5432}, "metadata": map[string]any{"version": version},
		}})
	case path == "kv/data/deleted":
		w.WriteHeader(http.StatusNotFound)
		reply(map[string]any{"data": map[string]any{"data": nil, "metadata": map[string]any{"version": 3}}})
	case path == "old/agent":
		reply(map[string]any{"lease_duration": 2764800, "data": map[string]any{"value": "plain"}})
	case path == "database/creds/app":
		s.leases++
		reply(map[string]any{
			"lease_id": fmt.Sprint("database/creds/app/", s.leases), "lease_duration": 3600, "renewable": true,
			"data": map[string]any{"username": fmt.Sprint("u", s.leases), "password": fmt.Sprint("p", s.leases)},
		})
	case path == "sys/leases/renew" && r.Method == http.MethodPut:
		s.renewed = append(s.renewed, body["lease_id"].(string))
		reply(map[string]any{"lease_id": body["lease_id"], "lease_duration": 1800, "renewable": true})
	case path == "auth/token/lookup-self":
		reply(map[string]any{"data": map[string]any{"ttl": 0}})
	default:
		fail(http.StatusNotFound)
	}
}

func token(text string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, nil }
}

func connect(t *testing.T, s *server, auth Auth) *Source {
	t.Helper()
	v, err := New(Config{Address: s.URL, Namespace: "team", Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ref(t *testing.T, text string) source.Ref {
	t.Helper()
	r, err := source.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEngines(t *testing.T) {
	t.Parallel()
	s := start(t)
	v := connect(t, s, Auth{Method: MethodToken, Token: token("root")})
	for text, want := range map[string]string{
		"secret://vault/kv/agent#database_url":           "db2",
		"secret://vault/kv/data/agent#database_url":      "db2", // as the API writes it
		"secret://vault/kv/agent?version=1#database_url": "db1",
		"secret://vault/kv/agent#port":                   "5432",
		"secret://vault/old/agent#value":                 "plain",
		"secret://vault/database/creds/app#username":     "u1",
	} {
		r := ref(t, text)
		got, err := v.Fetch(t.Context(), r)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if value, err := got.Pick(r.Field); err != nil || value != want {
			t.Errorf("%s: %q %v, want %q", text, value, err, want)
		}
	}
	for _, text := range []string{"secret://vault/kv/none", "secret://vault/kv/deleted", "secret://vault/nowhere/x"} {
		_, err := v.Fetch(t.Context(), ref(t, text))
		if !errors.Is(err, source.ErrNotFound) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := v.Fetch(t.Context(), ref(t, "secret://vault/old/agent?version=1")); !errors.Is(err, source.ErrNoVersion) {
		t.Errorf("version of KV 1: %v", err)
	}
	if _, err := v.Fetch(t.Context(), ref(t, "secret://vault/kv/agent?version=x")); err == nil {
		t.Error("version x was read")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.seen {
		if !strings.HasSuffix(line, " team") {
			t.Errorf("without the namespace: %s", line)
		}
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	s := start(t)
	v := connect(t, s, Auth{Method: MethodToken, Token: token("root")})
	r := ref(t, "secret://vault/database/creds/app#password")
	got, err := v.Fetch(t.Context(), r)
	if err != nil || !got.Lease.Renewable || got.Lease.For.Seconds() != 3600 {
		t.Fatalf("lease %+v %v", got.Lease, err)
	}
	l, err := v.Renew(t.Context(), r, got.Lease)
	if err != nil || l.For.Seconds() != 1800 || l.ID != got.Lease.ID {
		t.Errorf("renewed %+v %v", l, err)
	}
	if old, err := v.Fetch(t.Context(), ref(t, "secret://vault/old/agent")); err != nil || old.Lease.For != 0 {
		t.Errorf("KV 1 has a lease: %+v %v", old.Lease, err)
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	jwt := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(jwt, []byte("sid\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, auth := range []Auth{
		{Method: MethodAppRole, RoleID: "r", SecretID: token("sid")},
		{Method: MethodAppRole, Mount: "teams/approle", RoleID: "r", SecretID: token("sid")},
		{Method: MethodKubernetes, Role: "r", JWTFile: jwt},
	} {
		s := start(t)
		v := connect(t, s, auth)
		r := ref(t, "secret://vault/kv/agent#database_url")
		for range 3 {
			if _, err := v.Fetch(t.Context(), r); err != nil {
				t.Fatalf("%s: %v", auth.Method, err)
			}
		}
		s.mu.Lock()
		if s.logins != 1 {
			t.Errorf("%s: %d logins", auth.Method, s.logins)
		}
		clear(s.tokens) // revoked, or the server began anew
		s.mu.Unlock()
		if _, err := v.Fetch(t.Context(), r); err != nil {
			t.Errorf("%s: no login after the token was revoked: %v", auth.Method, err)
		}
		s.mu.Lock()
		s.secret = "another"
		clear(s.tokens)
		s.mu.Unlock()
		_, err := v.Fetch(t.Context(), r)
		if !errors.Is(err, source.ErrDenied) || strings.Contains(err.Error(), "sid") {
			t.Errorf("%s: a login that is refused: %v", auth.Method, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "vault:8200", "http://vault.example.com", "https://u:p@vault", "ftp://x"} {
		if _, err := New(Config{Address: address}); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
	s := start(t)
	v := connect(t, s, Auth{Method: MethodToken, Token: token("wrong-canary")})
	_, err := v.Fetch(t.Context(), ref(t, "secret://vault/kv/agent"))
	if !errors.Is(err, source.ErrDenied) || strings.Contains(err.Error(), "canary") {
		t.Errorf("wrong token: %v", err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("canary")) },
		"large":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2*source.MaxBytes+2)) },
		"mount lies": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"data":{"path":"other/","type":"kv"}}`))
		},
	} {
		bad := httptest.NewServer(h)
		v, err := New(Config{Address: bad.URL, Auth: Auth{Method: MethodToken, Token: token("x")}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Fetch(t.Context(), ref(t, "secret://vault/kv/agent")); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
		bad.Close()
	}
}

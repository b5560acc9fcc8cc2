// Package vault reads secrets from HashiCorp Vault and OpenBao over their HTTP
// API: secret://vault/kv/prod/github#token.
//
// The path is what `vault kv get` or `vault read` take, with the mount first.
// Which engine is mounted there is asked once: for a KV engine of version 2 the
// "data" of its API is put in (and may be written as well), a KV engine of
// version 1 is read as it is, and every other engine, such as database/creds/app,
// gives a secret with a lease, which is renewed until it comes to its greatest
// length. Then another is read.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Config describes one server.
type Config struct {
	Address   string
	Namespace string
	CAFile    string
	Auth      Auth
}

// Source reads secrets. It is a [source.Source] and a [source.Renewer].
type Source struct {
	cfg    Config
	client *httpapi.Client
	login  login

	mu     sync.Mutex
	mounts map[string]mount // by path with slash
}

var (
	_ source.Source  = (*Source)(nil)
	_ source.Renewer = (*Source)(nil)
)

// mount is what is known of an engine.
type mount struct {
	path string // "kv/"
	kv   int    // 1, 2, or 0 for another engine
}

// New returns a source. It reads the file of the CA and asks nobody.
func New(cfg Config) (*Source, error) {
	client, err := httpapi.New(cfg.Address, cfg.CAFile)
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, client: client, mounts: map[string]mount{}}
	s.login.source = s
	return s, nil
}

// answer is the envelope of every answer.
type answer struct {
	LeaseID   string          `json:"lease_id"`
	Seconds   int64           `json:"lease_duration"`
	Renewable bool            `json:"renewable"`
	Data      json.RawMessage `json:"data"`
	Auth      *struct {
		Token     string `json:"client_token"`
		Seconds   int64  `json:"lease_duration"`
		Renewable bool   `json:"renewable"`
	} `json:"auth"`
}

// maxLease bounds what a server may say about a lease.
const maxLease = 365 * 24 * time.Hour

func duration(seconds int64) time.Duration {
	if seconds < 0 || seconds > int64(maxLease/time.Second) {
		return maxLease
	}
	return time.Duration(seconds) * time.Second
}

// Fetch reads a secret.
func (s *Source) Fetch(ctx context.Context, ref source.Ref) (source.Secret, error) {
	m, err := s.mountOf(ctx, ref.Path)
	if err != nil {
		return source.Secret{}, fmt.Errorf("finding the secrets engine: %w", err)
	}
	query := url.Values{}
	path := ref.Path
	switch {
	case m.kv == 2:
		rest := strings.TrimPrefix(strings.TrimPrefix(ref.Path, m.path), "data/")
		path = m.path + "data/" + rest
		if ref.Version != "" {
			if n, err := strconv.ParseUint(ref.Version, 10, 31); err != nil || n == 0 {
				return source.Secret{}, errors.New("versions of this engine are numbers from 1")
			}
			query.Set("version", ref.Version)
		}
	case ref.Version != "":
		return source.Secret{}, source.ErrNoVersion
	}
	var got answer
	if err := s.ask(ctx, httpapi.Request{Method: http.MethodGet, Path: "v1/" + path, Query: query}, &got); err != nil {
		return source.Secret{}, err
	}
	if m.kv == 2 {
		return readVersioned(got.Data)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(got.Data, &members) != nil || len(members) == 0 {
		return source.Secret{}, source.ErrNotFound
	}
	out := source.Secret{Fields: source.Texts(members)}
	if got.LeaseID != "" { // KV of version 1 names a time as well, which binds nobody
		out.Lease = source.Lease{ID: got.LeaseID, For: duration(got.Seconds), Renewable: got.Renewable}
	}
	return out, nil
}

// readVersioned reads the answer of a KV engine of version 2. A version that
// was deleted has no data.
func readVersioned(raw json.RawMessage) (source.Secret, error) {
	var v struct {
		Data     map[string]json.RawMessage `json:"data"`
		Metadata struct {
			Version int64 `json:"version"`
		} `json:"metadata"`
	}
	if json.Unmarshal(raw, &v) != nil || len(v.Data) == 0 {
		return source.Secret{}, source.ErrNotFound
	}
	return source.Secret{Fields: source.Texts(v.Data), Version: strconv.FormatInt(v.Metadata.Version, 10)}, nil
}

// Renew makes a lease longer.
func (s *Source) Renew(ctx context.Context, _ source.Ref, lease source.Lease) (source.Lease, error) {
	var got answer
	err := s.ask(ctx, httpapi.Request{
		Method: http.MethodPut, Path: "v1/sys/leases/renew",
		Body: map[string]any{"lease_id": lease.ID, "increment": int64(lease.For / time.Second)},
	}, &got)
	if err != nil {
		return source.Lease{}, err
	}
	if got.Seconds <= 0 {
		return source.Lease{}, source.ErrNotRenewable
	}
	return source.Lease{ID: lease.ID, For: duration(got.Seconds), Renewable: got.Renewable}, nil
}

// maxMounts bounds what is remembered; paths come from the configuration.
const maxMounts = 1024

// mountOf asks which engine a path belongs to, as the vendor's own command
// does.
func (s *Source) mountOf(ctx context.Context, path string) (mount, error) {
	s.mu.Lock()
	for p, m := range s.mounts {
		if strings.HasPrefix(path+"/", p) {
			s.mu.Unlock()
			return m, nil
		}
	}
	s.mu.Unlock()
	var got struct {
		Data struct {
			Path    string            `json:"path"`
			Type    string            `json:"type"`
			Options map[string]string `json:"options"`
		} `json:"data"`
	}
	if err := s.ask(ctx, httpapi.Request{Method: http.MethodGet, Path: "v1/sys/internal/ui/mounts/" + path}, &got); err != nil {
		return mount{}, err
	}
	m := mount{path: got.Data.Path}
	if got.Data.Type == "kv" || got.Data.Type == "generic" {
		m.kv = 1
		if got.Data.Options["version"] == "2" {
			m.kv = 2
		}
	}
	if !strings.HasSuffix(m.path, "/") || !strings.HasPrefix(path+"/", m.path) {
		return mount{}, errors.New("the server names a mount that the path is not below")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mounts) < maxMounts {
		s.mounts[m.path] = m
	}
	return m, nil
}

// ask asks with a token. One that is not accepted any more is replaced once:
// it may have been revoked, or the server was sealed and begun anew.
func (s *Source) ask(ctx context.Context, r httpapi.Request, out any) error {
	token, err := s.login.token(ctx, "")
	if err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	err = s.send(ctx, token, r, out)
	if !errors.Is(err, source.ErrDenied) {
		return err
	}
	again, lerr := s.login.token(ctx, token)
	if lerr != nil || again == token {
		return err
	}
	return s.send(ctx, again, r, out)
}

func (s *Source) send(ctx context.Context, token string, r httpapi.Request, out any) error {
	r.Header = http.Header{"X-Vault-Request": {"true"}}
	if token != "" {
		r.Header.Set("X-Vault-Token", token)
	}
	if s.cfg.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", s.cfg.Namespace)
	}
	return s.client.Do(ctx, r, out)
}

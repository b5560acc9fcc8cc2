package secrets

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/test/harness"
	"github.com/portcullis-dev/portcullis/test/provider"
)

type unrecorded struct{}

func (unrecorded) Record(context.Context, *portcullis.Event) error { return nil }

// oldWallet makes a wallet for an age identity whose one entry was made 100
// days ago, and returns its file and the identity.
func oldWallet(t *testing.T, value string) (string, *age.X25519Identity) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), wallet.FileName)
	o := wallet.Options{Recorder: unrecorded{}, Clock: func() time.Time { return time.Now().Add(-100 * 24 * time.Hour) }}
	if err := wallet.Create(t.Context(), path, wallet.AgeRecipients{Recipients: []age.Recipient{id.Recipient()}}, o); err != nil {
		t.Fatal(err)
	}
	w, err := wallet.Open(t.Context(), path, wallet.AgeIdentities{id}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Put(t.Context(), wallet.New{Name: "openai", Provider: "openai"}, []byte(value)); err != nil {
		t.Fatal(err)
	}
	return path, id
}

// upstream is a server that takes the keys that its provider takes, and
// remembers what came.
type upstream struct {
	mu     sync.Mutex
	valid  map[string]bool
	seen   map[string]int // by key, also refused ones
	lately int            // calls in a row with the newest key
	newest string
	all    strings.Builder // headers of the first calls
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	u.mu.Lock()
	ok := u.valid[key]
	u.seen[key]++
	if u.lately++; key != u.newest {
		u.newest, u.lately = key, 1
	}
	for name, values := range r.Header {
		if u.all.Len() < 1<<20 {
			fmt.Fprintf(&u.all, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	u.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	harness.Answer(w, r, `{"content":[]}`)
}

func (u *upstream) take(key string, valid bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.valid[key] = valid
}

func (u *upstream) count(key string) (n, lately int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.newest == key {
		lately = u.lately
	}
	return u.seen[key], lately
}

// TestRotationOfAProviderKeyLosesNothing: while calls run, the gateway finds a
// key due, gets another from a hook, asks the provider, and promotes it. The
// upstream takes both during the overlap and then only the new one. No call is
// lost, the old key serves until the new one does, and the caller's key never
// arrives.
func TestRotationOfAProviderKeyLosesNothing(t *testing.T) {
	t.Parallel()
	path, id := oldWallet(t, "sk-upstream-1")
	identity := secretFile(t, id.String())
	fake := provider.New()
	fake.Set("sk-upstream-2", provider.Valid)
	prov := httptest.NewServer(fake)
	defer prov.Close()
	hook := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho sk-upstream-2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	up := &upstream{valid: map[string]bool{"sk-upstream-1": true, "sk-upstream-2": true}, seen: map[string]int{}}
	server := httptest.NewServer(up)
	defer server.Close()
	config := func(enabled bool) string {
		return fmt.Sprintf(`[[route]]
name = "r"
path = "/mcp"
upstream = %q
rate = ["1000000/1s per key"]
credential = "secret://wallet/provider/openai"
[secrets.wallet]
file = %q
identity = "secret://file%s"
[secrets.rotation]
enabled = %t
jitter = "0s"
[[secrets.rotation.entry]]
name = "openai"
hook = [%q]
probe = { url = %q }
`, server.URL, path, identity, enabled, hook, prov.URL)
	}
	g := harness.Start(t, config(false))
	const workers = 16
	var wg sync.WaitGroup
	var done, lost atomic.Int64
	var first sync.Once
	stop := make(chan struct{})
	began := time.Now()
	for range workers {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
		wg.Go(func() {
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if text := one(t.Context(), client, g); text != "" {
					lost.Add(1)
					first.Do(func() { t.Error("the first lost call: ", text) })
				}
				done.Add(1)
			}
		})
	}
	count := func(key string, n int) func() bool {
		return func() bool { _, lately := up.count(key); return lately >= n }
	}
	until(t, "calls with the old key", count("sk-upstream-1", 500))
	g.Reconfigure(config(true))
	until(t, "calls with the new key only", count("sk-upstream-2", 500))
	up.take("sk-upstream-1", false) // the overlap ends
	until(t, "calls after the overlap", count("sk-upstream-2", 2000))
	close(stop)
	wg.Wait()
	took := time.Since(began)
	old, _ := up.count("sk-upstream-1")
	renewed, _ := up.count("sk-upstream-2")
	t.Logf("%d calls in %s (%.0f/s), %d with the old key, %d with the new one", done.Load(), took.Round(time.Millisecond), float64(done.Load())/took.Seconds(), old, renewed)
	if lost.Load() != 0 || done.Load() < int64(old+renewed) {
		t.Errorf("%d of %d calls lost; %d reached the upstream", lost.Load(), done.Load(), old+renewed)
	}
	up.mu.Lock()
	seen := up.all.String()
	up.mu.Unlock()
	if strings.Contains(seen, g.Key[strings.IndexByte(g.Key, '.')+1:]) || strings.Contains(seen, "X-Api-Key") {
		t.Error("the caller's key arrived")
	}
	told := []string{}
	for _, e := range g.Events() {
		if strings.HasPrefix(e.Type, "SECRET_") && e.Outcome == "success" {
			told = append(told, e.Type)
		}
	}
	for _, want := range []string{"SECRET_VERIFIED", "SECRET_ROTATED"} {
		if !strings.Contains(strings.Join(told, " "), want) {
			t.Errorf("no %s: %v", want, told)
		}
	}
	if strings.Contains(g.Log.String(), "sk-upstream") {
		t.Error("a key is in the log")
	}
}

// one makes one call and says what is wrong with the answer.
func one(ctx context.Context, client *http.Client, g *harness.Gateway) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL, strings.NewReader(fmt.Sprintf(echo, "x")))
	if err != nil {
		return err.Error()
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "X-API-Key": g.Key, "MCP-Protocol-Version": "2025-06-18"} {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	if !strings.Contains(string(body), `"content"`) {
		return string(body)
	}
	return ""
}

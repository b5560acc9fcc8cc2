package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
	"github.com/portcullis-dev/portcullis/internal/config"
)

const webhookSecret = "0123456789abcdef0123456789abcdef"

func rotationOptions(t *testing.T, webhook string) Options {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Listen, cfg.Server.AdminListen = "127.0.0.1:0", ""
	rt := config.DefaultRoute()
	rt.Name, rt.Path, rt.Upstream = "mcp", "/mcp", "http://127.0.0.1:9/mcp"
	cfg.Routes = []config.Route{rt}
	cfg.Identity.APIKey.Notify.Webhook, cfg.Identity.APIKey.Notify.Secret = webhook, webhookSecret
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return Options{
		Version: "test", Config: cfg, DataDir: filepath.Join(t.TempDir(), "data"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// agedKey makes a daily key that was created some time ago.
func agedKey(t *testing.T, opts Options, age time.Duration) apikey.Created {
	t.Helper()
	c, err := openCore(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	pepper, err := c.dir.Derive(purposePepper, 32)
	if err != nil {
		t.Fatal(err)
	}
	past, err := apikey.New(apikey.Options{
		Config: opts.Config.Identity.APIKey.Service(), Store: c.db.APIKeys(), Recorder: c.journal, Pepper: pepper,
		ValidateScope: scope.Validate, Clock: func() time.Time { return time.Now().Add(-age) },
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := past.Create(t.Context(), apikey.CreateRequest{Name: "daily", Scopes: []string{"tools:*"}, Schedule: apikey.Daily})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return made
}

func start(t *testing.T, opts Options) *App {
	t.Helper()
	a, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return a
}

// TestGatewayRotatesByItself: a key that came due while no gateway ran is
// rotated when one starts, the owner hears of it by a signed webhook, and the
// holder fetches the successor.
func TestGatewayRotatesByItself(t *testing.T) {
	heard := make(chan *http.Request, 1)
	bodies := make(chan []byte, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		heard <- r
		bodies <- b
	}))
	defer hook.Close()
	opts := rotationOptions(t, hook.URL)
	old := agedKey(t, opts, 23*time.Hour)
	a := start(t, opts)
	r, body := <-heard, <-bodies
	if got := r.Header.Get("X-Portcullis-Signature"); got != notify.Sign(webhookSecret, r.Header.Get("X-Portcullis-Timestamp"), body) {
		t.Errorf("signature %q", got)
	}
	var n apikey.Notice
	if err := json.Unmarshal(body, &n); err != nil || n.KeyID != old.View.ID || n.Type != portcullis.EventAPIKeyRotated || strings.Contains(string(body), "mcp_") {
		t.Fatalf("%s, %v", body, err)
	}
	base := strings.TrimSuffix(a.Endpoints().URL, "/mcp")
	claim := func(credential string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/v1/keys/claim", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", credential)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		if resp.Header.Get("X-Request-Id") == "" || resp.StatusCode == http.StatusOK && resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", resp.Header)
		}
		return resp.StatusCode, out
	}
	status, out := claim(old.Key.Reveal())
	next, ok := out["key"].(string)
	if status != http.StatusOK || !ok || out["id"] != n.Successor || out["predecessor"] != old.View.ID {
		t.Fatalf("%d %v", status, out["detail"])
	}
	for credential, want := range map[string]int{
		old.Key.Reveal(): http.StatusConflict, next: http.StatusNotFound,
		old.Key.Reveal()[:60]: http.StatusUnauthorized,
	} {
		if status, out := claim(credential); status != want || out["key"] != nil {
			t.Errorf("%d, want %d", status, want)
		}
	}
	if v, err := a.core.keys.Verify(t.Context(), next); err != nil || !v.Valid || v.Key.Owner != old.View.Owner {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestNoticesReachNoMetadataService: the dialer refuses it, whatever the name.
func TestNoticesReachNoMetadataService(t *testing.T) {
	opts := rotationOptions(t, "https://169.254.169.254/latest")
	c, err := openCore(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := c.notices.Notify(t.Context(), apikey.Notice{ID: "x", Type: portcullis.EventAPIKeyRotated}); err != nil {
		t.Fatal(err)
	}
	if err := c.notices.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait, err := c.notices.List(t.Context(), false)
	if err != nil || len(wait) != 1 || !strings.Contains(wait[0].LastError, "is refused: link-local") {
		t.Errorf("%+v, %v", wait, err)
	}
}

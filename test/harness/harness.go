// Package harness runs a whole gateway inside a test: real listeners, a real
// data folder, a real upstream, and a look at everything it leaves behind:
// replies, audit events, metrics and log lines.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/app/personal"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Gateway is a running gateway and the way to look into it.
type Gateway struct {
	App     *app.App
	URL     string // of the first route
	Base    string // scheme and address
	Admin   string // admin listener
	Key     string // may do everything, also administer
	DataDir string
	Config  string // path of the configuration file
	Log     *Buffer

	t      *testing.T
	client *admin.Client
	stop   sync.Once
}

// Buffer collects log lines. Safe for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// FreeAddr returns an address of 127.0.0.1 that nobody listens on.
func FreeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start runs a gateway until the test ends. text is its configuration below
// listen and admin_listen of [server], which Start writes.
func Start(t *testing.T, text string) *Gateway {
	t.Helper()
	g := &Gateway{t: t, DataDir: filepath.Join(t.TempDir(), "data"), Log: new(Buffer)}
	g.Config = filepath.Join(t.TempDir(), "portcullis.toml")
	g.WriteConfig(head + text)
	g.run()
	t.Cleanup(func() {
		g.Stop(10 * time.Second)
		if t.Failed() {
			t.Logf("gateway log:\n%s", g.Log)
		}
	})
	return g
}

// run starts a gateway on the data folder.
func (g *Gateway) run() {
	t := g.t
	t.Helper()
	cfg, src, err := config.Load(g.Config, os.LookupEnv)
	if err != nil {
		t.Fatalf("configuration: %v", err)
	}
	g.App, err = app.New(t.Context(), app.Options{
		Version: "test", Config: cfg, Source: src, Getenv: os.LookupEnv, DataDir: g.DataDir,
		Log: obs.NewLogger(g.Log, slog.LevelDebug, "json", obs.LogOptions{}), FirstKey: true,
	})
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	if err := g.App.Start(t.Context()); err != nil {
		t.Fatalf("starting: %v", err)
	}
	e := g.App.Endpoints()
	g.URL, g.Admin = e.URL, e.AdminURL
	if e.APIKey != "" { // told once
		g.Key = e.APIKey
	}
	g.Base = g.URL[:strings.Index(g.URL[8:], "/")+8]
}

// Restart stops the gateway and starts another on the same data folder. Its
// addresses change.
func (g *Gateway) Restart() {
	g.t.Helper()
	g.Stop(10 * time.Second)
	g.stop, g.client = sync.Once{}, nil
	g.run()
}

// head begins every configuration.
const head = "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nlog.level = \"debug\"\n"

// Reconfigure replaces what stands below listen and admin_listen in the
// configuration file, as an editor does; the gateway follows by itself.
func (g *Gateway) Reconfigure(text string) {
	g.t.Helper()
	next := g.Config + ".next"
	if err := os.WriteFile(next, []byte(head+text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(next, g.Config); err != nil {
		g.t.Fatal(err)
	}
}

// Stop stops the gateway, once: running calls have so long to finish.
func (g *Gateway) Stop(grace time.Duration) {
	g.t.Helper()
	g.stop.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		if err := g.App.Stop(ctx); err != nil {
			g.t.Errorf("stopping: %v", err)
		}
	})
}

// WriteConfig replaces the configuration file.
func (g *Gateway) WriteConfig(text string) {
	g.t.Helper()
	if err := os.WriteFile(g.Config, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// API returns a client of the admin API over the socket.
func (g *Gateway) API() *admin.Client {
	g.t.Helper()
	if g.client == nil {
		c, err := admin.Dial(g.t.Context(), filepath.Join(g.DataDir, "admin.sock"))
		if err != nil {
			g.t.Fatal(err)
		}
		g.client = c
	}
	return g.client
}

// NewKey makes a key with scopes and returns its text and id.
func (g *Gateway) NewKey(scopes ...string) (key, id string) {
	g.t.Helper()
	made, err := g.API().CreateKey(g.t.Context(), admin.CreateKey{Name: "test", Scopes: scopes})
	if err != nil {
		g.t.Fatalf("creating a key: %v", err)
	}
	return made.Key, made.ID
}

// Event is an audit event as the journal holds it.
type Event struct {
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	Severity  string         `json:"severity"`
	Outcome   string         `json:"outcome"`
	Actor     map[string]any `json:"actor"`
	Route     string         `json:"route"`
	Resource  string         `json:"resource"`
	Action    string         `json:"action"`
	Reason    string         `json:"reason"`
	RequestID string         `json:"request_id"`
	TraceID   string         `json:"trace_id"`
	Details   map[string]any `json:"details"`
}

// Events reads the journal.
func (g *Gateway) Events() []Event {
	g.t.Helper()
	events, err := ReadEvents(g.DataDir)
	if err != nil {
		g.t.Fatal(err)
	}
	return events
}

// ReadEvents reads the journal of a data folder from its beginning, with the
// personal data in it opened.
func ReadEvents(dataDir string) (out []Event, err error) {
	people, err := personal.Read(dataDir, config.DefaultStore().URL)
	if err != nil {
		return nil, fmt.Errorf("opening personal data: %w", err)
	}
	defer func() { err = errors.Join(err, people.Close()) }()
	for line, err := range journal.All(filepath.Join(dataDir, "audit"), journal.Cursor{}) {
		if err != nil {
			return out, fmt.Errorf("reading the journal: %w", err)
		}
		event, err := auditlog.ParseEntry(line.Entry)
		if err != nil {
			return out, err
		}
		if people != nil {
			if err := people.Open(context.Background(), &event); err != nil {
				return out, err
			}
		}
		var e Event
		if err := json.Unmarshal(auditlog.AppendEntry(nil, &event), &e); err != nil {
			return out, fmt.Errorf("reading an event: %w", err)
		}
		out = append(out, e)
	}
	return out, nil
}

// EventsOf returns the events of one request, in order.
func (g *Gateway) EventsOf(requestID string) []Event {
	g.t.Helper()
	var out []Event
	for _, e := range g.Events() {
		if e.RequestID == requestID {
			out = append(out, e)
		}
	}
	return out
}

// Metrics scrapes the admin listener.
func (g *Gateway) Metrics() string {
	g.t.Helper()
	resp := Do(g.t, http.MethodGet, g.Admin+"/metrics", nil, "X-API-Key", g.Key)
	if resp.Status != http.StatusOK {
		g.t.Fatalf("metrics: status %d: %s", resp.Status, resp.Body)
	}
	return resp.Body
}

// Response is a whole reply.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request with headers given as name, value, … and reads the reply.
// A header "Host" sets the host.
func Do(t *testing.T, method, url string, body []byte, headers ...string) Response {
	t.Helper()
	resp, err := send(t.Context(), method, url, body, headers)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the reply: %v", err)
	}
	return Response{resp.StatusCode, resp.Header, string(b)}
}

// Open is Do for streams: the caller reads and closes the body.
func Open(t *testing.T, method, url string, body []byte, headers ...string) *http.Response {
	t.Helper()
	resp, err := send(t.Context(), method, url, body, headers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func send(ctx context.Context, method, url string, body []byte, headers []string) (*http.Response, error) {
	if len(headers)%2 != 0 {
		return nil, errors.New("headers come in pairs")
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return client.Do(req)
}

// Upstream is a scriptable MCP server that remembers what reached it.
type Upstream struct {
	*httptest.Server
	mu       sync.Mutex
	requests []Seen
}

// Seen is a request as the upstream saw it.
type Seen struct {
	Method, Path, Body string
	Header             http.Header
}

// NewUpstream starts an upstream that answers with h after remembering.
func NewUpstream(t *testing.T, h http.HandlerFunc) *Upstream {
	t.Helper()
	u := new(Upstream)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		u.mu.Lock()
		u.requests = append(u.requests, Seen{r.Method, r.URL.RequestURI(), string(b), r.Header.Clone()})
		u.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(b))
		h(w, r)
	}))
	t.Cleanup(u.Server.Close)
	return u
}

// Seen returns the requests that reached the upstream.
func (u *Upstream) Seen() []Seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Seen(nil), u.requests...)
}

// Answer replies to a JSON-RPC request with a result, whatever its id.
func Answer(w http.ResponseWriter, r *http.Request, result string) {
	var req struct{ ID json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || req.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, req.ID, result)
}

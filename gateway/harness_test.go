package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/session"
)

// memory is a journal that can be made to fail.
type memory struct {
	mu     sync.Mutex
	events []portcullis.Event
	fail   portcullis.EventType // events of this type cannot be written
	once   bool                 // only the next of them
}

var errDisk = errors.New("disk full at /var/lib/s3cr3t")

func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Type == m.fail {
		if m.once {
			m.fail = ""
		}
		return errDisk
	}
	kept := *e
	kept.Details = append([]slog.Attr(nil), e.Details...)
	m.events = append(m.events, kept)
	return nil
}

// last returns the last event of a type.
func (m *memory) last(t *testing.T, kind portcullis.EventType) portcullis.Event {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.events) - 1; i >= 0; i-- {
		if m.events[i].Type == kind {
			return m.events[i]
		}
	}
	t.Fatalf("no %s among %d events", kind, len(m.events))
	return portcullis.Event{}
}

func (m *memory) count(kind portcullis.EventType) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, e := range m.events {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// user is one of users with passwords.
type user struct{ named }

func (user) Name() string { return "basic" }

// named is an authenticator that believes a header.
type named func(name string) (portcullis.Principal, error)

func (named) Name() string { return "api_key" }

func (f named) Authenticate(_ context.Context, c *portcullis.Conn) (portcullis.Principal, error) {
	name := c.HTTP.Header.Get("X-Name")
	if name == "" {
		return portcullis.Principal{}, portcullis.ErrNoCredentials
	}
	return f(name)
}

func anyone(name string) (portcullis.Principal, error) {
	return portcullis.Principal{ID: name, Method: "test", Scopes: []string{"tools:*", "prompts:*", "resources:*"}}, nil
}

// upstreamFunc is an upstream made of a function.
type upstreamFunc func(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error)

func (f upstreamFunc) Forward(ctx context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
	return f(ctx, c)
}

func reply(contentType, body string) *portcullis.Reply {
	return &portcullis.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}
}

const answer = `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`

func answering(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
	return reply("application/json", answer), nil
}

// rig is a gateway with one route whose parts the test chose.
type rig struct {
	*Gateway
	journal *memory
	metrics *obs.Metrics
	log     *bytes.Buffer
	sw      *edge.Switch
}

const oneRoute = `
[[route]]
name = "mcp"
path = "/mcp"
upstream = "http://127.0.0.1:1/mcp"
rate = ["1000000/1s per address", "1000000/1s per key"]
`

func parse(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, _, err := config.Parse("test.toml", []byte(text), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func newRig(t testing.TB, who named, up upstreamFunc) *rig {
	t.Helper()
	return configuredRig(t, oneRoute, who, up)
}

// configuredRig is a gateway with a configuration of the test's own.
func configuredRig(t testing.TB, text string, who named, up upstreamFunc) *rig {
	t.Helper()
	r := &rig{journal: new(memory), metrics: obs.NewMetrics(obs.Build{Version: "test"}), log: new(bytes.Buffer), sw: new(edge.Switch)}
	sealer, err := session.NewSealer(make([]byte, session.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(r.log, nil))
	r.Gateway = New(log)
	table, err := Build(parse(t, text), Deps{
		Log: log, Metrics: r.metrics, Recorder: r.journal, APIKeys: who, Sealer: sealer, Switch: r.sw,
		Upstream: func(string) portcullis.Upstream { return up },
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Use(table)
	return r
}

const toolCall = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"m":"hello"}}}`

func post(body string, headers ...string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/mcp", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

// do serves one request.
func (r *rig) do(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// counted tells how often a refusal was counted.
func (r *rig) counted(labels string) bool {
	w := httptest.NewRecorder()
	r.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return strings.Contains(w.Body.String(), "portcullis_refusals_total{"+labels+"} ")
}

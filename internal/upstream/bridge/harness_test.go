package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
	"github.com/portcullis-dev/portcullis/internal/upstream/stdio"
)

// house is a bridge over real children, behind HTTP.
type house struct {
	t    *testing.T
	b    *bridge.Bridge
	url  string
	mu   sync.Mutex
	pids []int
}

// open starts a bridge whose children run this test binary in a mode.
func open(t *testing.T, mode string, tune func(*bridge.Config), extra ...string) *house {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sc := stdio.Default()
	sc.Command = append([]string{exe, "serve", mode}, extra...)
	sc.Grace = 2 * time.Second
	sc.Env = map[string]string{"GORACE": "atexit_sleep_ms=0"}
	log := logger(t)
	l, err := stdio.New(sc, log)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t}
	cfg := bridge.Default()
	if tune != nil {
		tune(&cfg)
	}
	h.b, err = bridge.New(cfg, bridge.Options{Log: log, Version: "test", Open: func(ctx context.Context) (bridge.Conn, error) {
		p, err := l.Start(ctx)
		if err != nil {
			return nil, err
		}
		h.mu.Lock()
		h.pids = append(h.pids, p.Pid())
		h.mu.Unlock()
		return p, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv := h.serve(h.b)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.b.Close(ctx); err != nil {
			t.Errorf("closing: %v", err)
		}
		srv.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		for _, pid := range h.children() {
			if alive(pid) {
				t.Errorf("process %d is left", pid)
			}
		}
		if st := h.b.Stats(); st.Children != 0 || st.Sessions != 0 || st.Shared != 0 || st.Pending != 0 {
			t.Errorf("left after close: %+v", st)
		}
	})
	return h
}

// serve puts an upstream behind HTTP, where the next requests go.
func (h *house) serve(u portcullis.Upstream) *httptest.Server {
	srv := httptest.NewServer(adapter(u))
	h.url = srv.URL
	h.t.Cleanup(srv.Close)
	return srv
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (h *house) children() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]int(nil), h.pids...)
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// adapter is what of the gateway the bridge needs: it makes the call from the
// request, without any check, and writes the reply, flushing each read.
func adapter(u portcullis.Upstream) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		m := &portcullis.Message{Raw: body, Session: r.Header.Get("Mcp-Session-Id"), Version: r.Header.Get("Mcp-Protocol-Version")}
		switch r.Method {
		case http.MethodGet:
			m.Shape = portcullis.ShapeStream
		case http.MethodDelete:
			m.Shape = portcullis.ShapeClose
		default:
			var v struct {
				ID, Params, Result, Error json.RawMessage
				Method                    string
			}
			if err := json.Unmarshal(body, &v); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			m.ID, m.Method, m.Params = v.ID, v.Method, v.Params
			switch {
			case v.Method != "" && v.ID != nil:
				m.Shape = portcullis.ShapeRequest
			case v.Method != "":
				m.Shape = portcullis.ShapeNotification
			case v.Error != nil:
				m.Shape, m.Params = portcullis.ShapeError, nil
			default:
				m.Shape, m.Params = portcullis.ShapeResult, v.Result
			}
		}
		who := r.Header.Get("X-Principal")
		if who == "" {
			who = "alice"
		}
		pc := &portcullis.Call{Conn: &portcullis.Conn{HTTP: r}, Principal: portcullis.Principal{ID: who}, Message: m}
		reply, err := u.Forward(r.Context(), pc)
		if err != nil {
			refuse(w, m, err)
			return
		}
		defer reply.Body.Close()
		for k, v := range reply.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(reply.Status)
		flush := http.NewResponseController(w)
		_ = flush.Flush()
		buf := make([]byte, 32<<10)
		for {
			n, err := reply.Body.Read(buf)
			if _, werr := w.Write(buf[:n]); werr != nil || err != nil {
				return
			}
			_ = flush.Flush()
		}
	})
}

func refuse(w http.ResponseWriter, m *portcullis.Message, err error) {
	var pe *portcullis.Error
	if !errors.As(err, &pe) {
		return // the caller has gone
	}
	for k, v := range pe.Header {
		w.Header()[k] = v
	}
	code := pe.Code
	if code == 0 {
		code = portcullis.CodeRefused
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(pe.Kind.Status())
	id := m.ID
	if id == nil {
		id = []byte("null")
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": json.RawMessage(id),
		"error": map[string]any{"code": code, "message": pe.Public, "data": map[string]any{"reason": pe.Reason}}})
}

// client connects the official SDK's client, in the era of a version.
func (h *house) client(version string, opts *mcp.ClientOptions) *mcp.ClientSession {
	h.t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "tester", Version: "1"}, opts)
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	cs, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: h.url, MaxRetries: -1},
		&mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		h.t.Fatalf("connecting: %v", err)
	}
	h.t.Cleanup(func() { _ = cs.Close() })
	return cs
}

func call(t *testing.T, cs *mcp.ClientSession, tool, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"text": text}}
	p.SetProgressToken("token-" + text)
	res, err := cs.CallTool(ctx, p)
	if err != nil {
		t.Fatalf("calling %s: %v", tool, err)
	}
	var out strings.Builder
	for _, c := range res.Content {
		if tc, ok := c.(*mcp.TextContent); ok {
			out.WriteString(tc.Text)
		}
	}
	if res.IsError {
		t.Fatalf("calling %s: tool error %s", tool, out.String())
	}
	return out.String()
}

// answer is what came back for one raw HTTP request.
type answer struct {
	status int
	header http.Header
	body   string
	live   io.ReadCloser // when asked for a stream
}

// raw sends bytes; fields are alternating header names and values.
func (h *house) raw(method, body string, fields ...string) answer {
	h.t.Helper()
	a := h.stream(h.t.Context(), method, body, fields...)
	defer a.live.Close()
	b, err := io.ReadAll(a.live)
	if err != nil {
		h.t.Fatalf("reading: %v", err)
	}
	a.body = string(b)
	return a
}

func (h *house) stream(ctx context.Context, method, body string, fields ...string) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, h.url, bytes.NewReader([]byte(body)))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatalf("sending: %v", err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, live: resp.Body}
}

const initialize = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// begin opens a session by hand.
func (h *house) begin(fields ...string) string {
	h.t.Helper()
	a := h.raw("POST", initialize, fields...)
	id := a.header.Get("Mcp-Session-Id")
	if a.status != http.StatusOK || id == "" {
		h.t.Fatalf("initialize: %d %s", a.status, a.body)
	}
	return id
}

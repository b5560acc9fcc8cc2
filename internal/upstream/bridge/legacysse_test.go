package bridge_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis/internal/upstream/bridge"
	"github.com/portcullis-dev/portcullis/internal/upstream/legacysse"
)

// TestLegacySSE runs the clients of both eras against a server of the HTTP+SSE
// transport.
func TestLegacySSE(t *testing.T) {
	s := sdkServer("legacy", []string{"2025-11-25", "2025-06-18", "2024-11-05"})
	far := httptest.NewServer(mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s }, nil))
	defer far.Close()
	defer far.CloseClientConnections()
	cfg := legacysse.Default()
	cfg.URL = far.URL
	rt := &http.Transport{}
	defer rt.CloseIdleConnections()
	d, err := legacysse.New(cfg, rt, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bridge.New(bridge.Default(), bridge.Options{Log: logger(t), Open: func(ctx context.Context) (bridge.Conn, error) {
		c, err := d.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return c, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, b: b}
	h.serve(b)
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		cs := h.client(version, &mcp.ClientOptions{
			ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
			},
		})
		if got := call(t, cs, "echo", "x"); got != "x" {
			t.Errorf("echo %q", got)
		}
		if got := call(t, cs, "ask", ""); got != "hello Ada" {
			t.Errorf("ask %q", got)
		}
		_ = cs.Close()
	}

	// The end of the stream is the end of the server.
	id := h.begin()
	far.CloseClientConnections()
	eventually(t, "session ended", func() bool { return b.Stats().Sessions == 0 })
	expect(t, h.raw("POST", tool("1", "echo"), "Mcp-Session-Id", id), http.StatusNotFound)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Errorf("closing: %v", err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

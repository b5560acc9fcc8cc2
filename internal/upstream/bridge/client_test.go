package bridge_test

import (
	"context"
	"slices"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestEras runs the official client of either era against servers of either
// era: it sees no difference.
func TestEras(t *testing.T) {
	for _, server := range []string{"both", "legacy", "modern"} {
		for _, version := range []string{"2025-11-25", "2025-06-18", "2026-07-28"} {
			t.Run(server+" server, "+version+" client", func(t *testing.T) {
				t.Parallel()
				testEra(t, open(t, server, nil), server, version)
			})
		}
	}
}

func testEra(t *testing.T, h *house, server, version string) {
	progress := make(chan float64, 8)
	changed := make(chan struct{}, 8)
	updated := make(chan string, 8)
	cs := h.client(version, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			if r.Params.ProgressToken == "token-p" {
				progress <- r.Params.Progress
			}
		},
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) { updated <- r.Params.URI },
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
	})
	if got := cs.InitializeResult().ProtocolVersion; got != version {
		t.Errorf("protocol version %q", got)
	}
	if info := cs.InitializeResult().ServerInfo; info == nil || info.Name != "everything" {
		t.Errorf("server info %+v", info)
	}
	tools, err := cs.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(tools.Tools, func(x *mcp.Tool) bool { return x.Name == "echo" }) {
		t.Errorf("tools %+v", tools.Tools)
	}
	if got := call(t, cs, "echo", "hej på dig"); got != "hej på dig" {
		t.Errorf("echo %q", got)
	}
	if got := call(t, cs, "progress", "p"); got != "done" {
		t.Errorf("progress %q", got)
	}
	for i := 1; i <= 3; i++ { // the client hands out notifications in its own time
		if got := <-progress; got != float64(i) {
			t.Errorf("progress %v, want %d", got, i)
		}
	}
	want := "hello Ada s1"
	if server == "legacy" {
		want = "hello Ada"
	}
	if got := call(t, cs, "ask", ""); got != want {
		t.Errorf("ask %q, want %q", got, want)
	}
	if _, err := cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "test://absent"}); err == nil {
		t.Error("an absent resource was read")
	}
	if res, err := cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "test://r"}); err != nil || res.Contents[0].Text != "r" {
		t.Errorf("resource: %v", err)
	}
	call(t, cs, "grow", "")
	select {
	case <-changed:
	case <-t.Context().Done():
		t.Fatal("no list_changed")
	}
	if version < "2026-07-28" {
		if err := cs.Ping(t.Context(), nil); err != nil {
			t.Errorf("ping: %v", err)
		}
		if err := cs.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "test://r"}); err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		call(t, cs, "touch", "test://r")
		if got := <-updated; got != "test://r" {
			t.Errorf("updated %q", got)
		}
	}
}

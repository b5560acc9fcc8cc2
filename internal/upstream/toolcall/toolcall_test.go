package toolcall_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/toolcall"
)

// network is an upstream that sends what it is given over HTTP.
type network struct {
	t    *testing.T
	url  string
	seen []*portcullis.Call
}

func (n *network) Forward(ctx context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
	n.seen = append(n.seen, call)
	method := http.MethodPost
	if call.Message.Shape == portcullis.ShapeClose {
		method = http.MethodDelete
	}
	req, err := http.NewRequestWithContext(ctx, method, n.url, strings.NewReader(string(call.Message.Raw)))
	if err != nil {
		return nil, err
	}
	for _, f := range call.Header {
		req.Header.Add(f.Name, f.Value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return &portcullis.Reply{Status: resp.StatusCode, Header: resp.Header, Body: resp.Body}, nil
}

type arguments struct {
	User  string   `json:"user"`
	Names []string `json:"names"`
}

// server is an MCP server of the official SDK.
func server(t *testing.T, opts *mcp.StreamableHTTPOptions, erased *[]arguments) string {
	t.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: "crm", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "erase_user"}, func(_ context.Context, _ *mcp.CallToolRequest, in arguments) (*mcp.CallToolResult, any, error) {
		*erased = append(*erased, in)
		return nil, nil, nil
	})
	mcp.AddTool(s, &mcp.Tool{Name: "fails"}, func(_ context.Context, _ *mcp.CallToolRequest, in arguments) (*mcp.CallToolResult, any, error) {
		return nil, nil, errors.New("no user " + in.User)
	})
	srv := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, opts))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestRealServer: the official server of this SDK does what it is asked, with
// and without sessions; a result that is an error, and a tool that is not there,
// are refusals.
func TestRealServer(t *testing.T) {
	for name, opts := range map[string]*mcp.StreamableHTTPOptions{"sessions": nil, "stateless": {Stateless: true}, "json": {Stateless: true, JSONResponse: true}} {
		t.Run(name, func(t *testing.T) {
			var erased []arguments
			up := &network{t: t, url: server(t, opts, &erased)}
			caller := toolcall.Caller{Name: "portcullis", Version: "1"}
			args := map[string]any{"user": "alice", "names": []string{"a", "b"}}
			if err := caller.Call(t.Context(), up, "crm", "erase_user", args); err != nil {
				t.Fatal(err)
			}
			if len(erased) != 1 || erased[0].User != "alice" || len(erased[0].Names) != 2 {
				t.Fatalf("erased %+v", erased)
			}
			for _, tool := range []string{"fails", "missing"} {
				err := caller.Call(t.Context(), up, "crm", tool, args)
				if !errors.Is(err, toolcall.ErrRefused) || strings.Contains(err.Error(), "alice") {
					t.Errorf("%s: %v", tool, err)
				}
			}
			called := false
			for _, call := range up.seen {
				if call.Principal.ID != "portcullis" || call.Conn.Route != "crm" {
					t.Errorf("a call of %+v on %q", call.Principal, call.Conn.Route)
				}
				for _, f := range call.Header {
					if strings.EqualFold(f.Name, "Authorization") || strings.EqualFold(f.Name, "X-API-Key") {
						t.Errorf("a credential of its own: %s", f.Name)
					}
				}
				called = called || call.Message.Target == portcullis.Target{Kind: portcullis.TargetTool, Name: "erase_user"}
			}
			if !called {
				t.Error("no call names the tool: the credential of a tool could not be chosen")
			}
		})
	}
}

// TestNotReached: whatever keeps the server from answering is no refusal, and
// no word of an answer is in the error.
func TestNotReached(t *testing.T) {
	answer := func(h http.HandlerFunc) string {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return srv.URL
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	elsewhere := 0
	other := answer(func(http.ResponseWriter, *http.Request) { elsewhere++ })
	for name, url := range map[string]string{
		"gone": gone.URL,
		"down": answer(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "alice is here", http.StatusServiceUnavailable)
		}),
		"denied":   answer(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "alice is here", http.StatusUnauthorized) }),
		"nonsense": answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>alice is here")) }),
		"redirect": answer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusTemporaryRedirect) }),
		"endless": answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(strings.Repeat(" ", 64<<10))); err != nil {
					return
				}
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			err := toolcall.Caller{Name: "portcullis"}.Call(t.Context(), &network{t: t, url: url}, "crm", "erase_user", map[string]any{"user": "alice"})
			if err == nil || errors.Is(err, toolcall.ErrRefused) || strings.Contains(err.Error(), "alice") {
				t.Errorf("%v", err)
			}
		})
	}
	if elsewhere != 0 {
		t.Error("a redirect was followed")
	}
}

// TestTimeRunsOut: a server that does not answer holds nobody up.
func TestTimeRunsOut(t *testing.T) {
	asked, release := make(chan struct{}, 8), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	err := toolcall.Caller{Name: "portcullis"}.Call(ctx, &network{t: t, url: srv.URL}, "crm", "erase_user", nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestUnfinished: what asks for more before it does anything has done nothing.
func TestUnfinished(t *testing.T) {
	for result, done := range map[string]bool{
		`{"content":[]}`: true, `{"content":[],"resultType":"complete"}`: true,
		`{"content":[],"resultType":"input_required","requestState":"x"}`: false, `{"resultType":"task","task":{"taskId":"1"}}`: false,
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var call struct {
				ID     json.RawMessage
				Method string
				Params struct{ ProtocolVersion string }
			}
			if json.NewDecoder(r.Body).Decode(&call) != nil || call.ID == nil {
				w.WriteHeader(http.StatusAccepted)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			switch call.Method {
			case "initialize":
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":%q,"capabilities":{"tools":{}},"serverInfo":{"name":"crm","version":"1"}}}`, call.ID, call.Params.ProtocolVersion)
			case "tools/call":
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, result)
			default:
				fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"none"}}`, call.ID)
			}
		}))
		err := toolcall.Caller{Name: "portcullis"}.Call(t.Context(), &network{t: t, url: srv.URL}, "crm", "erase_user", map[string]any{"user": "alice"})
		if (err == nil) != done || err != nil && !errors.Is(err, toolcall.ErrRefused) {
			t.Errorf("%s: %v", result, err)
		}
		srv.Close()
	}
}

// Package toolcall calls a tool of the server behind a route for the gateway
// itself: nobody else's call is under way, and nobody else's credential
// travels. The server gets what the route gives it, as with every call.
//
// The official MCP client speaks; its requests go to the [portcullis.Upstream]
// of the route instead of the network, so that every kind of server is called
// the same way: one on the network, a child process, one of an older transport.
package toolcall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	sdk "github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis"
)

// ErrRefused says that the server was reached and that its tool did not do what
// was asked: the result is an error or not final, or there is no such tool.
var ErrRefused = errors.New("the tool answered with an error")

// Bounds of a conversation, in bytes.
const (
	maxRequest = 1 << 20
	maxReply   = 1 << 20
)

// Caller calls tools for one part of the gateway.
type Caller struct {
	Name    string // of the part, as the id of the principal
	Version string // of the gateway
}

// Call calls a tool and returns nil if its result is final and no error. What the server
// answered is in no error: it may repeat what it was told.
func (c Caller) Call(ctx context.Context, up portcullis.Upstream, route, tool string, arguments map[string]any) error {
	carrier := newCarrier(up, route, c.Name)
	transport := &mcp.StreamableClientTransport{
		Endpoint: "http://upstream.invalid/", HTTPClient: &http.Client{Transport: carrier, CheckRedirect: stay},
		MaxRetries: -1, DisableStandaloneSSE: true, MaxEventSize: maxReply,
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "portcullis", Version: c.Version}, &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}})
	session, err := client.Connect(ctx, transport, nil)
	if err != nil {
		return fmt.Errorf("greeting the server of route %q: %w", route, carrier.reason(ctx))
	}
	defer session.Close() //nolint:errcheck // the answer is there, or nothing is
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	var said *sdk.Error
	switch {
	case err == nil && (result.IsError || !finished(result)), errors.As(err, &said) && carrier.reached():
		return fmt.Errorf("tool %q of route %q: %w", tool, route, ErrRefused)
	case err != nil:
		return fmt.Errorf("calling tool %q of route %q: %w", tool, route, carrier.reason(ctx))
	}
	return nil
}

// finished reports whether a result says that the tool did its work. One that
// asks for input, or promises a result for later, is no error and did nothing.
func finished(result *mcp.CallToolResult) bool {
	var said struct {
		ResultType string `json:"resultType"`
	}
	raw, err := json.Marshal(result) // the type is in no field that can be read
	return err == nil && json.Unmarshal(raw, &said) == nil && (said.ResultType == "" || said.ResultType == "complete")
}

// stay follows no redirect: what is said of a person goes to the server of the
// route and nowhere else.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

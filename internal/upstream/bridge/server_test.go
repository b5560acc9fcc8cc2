package bridge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"
)

// TestMain is the test binary's second life: run with "serve MODE" it is an
// MCP server on its standard streams.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func serve(mode string) error {
	switch mode {
	case "both":
		return sdkServer(mode, nil).Run(context.Background(), &mcp.StdioTransport{})
	case "legacy":
		versions := []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}
		return sdkServer(mode, versions).Run(context.Background(), &mcp.StdioTransport{})
	case "modern":
		return modernOnly()
	}
	return tinyServer(mode)
}

type args struct {
	Text string `json:"text"`
}

// sdkServer is a server of the official SDK with one tool per thing to test.
func sdkServer(mode string, versions []string) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "everything", Version: "1.2.3"}, &mcp.ServerOptions{
		SupportedProtocolVersions: versions,
		SubscribeHandler:          func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler:        func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	text := func(s string) *mcp.CallToolResult {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
	}
	add := func(name string, run func(context.Context, *mcp.CallToolRequest, args) (*mcp.CallToolResult, error)) {
		mcp.AddTool(s, &mcp.Tool{Name: name}, func(ctx context.Context, r *mcp.CallToolRequest, a args) (*mcp.CallToolResult, any, error) {
			res, err := run(ctx, r, a)
			return res, nil, err
		})
	}
	add("echo", func(_ context.Context, _ *mcp.CallToolRequest, a args) (*mcp.CallToolResult, error) {
		return text(a.Text), nil
	})
	add("pid", func(context.Context, *mcp.CallToolRequest, args) (*mcp.CallToolResult, error) {
		return text(fmt.Sprint(os.Getpid())), nil
	})
	add("progress", func(ctx context.Context, r *mcp.CallToolRequest, a args) (*mcp.CallToolResult, error) {
		for i := 1; i <= 3; i++ {
			err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: r.Params.GetProgressToken(), Progress: float64(i), Message: a.Text,
			})
			if err != nil {
				return nil, err
			}
		}
		return text("done"), nil
	})
	add("ask", func(ctx context.Context, r *mcp.CallToolRequest, _ args) (*mcp.CallToolResult, error) {
		question := &mcp.ElicitParams{Message: "your name?", RequestedSchema: json.RawMessage(
			`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`)}
		if mode == "legacy" {
			res, err := r.Session.Elicit(ctx, question)
			if err != nil {
				return nil, err
			}
			return text(fmt.Sprintf("hello %v", res.Content["name"])), nil
		}
		if got, ok := r.Params.InputResponses["q"].(*mcp.ElicitResult); ok {
			return text(fmt.Sprintf("hello %v %s", got.Content["name"], r.Params.RequestState)), nil
		}
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"q": question}, RequestState: "s1"}, nil
	})
	add("grow", func(context.Context, *mcp.CallToolRequest, args) (*mcp.CallToolResult, error) {
		s.AddTool(&mcp.Tool{Name: "grown", InputSchema: json.RawMessage(`{"type":"object"}`)},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return text("grown"), nil })
		return text("ok"), nil
	})
	add("touch", func(ctx context.Context, _ *mcp.CallToolRequest, a args) (*mcp.CallToolResult, error) {
		return text("ok"), s.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: a.Text})
	})
	add("block", func(ctx context.Context, _ *mcp.CallToolRequest, a args) (*mcp.CallToolResult, error) {
		if err := os.WriteFile(a.Text+".started", nil, 0o600); err != nil {
			return nil, err
		}
		<-ctx.Done()
		return text("cancelled"), os.WriteFile(a.Text, []byte("cancelled"), 0o600)
	})
	s.AddResource(&mcp.Resource{Name: "r", URI: "test://r"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "test://r", Text: "r"}}}, nil
	})
	return s
}

// modernOnly is the SDK's server behind a filter that knows no initialize.
func modernOnly() error {
	in, feed := io.Pipe()
	go func() {
		defer feed.Close()
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var m struct {
				ID     json.RawMessage
				Method string
			}
			if json.Unmarshal(lines.Bytes(), &m) == nil && m.Method == "initialize" {
				fmt.Printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}\n", m.ID)
				continue
			}
			fmt.Fprintf(feed, "%s\n", lines.Bytes())
		}
	}()
	s := sdkServer("modern", []string{"2026-07-28"})
	return s.Run(context.Background(), &mcp.IOTransport{Reader: in, Writer: os.Stdout})
}

const tinyInit = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"tiny","version":"0"}}`

// tinyServer speaks the session protocol by hand and misbehaves as mode says.
func tinyServer(mode string) error {
	switch mode {
	case "exit":
		return nil
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		for {
			time.Sleep(time.Hour)
		}
	case "flood":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<20))
		for i := range 5000 {
			fmt.Fprintln(os.Stderr, "noise", i)
		}
	case "garbage":
		fmt.Println("Welcome to the server!")
		fmt.Println(`{"half":`)
	case "family":
		c := exec.Command("sleep", "3600")
		if err := c.Start(); err != nil {
			return err
		}
		if err := os.WriteFile(os.Args[3], fmt.Append(nil, c.Process.Pid), 0o600); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct{ Name string }
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return err
		}
		if m.ID == nil || m.Method == "" {
			continue
		}
		reply := func(member, value string) {
			fmt.Printf("{\"jsonrpc\":\"2.0\",\"id\":%s,%q:%s}\n", m.ID, member, value)
		}
		switch m.Method + " " + m.Params.Name {
		case "initialize ":
			reply("result", tinyInit)
		case "server/discover ":
			if mode == "brittle" {
				os.Exit(7)
			}
			if mode != "silent" {
				reply("error", `{"code":-32601,"message":"no"}`)
			}
		case "tools/call crash":
			os.Exit(3)
		case "tools/call never":
		case "tools/call env":
			env, err := json.Marshal(os.Environ())
			if err != nil {
				return err
			}
			reply("result", `{"content":[],"env":`+string(env)+`}`)
		default:
			reply("result", `{"content":[{"type":"text","text":"tiny"}],"n":1.50}`)
		}
	}
	return nil
}

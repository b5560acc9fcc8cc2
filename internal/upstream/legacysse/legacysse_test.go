package legacysse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a hand-written HTTP+SSE server: it sends first, then echoes.
func server(t *testing.T, first string, post http.HandlerFunc) *httptest.Server {
	t.Helper()
	said := make(chan string, 8)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sse", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprint(w, first)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case s := <-said:
				if s == "bye" {
					return
				}
				fmt.Fprint(w, s)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("POST /messages", func(w http.ResponseWriter, r *http.Request) {
		if post != nil {
			post(w, r)
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		if string(b) == `{"say":"bye"}` {
			said <- "bye"
			return
		}
		said <- ": comment\n\nevent: other\ndata: {\"no\":1}\n\nevent: message\ndata: nonsense\n\ndata: " + string(b) + "\n\n"
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func dial(t *testing.T, url string) (*Conn, error) {
	t.Helper()
	cfg := Default()
	cfg.URL = url
	rt := &http.Transport{}
	t.Cleanup(rt.CloseIdleConnections)
	d, err := New(cfg, rt, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Dial(t.Context())
	if err == nil {
		t.Cleanup(func() { _ = c.Close(context.Background()) })
	}
	return c, err
}

const endpoint = "event: endpoint\ndata: /messages?session=1\n\n"

func TestConversation(t *testing.T) {
	srv := server(t, ": hello\n\n"+endpoint, nil)
	c, err := dial(t, srv.URL+"/sse")
	if err != nil {
		t.Fatal(err)
	}
	msg := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	if err := c.Send(t.Context(), []byte(msg)); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Receive(); err != nil || string(got) != msg {
		t.Errorf("got %s, %v", got, err)
	}
	if err := c.Send(t.Context(), []byte(`{"say":"bye"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	_ = c.Close(t.Context())
	if err := c.Send(t.Context(), []byte(msg)); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// TestEndpoint: only an endpoint of the stream's own origin is used.
func TestEndpoint(t *testing.T) {
	base, err := url.Parse("https://mcp.example/sse?x=1")
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"/messages?s=1":                   "https://mcp.example/messages?s=1",
		"messages":                        "https://mcp.example/messages",
		"https://mcp.example:443/m":       "https://mcp.example:443/m",
		"https://MCP.example/m#frag":      "https://MCP.example/m",
		" /messages ":                     "https://mcp.example/messages",
		"http://mcp.example/m":            "",
		"https://mcp.example:444/m":       "",
		"https://evil.example/m":          "",
		"//evil.example/m":                "",
		"https://mcp.example@evil/m":      "",
		"https://user@mcp.example/m":      "",
		"http://169.254.169.254/latest":   "",
		"file:///etc/passwd":              "",
		"\\\\evil.example\\m":             "https://mcp.example/%5C%5Cevil.example%5Cm",
		"https://mcp.example.evil.test/m": "",
		"://":                             "",
	} {
		got, err := resolve(base, ref)
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%q: got %q, %v; want %q", ref, got, err, want)
		}
	}
}

func TestRefusedServers(t *testing.T) {
	other := server(t, endpoint, nil)
	for name, c := range map[string]struct {
		first string
		want  error
	}{
		"other origin":   {"event: endpoint\ndata: " + other.URL + "/messages\n\n", ErrOrigin},
		"no endpoint":    {"data: {}\n\n", ErrProtocol},
		"endless":        {"event: endpoint\ndata: " + strings.Repeat("x", 17<<20), nil},
		"broken address": {"event: endpoint\ndata: http://[::1\n\n", ErrProtocol},
	} {
		_, err := dial(t, server(t, c.first, nil).URL+"/sse")
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"status":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"type":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, endpoint) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/sse", http.StatusFound) },
	} {
		srv := httptest.NewServer(h)
		if _, err := dial(t, srv.URL); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		srv.Close()
	}
}

func TestPostRefused(t *testing.T) {
	hit := make(chan struct{}, 1)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit <- struct{}{} }))
	defer other.Close()
	for name, post := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		"error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		c, err := dial(t, server(t, endpoint, post).URL+"/sse")
		if err != nil {
			t.Fatal(err)
		}
		err = c.Send(t.Context(), []byte(`{"secret":1}`))
		if err == nil || strings.Contains(err.Error(), "session=1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(hit) != 0 {
		t.Error("a redirect was followed")
	}
}

// TestDialTimeout: a server that never names its endpoint holds nobody.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		cfg := Default()
		cfg.URL = "http://mcp.example/sse"
		d, err := New(cfg, roundTrip(func(req *http.Request) (*http.Response, error) {
			context.AfterFunc(req.Context(), func() { w.CloseWithError(req.Context().Err()) })
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: r, Request: req}, nil
		}), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := d.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialling: %v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTooManyStrays(t *testing.T) {
	c, err := dial(t, server(t, endpoint+strings.Repeat("data: x\n\n", maxStray+1), nil).URL+"/sse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(); !errors.Is(err, ErrProtocol) {
		t.Errorf("receiving: %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := Default()
	good.URL = "https://mcp.example/sse"
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		`url: "ftp://x": want an http or https URL`:                     func(c *Config) { c.URL = "ftp://x" },
		`url: "": want an http or https URL`:                            func(c *Config) { c.URL = "" },
		`url: "https://u:xxxxx@x/": credentials do not belong in a URL`: func(c *Config) { c.URL = "https://u:p@x/" },
		"max_message: 0: want at least 1024 bytes":                      func(c *Config) { c.MaxMessage = 0 },
		"send_limit: 0s: want a positive duration":                      func(c *Config) { c.SendLimit = 0 },
		`url: parse "http://[": missing ']' in host`:                    func(c *Config) { c.URL = "http://[" },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

package toolcall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
)

// carrier brings the requests of an MCP client to the upstream of a route.
type carrier struct {
	up      portcullis.Upstream
	route   string
	who     portcullis.Principal
	decoder *mcp.Decoder

	mu     sync.Mutex
	status int   // of the last answer, 0 without one
	fail   error // why the last request came to nothing; nil = it was answered
}

func newCarrier(up portcullis.Upstream, route, name string) *carrier {
	limits := jsonrpc.Limits{MaxBytes: maxRequest, MaxDepth: 64, MaxArray: 10_000, MaxMembers: 1000, MaxString: maxRequest, MaxMethod: 128}
	return &carrier{
		up: up, route: route, who: portcullis.Principal{ID: name, Name: name, Method: "gateway"},
		decoder: mcp.NewDecoder(limits, plain{}, mcp.NewParamHeaders(1, 1)),
	}
}

// plain sessions are those of the upstream: no caller holds them.
type plain struct{}

// Open implements mcp.Sessions.
func (plain) Open(id, _, _ string) (string, error) { return id, nil }

// RoundTrip implements [http.RoundTripper].
func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.forward(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.fail = 0, err
	if err == nil {
		c.status = resp.StatusCode
	}
	switch {
	case err == nil && resp.StatusCode >= http.StatusBadRequest:
		c.fail = fmt.Errorf("it answered with status %d", resp.StatusCode)
	case err == nil && resp.StatusCode >= http.StatusMultipleChoices:
		c.fail = errors.New("it answered with a redirect")
	}
	return resp, err
}

func (c *carrier) forward(r *http.Request) (*http.Response, error) {
	conn := &portcullis.Conn{RequestID: obs.NewID(), Received: time.Now(), Route: c.route, HTTP: r, Reply: http.Header{}}
	var body []byte
	if r.Body != nil {
		defer r.Body.Close() //nolint:errcheck // it is in memory
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, fmt.Errorf("reading a request: %w", err)
		}
	}
	m, err := c.decoder.Decode(r.Context(), conn, c.who, body)
	if err != nil {
		return nil, fmt.Errorf("a request that the gateway made: %w", err)
	}
	call := &portcullis.Call{Conn: conn, Principal: c.who, Message: m}
	for name, values := range r.Header {
		if name == "Content-Length" {
			continue
		}
		for _, v := range values {
			call.Header = append(call.Header, portcullis.Field{Name: name, Value: v})
		}
	}
	reply, err := c.up.Forward(r.Context(), call)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(reply.Status), StatusCode: reply.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: reply.Header, Body: bounded{io.LimitReader(reply.Body, maxReply), reply.Body}, ContentLength: -1, Request: r,
	}, nil
}

// bounded is the body of a reply of which no more is read than that.
type bounded struct {
	io.Reader
	io.Closer
}

// reached reports whether the server answered the last request. A JSON-RPC error
// that is about the message may come with a status that says so too.
func (c *carrier) reached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fail == nil || c.status == http.StatusBadRequest || c.status == http.StatusNotFound
}

// reason says why a call came to nothing, without a word of the server.
func (c *carrier) reason(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.fail != nil:
		return c.fail
	}
	return errors.New("what it answered is not MCP")
}

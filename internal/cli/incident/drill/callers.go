package drill

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// caller makes calls until it is stopped, and remembers what became of them.
type caller struct {
	base string
	key  string
	http *http.Client

	mu    sync.Mutex
	calls []outcome
}

// outcome is one call.
type outcome struct {
	began, ended time.Time
	route, tool  string
	status       int
}

func newCaller(base, key string) *caller {
	return &caller{base: base, key: key, http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

// call calls one tool.
func (c *caller) call(ctx context.Context, route, tool string) (outcome, error) {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":{}}}`, tool)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/"+route, strings.NewReader(body))
	if err != nil {
		return outcome{}, fmt.Errorf("making a call: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("X-Api-Key", c.key)
	o := outcome{began: time.Now(), route: route, tool: tool}
	resp, err := c.http.Do(req)
	if err != nil {
		return o, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return o, err
	}
	o.status, o.ended = resp.StatusCode, time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, o)
	return o, nil
}

// run calls tools in turn until ctx ends.
func (c *caller) run(ctx context.Context, pause time.Duration, targets [][2]string) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 0; ; n++ {
		t := targets[n%len(targets)]
		_, _ = c.call(ctx, t[0], t[1]) // only what was answered counts
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// open opens a stream and returns a channel that closes when it ends.
func (c *caller) open(ctx context.Context, route string) (<-chan struct{}, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/"+route, nil)
	if err != nil {
		return nil, fmt.Errorf("opening a stream: %w", err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("X-Api-Key", c.key)
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("opening a stream: status %d", resp.StatusCode)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // until it ends
	}()
	return ended, nil
}

func (c *caller) seen() []outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]outcome(nil), c.calls...)
}

// lastPassed is when a call that was answered with data ended last.
func lastPassed(calls []outcome) (at time.Time) {
	for _, o := range calls {
		if o.status < http.StatusBadRequest && o.began.After(at) {
			at = o.began
		}
	}
	return at
}

package jwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxAnswer bounds what is read of an issuer's answer, in bytes.
const maxAnswer = 256 << 10

// errUnavailable says that the issuer could not be asked.
var errUnavailable = errors.New("issuer is not available")

// Doer sends requests to issuers. It must not follow redirects and must refuse
// addresses that no issuer has.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// get fetches a JSON document.
func get(ctx context.Context, client Doer, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	return fetch(client, r)
}

// fetch sends a request and reads its JSON answer.
func fetch(client Doer, r *http.Request) (_ []byte, err error) {
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s answered status %d", errUnavailable, r.URL.Host, resp.StatusCode)
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return nil, fmt.Errorf("%w: %s answered something other than JSON", errUnavailable, r.URL.Host)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("%w: %s answered over %d bytes", errUnavailable, r.URL.Host, maxAnswer)
	}
	return body, nil
}

// flight lets one goroutine do what many wait for.
type flight struct {
	mu      sync.Mutex
	running chan struct{} // closed when the one is done; nil when nobody runs
	err     error         // what the last one found
}

// do runs f, or waits for the one who runs it. f does not end with the patience
// of the caller who happened to start it: others wait for it too.
func (l *flight) do(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	l.mu.Lock()
	done := l.running
	if done == nil {
		done = make(chan struct{})
		l.running = done
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
			defer cancel()
			err := guarded(ctx, f)
			l.mu.Lock()
			l.running, l.err = nil, err
			l.mu.Unlock()
			close(done)
		}()
	}
	l.mu.Unlock()
	select {
	case <-done:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// guarded turns a panic into an error: whoever waits is refused.
func guarded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: panic: %v", errUnavailable, v)
		}
	}()
	return f(ctx)
}

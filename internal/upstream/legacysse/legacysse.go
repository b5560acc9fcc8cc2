// Package legacysse is a client of the HTTP+SSE transport of MCP 2024-11-05:
// one GET holds an event stream whose first event, "endpoint", names the URL
// that messages are POSTed to; everything the server says comes on the stream.
//
// The URL that the server names is attacker-controlled input: it must have the
// origin of the stream's URL, and no redirect is followed, on neither request,
// so a server cannot make the gateway send a caller's message elsewhere.
//
// A connection whose stream ends is over: the server has lost its state, as a
// child process that died would have.
package legacysse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

// Errors of a connection beyond those of the network.
var (
	ErrOrigin   = errors.New("server names an endpoint of another origin")
	ErrProtocol = errors.New("server does not speak the HTTP+SSE transport")
	ErrClosed   = errors.New("connection is closed")
)

// maxStray is how many events that are no messages a server may send before
// its connection is given up.
const maxStray = 1000

// Config says where the server is.
type Config struct {
	URL        string        `toml:"url"`         // of the event stream, http or https
	MaxMessage int           `toml:"max_message"` // largest event from the server, bytes
	SendLimit  time.Duration `toml:"send_limit"`  // longest time for one POST
}

// Default returns the defaults; URL has none.
func Default() Config {
	return Config{MaxMessage: 16 << 20, SendLimit: 30 * time.Second}
}

// Validate reports the first field that cannot be used.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return fmt.Errorf("url: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("url: %q: want an http or https URL", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("url: %q: credentials do not belong in a URL", u.Redacted())
	case c.MaxMessage < 1024:
		return fmt.Errorf("max_message: %d: want at least 1024 bytes", c.MaxMessage)
	case c.SendLimit <= 0:
		return fmt.Errorf("send_limit: %v: want a positive duration", c.SendLimit)
	}
	return nil
}

// Dialer opens connections. It is safe for concurrent use.
type Dialer struct {
	cfg    Config
	stream *url.URL
	client *http.Client
	log    *slog.Logger
}

// New returns a dialer whose requests go through rt, which adds whatever
// credentials the upstream wants and decides which addresses may be reached.
func New(cfg Config, rt http.RoundTripper, log *slog.Logger) (*Dialer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	u.Fragment = ""
	client := &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Dialer{cfg: cfg, stream: u, client: client, log: log}, nil
}

// Conn is one connection. Send and Close may be called from any goroutine,
// Receive from one at a time.
type Conn struct {
	d        *Dialer
	endpoint string
	events   *sse.Reader
	body     io.Closer
	end      context.CancelFunc
	ctx      context.Context // of the connection: ends with Close
	once     sync.Once
	strays   int
}

// Dial opens the stream and waits for its endpoint event. The context bounds
// that; the connection lives until [Conn.Close].
func (d *Dialer) Dial(ctx context.Context) (*Conn, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	c := &Conn{d: d, end: end, ctx: life}
	err := c.open()
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		_ = c.Close(ctx)
		return nil, fmt.Errorf("opening the event stream: %w", err)
	}
	return c, nil
}

func (c *Conn) open() error {
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.d.stream.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Cache-Control", "no-store")
	resp, err := c.d.client.Do(req)
	if err != nil {
		return scrub(err)
	}
	c.body = resp.Body
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: status %d", ErrProtocol, resp.StatusCode)
	}
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || t != "text/event-stream" {
		return fmt.Errorf("%w: content type is not text/event-stream", ErrProtocol)
	}
	c.events = sse.NewReader(resp.Body, c.d.cfg.MaxMessage)
	for {
		e, err := c.events.Next()
		if err != nil {
			return fmt.Errorf("reading the endpoint event: %w", err)
		}
		if !e.Dispatched() {
			continue
		}
		if e.Type != "endpoint" {
			return fmt.Errorf("%w: the first event is not endpoint", ErrProtocol)
		}
		c.endpoint, err = resolve(c.d.stream, string(e.Data))
		return err
	}
}

// resolve returns the absolute URL of the endpoint, or ErrOrigin.
func resolve(stream *url.URL, ref string) (string, error) {
	u, err := stream.Parse(strings.TrimSpace(ref))
	if err != nil {
		return "", fmt.Errorf("%w: endpoint is no URL", ErrProtocol)
	}
	if u.User != nil || origin(u) != origin(stream) {
		return "", ErrOrigin
	}
	u.Fragment = ""
	return u.String(), nil
}

// origin is scheme, host and port, the default port written out.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// Send POSTs one message. It returns when the server has accepted it.
func (c *Conn) Send(ctx context.Context, msg []byte) error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, c.d.cfg.SendLimit)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(msg))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.d.client.Do(req)
	if err != nil {
		if c.ctx.Err() != nil {
			return ErrClosed
		}
		return scrub(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("posting a message: status %d", resp.StatusCode)
	}
	return nil
}

// Receive returns the next message. It fails with io.EOF when the stream has
// ended, and for good.
func (c *Conn) Receive() ([]byte, error) {
	for {
		e, err := c.events.Next()
		if err != nil {
			if c.ctx.Err() != nil {
				err = io.EOF
			}
			return nil, err
		}
		if !e.Dispatched() || e.Type != "" && e.Type != "message" {
			continue
		}
		data := bytes.TrimSpace(e.Data)
		if len(data) == 0 || data[0] != '{' || !jsontext.Value(data).IsValid() {
			if c.strays++; c.strays > maxStray {
				return nil, fmt.Errorf("%w: too many events are not messages", ErrProtocol)
			}
			c.d.log.Debug("event of the upstream is not a message", "bytes", len(e.Data))
			continue
		}
		return bytes.Clone(data), nil
	}
}

// Close ends the stream and every POST on its way.
func (c *Conn) Close(context.Context) error {
	c.once.Do(func() {
		c.end()
		if c.body != nil {
			c.body.Close()
		}
	})
	return nil
}

// scrub takes the URL out of an error of the client: its query may hold a
// session id.
func scrub(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

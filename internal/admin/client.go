package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
)

// Client speaks to the API over the socket in the data folder.
type Client struct{ http *http.Client }

// maxReply bounds a reply of the API, in bytes.
const maxReply = 64 << 20

// Dial returns a client for the socket and proves that something answers.
func Dial(ctx context.Context, socket string) (*Client, error) {
	d := net.Dialer{Timeout: 2 * time.Second}
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connecting to the gateway: %w", err)
	}
	if err := c.Close(); err != nil {
		return nil, fmt.Errorf("connecting to the gateway: %w", err)
	}
	t := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
		DisableKeepAlives: true,
	}
	return &Client{&http.Client{Transport: t, Timeout: time.Minute}}, nil
}

// call sends in (unless nil) and decodes the reply into out (unless nil).
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://portcullis"+path, body)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the gateway: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	if resp.StatusCode >= 300 {
		return apiError(resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("reading the reply: %w", err)
	}
	return nil
}

// Ask calls the API and decodes its reply. in is the body; nil sends none.
func Ask[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	err := c.call(ctx, method, path, in, &out)
	return out, err
}

// Tell calls the API where the reply says nothing but that it is done.
func (c *Client) Tell(ctx context.Context, method, path string, in any) error {
	return c.call(ctx, method, path, in, nil)
}

// RefusedError is an answer that says no.
type RefusedError struct {
	Status int    // HTTP status
	Text   string // the reason, for a person
}

// Error returns the reason.
func (e *RefusedError) Error() string { return e.Text }

// Invalid reports whether the request itself was wrong, not the state it met.
func (e *RefusedError) Invalid() bool {
	return e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity
}

func apiError(status int, b []byte) error {
	var doc struct {
		Title, Detail string
		Errors        []struct{ Message, Location string }
	}
	if err := json.Unmarshal(b, &doc); err != nil || doc.Title == "" && doc.Detail == "" {
		return &RefusedError{status, fmt.Sprintf("the gateway refused with status %d", status)}
	}
	text := doc.Detail
	if text == "" {
		text = doc.Title
	}
	for _, e := range doc.Errors {
		text += "\n  " + strings.TrimPrefix(strings.TrimPrefix(e.Location, "body."), "path.") + ": " + e.Message
	}
	return &RefusedError{status, text}
}

// CreateKey creates a key; the result shows its text.
func (c *Client) CreateKey(ctx context.Context, k CreateKey) (apikey.Revealed, error) {
	return Ask[apikey.Revealed](ctx, c, http.MethodPost, "/api/v1/keys", k)
}

// Keys lists all keys, oldest first.
func (c *Client) Keys(ctx context.Context) ([]apikey.View, error) {
	return Ask[[]apikey.View](ctx, c, http.MethodGet, "/api/v1/keys", nil)
}

// Key shows one key.
func (c *Client) Key(ctx context.Context, id string) (apikey.View, error) {
	return Ask[apikey.View](ctx, c, http.MethodGet, "/api/v1/keys/"+url.PathEscape(id), nil)
}

// RevokeKey ends a key.
func (c *Client) RevokeKey(ctx context.Context, id, reason string) (apikey.View, error) {
	return Ask[apikey.View](ctx, c, http.MethodPost, "/api/v1/keys/"+url.PathEscape(id)+"/revoke", map[string]string{"reason": reason})
}

// RotateKey gives a key a successor; the result shows its text or claim token.
func (c *Client) RotateKey(ctx context.Context, id string, r RotateKey) (apikey.Rotation, error) {
	return Ask[apikey.Rotation](ctx, c, http.MethodPost, "/api/v1/keys/"+url.PathEscape(id)+"/rotate", r)
}

// RotateKeys gives many keys successors.
func (c *Client) RotateKeys(ctx context.Context, r RotateKeys) ([]apikey.Rotation, error) {
	return Ask[[]apikey.Rotation](ctx, c, http.MethodPost, "/api/v1/keys/rotate", r)
}

// KeyNotices lists notices to owners that wait or were given up.
func (c *Client) KeyNotices(ctx context.Context, failed bool) ([]notify.Message, error) {
	return Ask[[]notify.Message](ctx, c, http.MethodGet, fmt.Sprintf("/api/v1/keys/notifications?failed=%t", failed), nil)
}

// VerifyKey says whether a key would be accepted.
func (c *Client) VerifyKey(ctx context.Context, text string) (apikey.Verification, error) {
	return Ask[apikey.Verification](ctx, c, http.MethodPost, "/api/v1/keys/verify", map[string]string{"key": text})
}

// Status says what is running.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return Ask[Status](ctx, c, http.MethodGet, "/api/v1/status", nil)
}

// Pipeline lists the guards of each route.
func (c *Client) Pipeline(ctx context.Context) ([]gateway.RoutePipeline, error) {
	return Ask[[]gateway.RoutePipeline](ctx, c, http.MethodGet, "/api/v1/pipeline", nil)
}

// Maintenance returns the state of the maintenance switch.
func (c *Client) Maintenance(ctx context.Context) (Maintenance, error) {
	return Ask[Maintenance](ctx, c, http.MethodGet, "/api/v1/maintenance", nil)
}

// SetMaintenance turns the maintenance switch.
func (c *Client) SetMaintenance(ctx context.Context, m Maintenance) (Maintenance, error) {
	return Ask[Maintenance](ctx, c, http.MethodPut, "/api/v1/maintenance", m)
}

// Reload makes the gateway read its configuration again.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	return Ask[Reloaded](ctx, c, http.MethodPost, "/api/v1/config/reload", nil)
}

package oauth

import (
	"context"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// slot holds a token and lets one call at a time get another.
type slot struct {
	now  atomic.Pointer[token]
	turn chan struct{}
	used time.Time // of a slot that may be dropped; guarded by its owner
}

func newSlot() *slot {
	s := &slot{turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// get returns the token, or another if that is due or is the refused one. While
// one call asks the issuer the others use what is there, or wait if there is
// nothing. A token that is due but good outlives an issuer that is down.
func (s *slot) get(ctx context.Context, refused *token, ask func(context.Context) (*token, error)) (*token, error) {
	good := func(t *token, now time.Time) bool { return t != nil && t != refused && now.Before(t.ends) }
	now, t := time.Now(), s.now.Load()
	if good(t, now) && now.Before(t.due) {
		return t, nil
	}
	if good(t, now) {
		select {
		case <-s.turn:
		default:
			return t, nil // somebody asks already
		}
	} else {
		select {
		case <-s.turn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { s.turn <- struct{}{} }()
	if t = s.now.Load(); good(t, time.Now()) && time.Now().Before(t.due) {
		return t, nil // got while this call waited
	}
	next, err := ask(ctx)
	if err != nil {
		if good(t, time.Now()) {
			return t, nil
		}
		return nil, err
	}
	s.now.Store(next)
	return next, nil
}

// Client gives calls a token that the gateway has as a client of the issuer.
type Client struct {
	cfg  Config
	slot *slot

	mu      sync.Mutex
	replace time.Time // when a refused token was replaced last
}

var _ inject.Credentials = (*Client)(nil)

// NewClient returns the credentials of a client. It asks nobody.
func NewClient(cfg Config) *Client { return &Client{cfg: cfg, slot: newSlot()} }

// Authorize implements [inject.Credentials].
func (c *Client) Authorize(ctx context.Context, _ *portcullis.Call) (inject.Credential, error) {
	t, err := c.slot.get(ctx, nil, c.ask)
	return credential(ctx, t, err)
}

func (c *Client) ask(ctx context.Context) (*token, error) {
	return c.cfg.ask(ctx, url.Values{"grant_type": {grantClient}})
}

// pause is the least time between two tokens that refusals ask for: an upstream
// that refuses everything must not become a flood at the issuer.
const pause = 2 * time.Second

// Refused implements [inject.Credentials]: the token may have been revoked, so
// another is asked for.
func (c *Client) Refused(ctx context.Context, _ *portcullis.Call, used inject.Credential) bool {
	t, ok := used.Mark.(*token)
	if !ok {
		return false
	}
	if now := c.slot.now.Load(); now != nil && now != t {
		return true
	}
	c.mu.Lock()
	soon := time.Since(c.replace) < pause
	if !soon {
		c.replace = time.Now()
	}
	c.mu.Unlock()
	if soon {
		return false
	}
	next, err := c.slot.get(ctx, t, c.ask)
	return err == nil && next.text != t.text
}

// credential turns what a slot gave into what a call gets.
func credential(ctx context.Context, t *token, err error) (inject.Credential, error) {
	switch {
	case err != nil && ctx.Err() != nil:
		return inject.Credential{}, ctx.Err()
	case err != nil:
		return inject.Credential{}, inject.Unavailable(err)
	}
	return t.cred, nil
}

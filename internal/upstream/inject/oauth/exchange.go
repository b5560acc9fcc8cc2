package oauth

import (
	"context"
	"crypto/sha256"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Exchange gives each caller's calls a token that the issuer made for that
// caller and this upstream.
type Exchange struct {
	cfg     Config
	methods []string // how a caller must have come, for the token to be of the issuer

	mu    sync.Mutex
	slots map[[sha256.Size]byte]*slot // by principal and token
}

var _ inject.Credentials = (*Exchange)(nil)

// maxCallers bounds how many callers are remembered; who was not seen longest
// goes first.
const maxCallers = 10_000

// NewExchange returns the credentials of callers who came by one of the
// methods, whose tokens are of the issuer that exchanges them.
func NewExchange(cfg Config, methods ...string) *Exchange {
	return &Exchange{cfg: cfg, methods: methods, slots: map[[sha256.Size]byte]*slot{}}
}

// Authorize implements [inject.Credentials]. A caller who came without a token
// of the issuer is refused: there is nothing to act on behalf of.
func (e *Exchange) Authorize(ctx context.Context, call *portcullis.Call) (inject.Credential, error) {
	subject, ok := e.subject(call)
	if !ok {
		return inject.Credential{}, &portcullis.Error{
			Kind: portcullis.KindForbidden, Reason: "forbidden",
			Detail: "the route acts on behalf of callers, and this one came without a token of the issuer",
		}
	}
	t, err := e.slot(call, subject).get(ctx, nil, e.ask(subject))
	return credential(ctx, t, err)
}

// subject returns the caller's token.
func (e *Exchange) subject(call *portcullis.Call) (string, bool) {
	if call.Conn == nil || call.Conn.HTTP == nil || !slices.Contains(e.methods, call.Principal.Method) {
		return "", false
	}
	scheme, text, ok := strings.Cut(call.Conn.HTTP.Header.Get("Authorization"), " ")
	text = strings.TrimSpace(text)
	return text, ok && text != "" && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP"))
}

func (e *Exchange) ask(subject string) func(context.Context) (*token, error) {
	return func(ctx context.Context) (*token, error) {
		return e.cfg.ask(ctx, url.Values{
			"grant_type": {grantExchange}, "subject_token": {subject},
			"subject_token_type": {typeAccess}, "requested_token_type": {typeAccess},
		})
	}
}

// slot returns where the caller's token is kept. The caller's own is part of
// the key, so that one that was replaced or revoked brings none of before.
func (e *Exchange) slot(call *portcullis.Call, subject string) *slot {
	key := sha256.Sum256([]byte(call.Principal.Method + "\x00" + call.Principal.ID + "\x00" + subject))
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.slots[key]
	if s == nil {
		if len(e.slots) >= maxCallers {
			e.drop(now)
		}
		s = newSlot()
		e.slots[key] = s
	}
	s.used = now
	return s
}

// drop makes room: all whose token has ended, and else who was not seen longest.
func (e *Exchange) drop(now time.Time) {
	var oldest [sha256.Size]byte
	var since time.Time
	for key, s := range e.slots {
		if t := s.now.Load(); t != nil && now.After(t.ends) {
			delete(e.slots, key)
			continue
		}
		if since.IsZero() || s.used.Before(since) {
			oldest, since = key, s.used
		}
	}
	if len(e.slots) >= maxCallers {
		delete(e.slots, oldest)
	}
}

// Refused implements [inject.Credentials]: another token is asked for, unless
// the refused one was only just made.
func (e *Exchange) Refused(ctx context.Context, call *portcullis.Call, used inject.Credential) bool {
	t, ok := used.Mark.(*token)
	subject, has := e.subject(call)
	if !ok || !has {
		return false
	}
	s := e.slot(call, subject)
	if now := s.now.Load(); now != t || time.Since(t.began) < pause {
		return now != t
	}
	next, err := s.get(ctx, t, e.ask(subject))
	return err == nil && next.text != t.text
}

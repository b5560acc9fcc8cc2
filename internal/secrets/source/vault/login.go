package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
)

// Methods of authentication.
const (
	MethodToken      = "token"
	MethodAppRole    = "approle"
	MethodKubernetes = "kubernetes"
)

// Auth says how the gateway logs in. The functions read a secret of another
// source and are called at each login, so that a replaced one is used.
type Auth struct {
	Method string
	Mount  string // where the method is mounted; "" = its name
	Role   string // kubernetes

	Token    func(context.Context) (string, error) // token
	RoleID   string                                // approle
	SecretID func(context.Context) (string, error) // approle
	JWTFile  string                                // kubernetes
}

// login keeps a token of the server. Who needs one while another logs in waits
// for that.
type login struct {
	source *Source

	mu        sync.Mutex
	now       string
	renewable bool
	due, ends time.Time // when to renew it, and when it ends; zero = never
}

// token returns a token other than the refused one.
func (l *login) token(ctx context.Context, refused string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.now != "" && l.now != refused {
		switch {
		case l.due.IsZero() || now.Before(l.due):
			return l.now, nil
		case l.renewable && now.Before(l.ends) && l.renew(ctx, now) == nil:
			return l.now, nil
		}
	}
	if err := l.open(ctx); err != nil {
		return "", err
	}
	return l.now, nil
}

// open logs in.
func (l *login) open(ctx context.Context) error {
	a := l.source.cfg.Auth
	body := map[string]any{}
	switch a.Method {
	case MethodToken:
		token, err := a.Token(ctx)
		if err != nil {
			return err
		}
		l.keep(token, 0, false)
		l.look(ctx)
		return nil
	case MethodAppRole:
		id, err := a.SecretID(ctx)
		if err != nil {
			return err
		}
		body["role_id"], body["secret_id"] = a.RoleID, id
	case MethodKubernetes:
		jwt, err := os.ReadFile(a.JWTFile)
		if err != nil {
			return fmt.Errorf("reading the token of the service account: %w", err)
		}
		body["role"], body["jwt"] = a.Role, strings.TrimSpace(string(jwt))
	default:
		return fmt.Errorf("there is no method %q", a.Method)
	}
	mount := a.Mount
	if mount == "" {
		mount = a.Method
	}
	var got answer
	r := httpapi.Request{Method: http.MethodPost, Path: "v1/auth/" + mount + "/login", Body: body}
	if err := l.source.send(ctx, "", r, &got); err != nil {
		return err
	}
	if got.Auth == nil || got.Auth.Token == "" {
		return errors.New("the server gave no token")
	}
	l.keep(got.Auth.Token, got.Auth.Seconds, got.Auth.Renewable)
	return nil
}

func (l *login) keep(token string, seconds int64, renewable bool) {
	l.now, l.renewable, l.due, l.ends = token, renewable, time.Time{}, time.Time{}
	if seconds > 0 {
		now, life := time.Now(), duration(seconds)
		l.due, l.ends = now.Add(life*2/3), now.Add(life)
	}
}

// look asks how long a token that was given lasts. A server that does not say
// is believed to mean for ever; a refusal ends the token anyway.
func (l *login) look(ctx context.Context) {
	var got struct {
		Data struct {
			Seconds   int64 `json:"ttl"`
			Renewable bool  `json:"renewable"`
		} `json:"data"`
	}
	r := httpapi.Request{Method: http.MethodGet, Path: "v1/auth/token/lookup-self"}
	if l.source.send(ctx, l.now, r, &got) == nil && got.Data.Seconds > 0 {
		l.keep(l.now, got.Data.Seconds, got.Data.Renewable)
	}
}

// renew makes the token's life longer.
func (l *login) renew(ctx context.Context, now time.Time) error {
	var got answer
	r := httpapi.Request{Method: http.MethodPut, Path: "v1/auth/token/renew-self", Body: map[string]any{}}
	if err := l.source.send(ctx, l.now, r, &got); err != nil {
		return err
	}
	// What grew no longer is at its greatest length: log in before it ends.
	if got.Auth == nil || now.Add(duration(got.Auth.Seconds)).Before(l.ends) {
		return errors.New("the token cannot be renewed")
	}
	l.keep(l.now, got.Auth.Seconds, got.Auth.Renewable)
	return nil
}

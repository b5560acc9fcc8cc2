package incidents

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/config"
	section "github.com/portcullis-dev/portcullis/internal/config/incident"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/webhook"
	"github.com/portcullis-dev/portcullis/internal/incident/hook"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// read makes hooks and contacts of a configuration.
func (s *settings) read(cfg *config.Config, secrets part.Secrets, getenv func(string) (string, bool)) error {
	s.hooks = map[string]*hook.Hook{}
	for i := range cfg.Incident.Hooks {
		c := &cfg.Incident.Hooks[i]
		h := &hook.Hook{Name: c.Name, Command: c.Command, Env: c.Env, Lookup: getenv, Timeout: c.Timeout, Destructive: c.Destructive, Where: where(c.URL)}
		if c.URL != "" {
			if err := s.posts(h, c, secrets); err != nil {
				return fmt.Errorf("incident hook %q: %w", c.Name, err)
			}
		}
		s.hooks[c.Name] = h
	}
	for _, c := range cfg.Incident.Contacts {
		s.contacts = append(s.contacts, contact{c.Name, c.Role, c.Email, c.Phone, c.Channel})
	}
	return nil
}

// where says which server a hook posts to. What stands behind its name may be a
// secret, and what a hook does is written into the audit log.
func where(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "its server"
	}
	return u.Scheme + "://" + u.Host
}

// minSecret is the least that a signature is worth anything with, in bytes.
const minSecret = 32

// posts makes a hook one that posts, signed as alerts are.
func (s *settings) posts(h *hook.Hook, c *section.Hook, secrets part.Secrets) error {
	secret, err := secrets.Secret(c.Secret)
	if err != nil {
		return err
	}
	client, err := post.New(post.TLS{CA: c.CA})
	if err != nil {
		return err
	}
	s.clients = append(s.clients, client)
	h.Post = func(ctx context.Context, body []byte) error { return send(ctx, client, c.URL, secret, body) }
	return nil
}

func send(ctx context.Context, client *post.Client, url string, secret inject.Secret, body []byte) error {
	text, _, err := secret.Get()
	if err != nil {
		return errors.New("the secret of the signature cannot be read")
	}
	if len(text) < minSecret {
		return fmt.Errorf("the secret of the signature: want at least %d characters", minSecret)
	}
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	_, err = client.Do(ctx, post.Request{URL: url, Body: body, Secret: text, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Portcullis-Timestamp": {ts}, "X-Portcullis-Signature": {webhook.Sign(text, ts, body)},
	}})
	if e, ok := errors.AsType[*sink.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

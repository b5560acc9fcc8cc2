package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/config"
	configprivacy "github.com/portcullis-dev/portcullis/internal/config/privacy"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/webhook"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Bounds of a hook.
const (
	hookTimeout = 10 * time.Second // whoever deletes an account may wait for it
	minSecret   = 32
)

// newHooks makes the erasure hooks of a configuration. Nothing is connected.
func (p *Part) newHooks(cfg *config.Config, secrets part.Secrets) ([]subject.Hook, error) {
	out := []subject.Hook{}
	for _, h := range cfg.Privacy.Hooks {
		secret, err := secrets.Secret(h.Secret)
		if err != nil {
			return nil, fmt.Errorf("privacy.erasure_hook %q: %w", h.Name, err)
		}
		client, err := post.New(post.TLS{})
		if err != nil {
			return nil, fmt.Errorf("privacy.erasure_hook %q: %w", h.Name, err)
		}
		out = append(out, subject.Hook{Name: h.Name, Tell: teller(client, h, secret)})
	}
	return out, nil
}

// told is what an upstream gets: signed as alerts are, see docs/privacy.md.
type told struct {
	Type    string         `json:"type"` // "erase"
	ID      string         `json:"id"`   // of the erasure; the same each time it is told
	Route   string         `json:"route,omitempty"`
	Subject subject.Person `json:"subject"`
}

func teller(client *post.Client, h configprivacy.Hook, secret inject.Secret) func(context.Context, string, *subject.Person) error {
	return func(ctx context.Context, run string, who *subject.Person) error {
		ctx, cancel := context.WithTimeout(ctx, hookTimeout)
		defer cancel()
		key, _, err := secret.Get()
		if err != nil {
			return fmt.Errorf("secret of the signature: %w", err)
		}
		if len(key) < minSecret {
			return fmt.Errorf("the secret of the signature: want at least %d characters", minSecret)
		}
		body, err := json.Marshal(told{Type: "erase", ID: run, Route: h.Route, Subject: subject.Person{ID: who.ID, Names: who.Names}})
		if err != nil {
			return err
		}
		ts := strconv.FormatInt(time.Now().Unix(), 10)
		_, err = client.Do(ctx, post.Request{URL: h.URL, Body: body, Secret: key, Header: http.Header{
			"Content-Type": {"application/json"}, "X-Portcullis-Timestamp": {ts}, "X-Portcullis-Signature": {webhook.Sign(key, ts, body)},
		}})
		return err
	}
}

package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/config"
	configprivacy "github.com/portcullis-dev/portcullis/internal/config/privacy"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/webhook"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
	"github.com/portcullis-dev/portcullis/internal/upstream/toolcall"
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
		if h.Tool != "" {
			template, err := h.Template()
			if err != nil {
				return nil, fmt.Errorf("privacy.erasure_hook %q: %w", h.Name, err)
			}
			out = append(out, subject.Hook{Name: h.Name, Tell: p.toolTeller(h, template)})
			continue
		}
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

// notice is what an upstream gets: signed as alerts are, see docs/privacy.md.
type notice struct {
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
		body, err := json.Marshal(notice{Type: "erase", ID: run, Route: h.Route, Subject: subject.Person{ID: who.ID, Names: who.Names}})
		if err != nil {
			return err
		}
		ts := strconv.FormatInt(time.Now().Unix(), 10)
		_, err = client.Do(ctx, post.Request{URL: h.URL, Body: body, Secret: key, Header: http.Header{
			"Content-Type": {"application/json"}, "X-Portcullis-Timestamp": {ts}, "X-Portcullis-Signature": {webhook.Sign(key, ts, body)},
		}})
		if said, ok := errors.AsType[*sink.Error](err); ok && said.Fault == sink.Refused {
			return fmt.Errorf("%w: %w", subject.ErrRefused, err)
		}
		return err
	}
}

// toolTeller calls the tool of a hook. The server is the one that is behind the
// route when it is called, with the credential that the route gives it.
func (p *Part) toolTeller(h configprivacy.Hook, template subject.Template) func(context.Context, string, *subject.Person) error {
	caller := toolcall.Caller{Name: "portcullis", Version: p.env.Version}
	return func(ctx context.Context, run string, who *subject.Person) error {
		ctx, cancel := context.WithTimeout(ctx, hookTimeout)
		defer cancel()
		up := p.env.Upstream(h.Route)
		if up == nil {
			return fmt.Errorf("route %q is not there", h.Route)
		}
		err := caller.Call(ctx, up, h.Route, h.Tool, template.Arguments(run, who))
		if errors.Is(err, toolcall.ErrRefused) {
			return fmt.Errorf("%w: %w", subject.ErrRefused, err)
		}
		return err
	}
}

// told records what became of telling an upstream. It names nobody.
func (p *Part) told(ctx context.Context, r *subject.Run, hook string, s subject.Step) error {
	e := portcullis.Event{
		Type: portcullis.EventDataErased, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure,
		Actor: portcullis.Actor{ID: "portcullis", Method: "privacy"}, Resource: "erasure:" + r.ID, Action: "privacy/tell",
		Reason: "upstream_" + s.Outcome, Details: []slog.Attr{slog.String("hook", hook), slog.String("told", s.Outcome), slog.Int("attempts", s.Attempts)},
	}
	if s.Outcome == subject.ToldDone {
		e.Severity, e.Outcome, e.Reason = portcullis.SeverityInfo, portcullis.OutcomeSuccess, ""
	}
	return p.env.Journal.Record(ctx, &e)
}

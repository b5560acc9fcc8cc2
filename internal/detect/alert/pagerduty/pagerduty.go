// Package pagerduty sends alerts to PagerDuty by its Events API, version 2. All
// messages about an alert have its id in their dedup_key, so that they are one
// incident there, which is resolved when the alert is.
package pagerduty

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// DefaultURL takes events of accounts in the service region US.
const DefaultURL = "https://events.pagerduty.com/v2/enqueue"

// Config says where alerts go.
type Config struct {
	URL  string
	Key  alert.Secret // routing key of the service's integration
	Post alert.Post
}

// Channel sends to PagerDuty.
type Channel struct{ cfg Config }

var _ alert.Channel = (*Channel)(nil)

// New returns a channel.
func New(c Config) *Channel {
	if c.URL == "" {
		c.URL = DefaultURL
	}
	return &Channel{c}
}

type event struct {
	RoutingKey  string   `json:"routing_key"`
	EventAction string   `json:"event_action"`
	DedupKey    string   `json:"dedup_key"`
	Client      string   `json:"client,omitempty"`
	Payload     *payload `json:"payload,omitempty"`
}

type payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp,omitempty"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class,omitempty"`
	Custom    map[string]any `json:"custom_details,omitempty"`
}

// Takes implements alert.Channel.
func (c *Channel) Takes(alert.Kind) bool { return true }

// Close implements alert.Channel.
func (c *Channel) Close() error { return nil }

// Send implements alert.Channel.
func (c *Channel) Send(ctx context.Context, m *alert.Message) (alert.Receipt, error) {
	key, err := alert.Reveal("routing key", c.cfg.Key)
	if err != nil {
		return alert.Receipt{}, err
	}
	ev := event{RoutingKey: key, EventAction: "trigger", DedupKey: "portcullis-" + m.ID}
	switch m.Kind {
	case alert.Acknowledge:
		ev.EventAction = "acknowledge"
	case alert.Resolve:
		ev.EventAction = "resolve"
	default:
		ev.Client, ev.Payload = "Portcullis", body(m)
	}
	raw, err := json.Marshal(ev)
	if err != nil {
		return alert.Receipt{}, err
	}
	status, answer, err := c.cfg.Post(ctx, alert.Request{URL: c.cfg.URL, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw, Secret: key})
	return alert.Receipt{Code: status, Said: strings.ReplaceAll(said(answer), key, "[secret]")}, err
}

func body(m *alert.Message) *payload {
	p := &payload{
		Summary: m.Title(), Source: m.Source, Severity: severity(m.Severity), Component: m.Resource, Group: m.Route, Class: m.Type,
		Timestamp: m.Last.Format(time.RFC3339), Custom: map[string]any{"count": m.Count, "going_on": m.Open, "first": m.First, "alert": m.ID},
	}
	if m.Kind == alert.Digest || m.Kind == alert.Test {
		p.Timestamp = ""
	}
	for _, f := range m.Details {
		p.Custom[f.Name] = f.Text
	}
	for name, text := range map[string]string{
		"metric": m.Metric, "caller": m.Subject, "reason": m.Reason, "event_id": m.EventID, "environment": m.Environment,
	} {
		if text != "" {
			p.Custom[name] = text
		}
	}
	if s := m.Stats; s != nil {
		p.Custom["value"], p.Custom["expected"], p.Custom["z"] = s.Value, s.Expected(), s.Z
	}
	return p
}

func severity(s portcullis.Severity) string {
	switch s {
	case portcullis.SeverityCritical:
		return "critical"
	case portcullis.SeverityError:
		return "error"
	case portcullis.SeverityWarn:
		return "warning"
	}
	return "info"
}

// said is the message of an answer.
func said(answer []byte) string {
	var a struct{ Status, Message string }
	if json.Unmarshal(answer, &a) != nil {
		return ""
	}
	return strings.TrimSpace(a.Status + " " + a.Message)
}

// Package slack sends alerts to an incoming webhook of Slack, or of a server
// that takes the same. What messages hold cannot address anybody, make links or
// change the format: &, < and > are escaped, and markup is switched off.
package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// Config says where alerts go.
type Config struct {
	URL  alert.Secret // of the webhook: who has it can write
	Room string       // "#alerts"; empty = that of the webhook
	Post alert.Post
}

// Channel sends to Slack.
type Channel struct{ cfg Config }

var _ alert.Channel = (*Channel)(nil)

// New returns a channel.
func New(c Config) *Channel { return &Channel{c} }

type message struct {
	Channel     string       `json:"channel,omitempty"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	Fallback string   `json:"fallback"`
	Color    string   `json:"color"`
	Title    string   `json:"title"`
	Text     string   `json:"text,omitempty"`
	Fields   []field  `json:"fields,omitempty"`
	Footer   string   `json:"footer,omitempty"`
	Time     int64    `json:"ts,omitempty"`
	Markup   []string `json:"mrkdwn_in"` // nowhere
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

// Takes implements alert.Channel.
func (c *Channel) Takes(alert.Kind) bool { return true }

// Close implements alert.Channel.
func (c *Channel) Close() error { return nil }

// Send implements alert.Channel.
func (c *Channel) Send(ctx context.Context, m *alert.Message) (alert.Receipt, error) {
	url, err := alert.Reveal("address of the webhook", c.cfg.URL)
	if err != nil {
		return alert.Receipt{}, err
	}
	if err := alert.CheckURL(url); err != nil {
		return alert.Receipt{}, &alert.Failure{Fault: alert.Misconfigured, Err: fmt.Errorf("the address of the webhook: %w", err)}
	}
	raw, err := json.Marshal(c.render(m))
	if err != nil {
		return alert.Receipt{}, err
	}
	status, answer, err := c.cfg.Post(ctx, alert.Request{URL: url, Header: http.Header{"Content-Type": {"application/json"}}, Body: raw, Secret: url})
	return alert.Receipt{Code: status, Said: strings.ReplaceAll(string(answer[:min(len(answer), 100)]), url, "[secret]")}, err
}

func (c *Channel) render(m *alert.Message) message {
	icon := "🚨 "
	switch m.Kind {
	case alert.Resolve:
		icon = "✅ "
	case alert.Acknowledge:
		icon = "👀 "
	case alert.Digest, alert.Test:
		icon = ""
	}
	title := escape(icon + m.Title())
	a := attachment{Fallback: title, Color: colour(m), Title: title, Footer: escape(strings.TrimSpace(m.Source + " " + m.Environment)), Time: m.Last.Unix(), Markup: []string{}}
	add := func(name, value string) {
		if value != "" {
			a.Fields = append(a.Fields, field{name, escape(value), true})
		}
	}
	add("Metric", m.Metric)
	if s := m.Stats; s != nil {
		add("Value", strconv.FormatFloat(s.Value, 'f', -1, 64))
		add("Expected", s.Expected())
		add("Z-Score", fmt.Sprintf("%.2f", s.Z))
	}
	add("Severity", string(m.Severity))
	add("Route", m.Route)
	add("Resource", m.Resource)
	add("Caller", m.Subject)
	add("Reason", m.Reason)
	add("By", m.By)
	add("Events", strconv.Itoa(m.Count))
	if m.Kind == alert.Digest {
		var b strings.Builder
		for _, f := range m.Details {
			b.WriteString(f.Text + "\n")
		}
		a.Text = escape(b.String())
	} else if m.Kind != alert.Test {
		add("Alert", m.ID)
	}
	return message{Channel: c.cfg.Room, Attachments: []attachment{a}}
}

func colour(m *alert.Message) string {
	switch {
	case m.Kind == alert.Resolve || m.Kind == alert.Test:
		return "good"
	case alert.Rank(m.Severity) >= alert.Rank(portcullis.SeverityError):
		return "danger"
	}
	return "warning"
}

// escape writes what Slack reads as markup in the way it asks for.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

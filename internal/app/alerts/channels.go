package alerts

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/detect"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/email"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/pagerduty"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/slack"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/statsd"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/webhook"
)

// config makes what the engine does of a configuration.
func (p *Part) config(cfg *config.Config, secrets part.Secrets) (alert.Config, error) {
	a := &cfg.Detect.Alerts
	c := alert.Config{
		Rules: a.Rules(), Types: a.Types(), GroupBy: a.GroupBy, GroupWindow: a.GroupWindow, Settle: a.Settle, Forget: a.Forget, GiveUp: a.GiveUp,
		Source: "portcullis", Environment: cfg.Server.Environment,
	}
	if host, err := os.Hostname(); err == nil && len(a.Channels) > 0 {
		c.Source = "portcullis on " + host
	}
	for i := range a.Channels {
		one := &a.Channels[i]
		ch, err := channel(one, secrets)
		if err != nil {
			return c, fmt.Errorf("alert channel %q: %w", one.Name, err)
		}
		c.Channels = append(c.Channels, alert.Spec{
			Name: one.Name, Kind: one.Type, Channel: ch, MinSeverity: one.Severity(), PerHour: one.PerHour(), Timeout: one.Timeout, Personal: one.Personal,
		})
	}
	return c, nil
}

// channel makes one channel. The HTTP client of those that have one is closed
// with them.
func channel(c *detect.AlertChannel, secrets part.Secrets) (alert.Channel, error) {
	trust := post.TLS{CA: c.CA}
	get := map[string]alert.Secret{}
	for _, r := range c.References() {
		s, err := secrets.Secret(r.Text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Field, err)
		}
		get[r.Field] = func() (string, error) {
			text, _, err := s.Get()
			return text, err
		}
	}
	switch c.Type {
	case detect.StatsD:
		return statsd.New(statsd.Config{Address: c.HostPort(), Prefix: c.Prefix, Tags: c.Tags}), nil
	case detect.Email:
		return mail(c, get, trust)
	}
	client, err := post.New(trust)
	if err != nil {
		return nil, err
	}
	send := poster(client)
	var ch alert.Channel
	switch c.Type {
	case detect.PagerDuty:
		ch = pagerduty.New(pagerduty.Config{URL: c.URL, Key: get["routing_key"], Post: send})
	case detect.Slack:
		ch = slack.New(slack.Config{URL: get["webhook"], Room: c.Room, Post: send})
	case detect.Webhook:
		ch = webhook.New(webhook.Config{URL: c.URL, Secret: get["secret"], Token: get["token"], Post: send})
	default:
		return nil, errors.New("type: there is no such kind of channel")
	}
	return closing{ch, client}, nil
}

// closing ends the connections of a channel with it.
type closing struct {
	alert.Channel
	client *post.Client
}

func (c closing) Close() error { return errors.Join(c.Channel.Close(), c.client.Close()) }

func mail(c *detect.AlertChannel, get map[string]alert.Secret, trust post.TLS) (alert.Channel, error) {
	var settings *tls.Config
	if c.CA != "" {
		var err error
		if settings, err = trust.Config(); err != nil {
			return nil, err
		}
	}
	return email.New(email.Config{
		Address: c.HostPort(), Implicit: c.TLS == "implicit", From: c.From, To: c.To, Username: c.Username, Password: get["password"], TLS: settings,
	})
}

// poster posts as sinks do.
func poster(client *post.Client) alert.Post {
	return func(ctx context.Context, r alert.Request) (int, []byte, error) {
		a, err := client.Do(ctx, post.Request{URL: r.URL, Header: r.Header, Body: r.Body, Secret: r.Secret})
		if err == nil {
			return a.Status, a.Body, nil
		}
		f := &alert.Failure{Err: err}
		if e, ok := errors.AsType[*sink.Error](err); ok {
			f.Err, f.After, f.Said = e.Err, e.After, e.Said
			switch e.Fault {
			case sink.Refused:
				f.Fault = alert.Refused
			case sink.Misconfigured:
				f.Fault = alert.Misconfigured
			}
		}
		return a.Status, nil, f
	}
}

// Package sinks is the part of the process that sends the audit journal on: it
// makes sinks of the configuration and keeps them running.
package sinks

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/sinks"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/elastic"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/file"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/jsonhttp"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/otlp"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/splunk"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/syslog"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/webhook"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/audit"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// service is what events name as their origin.
const service = "portcullis"

// Part serves the sinks.
type Part struct {
	env part.Env
	set *sink.Set
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
)

// New returns the part, without sinks.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env, set: sink.New(sink.Options{
		Dir: env.Dir.AuditDir(), End: env.Journal.End, Record: env.Journal, Log: env.Log, Service: service, Unseal: env.Open, Window: env.Window,
	})}
	if err := env.Metrics.Register(p.set.Collector()); err != nil {
		return nil, fmt.Errorf("registering the metrics of sinks: %w", err)
	}
	return p, nil
}

// Next makes the sinks of a configuration ready. Nothing is connected.
func (p *Part) Next(_ context.Context, cfg *config.Config, secrets part.Secrets) (func(), error) {
	m := maker{version: p.env.Version, environment: cfg.Server.Environment, secrets: secrets}
	if len(cfg.Audit.Sinks) > 0 {
		m.host, _ = os.Hostname() // left out of events without
	}
	var specs []sink.Spec
	for i := range cfg.Audit.Sinks {
		spec, err := m.spec(&cfg.Audit.Sinks[i])
		if err != nil {
			return nil, fmt.Errorf("sink %q: %w", cfg.Audit.Sinks[i].Name, err)
		}
		if p.env.Known != nil {
			spec.Enrich = p.env.Known.Enrich
		}
		specs = append(specs, spec)
	}
	return func() { p.set.Replace(specs) }, nil
}

// Run sends until ctx ends.
func (p *Part) Run(ctx context.Context) { p.set.Run(ctx) }

// Groups returns the operations of the admin API.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p.set)} }

// maker makes sinks of one configuration.
type maker struct {
	version, environment, host string
	secrets                    part.Secrets
}

func (m maker) spec(c *audit.Sink) (sink.Spec, error) {
	sender, err := m.sender(c)
	if err != nil {
		return sink.Spec{}, err
	}
	return sink.Spec{
		Name: c.Name, Kind: c.Type, Sender: sender, Timeout: c.Timeout, FromNow: c.Start == "now", Environment: m.environment,
		Batch: sink.Batch{Events: int(c.Batch.Events), Bytes: int(c.Batch.Bytes), Wait: c.Batch.Wait},
		Filter: sink.Filter{
			Types: types(c.Filter.Types), Without: types(c.Filter.Without), MinSeverity: portcullis.Severity(c.Filter.MinSeverity),
			Class: sink.Class(c.Filter.Class), ExcludeOwn: c.Filter.ExcludeOwn,
		},
	}, nil
}

func types(names []string) []portcullis.EventType {
	var out []portcullis.EventType
	for _, n := range names {
		out = append(out, portcullis.EventType(n))
	}
	return out
}

// secret returns what reads a reference when it is needed, nil for none.
func (m maker) secret(reference string) (sink.Secret, error) {
	if reference == "" {
		return nil, nil
	}
	s, err := m.secrets.Secret(reference)
	if err != nil {
		return nil, err
	}
	return reveal(s), nil
}

func reveal(s inject.Secret) sink.Secret {
	return func() (string, error) {
		text, _, err := s.Get()
		return text, err
	}
}

// encoder returns nil for the plain form, which only syslog has.
func (m maker) encoder(name string) (sink.Encoder, error) {
	if name == "plain" {
		return nil, nil
	}
	e, ok := format.ByName(name, format.Info{Version: m.version, Host: m.host})
	if !ok {
		return nil, fmt.Errorf("format: there is no %q", name)
	}
	return e, nil
}

func (m maker) sender(c *audit.Sink) (sink.Sender, error) {
	encoder, err := m.encoder(c.Form())
	if err != nil {
		return nil, err
	}
	token, err := m.secret(c.Token)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	secret, err := m.secret(c.Secret)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	auth := post.Auth{Header: c.Header, Scheme: c.AuthScheme(), Username: c.Username, Secret: token}
	trust := post.TLS{CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key, ServerName: c.TLS.ServerName, InsecureSkipVerify: c.TLS.Insecure}
	switch c.Type {
	case audit.Splunk:
		return splunk.New(splunk.Config{
			URL: c.URL, Token: token, Host: m.host, Source: c.Splunk.Source, SourceType: c.Splunk.SourceType, Index: c.Splunk.Index,
			Encoder: encoder, TLS: trust,
		})
	case audit.Syslog:
		transport, address := c.Dial()
		return syslog.New(syslog.Config{
			Transport: transport, Address: address, Facility: c.Syslog.Facility, Host: c.Syslog.Hostname, App: c.Syslog.AppName,
			Enterprise: int(c.Syslog.Enterprise), Encoder: encoder, KeepOpen: c.Syslog.KeepOpen, TLS: trust,
		})
	case audit.HTTP:
		return jsonhttp.New(jsonhttp.Config{URL: c.URL, Auth: auth, Lines: c.HTTP.Body == "lines", Encoder: encoder, TLS: trust})
	case audit.Elastic:
		return elastic.New(elastic.Config{URL: c.URL, Auth: auth, Index: c.DocumentIndex(), Encoder: encoder, TLS: trust})
	case audit.OTLP:
		return otlp.New(otlp.Config{
			URL: c.URL, Auth: auth, Service: service, Version: m.version, Environment: m.environment, Host: m.host, Encoder: encoder, TLS: trust,
		})
	case audit.File:
		return file.New(file.Config{Path: c.Path, MaxSize: int64(c.File.MaxSize), Keep: int(c.File.Keep), Encoder: encoder})
	case audit.Webhook:
		return webhook.New(webhook.Config{URL: c.URL, Secret: secret, Auth: auth, Encoder: encoder, TLS: trust})
	}
	return nil, errors.New("type: there is no such kind of sink")
}

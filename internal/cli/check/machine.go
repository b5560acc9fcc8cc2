package check

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/alerts"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/admin/retention"
	"github.com/portcullis-dev/portcullis/internal/admin/sinks"
	"github.com/portcullis-dev/portcullis/internal/admin/tools"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/host"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/running"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// socketName is that of the gateway's own interface in the data folder.
const socketName = "admin.sock"

// host reads this machine.
func (c verbs) host() check.Target {
	p := host.Places{Root: "/", System: runtime.GOOS, Program: "portcullis", Files: []host.File{{Path: c.DataDir, What: host.DataFolder}}}
	folder := "."
	if path, err := config.Find(c.ConfigPath, c.Env); err == nil {
		folder = filepath.Dir(path)
		p.Files = append(p.Files, host.File{Path: path, What: host.Configuration})
		if cfg, _, err := config.Load(path, c.Env); err == nil && cfg.Server.TLS.Key != "" {
			p.Files = append(p.Files, host.File{Path: cfg.Server.TLS.Key, What: host.PrivateKey})
		}
	}
	names, _ := filepath.Glob(filepath.Join(folder, ".env*")) // the pattern is ours and good
	for _, name := range names {
		if ext := filepath.Ext(name); ext != ".example" && ext != ".sample" && ext != ".template" {
			p.Files = append(p.Files, host.File{Path: name, What: host.Environment})
		}
	}
	return check.Target{Kind: rule.Host, Name: "host", Seen: host.Observe(p)}
}

// gateway asks the gateway that runs on the data folder. Without one there is
// nothing to look at, which the report says.
func (c verbs) gateway(ctx context.Context) check.Target {
	t := check.Target{Kind: rule.Gateway, Name: "gateway"}
	a, err := admin.Dial(ctx, filepath.Join(c.DataDir, socketName))
	if err != nil {
		t.Failed = err
		return t
	}
	s, err := c.ask(ctx, a)
	if err != nil {
		t.Failed = err
		return t
	}
	t.Seen = s
	return t
}

// ask asks for all parts of the state. What is refused, or not there, is left
// out; only the state itself has to be told.
func (c verbs) ask(ctx context.Context, a *admin.Client) (*running.State, error) {
	status, err := a.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &running.State{Now: c.now(), Binary: c.Version, Version: status.Version, Failing: status.Failing, Closed: status.Maintenance.On}
	if list, err := a.Keys(ctx); err == nil {
		s.Keys = &[]running.Key{}
		for _, k := range list {
			if k.Expired || k.Status == apikey.StatusRevoked {
				continue
			}
			*s.Keys = append(*s.Keys, running.Key{
				ID: k.ID, Name: k.Name, Scopes: k.Scopes, Schedule: string(k.Schedule), Created: k.CreatedAt, Used: k.LastUsedAt, Expires: k.ExpiresAt,
			})
		}
	}
	if list, err := tools.List(ctx, a, toolpin.Filter{}); err == nil {
		s.Tools = &[]running.Tool{}
		for _, v := range list {
			if v.State == "held" {
				*s.Tools = append(*s.Tools, running.Tool{Route: v.Route, Name: v.Tool, Why: v.Why, Since: v.ChangedAt})
			}
		}
	}
	if list, err := sinks.List(ctx, a); err == nil {
		s.Sinks = &[]running.Sink{}
		for _, v := range list {
			*s.Sinks = append(*s.Sinks, running.Sink{
				Name: v.Name, Failing: time.Duration(v.FailingFor * float64(time.Second)), Error: v.LastError, Missed: v.Missed, Dead: v.DeadLetters,
			})
		}
	}
	if list, err := alerts.Channels(ctx, a); err == nil {
		s.Channels = &[]running.Channel{}
		for _, v := range list {
			*s.Channels = append(*s.Channels, running.Channel{Name: v.Name, Failures: v.Failures, Error: v.Error})
		}
	}
	c.askIncidents(ctx, a, s)
	if r, err := retention.Get(ctx, a); err == nil {
		s.Log = &running.Log{Damaged: slices.Clone(r.Damaged), ClockBehind: r.Behind, Waiting: r.Waiting, DiskFree: r.DiskFree, DiskSize: r.DiskSize}
	}
	s.Certificate = c.certificate()
	return s, nil
}

func (c verbs) askIncidents(ctx context.Context, a *admin.Client, s *running.State) {
	if list, err := incidents.Incidents(ctx, a, false); err == nil {
		s.Incidents = &[]running.Incident{}
		for _, v := range list {
			if v.Closed == nil {
				*s.Incidents = append(*s.Incidents, running.Incident{ID: v.ID, Rule: v.Rule, Opened: v.Opened})
			}
		}
	}
	if list, err := incidents.Containments(ctx, a, false); err == nil {
		s.Containment = &[]running.Containment{}
		for _, v := range list {
			if v.Ended == nil {
				*s.Containment = append(*s.Containment, running.Containment{ID: v.ID, At: v.At, Until: v.Until})
			}
		}
	}
}

// certificate reads the end of the certificate that the configuration names.
func (c verbs) certificate() *running.Certificate {
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return &running.Certificate{} // whether there is one cannot be told
	}
	file := cfg.Server.TLS.Cert
	if file == "" {
		return nil
	}
	out := &running.Certificate{File: file}
	data, err := os.ReadFile(file)
	if err != nil {
		return out
	}
	if end, err := running.CertificateEnd(data); err == nil {
		out.Ends = end
	}
	return out
}

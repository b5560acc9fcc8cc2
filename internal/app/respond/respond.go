// Package respond is the part of the process that follows the journal for
// risky callers and holds back those who are contained: it wires what is known
// of addresses, the score of callers, incidents and responses.
package respond

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/detect/enrich"
	"github.com/portcullis-dev/portcullis/internal/detect/risk"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/response"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// Part implements part.Part.
type Part struct {
	env      part.Env
	enricher *enrich.Enricher
	scores   *risk.Book
	held     *containment.Book
	cases    *casebook.Book
	engine   *response.Engine
	metrics  *metrics
	feed     *feed.Feed

	rules  atomic.Pointer[response.Config]
	window atomic.Int64 // of risk, in nanoseconds

	seen    atomic.Uint64 // number of the first record that timelines were not told of
	running atomic.Bool
	idle    sync.Mutex  // reading the journal while nobody runs
	failed  atomic.Bool // the journal cannot be followed
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ part.Readiness    = (*Part)(nil)
	_ part.Containing   = (*Part)(nil)
	_ part.Knowledge    = (*Part)(nil)
)

// New returns the part. Who was contained before is contained from now on.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env}
	ctx := context.Background() // a database that is there answers
	var err error
	if p.held, err = containment.NewBook(ctx, env.DB.Containments(), env.Journal, tools{env.Pins}, nil); err != nil {
		return nil, err
	}
	if p.cases, err = casebook.NewBook(ctx, env.DB.Incidents(), env.Journal, nil); err != nil {
		return nil, err
	}
	p.engine = response.New(p.cases, p.held, env.Journal, nil)
	if r := env.Response; r != nil {
		r.Cases, r.Held, r.Settle = p.cases, p.held, p.settle
		p.engine.UsePlaybooks(triggering{r})
	}
	p.enricher = enrich.New(enrich.Options{
		Client: feedClient(), Kept: filepath.Join(env.Dir.Path(), "feeds", "tor-exits"), Log: env.Log, Risk: p.Risk,
	})
	p.scores = risk.NewBook(risk.Options{Tor: p.enricher.Tor})
	if p.feed, err = feed.Open(env.Dir.AuditDir(), feedName, feed.Options{Log: env.Log, FromEnd: true, Open: env.Open, Window: env.Window}); err != nil { // before anybody can call
		return nil, err
	}
	if p.metrics, err = newMetrics(env.Metrics, p); err != nil {
		return nil, fmt.Errorf("registering the metrics of incidents: %w", err)
	}
	return p, nil
}

// feedClient reaches feeds of addresses, by https only.
func feedClient() *http.Client {
	d := &dial.Dialer{Timeout: 10 * time.Second}
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DialContext: d.DialContext,
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return d.DialTLSContext(ctx, network, addr)
			},
			MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 20 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Scheme != "https" || len(via) > 3 {
				return errors.New("a feed must not redirect there")
			}
			return nil
		},
	}
}

// Next implements part.Part.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (func(), error) {
	proxies, err := networks(cfg.Server.TrustedProxies)
	if err != nil {
		return nil, err
	}
	rules, err := cfg.Incident.Rules(proxies)
	if err != nil {
		return nil, fmt.Errorf("incident: %w", err)
	}
	read := cfg.Detect.Enrich.Reader()
	if len(cfg.Routes) == 0 { // only the command line is served: keys can be revoked whatever the files hold
		read = enrich.Config{}
	}
	useFiles, err := p.enricher.Next(read)
	if err != nil {
		return nil, err
	}
	upstreams := upstreamsOf(cfg)
	return func() {
		useFiles()
		p.held.UseUpstreams(upstreams)
		p.engine.Use(rules)
		p.rules.Store(&rules)
		p.cases.Use(cfg.Incident.Book())
		p.scores.SetWindow(cfg.Detect.Risk.Window)
		p.window.Store(int64(cfg.Detect.Risk.Window))
	}, nil
}

// networks reads what the configuration has checked: addresses and prefixes.
func networks(list []string) (out []netip.Prefix, err error) {
	for _, text := range list {
		if addr, aerr := netip.ParseAddr(text); aerr == nil {
			out = append(out, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("server.trusted_proxies: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}

// sweepEvery is how often what is over is ended.
const sweepEvery = time.Second

// Run implements part.Part.
func (p *Part) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	p.running.Store(true)
	defer p.running.Store(false)
	tasks.Go(func() { p.enricher.Run(ctx) })
	tasks.Go(func() { p.follow(ctx) })
	tasks.Go(func() { p.sweep(ctx) })
	tasks.Wait()
	if err := p.feed.Close(); err != nil {
		p.env.Log.Error("closing the journal", "error", err)
	}
}

func (p *Part) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := errors.Join(p.held.Sweep(ctx), p.cases.Sweep(ctx)); err != nil {
			p.env.Log.Error("ending what is over", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group {
	return []admin.Group{incidents.Group(p.cases, p.held)}
}

// Failing implements part.Readiness.
func (p *Part) Failing(context.Context) []string {
	if p.failed.Load() {
		return []string{"response"}
	}
	return nil
}

// Container implements part.Containing.
func (p *Part) Container() portcullis.Container { return p.held.Guard() }

// Enrich implements part.Knowledge.
func (p *Part) Enrich(e *portcullis.Event) { p.enricher.Enrich(e) }

// Country implements part.Knowledge.
func (p *Part) Country(addr netip.Addr) string { return p.enricher.Country(addr) }

// Risk implements part.Knowledge.
func (p *Part) Risk(principal string, addr netip.Addr) int {
	return p.scores.Score(principal, addr, time.Now())
}

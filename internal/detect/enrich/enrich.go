package enrich

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mileusna/useragent"

	"github.com/portcullis-dev/portcullis"
)

// Config says what to read.
type Config struct {
	GeoIP   string        // a MaxMind DB file; "" = none
	TorFile string        // a list of Tor exits; "" = none
	TorURL  string        // a feed of such a list; "" = none
	Refresh time.Duration // how often the feed is asked
	Stale   time.Duration // how old a list may be
}

// Options are what an Enricher needs beside its settings.
type Options struct {
	Client Doer   // of the feed; nil = there can be none
	Kept   string // file for the last good list of the feed; "" = it is not kept
	Log    *slog.Logger
	Now    func() time.Time // nil = time.Now
	// Risk is the score of a caller, for events that carry none. nil = none.
	Risk func(principal string, addr netip.Addr) int
}

// Intervals of Run.
const (
	look  = 10 * time.Second // between two looks at the files
	retry = time.Minute      // before a feed that failed is asked again
)

// maxAgents is how many user agents are kept as they were read.
const maxAgents = 4096

// Enricher adds to events. Make one with [New]; it is safe for concurrent use.
type Enricher struct {
	opts   Options
	geo    atomic.Pointer[database]
	tor    atomic.Pointer[torList]
	conf   atomic.Pointer[Config]
	agents *cache[string, []slog.Attr]
	poke   chan struct{}

	mu       sync.Mutex // guards what follows, and all changes of geo and tor
	asked    time.Time  // when the feed was asked last
	failing  bool       // the last time failed
	geoTried stamp      // versions of the files that were refused
	torTried stamp
}

// New returns an Enricher that knows nothing yet.
func New(o Options) *Enricher {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Enricher{opts: o, agents: newCache[string, []slog.Attr](maxAgents), poke: make(chan struct{}, 1)}
	e.conf.Store(&Config{})
	return e
}

// Next reads the files of a configuration and returns what puts it into force.
// A feed is not asked: that a list cannot be had must not keep the gateway from
// starting.
func (e *Enricher) Next(c Config) (use func(), err error) {
	have := e.conf.Load()
	geo, tor := e.geo.Load(), e.tor.Load()
	if c.GeoIP == "" {
		geo = nil
	} else if geo == nil || geo.name != c.GeoIP {
		if geo, err = openDatabase(c.GeoIP); err != nil {
			return nil, fmt.Errorf("detect.enrich.geoip: %q: %w", c.GeoIP, err)
		}
	}
	switch {
	case c.TorFile == have.TorFile && c.TorURL == have.TorURL:
	case c.TorFile != "":
		if tor, err = openList(c.TorFile); err != nil {
			return nil, fmt.Errorf("detect.enrich.tor_file: %q: %w", c.TorFile, err)
		}
	case c.TorURL != "" && e.opts.Kept != "":
		if tor, err = openList(e.opts.Kept); err != nil { // there is none, or not a good one
			tor = nil
		} else {
			tor.stamp = stamp{}
		}
	default:
		tor = nil
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.geo.Store(geo)
		e.tor.Store(tor)
		e.conf.Store(&c)
		e.asked, e.geoTried, e.torTried = time.Time{}, stamp{}, stamp{}
		select {
		case e.poke <- struct{}{}:
		default:
		}
	}, nil
}

// Run keeps what was read fresh until ctx ends.
func (e *Enricher) Run(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		e.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-e.poke:
		}
	}
}

// refresh looks at the files and, when it is time, asks the feed.
func (e *Enricher) refresh(ctx context.Context) {
	c := e.conf.Load()
	e.refreshGeo(c)
	if c.TorFile != "" {
		e.refreshTorFile(c)
	} else if c.TorURL != "" && e.opts.Client != nil {
		e.refreshTorFeed(ctx, c)
	}
}

func (e *Enricher) refreshGeo(c *Config) {
	have := e.geo.Load()
	if have == nil {
		return
	}
	s, err := stampOf(c.GeoIP)
	e.mu.Lock()
	known := err == nil && (s == have.stamp || s == e.geoTried)
	e.mu.Unlock()
	if err != nil || known { // a file that is away for a moment is being replaced
		return
	}
	next, err := openDatabase(c.GeoIP)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conf.Load() != c {
		return
	}
	if err != nil {
		e.geoTried = s
		e.opts.Log.Error("keeping the geography database in use", "file", c.GeoIP, "error", err)
		return
	}
	e.geo.Store(next)
	e.opts.Log.Info("geography database reloaded", "file", c.GeoIP)
}

func (e *Enricher) refreshTorFile(c *Config) {
	have := e.tor.Load()
	s, err := stampOf(c.TorFile)
	e.mu.Lock()
	known := err == nil && (have != nil && s == have.stamp || s == e.torTried)
	e.mu.Unlock()
	if err != nil || known {
		return
	}
	next, err := openList(c.TorFile)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conf.Load() != c {
		return
	}
	if err != nil {
		e.torTried = s
		e.opts.Log.Error("keeping the list of Tor exits in use", "file", c.TorFile, "error", err)
		return
	}
	e.tor.Store(next)
}

func (e *Enricher) refreshTorFeed(ctx context.Context, c *Config) {
	now := e.opts.Now()
	e.mu.Lock()
	wait := c.Refresh
	if e.failing {
		wait = min(wait, retry)
	}
	due := e.asked.IsZero() || now.Sub(e.asked) >= wait
	if due {
		e.asked = now
	}
	e.mu.Unlock()
	if !due {
		return
	}
	next, text, err := fetch(ctx, e.opts.Client, c.TorURL, e.tor.Load(), now)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conf.Load() != c {
		return
	}
	if e.failing = err != nil; err != nil {
		if ctx.Err() == nil { // the text of err holds the URL without its secrets at most
			e.opts.Log.Warn("keeping the list of Tor exits in use", "error", err)
		}
		return
	}
	e.tor.Store(next)
	if text != nil {
		if err := keep(e.opts.Kept, text); err != nil {
			e.opts.Log.Warn("keeping the list of Tor exits for the next start", "error", err)
		}
	}
}

// Country returns the code of the country an address is in, "" if that is not
// known.
func (e *Enricher) Country(addr netip.Addr) string { return e.geo.Load().place(addr).Country }

// Tor reports whether an address is an exit of the Tor network.
func (e *Enricher) Tor(addr netip.Addr) bool {
	return e.tor.Load().tor(addr, e.opts.Now(), e.conf.Load().Stale)
}

// Names of the details that Enrich adds.
const (
	DetailAgent = "user_agent"
	DetailTor   = "tor_exit"
)

// Enrich adds to an event what is known. It reads memory only, never changes
// what Details held before, and adds nothing twice.
func (e *Enricher) Enrich(ev *portcullis.Event) {
	a := &ev.Actor
	if a.Geo.IsZero() {
		a.Geo = e.geo.Load().place(a.IP)
	}
	if ev.RiskScore == 0 && e.opts.Risk != nil && (a.ID != "" || a.IP.IsValid()) {
		ev.RiskScore = e.opts.Risk(a.ID, a.IP)
	}
	tor := a.IP.IsValid() && e.Tor(a.IP)
	if !tor && a.UserAgent == "" || has(ev.Details, DetailTor) || has(ev.Details, DetailAgent) {
		return
	}
	// Other readers of the event may share the array: what is added goes into
	// one of its own.
	details := make([]slog.Attr, len(ev.Details), len(ev.Details)+2)
	copy(details, ev.Details)
	if a.UserAgent != "" {
		if group := e.agents.get(a.UserAgent, parseAgent); len(group) > 0 {
			details = append(details, slog.Attr{Key: DetailAgent, Value: slog.GroupValue(group...)})
		}
	}
	if tor {
		details = append(details, slog.Bool(DetailTor, true))
	}
	ev.Details = details
}

func has(list []slog.Attr, key string) bool {
	for i := range list {
		if list[i].Key == key {
			return true
		}
	}
	return false
}

// parseAgent returns what a user agent says of itself.
func parseAgent(text string) []slog.Attr {
	ua := useragent.Parse(text)
	var out []slog.Attr
	add := func(key, value string) {
		if value != "" {
			out = append(out, slog.String(key, name(value)))
		}
	}
	add("name", ua.Name)
	add("version", ua.Version)
	add("os", ua.OS)
	add("os_version", ua.OSVersion)
	add("device", ua.Device)
	switch {
	case ua.Bot:
		add("kind", "bot")
	case ua.Mobile:
		add("kind", "mobile")
	case ua.Tablet:
		add("kind", "tablet")
	case ua.Desktop:
		add("kind", "desktop")
	}
	return out
}

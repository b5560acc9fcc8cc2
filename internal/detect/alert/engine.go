package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Observer counts what an engine does. Its methods must not block.
type Observer interface {
	Sent(channel string)
	Failed(channel string)     // an attempt; it is repeated
	Dead(channel string)       // a message that is given up
	Suppressed(channel string) // a message that goes into a digest
}

// Options are what an engine is made of.
type Options struct {
	State  []byte                         // what [Engine.Snapshot] returned; nil = nothing
	Record portcullis.Recorder            // takes ALERT_SENT and the others; nil = nothing is told
	Open   func(*portcullis.Event)        // opens sealed actors; nil = they stay sealed
	Erased func(*portcullis.Actor) string // what stands for an actor that stays sealed
	Mask   func(string) string            // takes credentials out of texts; nil = none is looked for
	Watch  Observer
	Log    *slog.Logger
	Now    func() time.Time
}

// Engine makes alerts of events and sends them. It is safe for concurrent use.
type Engine struct {
	opts Options
	wake chan struct{}

	mu       sync.Mutex
	cfg      Config
	state    state
	byKey    map[string]*entry
	byGroup  map[string]*entry // the latest of a group
	channels map[string]*channel
	version  uint64 // of the state
}

// channel is one of the configuration, and how it does.
type channel struct {
	Spec
	busy    bool
	fails   int       // in a row
	pause   time.Time // nothing is sent before
	err     string
	last    time.Time // of success
	counts  map[string]int
	flushed time.Time
}

// New returns an engine without channels. A state that cannot be read is an
// error; the engine works without it.
func New(o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Mask == nil {
		o.Mask = func(s string) string { return s }
	}
	if o.Erased == nil {
		o.Erased = func(a *portcullis.Actor) string {
			if a.Subject == "" {
				return ""
			}
			return "sealed:" + a.Subject
		}
	}
	e := &Engine{opts: o, wake: make(chan struct{}, 1), byKey: map[string]*entry{}, byGroup: map[string]*entry{}, channels: map[string]*channel{}}
	s, err := decode(o.State)
	if err != nil {
		s, _ = decode(nil) // of nothing it cannot fail
	}
	e.state = s
	for _, a := range s.Alerts {
		for key := range a.Members {
			e.byKey[key] = a
		}
		e.byGroup[a.Group] = a
	}
	return e, err
}

// Use puts a configuration into force. Channels that are gone are closed.
func (e *Engine) Use(c Config) {
	e.mu.Lock()
	old := e.channels
	e.cfg, e.channels = c, map[string]*channel{}
	for _, s := range c.Channels {
		ch := &channel{Spec: s, counts: map[string]int{}}
		if was := old[s.Name]; was != nil {
			ch.last, ch.counts = was.last, was.counts
		}
		e.channels[s.Name] = ch
	}
	e.mu.Unlock()
	e.nudge()
	for _, ch := range old {
		if err := ch.Channel.Close(); err != nil {
			e.opts.Log.Warn("closing a channel of alerts", "channel", ch.Name, "error", err)
		}
	}
}

func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Observe takes a record of the journal. One that was taken before is passed.
func (e *Engine) Observe(seq uint64, ev *portcullis.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if seq < e.state.Next && !ev.Time.After(e.state.Last) {
		return
	}
	e.state.Next, e.state.Last = seq+1, ev.Time
	s, ok := read(ev, e.cfg.Types)
	if !ok {
		return
	}
	if s.ends {
		e.end(s.Key)
		if also := alsoEnds(ev); also != "" {
			e.end(also)
		}
	} else {
		e.begin(&s)
	}
	e.version++
	e.nudge()
}

// end notes that what a key names is over.
func (e *Engine) end(key string) {
	a := e.byKey[key]
	if a == nil || !a.Members[key] {
		return
	}
	a.Members[key] = false
	if a.going() == 0 {
		a.Resolved = e.opts.Now()
	}
}

// begin notes that something began, or goes on.
func (e *Engine) begin(s *Signal) {
	now := e.opts.Now()
	a := e.byKey[s.Key]
	if a != nil && !a.open() && a.endTold() {
		a = nil // that one is history
	}
	if s.only { // what is done about it neither begins nor ends it
		if a != nil {
			a.Count++
			a.Seen = now
		}
		return
	}
	known := a != nil
	if a == nil {
		a = e.join(s, now)
	}
	if !known || !a.Members[s.Key] {
		e.count(s)
	}
	switch _, member := a.Members[s.Key]; {
	case member || len(a.Members) < maxMembers:
		a.Members[s.Key] = true
		e.byKey[s.Key] = a
	default:
		a.Over++
	}
	a.Count++
	a.Seen, a.Resolved, a.Paired = now, time.Time{}, a.Paired || s.paired
	if Rank(s.Severity) > Rank(a.Severity) {
		a.Severity, a.Signal = s.Severity, *s
		for _, t := range a.Told { // what was too little to be told may be enough now
			t.Held, t.Paid = false, false
		}
		e.route(a)
	}
}

// join returns the alert that a signal becomes part of, a new one if need be.
func (e *Engine) join(s *Signal, now time.Time) *entry {
	group := e.cfg.group(s)
	if a := e.byGroup[group]; a != nil && now.Sub(a.Opened) < e.cfg.GroupWindow && !a.endTold() {
		return a
	}
	if len(e.state.Alerts) >= maxAlerts {
		group = "overflow"
		if a := e.byGroup[group]; a != nil && !a.endTold() {
			return a
		}
		s.Summary = "more alerts than can be told one by one"
	}
	sum := sha256.Sum256([]byte(s.Key + "\x00" + s.EventID))
	a := &entry{
		ID: hex.EncodeToString(sum[:8]), Group: group, Signal: *s, Severity: s.Severity, Members: map[string]bool{}, Opened: now,
		Told: map[string]*told{},
	}
	e.state.Alerts = append(e.state.Alerts, a)
	e.byGroup[group] = a
	e.route(a)
	return a
}

// route decides which channels hear of an alert.
func (e *Engine) route(a *entry) {
	t := e.cfg.target(&a.Signal, a.Severity, e.opened(&a.Signal).ID)
	channels := t.channels
	for _, name := range a.Signal.To {
		if e.channels[name] != nil {
			channels = append(channels, name)
		}
	}
	for _, name := range channels {
		if a.Told[name] == nil {
			a.Told[name] = &told{}
		}
	}
	if a.Step == 0 {
		a.Escalate, a.After = t.escalate, t.after
	}
}

// opened returns who a signal is about, if that can be opened.
func (e *Engine) opened(s *Signal) portcullis.Actor {
	ev := portcullis.Event{ID: s.EventID, Time: s.Time, Type: s.Type, Actor: s.Actor}
	if e.opts.Open != nil {
		e.opts.Open(&ev)
	}
	return ev.Actor
}

// count adds to the channels that count.
func (e *Engine) count(s *Signal) {
	metric := s.Metric
	if metric == "" {
		metric = string(s.Type)
	}
	for _, ch := range e.channels {
		if _, ok := ch.Channel.(Counter); ok && Rank(s.Severity) >= Rank(ch.MinSeverity) {
			ch.counts[metric]++
		}
	}
}

// tick does what time does: ends what is forgotten, escalates, drops what is
// over. The caller holds mu.
func (e *Engine) tick(now time.Time) {
	before := len(e.state.Alerts)
	e.state.Alerts = slices.DeleteFunc(e.state.Alerts, func(a *entry) bool {
		switch {
		case a.open() && (!a.Paired || a.Over > 0) && now.Sub(a.Seen) >= e.cfg.Forget, a.open() && now.Sub(a.Seen) >= longest:
			a.Over = 0
			for key := range a.Members {
				a.Members[key] = false
			}
			a.Resolved = now
			e.version++
		case a.open():
			e.escalate(a, now)
		case now.Sub(a.Resolved) >= max(keepEnded, e.cfg.GroupWindow) && a.finished(e):
			for key := range a.Members {
				if e.byKey[key] == a {
					delete(e.byKey, key)
				}
			}
			if e.byGroup[a.Group] == a {
				delete(e.byGroup, a.Group)
			}
			return true
		}
		return false
	})
	silences := len(e.state.Silences)
	e.state.Silences = slices.DeleteFunc(e.state.Silences, func(s Silence) bool { return !now.Before(s.Until) })
	if len(e.state.Alerts) != before || len(e.state.Silences) != silences {
		e.version++
	}
}

// escalate asks the next channel about a critical alert that nobody has
// acknowledged.
func (e *Engine) escalate(a *entry, now time.Time) {
	if a.Severity != portcullis.SeverityCritical || !a.Acked.IsZero() || a.Step >= len(a.Escalate) || e.silenced(a, now) ||
		now.Sub(a.Opened) < a.After*time.Duration(a.Step+1) {
		return
	}
	name := a.Escalate[a.Step]
	a.Step++
	e.version++
	if t := a.Told[name]; t == nil || t.Kind == "" {
		a.Told[name] = &told{Escalated: true}
	} else { // it was told before: again, as not acknowledged
		t.Escalated, t.Severity, t.Paid, t.Dead = true, "", false, ""
	}
}

func (e *Engine) silenced(a *entry, now time.Time) bool {
	return slices.ContainsFunc(e.state.Silences, func(s Silence) bool { return s.matches(a, now) })
}

// Snapshot returns the state, and its version: what is newer has to be saved.
func (e *Engine) Snapshot() (raw []byte, version uint64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	raw, err = json.Marshal(&e.state)
	return raw, e.version, err
}

// Version changes with the state.
func (e *Engine) Version() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.version
}

// Run sends until ctx ends.
func (e *Engine) Run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for ctx.Err() == nil {
		e.dispatch(ctx, &sending)
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-tick.C:
		}
	}
}

const (
	pace     = 500 * time.Millisecond
	flush    = time.Second // how often counters are sent
	firstTry = time.Second
	longTry  = 5 * time.Minute
	longWait = time.Hour // the most that another side's wish to wait is heeded
)

// dispatch begins what can be sent now, one message to each channel.
func (e *Engine) dispatch(ctx context.Context, sending *sync.WaitGroup) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.opts.Now()
	e.tick(now)
	for _, name := range slices.Sorted(maps.Keys(e.channels)) {
		ch := e.channels[name]
		if ch.busy || now.Before(ch.pause) {
			continue
		}
		if j := e.pick(ch, now); j != nil {
			ch.busy = true
			sending.Go(func() { e.perform(ctx, ch, j) })
		}
	}
}

// pause is how long a channel that failed is left alone.
func pause(fails int, f *Failure) time.Duration {
	d := min(longTry, firstTry<<min(fails-1, 12))
	if f.Fault == Misconfigured {
		d = max(d, time.Minute)
	}
	d = d*3/4 + rand.N(d/2) //nolint:gosec // spreads attempts, guards nothing
	return max(d, min(f.After, longWait))
}

package agentcard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config/a2a"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// Core is the entry of the card itself among the pins of a route; its skills
// are the others.
const Core = "agent-card"

// Options of [New].
type Options struct {
	Route     string // name, for events and logs
	Upstream  string // URL of the route's upstream
	Transport http.RoundTripper
	Config    a2a.Card
	Face      card.Face      // what the route offers; Hidden and Extended are filled in
	Pins      *toolpin.Guard // nil = nothing is pinned
	Inspect   card.Inspector // beside the pins; nil = none
	Sign      card.Signer    // nil = the card is not signed
	Recorder  portcullis.Recorder
	Log       *slog.Logger
	Before    *Keeper // of the table before: its card is the first
}

// Keeper keeps the card of one route. It is safe for concurrent use.
type Keeper struct {
	o      Options
	source *source
	keys   *card.Keys
	maxAge string // Cache-Control of pages

	busy    chan struct{} // holds one token while nobody changes what follows
	last    fetched       // the last good card, as the agent sent it
	pinned  int64         // revision of the pins that the pages show
	refused string        // why the last card was refused, as it was recorded
	tried   time.Time
	due     time.Time
	fails   int

	kept   atomic.Pointer[fetched] // last, for the keeper of the next table
	signed atomic.Bool             // a card of this agent was signed by one of the keys
	pages  atomic.Pointer[pages]
}

// Times of a keeper.
const (
	look      = 5 * time.Second // how often approvals are looked for
	firstGap  = time.Second     // between tries while there is no card
	firstFail = 5 * time.Second // after a failure, doubling
	longest   = time.Hour       // that an agent may have its card kept
)

// New returns a keeper that has fetched nothing yet. It reads the files of keys.
func New(o Options) (*Keeper, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	if o.Recorder == nil || o.Transport == nil {
		return nil, errors.New("card: needs a recorder and a transport")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := newSource(o.Upstream, o.Config.Path, o.Config.InsecureHTTP, o.Transport, o.Config.Timeout)
	if err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	k := &Keeper{o: o, source: s, busy: make(chan struct{}, 1), maxAge: cacheControl(o.Config.MaxAge)}
	k.o.Face.Hidden, k.o.Face.Extended = s.base.Hostname(), o.Face.Extended && o.Config.Extended
	if !o.Config.Sign {
		k.o.Sign = nil
	}
	for i, file := range o.Config.Keys {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("card: keys[%d]: %w", i, err)
		}
		keys, err := card.ParseKeys(raw)
		if err != nil {
			return nil, fmt.Errorf("card: keys[%d]: %q: %w", i, file, err)
		}
		if k.keys, err = k.keys.With(keys); err != nil {
			return nil, fmt.Errorf("card: keys: %w", err)
		}
	}
	k.inherit(o.Before)
	k.o.Before = nil
	k.busy <- struct{}{}
	return k, nil
}

// inherit takes the card over that another keeper has of the same agent. It is
// read, verified and pinned anew, by the rules of this one.
func (k *Keeper) inherit(before *Keeper) {
	if before == nil || before.source.base.String() != k.source.base.String() || before.o.Config.Path != k.o.Config.Path {
		return
	}
	k.signed.Store(before.signed.Load())
	last := before.kept.Load()
	if last == nil {
		return
	}
	if err := k.take(context.Background(), *last); err != nil {
		k.o.Log.Warn("the agent's card of before cannot be used any more", "route", k.o.Route, "error", err)
	}
}

// Run keeps the card current until the context ends.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		k.step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// step does what is due.
func (k *Keeper) step(ctx context.Context) {
	if !k.lock(ctx) {
		return
	}
	defer k.unlock()
	switch {
	case !time.Now().Before(k.due):
		k.refresh(ctx)
	case k.last.raw != nil && k.o.Pins != nil && k.o.Pins.Revision() != k.pinned:
		if err := k.take(ctx, k.last); err != nil { // an operator has decided
			k.failed(ctx, err)
		}
	}
}

func (k *Keeper) lock(ctx context.Context) bool {
	select {
	case <-k.busy:
		return true
	case <-ctx.Done():
		return false
	}
}

func (k *Keeper) unlock() { k.busy <- struct{}{} }

// refresh asks the agent and says when it is asked next. The caller holds busy.
func (k *Keeper) refresh(ctx context.Context) {
	f, err := k.source.fetch(ctx, k.last)
	k.tried = time.Now() // after it: who waited for a slow agent does not ask again
	wait := min(max(f.maxAge, k.o.Config.Refresh), max(longest, k.o.Config.Refresh))
	if err == nil {
		if f.raw == nil { // not modified; signed anew, so that it outlives no key
			f.raw = k.last.raw
		}
		err = k.take(ctx, f)
	}
	if err != nil {
		k.failed(ctx, err)
		wait = min(firstFail<<min(k.fails, 10), k.o.Config.Refresh)
		k.fails++
	} else {
		k.fails, k.refused = 0, ""
	}
	k.due = time.Now().Add(jitter(wait))
}

// jitter keeps the gateways of an agent from asking at the same time.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1)) //nolint:gosec // no secret
}

// refusedError is a card that may not be used.
type refusedError struct {
	reason string
	err    error
}

func (e *refusedError) Error() string { return e.reason + ": " + e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// Reasons of refused cards.
const (
	malformed     = "malformed"
	badSignature  = "signature"
	blocked       = "content"
	nothingServed = "nothing_served"
	held          = "held"
)

// failed tells why there is no new card: an agent that is away in the log, a
// card that is refused in the audit log, once.
func (k *Keeper) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	k.o.Log.Warn("the agent's card was not renewed", "route", k.o.Route, "error", err)
	var r *refusedError
	if !errors.As(err, &r) || r.reason == k.refused {
		return
	}
	e := &portcullis.Event{
		Time: time.Now(), Type: portcullis.EventCardRefused, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure,
		Route: k.o.Route, Resource: Core, Action: action, Reason: r.reason, Details: []slog.Attr{slog.Bool("served", k.pages.Load() != nil)},
	}
	if r.reason == badSignature || r.reason == blocked {
		e.Severity = portcullis.SeverityCritical
	}
	if err := k.o.Recorder.Record(context.WithoutCancel(ctx), e); err != nil {
		k.o.Log.Error("recording that a card was refused", "route", k.o.Route, "error", err)
		return
	}
	k.refused = r.reason
}

const action = "card/refresh"

// read reads a card by the rules of the route.
func (k *Keeper) read(raw []byte) (c *card.Card, signed bool, err error) {
	c, err = card.Parse(raw, card.Options{InsecurePlainHTTP: k.source.base.Scheme == "http"})
	if err != nil {
		return nil, false, &refusedError{malformed, err}
	}
	if mode := k.o.Config.Signature; mode != a2a.SignatureOff {
		_, err := k.keys.Verify(raw)
		switch {
		case err == nil:
			signed = true
		case errors.Is(err, card.ErrUnsigned) && mode == a2a.SignatureVerify && !k.signed.Load():
		default:
			return nil, false, &refusedError{badSignature, err}
		}
	}
	if k.o.Inspect != nil {
		if err := card.Inspect(raw, k.o.Inspect); err != nil {
			return nil, false, &refusedError{blocked, err}
		}
	}
	return c, signed, nil
}

// take makes the pages of a card. The caller holds busy, or is New.
func (k *Keeper) take(ctx context.Context, f fetched) error {
	_, signed, err := k.read(f.raw)
	if err != nil {
		return err
	}
	raw, revision, err := k.pin(ctx, f.raw)
	var r *refusedError
	if errors.As(err, &r) && r.reason == held {
		k.keep(f, revision) // for when an operator has decided
		k.pages.Store(nil)  // not even what was shown until now is approved any more
	}
	if err != nil {
		return err
	}
	c, err := card.Parse(raw, card.Options{InsecurePlainHTTP: true})
	if err != nil {
		return &refusedError{malformed, err}
	}
	p, err := k.write(c, k.o.Face)
	if errors.Is(err, card.ErrNothingServed) {
		return &refusedError{nothingServed, err}
	}
	if err != nil {
		return err
	}
	k.keep(f, revision)
	if signed {
		k.signed.Store(true)
	}
	k.pages.Store(p)
	return nil
}

func (k *Keeper) keep(f fetched, revision int64) {
	k.last, k.pinned = f, revision
	k.kept.Store(&f)
}

// pin returns what of a card may be shown: the approved version of what it says
// of the agent, and the skills that are not held.
func (k *Keeper) pin(ctx context.Context, raw []byte) ([]byte, int64, error) {
	if k.o.Pins == nil {
		return raw, 0, nil
	}
	core, skills := card.Split(raw)
	list := []toolpin.Listed{{Name: Core, Raw: core}}
	for _, s := range skills {
		list = append(list, toolpin.Listed{Name: s.ID, Raw: s.Raw})
	}
	pass, notes, err := k.o.Pins.Learn(ctx, list)
	if err != nil {
		return nil, 0, err
	}
	if err := k.record(ctx, notes); err != nil {
		return nil, 0, err
	}
	revision := k.o.Pins.Revision()
	if !pass[0] {
		core, err = k.o.Pins.Approved(ctx, Core)
		if errors.Is(err, toolpin.ErrNotFound) {
			return nil, revision, &refusedError{held, errors.New("no version of the card is approved")}
		}
		if err != nil {
			return nil, 0, err
		}
	}
	var shown []card.RawSkill
	for i, s := range skills {
		if pass[i+1] {
			shown = append(shown, s)
		}
	}
	joined, err := card.Join(core, shown)
	return joined, revision, err
}

// record writes what the pins had to say. Not recorded, not done.
func (k *Keeper) record(ctx context.Context, notes []portcullis.Note) error {
	for _, n := range notes {
		e := &portcullis.Event{
			Time: time.Now(), Type: n.Type, Severity: n.Severity, Outcome: portcullis.OutcomeSuccess,
			Route: k.o.Route, Action: action, Reason: n.Reason, Details: n.Details,
		}
		for _, d := range n.Details {
			if d.Key == "tool" && d.Value.String() == Core {
				e.Type, e.Resource = portcullis.EventCardChanged, Core
			} else if d.Key == "tool" {
				e.Resource = "skill:" + d.Value.String()
			}
		}
		if err := k.o.Recorder.Record(context.WithoutCancel(ctx), e); err != nil {
			return fmt.Errorf("recording what changed of a card: %w", err)
		}
	}
	return nil
}

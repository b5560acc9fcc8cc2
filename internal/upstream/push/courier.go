package push

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Bounds of a courier.
const (
	mostAtOnce   = 16                    // deliveries on their way
	mostOfOrigin = 4                     // of them to one target
	spacing      = 20 * time.Millisecond // between two to one target
	look         = time.Second           // how often the queue is looked at when nobody says that it should be
	batch        = 128
	tidy         = 10 * time.Minute
	heldWait     = time.Minute // until it is asked again whether a caller is still contained
)

// Standing says whether a registration may still be served.
type Standing uint8

// Standings. The zero Standing serves nothing.
const (
	Held  Standing = iota // not now: its caller is contained
	Ended                 // never again: what it was registered with is revoked
	Good
)

// Metrics count deliveries.
type Metrics interface {
	Delivered(took time.Duration)
	Retried()
	Dead()
}

// Options are what a [Courier] needs.
type Options struct {
	Book  *Book
	Sign  func(payload []byte) (string, error) // returns a compact JSON Web Signature
	TLS   *tls.Config                          // nil = system roots
	Names *net.Resolver                        // nil = the system's
	Clock func() time.Time

	// Settings returns those of a route, nil if it delivers nothing.
	Settings func(route string) *Settings
	// Standing is asked before each attempt.
	Standing func(ctx context.Context, r *Registration) Standing

	Recorder portcullis.Recorder
	Metrics  Metrics
	Log      *slog.Logger
}

// Courier delivers what is queued. It is safe for concurrent use.
type Courier struct {
	Options
	send *sender

	mu      sync.Mutex
	busy    map[string]bool      // registrations with a delivery on its way
	origins map[string]int       // deliveries on their way to a target
	next    map[string]time.Time // when a target may be sent to again
}

// NewCourier returns a courier that does nothing until Run.
func NewCourier(o Options) *Courier {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return &Courier{
		Options: o, send: newSender(o.Sign, o.Clock, o.TLS, o.Names),
		busy: map[string]bool{}, origins: map[string]int{}, next: map[string]time.Time{},
	}
}

// Run delivers until ctx ends. What is on its way then is sent again by the
// next process.
func (c *Courier) Run(ctx context.Context) {
	defer c.send.close()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	timer := time.NewTimer(look)
	defer timer.Stop()
	var tidied time.Time
	for {
		if now := c.Clock(); now.Sub(tidied) >= tidy {
			tidied = now
			if err := c.Book.store.Expire(ctx, now, now.Add(-KeepDead), MostDead); err != nil && ctx.Err() == nil {
				c.Log.Error("removing old notifications", "error", err)
			}
		}
		due, err := c.Book.store.Due(ctx, c.Clock(), batch)
		if err != nil && ctx.Err() == nil {
			c.Log.Error("looking for notifications to deliver", "error", err)
		}
		again := look
		for i := range due {
			again = min(again, c.start(ctx, &tasks, due[i]))
		}
		timer.Reset(again)
		select {
		case <-ctx.Done():
			return
		case <-c.Book.wake:
		case <-timer.C:
		}
	}
}

// start attempts a delivery, unless its registration or target is busy. It
// returns when to look again: what ends sooner says so.
func (c *Courier) start(ctx context.Context, tasks *sync.WaitGroup, d Delivery) time.Duration {
	r, err := c.Book.store.ByID(ctx, d.Registration, c.Clock())
	if errors.Is(err, ErrUnknown) {
		err = c.Book.store.Done(ctx, d.ID)
	}
	if err != nil && ctx.Err() == nil {
		c.Log.Error("looking for the target of a notification", "delivery", d.ID, "error", err)
	}
	if err != nil || r.ID == "" {
		return look
	}
	if ok, again := c.take(&r); !ok {
		return again
	}
	tasks.Go(func() {
		c.attempt(ctx, &r, d)
		c.release(&r)
		c.Book.Wake()
	})
	return look
}

// take reserves a place for a delivery, or says when there may be one.
func (c *Courier) take(r *Registration) (ok bool, again time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Clock()
	if c.busy[r.ID] || len(c.busy) >= mostAtOnce || c.origins[r.Origin] >= mostOfOrigin {
		return false, look
	}
	if soon := c.next[r.Origin].Sub(now); soon > 0 {
		return false, soon
	}
	c.busy[r.ID] = true
	c.origins[r.Origin]++
	c.next[r.Origin] = now.Add(spacing)
	for origin, at := range c.next {
		if c.origins[origin] == 0 && now.After(at) {
			delete(c.next, origin)
		}
	}
	return true, 0
}

func (c *Courier) release(r *Registration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, r.ID)
	if c.origins[r.Origin]--; c.origins[r.Origin] <= 0 {
		delete(c.origins, r.Origin)
	}
}

// attempt tries once, and stores what became of it.
func (c *Courier) attempt(ctx context.Context, r *Registration, d Delivery) {
	set := c.Settings(r.Route)
	began := c.Clock()
	f := c.try(ctx, r, &d, set)
	if ctx.Err() != nil {
		return // shutting down: it is as if nobody had tried
	}
	switch {
	case f == nil:
		c.stored(ctx, c.Book.store.Done(ctx, d.ID), &d)
		c.Metrics.Delivered(c.Clock().Sub(began))
		return
	case f.reason == "": // not wanted any more
		c.stored(ctx, c.Book.store.Drop(ctx, r.ID), &d)
		return
	}
	now := c.Clock()
	d.Attempts++
	d.Reason = f.reason
	attempts, age := 1, time.Duration(0)
	if set != nil {
		attempts, age = set.Attempts, set.MaxAge
	}
	if f.reason == ReasonContained {
		d.Attempts-- // nobody tried
	}
	count := c.Metrics.Retried
	if f.final || d.Attempts >= attempts || now.Sub(d.CreatedAt) >= age {
		d.FailedAt, count = now, c.Metrics.Dead
	} else {
		d.NextAt = now.Add(wait(d.Attempts, f.after, chance))
	}
	c.Log.Warn("notification not delivered", "route", r.Route, "delivery", d.ID, "target", r.Origin, "attempts", d.Attempts, "dead", !d.FailedAt.IsZero(), "error", f)
	c.record(ctx, r, &d, f)
	c.stored(ctx, c.Book.store.Update(ctx, d), &d)
	count()
}

func (c *Courier) stored(ctx context.Context, err error, d *Delivery) {
	if err != nil && ctx.Err() == nil {
		c.Log.Error("storing what became of a notification", "delivery", d.ID, "error", err) // it is sent again
	}
}

// try sends a notification, after all that has to be true of it. A failure
// without a reason ends the registration.
func (c *Courier) try(ctx context.Context, r *Registration, d *Delivery, set *Settings) *failure {
	if set == nil {
		return &failure{reason: ReasonOff, final: true}
	}
	switch c.Standing(ctx, r) {
	case Good:
	case Ended:
		return &failure{}
	default:
		return &failure{reason: ReasonContained, after: heldWait}
	}
	t, err := c.Book.Target(r)
	if err != nil {
		return &failure{reason: ReasonInternal, final: true, err: err}
	}
	body, err := c.Book.body(d)
	if err != nil {
		return &failure{reason: ReasonInternal, final: true, err: err}
	}
	if why := set.Refuses(t.URL); why != "" {
		return &failure{reason: ReasonTarget, final: true, refuse: true, err: errors.New(why)}
	}
	if set.Challenge && r.CheckedAt.IsZero() {
		if f := c.send.challenge(ctx, t.URL, set); f != nil {
			return f
		}
		r.CheckedAt = c.Clock()
		if err := c.Book.store.Checked(ctx, r.ID, r.CheckedAt); err != nil {
			return &failure{reason: ReasonInternal, err: err}
		}
	}
	return c.send.deliver(ctx, r, t, d, body, set)
}

// record tells of the first failure of a delivery, of its end, and of targets
// that may not be sent to. What happens in between is in the log.
func (c *Courier) record(ctx context.Context, r *Registration, d *Delivery, f *failure) {
	e := portcullis.Event{
		Time: c.Clock(), Type: portcullis.EventPushDelayed, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure,
		Actor: portcullis.Actor{ID: r.Principal, KeyID: r.KeyID}, Route: r.Route, Reason: f.reason,
		Details: []slog.Attr{slog.String("delivery", d.ID), slog.String("target", r.Origin), slog.Int("attempts", d.Attempts)},
	}
	switch {
	case f.refuse:
		e.Type = portcullis.EventPushRefused
	case !d.FailedAt.IsZero():
		e.Type, e.Severity = portcullis.EventPushDead, portcullis.SeverityError
	case d.Attempts > 1 || f.reason == ReasonContained:
		return
	}
	if err := c.Recorder.Record(context.WithoutCancel(ctx), &e); err != nil {
		c.Log.Error("writing the audit journal", "error", err)
	}
}

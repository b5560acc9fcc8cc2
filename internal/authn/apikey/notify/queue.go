package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
)

// Bounds of the queue.
const (
	MaxAttempts = 12     // tries over about a day
	MaxStored   = 10_000 // messages kept, failed ones included
	firstPause  = 10 * time.Second
	longPause   = 3 * time.Hour
	pollEvery   = 15 * time.Second
	batch       = 50
	maxError    = 200 // bytes of an error that are kept
)

// Options are what a [Queue] needs beside its configuration.
type Options struct {
	Store     Store
	Transport http.RoundTripper // with a dialer that refuses the wrong addresses
	Log       *slog.Logger
	Clock     func() time.Time // nil = time.Now
}

// Queue stores and delivers. It is safe for concurrent use; Run runs once.
type Queue struct {
	cfg    Config
	store  Store
	client *http.Client
	log    *slog.Logger
	clock  func() time.Time
	wake   chan struct{}
}

var _ apikey.Notifier = (*Queue)(nil)

// New returns a queue.
func New(c Config, o Options) (*Queue, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	if o.Store == nil || o.Transport == nil || o.Log == nil {
		return nil, errors.New("notify: no store, transport or log")
	}
	q := &Queue{cfg: c, store: o.Store, log: o.Log, clock: o.Clock, wake: make(chan struct{}, 1)}
	if q.clock == nil {
		q.clock = time.Now
	}
	q.client = &http.Client{
		Transport: o.Transport, Timeout: c.Timeout,
		// A redirect would carry the signed message where nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return q, nil
}

// Notify implements apikey.Notifier.
func (q *Queue) Notify(ctx context.Context, n apikey.Notice) error {
	targets := q.cfg.targets()
	if len(targets) == 0 {
		return nil
	}
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	now := q.now()
	messages := make([]Message, len(targets))
	for i, t := range targets {
		messages[i] = Message{ID: n.ID + ":" + t, Target: t, Body: string(body), CreatedAt: now, NextAt: now}
	}
	if err := q.store.AddNotices(ctx, MaxStored, messages...); err != nil {
		return err
	}
	select {
	case q.wake <- struct{}{}:
	default: // Run looks soon
	}
	return nil
}

// List returns the messages that wait or those that were given up.
func (q *Queue) List(ctx context.Context, failed bool) ([]Message, error) {
	return q.store.Notices(ctx, failed)
}

func (q *Queue) now() time.Time { return q.clock().UTC().Truncate(time.Millisecond) }

// Run delivers until ctx ends. It returns nil: what goes wrong is logged and
// tried again.
func (q *Queue) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := q.Deliver(ctx); err != nil && ctx.Err() == nil {
			q.log.WarnContext(ctx, "notices about keys wait", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-q.wake:
		}
	}
}

// Deliver tries every message whose turn has come, once.
func (q *Queue) Deliver(ctx context.Context) error {
	for {
		due, err := q.store.DueNotices(ctx, q.now(), batch)
		if err != nil {
			return fmt.Errorf("reading notices: %w", err)
		}
		for _, m := range due {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := q.attempt(ctx, m); err != nil {
				return err
			}
		}
		if len(due) < batch {
			return nil
		}
	}
}

// attempt sends one message and stores what came of it. A try that the end of
// the process cut short does not count.
func (q *Queue) attempt(ctx context.Context, m Message) error {
	err := q.send(ctx, m)
	if err == nil {
		return q.store.DeleteNotice(context.WithoutCancel(ctx), m.ID)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.Attempts++
	m.LastError = shorten(err.Error())
	m.NextAt = q.now().Add(pause(m.Attempts))
	if m.Attempts >= MaxAttempts {
		m.FailedAt = q.now()
		q.log.ErrorContext(ctx, "giving up on a notice about a key", "notice", m.ID, "attempts", m.Attempts, "error", m.LastError)
	}
	return q.store.UpdateNotice(ctx, m)
}

// pause is how long to wait after so many attempts: doubling, with a tenth of
// chance so that many do not come back at once.
func pause(attempts int) time.Duration {
	d := longPause
	if n := attempts - 1; n < 20 {
		d = min(longPause, firstPause<<n)
	}
	return d + rand.N(d/10)
}

func shorten(s string) string {
	if len(s) > maxError {
		return s[:maxError]
	}
	return s
}

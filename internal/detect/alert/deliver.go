package alert

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// job is one thing to send.
type job struct {
	counts  map[string]int // for a counter
	message *Message
	alert   *entry // nil for a digest
	told    *told
}

// next says what a channel is to be told of an alert, "" for nothing. It looks
// at neither silences nor budgets.
func (e *Engine) next(a *entry, t *told, ch *channel) Kind {
	now := e.opts.Now()
	switch {
	case t.Dead != "" || t.Kind == Resolve || t.Held:
		return ""
	case t.Kind == "":
		return Trigger
	case !a.open():
		if now.Sub(a.Resolved) < e.cfg.Settle || !ch.Channel.Takes(Resolve) {
			return ""
		}
		return Resolve
	case Rank(a.Severity) > Rank(t.Severity) || t.Escalated && t.Severity == "":
		return Trigger
	case !a.Acked.IsZero() && !t.Acked && ch.Channel.Takes(Acknowledge):
		return Acknowledge
	}
	return ""
}

// pick returns what a channel sends next: of what failed before, that which
// failed least often, so that one bad message holds up no other. The caller
// holds mu.
func (e *Engine) pick(ch *channel, now time.Time) *job {
	if _, ok := ch.Channel.(Counter); ok {
		if len(ch.counts) == 0 || now.Sub(ch.flushed) < flush {
			return nil
		}
		j := &job{counts: ch.counts}
		ch.counts, ch.flushed = map[string]int{}, now
		return j
	}
	b := e.budget(ch.Name)
	var best *job
	var kind Kind
	for _, a := range e.state.Alerts {
		t := a.Told[ch.Name]
		if t == nil {
			continue
		}
		k := e.next(a, t, ch)
		if k == "" || k == Trigger && !e.mayBegin(a, t, ch, b, now) {
			continue
		}
		if best == nil || t.Tries < best.told.Tries {
			best, kind = &job{alert: a, told: t}, k
		}
		if t.Tries == 0 {
			break
		}
	}
	if best != nil {
		best.message = e.message(best.alert, best.told, kind, ch)
		return best
	}
	if b.Held > 0 && now.Sub(b.First) >= digestAfter {
		return &job{message: e.digest(b, now)}
	}
	return nil
}

// mayBegin reports whether a channel may be told of an alert that it does not
// know, or that grew worse.
func (e *Engine) mayBegin(a *entry, t *told, ch *channel, b *budget, now time.Time) bool {
	if e.silenced(a, now) {
		if !a.open() && t.Kind == "" { // over before the silence was
			t.Dead = "silenced"
			e.version++
		}
		return false
	}
	if t.Paid {
		return true
	}
	e.version++
	if b.take(ch.PerHour, a.Severity, now) {
		t.Paid = true
		return true
	}
	if e.opts.Watch != nil {
		e.opts.Watch.Suppressed(ch.Name)
	}
	b.hold(a, now)
	if t.Kind == "" {
		t.Held = true
	} else { // it knows of the alert: its end is still told
		t.Severity = a.Severity
	}
	return false
}

func (e *Engine) budget(name string) *budget {
	b := e.state.Budgets[name]
	if b == nil {
		b = &budget{}
		e.state.Budgets[name] = b
	}
	return b
}

// message makes the message of an alert for a channel.
func (e *Engine) message(a *entry, t *told, k Kind, ch *channel) *Message {
	s := &a.Signal
	m := &Message{
		Kind: k, ID: a.ID, Type: string(s.Type), Severity: a.Severity, Summary: s.Summary, Metric: s.Metric, Stats: s.Stats,
		Route: s.Route, Resource: s.Resource, Reason: s.Reason, Count: a.Count, Open: a.going(), First: a.Opened.UTC(), Last: a.Seen.UTC(),
		EventID: s.EventID, Source: e.cfg.Source, Environment: e.cfg.Environment, Escalated: t.Escalated && k == Trigger,
	}
	if n := len(a.Members) + a.Over; n > 1 {
		m.Summary += " (" + strconv.Itoa(n) + " together)"
	}
	actor := s.Actor
	if ch.Personal {
		actor = e.opened(s)
		m.By = a.AckedBy
		if actor.ID == "" && actor.IP.IsValid() {
			actor.ID = actor.IP.String()
		}
	} else if actor.Sealed == "" && actor.ID != own {
		actor.ID = "" // nothing is sealed in this log: nobody is named
	}
	switch {
	case actor.ID != "":
		m.Subject = actor.ID
	case actor.Subject != "": // an address has no name
		m.Subject = e.opts.Erased(&actor)
	}
	for _, f := range s.Details {
		m.Details = append(m.Details, Field{f.Name, e.clean(f.Text)})
	}
	if s.Actor.KeyID != "" {
		m.Details = append(m.Details, Field{"key_id", e.clean(s.Actor.KeyID)})
	}
	for _, text := range []*string{&m.Summary, &m.Metric, &m.Route, &m.Resource, &m.Subject, &m.Reason, &m.By} {
		*text = e.clean(*text)
	}
	return m
}

// own is the gateway as an actor. It is no person.
const own = "portcullis"

func (e *Engine) clean(text string) string { return line(e.opts.Mask(text)) }

func (e *Engine) digest(b *budget, now time.Time) *Message {
	m := &Message{
		Kind: Digest, ID: "digest", Type: "DIGEST", Severity: b.Worst, Count: b.Held, First: b.First.UTC(), Last: now.UTC(),
		Summary: strconv.Itoa(b.Held) + " more alerts were held back: the limit of this channel was reached", Source: e.cfg.Source, Environment: e.cfg.Environment,
	}
	for i, text := range b.Examples {
		m.Details = append(m.Details, Field{strconv.Itoa(i + 1), e.clean(text)})
	}
	return m
}

// lastWait is how long the end of the process waits for what is being sent: a
// message that was taken and not noted comes twice.
const lastWait = 2 * time.Second

// perform sends and notes what became of it.
func (e *Engine) perform(ctx context.Context, ch *channel, j *job) {
	timeout := ch.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	sub, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lastWait, cancel) })
	var err error
	if j.counts != nil {
		err = ch.Channel.(Counter).Count(sub, j.counts) //nolint:errcheck,forcetypeassert // only counters get counts
	} else {
		_, err = ch.Channel.Send(sub, j.message)
	}
	stop()
	cancel()
	if err != nil && ctx.Err() != nil { // the end of the process is nobody's failure
		e.mu.Lock()
		ch.busy = false
		e.mu.Unlock()
		return
	}
	for _, ev := range e.finish(ch, j, err) {
		e.record(ctx, ev)
	}
	e.nudge()
}

// finish notes what became of a job and returns what is to be told of it.
func (e *Engine) finish(ch *channel, j *job, err error) []*portcullis.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.opts.Now()
	ch.busy = false
	e.version++
	if err != nil {
		return e.failed(ch, j, failureOf(err), now)
	}
	ch.fails, ch.err, ch.last, ch.pause = 0, "", now, time.Time{}
	e.budget(ch.Name).Failed = time.Time{}
	if e.opts.Watch != nil {
		e.opts.Watch.Sent(ch.Name)
	}
	switch {
	case j.counts != nil:
		return nil
	case j.alert == nil:
		b := e.budget(ch.Name)
		b.Held = max(0, b.Held-j.message.Count)
		b.First, b.Examples = now, nil
		return nil
	}
	t, first := j.told, j.told.Kind == ""
	t.Tries, t.Since, t.Error, t.At = 0, time.Time{}, "", now
	switch j.message.Kind {
	case Acknowledge:
		t.Acked = true
	case Trigger:
		t.Kind, t.Severity, t.Paid = Trigger, j.message.Severity, false
	default:
		t.Kind = j.message.Kind
	}
	if !first {
		return nil
	}
	return []*portcullis.Event{{
		Type: EventSent, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Resource: "channel:" + ch.Name, Route: j.alert.Signal.Route,
		Details: []slog.Attr{
			slog.String("alert", j.alert.ID), slog.String("kind", ch.Kind), slog.String("about", string(j.alert.Signal.Type)),
			slog.String("event", j.alert.Signal.EventID), slog.Bool("escalated", t.Escalated),
		},
	}}
}

// Bounds of failure.
const (
	failsTold = 3 // in a row, before a channel is said to fail
	tellEvery = time.Hour
)

func (e *Engine) failed(ch *channel, j *job, f *Failure, now time.Time) []*portcullis.Event {
	ch.fails++
	ch.err = e.clean(f.Error())
	if e.opts.Watch != nil {
		e.opts.Watch.Failed(ch.Name)
	}
	dead := false
	if j.counts != nil {
		for metric, n := range j.counts {
			if len(ch.counts) < maxMembers || ch.counts[metric] > 0 {
				ch.counts[metric] += n
			}
		}
	}
	if t := j.told; t != nil {
		if t.Since.IsZero() {
			t.Since = now
		}
		t.Tries++
		t.Error = ch.err
		if dead = f.Fault == Refused || now.Sub(t.Since) >= e.cfg.GiveUp; dead {
			t.Dead = ch.err
			if e.opts.Watch != nil {
				e.opts.Watch.Dead(ch.Name)
			}
		}
	} else if j.message != nil && f.Fault == Refused { // a digest that will never be taken
		e.budget(ch.Name).Held = 0
	}
	if f.Fault != Refused {
		ch.pause = now.Add(pause(ch.fails, f))
	}
	e.opts.Log.Warn("an alert was not taken", "channel", ch.Name, "kind", ch.Kind, "try", ch.fails, "given_up", dead, "error", ch.err)
	b := e.budget(ch.Name)
	if !dead && f.Fault != Misconfigured && ch.fails < failsTold || now.Sub(b.Failed) < tellEvery {
		return nil
	}
	b.Failed = now
	reason := "away"
	switch f.Fault {
	case Refused:
		reason = "refused"
	case Misconfigured:
		reason = "misconfigured"
	}
	return []*portcullis.Event{{
		Type: EventFailed, Severity: portcullis.SeverityError, Outcome: portcullis.OutcomeFailure, Resource: "channel:" + ch.Name, Reason: reason,
		Details: []slog.Attr{slog.String("kind", ch.Kind), slog.String("error", ch.err), slog.Int("failures", ch.fails), slog.Bool("given_up", dead)},
	}}
}

// Events of this package. None of them makes an alert.
const (
	EventSent         portcullis.EventType = "ALERT_SENT"
	EventFailed       portcullis.EventType = "ALERT_FAILED"
	EventAcknowledged portcullis.EventType = "ALERT_ACKNOWLEDGED"
	EventSilenced     portcullis.EventType = "ALERT_SILENCED"
	EventUnsilenced   portcullis.EventType = "ALERT_SILENCE_REMOVED"
)

// recordWait bounds how long an event about alerts waits for the journal.
const recordWait = 10 * time.Second

func (e *Engine) record(ctx context.Context, ev *portcullis.Event) {
	if e.opts.Record == nil {
		return
	}
	if ev.Actor == (portcullis.Actor{}) {
		ev.Actor = portcullis.Actor{ID: own, Method: "alerts"}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWait)
	defer cancel()
	if err := e.opts.Record.Record(ctx, ev); err != nil {
		e.opts.Log.Warn("an event about alerts was not recorded", "type", string(ev.Type), "error", err)
	}
}

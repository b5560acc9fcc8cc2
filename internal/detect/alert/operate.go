package alert

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// View is one alert as operators see it.
type View struct {
	ID       string        `json:"id"`
	Type     string        `json:"type"`
	Severity string        `json:"severity"`
	State    string        `json:"state" enum:"open,acknowledged,silenced,resolved"`
	Summary  string        `json:"summary"`
	Metric   string        `json:"metric,omitempty"`
	Route    string        `json:"route,omitempty"`
	Resource string        `json:"resource,omitempty"`
	Count    int           `json:"count" doc:"Events so far"`
	Going    int           `json:"going_on" doc:"Of what was joined, how many go on"`
	Opened   time.Time     `json:"opened_at"`
	Seen     time.Time     `json:"seen_at"`
	Resolved *time.Time    `json:"resolved_at,omitempty"`
	Acked    *time.Time    `json:"acknowledged_at,omitempty"`
	AckedBy  string        `json:"acknowledged_by,omitempty"`
	Channels []ChannelTold `json:"channels"`
}

// ChannelTold is what one channel was told of an alert.
type ChannelTold struct {
	Channel string `json:"channel"`
	State   string `json:"state" enum:"waiting,told,acknowledged,resolved,held_back,given_up"`
	Error   string `json:"error,omitempty"`
}

// ChannelView is one channel as operators see it.
type ChannelView struct {
	Name     string     `json:"name"`
	Kind     string     `json:"type"`
	Severity string     `json:"min_severity"`
	Failures int        `json:"failures" doc:"In a row"`
	Error    string     `json:"last_error,omitempty"`
	Sent     *time.Time `json:"last_sent,omitempty"`
	Held     int        `json:"held_back" doc:"Alerts that wait for a digest"`
}

// List returns the alerts that are open, or all that are remembered, latest
// first.
func (e *Engine) List(all bool) []View {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []View{}
	now := e.opts.Now()
	for _, a := range slices.Backward(e.state.Alerts) {
		if a.open() || all {
			out = append(out, e.view(a, now))
		}
	}
	return out
}

func (e *Engine) view(a *entry, now time.Time) View {
	s := &a.Signal
	v := View{
		ID: a.ID, Type: string(s.Type), Severity: string(a.Severity), State: "open", Summary: e.clean(s.Summary), Metric: e.clean(s.Metric),
		Route: e.clean(s.Route), Resource: e.clean(s.Resource), Count: a.Count, Going: a.going(), Opened: a.Opened.UTC(), Seen: a.Seen.UTC(),
		Resolved: when(a.Resolved), Acked: when(a.Acked), AckedBy: a.AckedBy, Channels: []ChannelTold{},
	}
	switch {
	case !a.open():
		v.State = "resolved"
	case !a.Acked.IsZero():
		v.State = "acknowledged"
	case e.silenced(a, now):
		v.State = "silenced"
	}
	for _, name := range slices.Sorted(maps.Keys(a.Told)) {
		if ch := e.channels[name]; ch != nil {
			if _, counts := ch.Channel.(Counter); counts {
				continue
			}
		}
		t := a.Told[name]
		c := ChannelTold{Channel: name, State: "waiting", Error: t.Error}
		switch {
		case t.Dead != "":
			c.State, c.Error = "given_up", t.Dead
		case t.Held:
			c.State = "held_back"
		case t.Kind == Resolve:
			c.State = "resolved"
		case t.Acked:
			c.State = "acknowledged"
		case t.Kind != "":
			c.State = "told"
		}
		v.Channels = append(v.Channels, c)
	}
	return v
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Channels returns the channels of the configuration.
func (e *Engine) Channels() []ChannelView {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []ChannelView{}
	for _, name := range slices.Sorted(maps.Keys(e.channels)) {
		ch := e.channels[name]
		v := ChannelView{Name: name, Kind: ch.Kind, Severity: string(ch.MinSeverity), Failures: ch.fails, Error: ch.err, Sent: when(ch.last)}
		if b := e.state.Budgets[name]; b != nil {
			v.Held = b.Held
		}
		out = append(out, v)
	}
	return out
}

// Stats counts alerts that are open, and messages that wait.
func (e *Engine) Stats() (open, waiting int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.state.Alerts {
		if a.open() {
			open++
		}
		for name, t := range a.Told {
			if ch := e.channels[name]; ch != nil && e.next(a, t, ch) != "" {
				if _, counts := ch.Channel.(Counter); !counts {
					waiting++
				}
			}
		}
	}
	return open, waiting
}

// Ack notes that somebody looks after an alert: it is not escalated any more.
// The id may be shortened as long as it names one alert.
func (e *Engine) Ack(ctx context.Context, id string, by portcullis.Actor) (View, error) {
	e.mu.Lock()
	a := e.find(id)
	if a == nil {
		e.mu.Unlock()
		return View{}, ErrNotFound
	}
	first := a.Acked.IsZero()
	if first {
		a.Acked, a.AckedBy = e.opts.Now(), by.ID
		e.version++
	}
	v := e.view(a, e.opts.Now())
	e.mu.Unlock()
	if first {
		e.record(ctx, &portcullis.Event{
			Type: EventAcknowledged, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Actor: by, Resource: "alert:" + v.ID, Action: "acknowledge",
		})
		e.nudge()
	}
	return v, nil
}

// find returns the alert that is open and whose id begins so.
func (e *Engine) find(id string) *entry {
	if len(id) < 4 {
		return nil
	}
	var found *entry
	for _, a := range e.state.Alerts {
		if !a.open() || !strings.HasPrefix(a.ID, id) {
			continue
		}
		if found != nil {
			return nil
		}
		found = a
	}
	return found
}

// Silences lists those in force.
func (e *Engine) Silences() []Silence {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.opts.Now()
	out := []Silence{}
	for _, s := range e.state.Silences {
		if now.Before(s.Until) {
			out = append(out, s)
		}
	}
	return out
}

// AddSilence puts a silence into force. What is not recorded is not done:
// silencing is what an intruder would do first.
func (e *Engine) AddSilence(ctx context.Context, s Silence, by portcullis.Actor) (Silence, error) {
	now := e.opts.Now()
	if err := s.validate(now); err != nil {
		return Silence{}, err
	}
	s.ID, s.At, s.Until, s.By = obs.NewID(), now.UTC(), s.Until.UTC(), by.ID
	if err := e.recordFirst(ctx, EventSilenced, "add", &s, by); err != nil {
		return Silence{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.state.Silences) >= maxSilences {
		return Silence{}, ErrFull
	}
	e.state.Silences = append(e.state.Silences, s)
	e.version++
	return s, nil
}

// RemoveSilence ends a silence.
func (e *Engine) RemoveSilence(ctx context.Context, id string, by portcullis.Actor) (Silence, error) {
	i := -1
	e.mu.Lock()
	var s Silence
	if i = slices.IndexFunc(e.state.Silences, func(s Silence) bool { return s.ID == id }); i >= 0 {
		s = e.state.Silences[i]
		e.state.Silences = slices.Delete(e.state.Silences, i, i+1)
		e.version++
	}
	e.mu.Unlock()
	if i < 0 {
		return Silence{}, ErrNotFound
	}
	e.nudge()
	return s, e.recordFirst(ctx, EventUnsilenced, "remove", &s, by)
}

func (e *Engine) recordFirst(ctx context.Context, t portcullis.EventType, action string, s *Silence, by portcullis.Actor) error {
	if e.opts.Record == nil {
		return nil
	}
	severity := portcullis.SeverityInfo
	if t == EventSilenced {
		severity = portcullis.SeverityWarn
	}
	ev := &portcullis.Event{
		Type: t, Severity: severity, Outcome: portcullis.OutcomeSuccess, Actor: by, Resource: "silence:" + s.ID, Action: action, Reason: s.Reason, Route: s.Route,
		Details: []slog.Attr{slog.Time("until", s.Until)},
	}
	for _, d := range [][2]string{{"type", s.Type}, {"metric", s.Metric}, {"resource", s.Resource}, {"alert", s.Alert}} {
		if d[1] != "" {
			ev.Details = append(ev.Details, slog.String(d[0], d[1]))
		}
	}
	return e.opts.Record.Record(ctx, ev)
}

// Tested is what became of a test.
type Tested struct {
	Channel string `json:"channel"`
	Kind    string `json:"type"`
	Sent    bool   `json:"sent"`
	Code    int    `json:"code,omitempty" doc:"What the other side answered"`
	Said    string `json:"said,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Test sends one marked message through a channel, or through all. It goes past
// routes, silences and limits, and changes no alert.
func (e *Engine) Test(ctx context.Context, name string) ([]Tested, error) {
	e.mu.Lock()
	var list []*channel
	for _, n := range slices.Sorted(maps.Keys(e.channels)) {
		if name == "" || n == name {
			list = append(list, e.channels[n])
		}
	}
	source, environment := e.cfg.Source, e.cfg.Environment
	e.mu.Unlock()
	if len(list) == 0 && name != "" {
		return nil, ErrNotFound
	}
	out := []Tested{}
	for _, ch := range list {
		now := e.opts.Now().UTC()
		m := &Message{
			Kind: Test, ID: "test-" + obs.NewID(), Type: "ALERT_TEST", Severity: portcullis.SeverityInfo, Summary: "this is a test of alerts, nothing happened",
			Metric: "test", Count: 1, First: now, Last: now, Source: source, Environment: environment,
		}
		timeout := ch.Timeout
		if timeout <= 0 {
			timeout = DefaultTimeout
		}
		sub, cancel := context.WithTimeout(ctx, timeout)
		r, err := ch.Channel.Send(sub, m)
		cancel()
		t := Tested{Channel: ch.Name, Kind: ch.Kind, Sent: err == nil, Code: r.Code, Said: e.clean(r.Said)}
		if err != nil {
			t.Error = e.clean(err.Error())
			if f := failureOf(err); f.Said != "" {
				t.Error += ": " + e.clean(f.Said)
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error = "no answer in " + timeout.String()
			}
		} else {
			e.mu.Lock()
			ch.pause, ch.fails, ch.err = time.Time{}, 0, ""
			e.mu.Unlock()
			e.nudge()
		}
		out = append(out, t)
	}
	return out, nil
}

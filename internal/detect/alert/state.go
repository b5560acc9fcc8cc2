package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Bounds of what an engine remembers.
const (
	maxAlerts   = 2000 // further ones join the one that stands for all
	maxMembers  = 500  // of an alert; further ones are only counted
	maxSilences = 200
	maxHeld     = 20 // summaries that a digest shows
	keepEnded   = time.Hour
	longest     = 30 * 24 * time.Hour // after which an alert whose end was missed is resolved
)

// state is what survives a restart.
type state struct {
	Version  int                `json:"version"`
	Next     uint64             `json:"next"` // number of the first record of the journal that was not looked at
	Last     time.Time          `json:"last"` // of the event before it
	Alerts   []*entry           `json:"alerts"`
	Silences []Silence          `json:"silences"`
	Budgets  map[string]*budget `json:"budgets"` // by channel
}

const stateVersion = 1

// entry is one alert.
type entry struct {
	ID       string              `json:"id"`
	Group    string              `json:"group"`
	Signal   Signal              `json:"signal"` // the gravest, or else the first
	Severity portcullis.Severity `json:"severity"`
	Members  map[string]bool     `json:"members"` // key → it goes on
	Over     int                 `json:"over,omitempty"`
	Count    int                 `json:"count"`
	Paired   bool                `json:"paired,omitempty"`
	Opened   time.Time           `json:"opened"`
	Seen     time.Time           `json:"seen"`
	Resolved time.Time           `json:"resolved,omitzero"`
	Acked    time.Time           `json:"acked,omitzero"`
	AckedBy  string              `json:"acked_by,omitempty"`
	Escalate []string            `json:"escalate,omitempty"`
	After    time.Duration       `json:"after,omitempty"`
	Step     int                 `json:"step,omitempty"` // so many of Escalate were asked
	Told     map[string]*told    `json:"told"`           // by channel
}

// told is how far a channel was told of an alert.
type told struct {
	Kind      Kind                `json:"kind,omitempty"` // the last that it took
	Severity  portcullis.Severity `json:"severity,omitempty"`
	Acked     bool                `json:"acked,omitempty"`
	Paid      bool                `json:"paid,omitempty"` // the budget has counted it
	Held      bool                `json:"held,omitempty"` // the budget was spent: it is in a digest
	Dead      string              `json:"dead,omitempty"` // why it was given up
	Escalated bool                `json:"escalated,omitempty"`
	Tries     int                 `json:"tries,omitempty"`
	Since     time.Time           `json:"since,omitzero"` // when this message failed first
	At        time.Time           `json:"at,omitzero"`    // when Kind was taken
	Error     string              `json:"error,omitempty"`
}

// open reports whether anything of the alert goes on.
func (a *entry) open() bool { return a.Resolved.IsZero() }

// going counts what goes on.
func (a *entry) going() int {
	n := a.Over
	for _, on := range a.Members {
		if on {
			n++
		}
	}
	return n
}

// finished reports whether every channel was told the end.
func (a *entry) finished(e *Engine) bool {
	if a.open() {
		return false
	}
	for name, t := range a.Told {
		if ch := e.channels[name]; ch != nil && e.next(a, t, ch) != "" {
			return false
		}
	}
	return true
}

// endTold reports whether any channel was told the end.
func (a *entry) endTold() bool {
	for _, t := range a.Told {
		if t.Kind == Resolve {
			return true
		}
	}
	return false
}

// budget bounds what a channel is sent.
type budget struct {
	Tokens   [2]float64          `json:"tokens"` // of critical alerts and of the others
	At       time.Time           `json:"at"`
	Held     int                 `json:"held,omitempty"` // since the last digest
	Worst    portcullis.Severity `json:"worst,omitempty"`
	Examples []string            `json:"examples,omitempty"`
	First    time.Time           `json:"first,omitzero"`
	Failed   time.Time           `json:"failed,omitzero"` // when ALERT_FAILED was last written; zero = all is well
}

// digestAfter is how long what is held back is collected for a digest.
const digestAfter = 15 * time.Minute

func (b *budget) take(perHour int, severity portcullis.Severity, now time.Time) bool {
	limit := float64(perHour)
	if b.At.IsZero() {
		b.Tokens = [2]float64{limit, limit}
	} else if d := now.Sub(b.At); d > 0 {
		for i := range b.Tokens {
			b.Tokens[i] = min(limit, b.Tokens[i]+limit*d.Hours())
		}
	}
	b.At = now
	i := 0
	if Rank(severity) == Rank(portcullis.SeverityCritical) {
		i = 1
	}
	if b.Tokens[i] < 1 {
		return false
	}
	b.Tokens[i]--
	return true
}

func (b *budget) hold(a *entry, now time.Time) {
	if b.Held == 0 {
		b.First, b.Worst, b.Examples = now, "", nil
	}
	b.Held++
	if Rank(a.Severity) >= Rank(b.Worst) {
		b.Worst = a.Severity
	}
	if len(b.Examples) < maxHeld {
		b.Examples = append(b.Examples, string(a.Severity)+" "+line(a.Signal.Summary))
	}
}

// Silence holds back the first word of alerts that match all that it names. The
// end of what was told before is told.
type Silence struct {
	ID       string    `json:"id"`
	Type     string    `json:"type,omitempty"`
	Metric   string    `json:"metric,omitempty"`
	Route    string    `json:"route,omitempty"`
	Resource string    `json:"resource,omitempty"`
	Alert    string    `json:"alert,omitempty"`
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

func (s *Silence) matches(a *entry, now time.Time) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return now.Before(s.Until) && is(s.Type, string(a.Signal.Type)) && is(s.Metric, a.Signal.Metric) && is(s.Route, a.Signal.Route) &&
		is(s.Resource, a.Signal.Resource) && is(s.Alert, a.ID)
}

func (s *Silence) validate(now time.Time) error {
	switch {
	case s.Type+s.Metric+s.Route+s.Resource+s.Alert == "":
		return fmt.Errorf("%w: say what is silenced: a type, metric, route, resource or alert", ErrInvalid)
	case s.Reason == "" || len(s.Reason) > maxText:
		return fmt.Errorf("%w: reason: want 1 to %d bytes", ErrInvalid, maxText)
	case !s.Until.After(now) || s.Until.Sub(now) > longest:
		return fmt.Errorf("%w: until: want a time in the next 30 days", ErrInvalid)
	}
	for _, text := range []string{s.Type, s.Metric, s.Route, s.Resource, s.Alert, s.Reason} {
		if len(text) > maxText || text != line(text) {
			return fmt.Errorf("%w: want texts of one line, up to %d characters", ErrInvalid, maxText)
		}
	}
	return nil
}

// Errors of this package.
var (
	ErrNotFound = errors.New("there is no such alert, silence or channel")
	ErrInvalid  = errors.New("not valid")
	ErrFull     = errors.New("there are too many silences")
)

func decode(raw []byte) (state, error) {
	s := state{Version: stateVersion, Budgets: map[string]*budget{}}
	if len(raw) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("the state of alerts: %w", err)
	}
	if s.Version != stateVersion {
		return s, fmt.Errorf("the state of alerts has version %d, want %d", s.Version, stateVersion)
	}
	if s.Budgets == nil {
		s.Budgets = map[string]*budget{}
	}
	for i, a := range s.Alerts {
		if a == nil || a.ID == "" || a.Members == nil || a.Told == nil {
			return s, fmt.Errorf("the state of alerts: alert %d is not whole", i)
		}
		for _, t := range a.Told {
			if t == nil {
				return s, fmt.Errorf("the state of alerts: alert %d is not whole", i)
			}
		}
	}
	for name, b := range s.Budgets {
		if b == nil {
			delete(s.Budgets, name)
		}
	}
	return s, nil
}

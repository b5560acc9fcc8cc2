package alert

import (
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Spec is one channel of a configuration.
type Spec struct {
	Name        string
	Kind        string // "slack"
	Channel     Channel
	MinSeverity portcullis.Severity
	PerHour     int           // messages that begin something; critical ones have as many of their own
	Timeout     time.Duration // of one message
	Personal    bool          // may show who a caller is
}

// Rule says which channels hear of an alert.
type Rule struct {
	Types      []portcullis.EventType
	Severity   portcullis.Severity // at least; empty = any
	Routes     []string
	Principals []string
	Metrics    []string

	Channels []string
	Escalate []string // asked one by one while nobody acknowledges a critical alert
	After    time.Duration
	Continue bool // later rules are looked at too
}

// Config is what an engine does.
type Config struct {
	Channels    []Spec
	Rules       []Rule // none matches = all channels
	Types       []portcullis.EventType
	GroupBy     []string
	GroupWindow time.Duration
	Settle      time.Duration // how long something must be over until that is told
	Forget      time.Duration // after which what has no end is resolved
	GiveUp      time.Duration // after which a message is no longer tried
	Source      string        // what messages name as their origin
	Environment string
}

// Names of what alerts are grouped by.
const (
	ByType     = "type"
	ByMetric   = "metric"
	ByRoute    = "route"
	ByResource = "resource"
	BySubject  = "subject"
	BySeverity = "severity"
)

// Defaults of Config.
const (
	DefaultGroupWindow = 5 * time.Minute
	DefaultSettle      = 30 * time.Second
	DefaultForget      = 24 * time.Hour
	DefaultGiveUp      = 24 * time.Hour
	DefaultTimeout     = 10 * time.Second
)

// DefaultGroupBy is what alerts are grouped by unless a configuration says
// otherwise.
func DefaultGroupBy() []string { return []string{ByType, ByMetric, ByRoute} }

// Rank orders severities; 0 is the least.
func Rank(s portcullis.Severity) int {
	switch s {
	case portcullis.SeverityWarn:
		return 1
	case portcullis.SeverityError:
		return 2
	case portcullis.SeverityCritical:
		return 3
	}
	return 0
}

// group returns the key of the group of a signal.
func (c *Config) group(s *Signal) string {
	if strings.HasPrefix(s.Key, actionNotify+":") {
		return s.Key
	}
	out := ""
	for _, by := range c.GroupBy {
		switch by {
		case ByType:
			out += string(s.Type)
		case ByMetric:
			out += s.Metric
		case ByRoute:
			out += s.Route
		case ByResource:
			out += s.Resource
		case BySubject:
			out += s.Actor.Subject + "\x01" + s.Actor.KeyID
		case BySeverity:
			out += string(s.Severity)
		}
		out += "\x00"
	}
	return out
}

func (r *Rule) matches(s *Signal, severity portcullis.Severity, principal string) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	return (len(r.Types) == 0 || slices.Contains(r.Types, s.Type)) && Rank(severity) >= Rank(r.Severity) &&
		in(r.Routes, s.Route) && in(r.Metrics, s.Metric) && in(r.Principals, principal)
}

// target is a way that an alert goes.
type target struct {
	channels []string
	escalate []string
	after    time.Duration
}

// target says which channels hear of a signal.
func (c *Config) target(s *Signal, severity portcullis.Severity, principal string) target {
	var t target
	matched := false
	for i := range c.Rules {
		r := &c.Rules[i]
		if !r.matches(s, severity, principal) {
			continue
		}
		matched = true
		t.channels = append(t.channels, r.Channels...)
		if len(t.escalate) == 0 {
			t.escalate, t.after = r.Escalate, r.After
		}
		if !r.Continue {
			break
		}
	}
	if !matched {
		for i := range c.Channels {
			t.channels = append(t.channels, c.Channels[i].Name)
		}
	}
	t.channels = slices.DeleteFunc(t.channels, func(name string) bool {
		i := slices.IndexFunc(c.Channels, func(s Spec) bool { return s.Name == name })
		if i < 0 || Rank(severity) < Rank(c.Channels[i].MinSeverity) {
			return true
		}
		_, counts := c.Channels[i].Channel.(Counter) // hears of all events anyway
		return counts
	})
	return t
}

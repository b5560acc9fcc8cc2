package sink

import (
	"slices"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
)

// Spec is one sink as it is configured.
type Spec struct {
	Name    string
	Kind    string
	Filter  Filter
	Batch   Batch
	Pace    Pace
	Timeout time.Duration // of one Send
	FromNow bool          // a sink that is new begins behind what the journal holds

	Environment string // that test events name

	Sender Sender
	Enrich func(*portcullis.Event) // adds to an event before it is encoded; nil = nothing
}

// Batch bounds what is sent at once. A batch is sent when one bound is reached.
type Batch struct {
	Events int
	Bytes  int           // of encoded events
	Wait   time.Duration // since its first event
}

// Pace says how long to wait between attempts.
type Pace struct {
	Least time.Duration // after the first failure
	Most  time.Duration // while the server is away
	Slow  time.Duration // while the settings are wrong
}

// Defaults of a sink.
const (
	DefaultEvents  = 1000
	DefaultBytes   = 1 << 20
	DefaultWait    = time.Second
	DefaultTimeout = 30 * time.Second
)

// DefaultPace returns the pauses of the engine.
func DefaultPace() Pace {
	return Pace{Least: 500 * time.Millisecond, Most: time.Minute, Slow: 2 * time.Minute}
}

// longestAsked bounds how long a server may ask to be left alone.
const longestAsked = 15 * time.Minute

func (s Spec) withDefaults() Spec {
	if s.Batch.Events <= 0 {
		s.Batch.Events = DefaultEvents
	}
	if s.Batch.Bytes <= 0 {
		s.Batch.Bytes = DefaultBytes
	}
	if s.Batch.Wait <= 0 {
		s.Batch.Wait = DefaultWait
	}
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Pace == (Pace{}) {
		s.Pace = DefaultPace()
	}
	return s
}

// Class narrows a filter to one kind of events.
type Class string

// Classes.
const (
	All      Class = "all"
	Security Class = "security" // what security.log has: everything but calls and successes
	Access   Class = "access"   // calls and successes
)

// Filter selects the events of a sink; its zero value selects all.
type Filter struct {
	Types       []portcullis.EventType // only these
	Without     []portcullis.EventType // not these
	MinSeverity portcullis.Severity
	Class       Class
	ExcludeOwn  bool // not those that tell of sinks
}

// Match reports whether a sink wants e.
func (f *Filter) Match(e *portcullis.Event) bool {
	switch {
	case len(f.Types) > 0 && !slices.Contains(f.Types, e.Type), slices.Contains(f.Without, e.Type):
		return false
	case rank(e.Severity) < rank(f.MinSeverity):
		return false
	case f.Class == Security && !e.Security(), f.Class == Access && e.Security():
		return false
	}
	return !f.ExcludeOwn || !Own(e.Type)
}

// rank orders severities. One that is not known is as bad as can be: a filter
// must not hide what it does not understand.
func rank(s portcullis.Severity) int {
	switch s {
	case portcullis.SeverityInfo, "":
		return 0
	case portcullis.SeverityWarn:
		return 1
	case portcullis.SeverityError:
		return 2
	default:
		return 3
	}
}

// Own reports whether events of a type tell of sinks.
func Own(t portcullis.EventType) bool {
	switch t {
	case portcullis.EventSinkFailing, portcullis.EventSinkRecovered, portcullis.EventSinkMissed, portcullis.EventSinkRefused:
		return true
	}
	return false
}

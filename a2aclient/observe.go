package a2aclient

import "sync/atomic"

// Kind says what an observer is told about.
type Kind string

// What happens to a client.
const (
	Connected        Kind = "connected"
	Disconnected     Kind = "disconnected"
	CallStarted      Kind = "call-started"
	CallFinished     Kind = "call-finished"
	CallRetried      Kind = "call-retried"
	TaskUpdated      Kind = "task-updated"
	StreamStarted    Kind = "stream-started"
	StreamResumed    Kind = "stream-resumed"
	StreamEnded      Kind = "stream-ended"
	StreamInvalid    Kind = "stream-validation-error"
	StreamUnreadable Kind = "stream-parse-error"
	SessionsCleaned  Kind = "sessions-cleaned"
	Failed           Kind = "error"
)

// Notice is one thing that happened. It holds names of the protocol, never
// content.
type Notice struct {
	Kind   Kind
	Method string // of the protocol, in the words of 1.0
	TaskID string
	State  string // of the task
	Path   string // of what is not valid in an event
	Rule   string // that it breaks
	Count  int    // of tries, or of sessions
	Err    error
}

// Observer is told what happens. It must not block.
type Observer interface{ Observe(n Notice) }

// Stats are counts since the client was made.
type Stats struct {
	Calls                uint64 `json:"calls"`
	CallsFailed          uint64 `json:"callsFailed"`
	CallsRetried         uint64 `json:"callsRetried"`
	StreamsResumed       uint64 `json:"streamsResumed"`
	StreamEventsReceived uint64 `json:"streamEventsReceived"`
	StreamEventsInvalid  uint64 `json:"streamEventsInvalid"`
	StreamEventsRepeated uint64 `json:"streamEventsRepeated"`
	SessionsCreated      uint64 `json:"sessionsCreated"`
	SessionsEvicted      uint64 `json:"sessionsEvicted"`
	Sessions             int    `json:"sessions"`
}

// log counts, and tells the observer.
type log struct {
	to                               Observer
	calls, failed, retried, resumed  atomic.Uint64
	received, invalid, repeated      atomic.Uint64
	sessionsCreated, sessionsEvicted atomic.Uint64
}

func (l *log) tell(n Notice) {
	if l.to != nil {
		l.to.Observe(n)
	}
}

func (l *log) stats() Stats {
	return Stats{
		Calls: l.calls.Load(), CallsFailed: l.failed.Load(), CallsRetried: l.retried.Load(), StreamsResumed: l.resumed.Load(),
		StreamEventsReceived: l.received.Load(), StreamEventsInvalid: l.invalid.Load(), StreamEventsRepeated: l.repeated.Load(),
		SessionsCreated: l.sessionsCreated.Load(), SessionsEvicted: l.sessionsEvicted.Load(),
	}
}

// Received implements [guard.Watch].
func (l *log) Received() { l.received.Add(1) }

// Invalid implements [guard.Watch].
func (l *log) Invalid(path, rule string, err error) {
	l.invalid.Add(1)
	if err != nil {
		l.tell(Notice{Kind: StreamUnreadable, Err: err})
		return
	}
	l.tell(Notice{Kind: StreamInvalid, Path: path, Rule: rule})
}

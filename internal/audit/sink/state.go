package sink

import (
	"sync"
	"time"
)

// Status is one word on a sink.
type Status string

// Statuses.
const (
	Waiting  Status = "waiting"  // it has not sent anything yet
	Sending  Status = "sending"  // the last attempt succeeded
	Failing  Status = "failing"  // the server is away, or refuses
	Mistaken Status = "mistaken" // address or credentials are wrong
)

// View is what can be told about a sink.
type View struct {
	Name        string     `json:"name"`
	Kind        string     `json:"kind"`
	Status      Status     `json:"status"`
	LagSeconds  float64    `json:"lag_seconds"`
	LagRecords  uint64     `json:"lag_records"`
	Sent        uint64     `json:"sent"`   // since the start
	Failed      uint64     `json:"failed"` // attempts, since the start
	Dead        uint64     `json:"dead"`   // events laid aside, since the start
	Missed      uint64     `json:"missed"` // records removed before they were sent, since the start
	DeadLetters int        `json:"dead_letters"`
	LastSuccess *time.Time `json:"last_success,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	FailingFor  float64    `json:"failing_for_seconds,omitempty"`
}

// state is what a sink does now. It outlives the worker: a reload keeps it.
type state struct {
	mu   sync.Mutex
	v    View
	seq  uint64 // number of the next record to be done
	seen bool   // seq is known

	oldest  time.Time // event that waits longest; zero = none
	failing time.Time // since when; zero = it is not
	told    time.Time // last SINK_FAILING
	tellEnd bool      // a SINK_RECOVERED is due
	buriedN int       // laid aside and not told yet
	toldRef time.Time // last SINK_REFUSED
}

func (s *state) waits(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldest.IsZero() {
		s.oldest = t
	}
}

func (s *state) done(seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq, s.seen, s.oldest = seq, true, time.Time{}
}

// sent returns how long the sink had been failing, if that was told.
func (s *state) sent(n int, _ time.Duration) (recovered time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.v.Sent += uint64(n)
	s.v.Status, s.v.LastSuccess, s.v.LastError = Sending, &now, ""
	if s.tellEnd {
		recovered = max(now.Sub(s.failing), 1)
	}
	s.failing, s.tellEnd = time.Time{}, false
	return recovered
}

// failed reports whether this is the first failure after a success, and
// whether an event should tell of it: not of a hiccup, and not too often.
func (s *state) failed(fault *Error, after, every time.Duration) (first, tell bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.v.Failed++
	s.v.Status, s.v.LastError = Failing, fault.Whole()
	if fault.Fault == Misconfigured {
		s.v.Status = Mistaken
		after = 0
	}
	if first = s.failing.IsZero(); first {
		s.failing = now
	}
	tell = !s.tellEnd && now.Sub(s.failing) >= after && (s.told.IsZero() || now.Sub(s.told) >= every)
	if tell {
		s.told, s.tellEnd = now, true
	}
	return first, tell
}

// buried returns how many events were laid aside since that was last told, or
// 0 while it is too early to tell again.
func (s *state) buried(n int, every time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.v.Dead += uint64(n)
	s.buriedN += n
	now := time.Now()
	if !s.toldRef.IsZero() && now.Sub(s.toldRef) < every {
		return 0
	}
	n, s.buriedN, s.toldRef = s.buriedN, 0, now
	return n
}

func (s *state) missed(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.v.Missed += n
}

// view returns what is known, but for the lag in records and dead letters.
func (s *state) view() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, now := s.v, time.Now()
	if !s.oldest.IsZero() {
		v.LagSeconds = max(0, now.Sub(s.oldest).Seconds())
	}
	if !s.failing.IsZero() {
		v.FailingFor = now.Sub(s.failing).Seconds()
	}
	return v
}

// behind returns how many records of a journal that ends at end are not done.
func (s *state) behind(end uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seen || end < s.seq {
		return 0
	}
	return end - s.seq
}

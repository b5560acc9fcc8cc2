package anomaly

import (
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/baseline"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/known"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/pattern"
)

// hourMillis is the roll of the baselines.
const hourMillis = 3_600_000

// counts are what a window brought so far.
type counts struct {
	Calls   uint32
	Errors  uint32
	Denials uint32
	Served  uint32  // calls with a time and a size
	Root    float32 // sum of the square roots of times, in microseconds: many slow calls weigh more than one
	Novelty float32 // what was new, weighted by how new
	Bytes   uint64
}

// record is what is remembered of a subject: of fixed size and without
// pointers, so that it is written to the state file as it is.
type record struct {
	First   int64 // hour of the first event, since 1970
	Hour    int64 // the current window
	Day     int64 // the current day, in working time
	Seen    int64 // last event, in milliseconds
	Now     counts
	Today   counts
	Base    [metrics]baseline.Baseline
	Level   baseline.Moments // of the rate in hours with calls
	Shares  [2]share         // of errors and of refusals
	Tools   known.Names      // of a caller: tools it used; of a tool: callers it had
	Country known.Countries  // countries it called from
	told    uint32           // metrics that were told of in this window, as bits
	next    uint32           // weight of the window from which on it is judged again
	nextBig uint64           // and its bytes
	Trials  float32          // hours in which a new country could have shown
	News    float32          // hours in which one did
}

// subject is one that is watched.
type subject struct {
	record
	kind   Kind
	route  string
	name   string
	season *baseline.Season // made on the second day
	window *pattern.Window  // of callers, while they call
	peers  *subject
	mate   *subject // of a key or an address: the principal seen with it last

	sum    uint64 // hash of route and name; of a caller, of its name
	active bool   // in the list of those whose window is open
	again  bool   // see Again
}

// Again implements [clock.Entry].
func (s *subject) Again() *bool { return &s.again }

func newSubject(kind Kind, route, text string) *subject {
	x := &subject{kind: kind, route: route, name: text}
	if kind == Tool {
		x.sum = hash(route, text)
	} else if kind == Principal {
		x.sum = hash("", text)
	}
	return x
}

// weight is how much a window tells: failures tell more than calls.
func (c *counts) weight() uint32 { return c.Calls + 3*c.Errors + 3*c.Denials }

// failures are the errors or the refusals.
func (c *counts) failures(m Metric) uint32 {
	if m == ErrorRate {
		return c.Errors
	}
	return c.Denials
}

func (c *counts) add(s *Sample, root float32) {
	c.Calls++
	if s.Error {
		c.Errors++
	}
	if s.Denied {
		c.Denials++
	}
	if s.Served {
		c.Served++
		c.Root += root
		c.Bytes += uint64(s.Bytes)
	}
}

// share is how many of the calls lately were of a kind.
type share struct{ K, N float32 }

func (s share) of() float64 {
	if !(s.N > 0) {
		return 0
	}
	return min(max(float64(s.K/s.N), 0), 1)
}

// shareMemory is how many calls a share remembers.
const shareMemory = 20_000

func (s *share) add(k, n float64) {
	s.K += float32(k)
	s.N += float32(n)
	if s.N > shareMemory {
		s.K *= shareMemory / s.N
		s.N = shareMemory
	}
}

// Package pattern knows two ways of behaving that need no baseline to be odd:
// very many requests in a short time (RAPID_REQUESTS), and trying out what
// there is (SCANNING): many different tools, or many refusals and "not found".
package pattern

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Names of patterns, as events carry them.
const (
	Rapid    = "RAPID_REQUESTS"
	Scanning = "SCANNING"
)

// Config says what is too much. A count of 0 turns its rule off.
type Config struct {
	RapidCount  int           // requests of one caller
	RapidWindow time.Duration // within
	ScanTools   int           // different tools of one caller
	ScanMisses  int           // refused calls and calls of what does not exist
	ScanWindow  time.Duration // within
}

// Default returns bounds that people and most programs stay below.
func Default() Config {
	return Config{RapidCount: 300, RapidWindow: time.Minute, ScanTools: 25, ScanMisses: 20, ScanWindow: 10 * time.Minute}
}

// few different tools are told apart without a doubt worth the arithmetic.
const few = 8

// maxTools is how many different tools a window can tell apart.
const maxTools = 100

// Validate checks the bounds.
func (c Config) Validate() error {
	var errs []error
	for _, w := range [...]struct {
		name string
		d    time.Duration
	}{{"patterns.rapid.window", c.RapidWindow}, {"patterns.scanning.window", c.ScanWindow}} {
		if w.d < time.Second || w.d > time.Hour {
			errs = append(errs, fmt.Errorf("%s: want between 1s and 1h", w.name))
		}
	}
	if c.RapidCount < 0 || c.RapidCount > 1_000_000 {
		errs = append(errs, errors.New("patterns.rapid.requests: want between 0 and 1000000"))
	}
	if c.ScanTools < 0 || c.ScanTools > maxTools {
		errs = append(errs, fmt.Errorf("patterns.scanning.tools: want between 0 and %d", maxTools))
	}
	if c.ScanMisses < 0 || c.ScanMisses > 60_000 {
		errs = append(errs, errors.New("patterns.scanning.refusals: want between 0 and 60000"))
	}
	return errors.Join(errs...)
}

// Window counts what one caller did lately. It holds the current window and
// the one before it, which counts by the share of it that is still within
// reach. The zero value has seen nothing.
type Window struct {
	rapid  slide
	misses slide
	tools  [2]uint64 // a bit for each hash of a tool
	start  int64     // of the window of tools, in milliseconds
}

type slide struct {
	start     int64
	now, last uint32
}

// add counts one at a time and returns how many there were within the window
// that ends there. What comes late counts as of now.
func (s *slide) add(at, window int64) float64 {
	passed := at - s.start
	switch {
	case passed >= 2*window || passed < -window:
		*s = slide{start: at - floorMod(at, window)}
	case passed >= window:
		s.last, s.now = s.now, 0
		s.start += window
	}
	if s.now < math.MaxUint32 {
		s.now++
	}
	share := 1 - float64(max(at-s.start, 0))/float64(window)
	return float64(s.now) + float64(s.last)*min(max(share, 0), 1)
}

func floorMod(a, b int64) int64 { return ((a % b) + b) % b }

// Request counts a request at a time in milliseconds and returns how many there
// were within the window.
func (w *Window) Request(at int64, c *Config) float64 {
	return w.rapid.add(at, c.RapidWindow.Milliseconds())
}

// Miss counts a refused call, or one of something that does not exist.
func (w *Window) Miss(at int64, c *Config) float64 {
	return w.misses.add(at, c.ScanWindow.Milliseconds())
}

// Tool takes in the hash of a tool's name and returns about how many different
// ones there were in the current window.
func (w *Window) Tool(at int64, hash uint64, c *Config) float64 {
	window := c.ScanWindow.Milliseconds()
	if at-w.start >= window || at < w.start-window {
		w.start, w.tools = at, [2]uint64{}
	}
	w.tools[hash>>6&1] |= 1 << (hash & 63)
	used := bits.OnesCount64(w.tools[0]) + bits.OnesCount64(w.tools[1])
	empty := 128 - used
	if used < few {
		return float64(used)
	}
	return 128 * math.Log(128/math.Max(float64(empty), 0.5)) // linear counting
}

package obs

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Content counts what content rules found on one route. Kinds are those of
// detectors, actions those of rules: nothing a message holds makes a series.
type Content struct {
	route string
	vec   *prometheus.CounterVec
	mu    sync.Mutex // for adding to seen
	seen  atomic.Pointer[map[[2]string]prometheus.Counter]
}

// Content returns what counts the findings on the route of that name.
func (m *Metrics) Content(route string) *Content {
	c := &Content{route: route, vec: m.content}
	c.seen.Store(&map[[2]string]prometheus.Counter{})
	return c
}

// Found counts n findings of a kind and what was done about them.
func (c *Content) Found(kind, action string, n int) {
	key := [2]string{kind, action}
	counter := (*c.seen.Load())[key]
	if counter == nil {
		counter = c.vec.WithLabelValues(c.route, kind, action)
		c.mu.Lock()
		next := maps.Clone(*c.seen.Load())
		next[key] = counter
		c.seen.Store(&next)
		c.mu.Unlock()
	}
	counter.Add(float64(n))
}

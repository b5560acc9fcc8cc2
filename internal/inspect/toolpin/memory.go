package toolpin

import (
	"context"
	"maps"
	"sync"
)

// Memory is a [Store] that nothing outlasts.
type Memory struct {
	mu     sync.Mutex
	routes map[string]Route
	pins   map[[2]string]Pin
	texts  map[textKey][]byte
}

type textKey struct {
	route, tool string
	hash        Hash
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{routes: map[string]Route{}, pins: map[[2]string]Pin{}, texts: map[textKey][]byte{}}
}

// LoadPins implements [Store].
func (m *Memory) LoadPins(context.Context) ([]Route, []Pin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var routes []Route
	for _, r := range m.routes {
		routes = append(routes, r)
	}
	var pins []Pin
	for _, p := range m.pins {
		pins = append(pins, p)
	}
	return routes, pins, nil
}

// SavePins implements [Store].
func (m *Memory) SavePins(_ context.Context, r Route, pins []Pin, versions []Version) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range pins {
		if m.pins[[2]string{p.Route, p.Tool}].Revision != p.Revision-1 {
			return ErrConflict
		}
	}
	m.routes[r.Name] = r
	for _, v := range versions {
		m.texts[textKey{r.Name, v.Tool, v.Hash}] = v.Text
	}
	for _, p := range pins {
		m.pins[[2]string{p.Route, p.Tool}] = p
		maps.DeleteFunc(m.texts, func(k textKey, _ []byte) bool {
			return k.route == p.Route && k.tool == p.Tool && k.hash != p.Approved && k.hash != p.Seen
		})
	}
	return nil
}

// PinnedText implements [Store].
func (m *Memory) PinnedText(_ context.Context, route, tool string, h Hash) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if text, ok := m.texts[textKey{route, tool, h}]; ok {
		return text, nil
	}
	return nil, ErrNotFound
}

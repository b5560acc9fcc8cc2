package obs

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcome of a call, for the label of that name.
type Outcome uint8

// Outcomes of calls.
const (
	Failed    Outcome = iota // admitted, but could not be answered
	Refused                  // by a guard
	Succeeded                // answered by the upstream, JSON-RPC errors included
)

// String returns the label.
func (o Outcome) String() string {
	switch o {
	case Succeeded:
		return "success"
	case Refused:
		return "refused"
	default:
		return "failure"
	}
}

// knownMethods are the values of label "method": what MCP, A2A and HTTP
// define. Everything else a caller may send counts as "other".
var knownMethods = [...]string{
	"other", "",
	// MCP
	"initialize", "ping", "server/discover", "subscriptions/listen", "tools/list", "tools/call",
	"resources/list", "resources/read", "resources/templates/list", "resources/subscribe", "resources/unsubscribe",
	"prompts/list", "prompts/get", "completion/complete", "logging/setLevel", "roots/list",
	"sampling/createMessage", "elicitation/create", "tasks/get", "tasks/result", "tasks/list", "tasks/cancel",
	"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/message",
	"notifications/roots/list_changed", "notifications/tools/list_changed", "notifications/prompts/list_changed",
	"notifications/resources/list_changed", "notifications/resources/updated",
	"stream/open", "session/close", "response",
	// A2A
	"message/send", "message/stream", "tasks/resubscribe", "tasks/pushNotificationConfig/set",
	"tasks/pushNotificationConfig/get", "tasks/pushNotificationConfig/list", "tasks/pushNotificationConfig/delete",
	"agent/getAuthenticatedExtendedCard", "SendMessage", "SendStreamingMessage", "GetTask", "ListTasks",
	"CancelTask", "SubscribeToTask", "CreateTaskPushNotificationConfig", "GetTaskPushNotificationConfig",
	"ListTaskPushNotificationConfigs", "DeleteTaskPushNotificationConfig", "GetExtendedAgentCard",
	// HTTP
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions,
}

// KnownMethod returns the name of a method as it may stand in a label or in the
// name of a span: as it is if MCP, A2A or HTTP define it, "other" if not.
func KnownMethod(name string) string {
	for _, known := range knownMethods {
		if name == known {
			return known
		}
	}
	return "other"
}

// maxRefusals is how many kinds of refusal of one route are told apart. Their
// labels come from the program, so this many are never reached.
const maxRefusals = 512

type refusal struct{ phase, guard, reason string }

// Route is what is counted of one route. Its methods look up no labels and do
// not allocate once a combination was seen.
type Route struct {
	name     string
	m        *Metrics
	duration prometheus.Observer
	inflight prometheus.Gauge
	mu       sync.Mutex // for adding to what follows
	calls    atomic.Pointer[map[uint32]prometheus.Counter]
	refused  atomic.Pointer[map[refusal]prometheus.Counter]
}

// Route returns the metrics of the route of that name, a name from the
// configuration. Asked twice, it returns the same.
func (m *Metrics) Route(name string) *Route {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.routes[name]; r != nil {
		return r
	}
	r := &Route{name: name, m: m, duration: m.duration.WithLabelValues(name), inflight: m.inflight.WithLabelValues(name)}
	r.calls.Store(&map[uint32]prometheus.Counter{})
	r.refused.Store(&map[refusal]prometheus.Counter{})
	m.routes[name] = r
	return r
}

// Begin counts a call that is being answered, until Observe is called for it.
func (r *Route) Begin() { r.inflight.Inc() }

// Observe counts a call that Begin was called for: its JSON-RPC method (or the
// HTTP method where there is none), the HTTP status of the answer, the outcome
// how long it took, and its trace id if the trace is recorded, which becomes the
// exemplar of the duration.
func (r *Route) Observe(method string, code int, outcome Outcome, took time.Duration, traceID string) {
	r.inflight.Dec()
	if e, ok := r.duration.(prometheus.ExemplarObserver); ok && traceID != "" {
		e.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": traceID})
	} else {
		r.duration.Observe(took.Seconds())
	}
	number := r.m.methods[method] // 0 is "other"
	if code < 100 || code > 599 || http.StatusText(code) == "" {
		code = 0
	}
	key := uint32(number)<<16 | uint32(code)<<4 | uint32(outcome)
	if c := (*r.calls.Load())[key]; c != nil {
		c.Inc()
		return
	}
	r.newCall(key, number, code, outcome).Inc()
}

func (r *Route) newCall(key uint32, number uint8, code int, outcome Outcome) prometheus.Counter {
	label := "other"
	if code != 0 {
		label = strconv.Itoa(code)
	}
	method := r.m.names[number]
	if method == "" {
		method = "none"
	}
	c := r.m.requests.WithLabelValues(r.name, method, label, outcome.String())
	r.mu.Lock()
	defer r.mu.Unlock()
	next := maps.Clone(*r.calls.Load())
	next[key] = c
	r.calls.Store(&next)
	return c
}

// Refused counts a refusal: the phase and guard that refused, and the
// machine-readable reason. All three are names from the program, never what a
// caller sent.
func (r *Route) Refused(phase, guard, reason string) {
	key := refusal{phase, guard, reason}
	if c := (*r.refused.Load())[key]; c != nil {
		c.Inc()
		return
	}
	r.newRefusal(key).Inc()
}

func (r *Route) newRefusal(key refusal) prometheus.Counter {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := *r.refused.Load()
	if len(known) >= maxRefusals {
		return r.m.refusals.WithLabelValues(r.name, "other", "other", "other")
	}
	c := r.m.refusals.WithLabelValues(r.name, key.phase, key.guard, key.reason)
	next := maps.Clone(known)
	next[key] = c
	r.refused.Store(&next)
	return c
}

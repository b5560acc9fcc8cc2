package obs

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Alias is a name that others give to a metric of the gateway.
type Alias struct {
	Family string // what an operator asks for: "chronicle", "agent"
	Name   string // what others call it
	Of     string // the metric
	Only   string // value that label "outcome" must have, "" for any
}

// aliases are the names of the guides: those of the history server (S1-15) and
// those of the agent runbook (R3-4). Each stands for what it stands for there.
var aliases = [...]Alias{
	{"chronicle", "chronicle_requests_total", "portcullis_requests_total", ""},
	{"chronicle", "chronicle_request_duration_seconds", "portcullis_request_duration_seconds", ""},
	{"agent", "agent_requests_total", "portcullis_requests_total", ""},
	{"agent", "agent_errors_total", "portcullis_requests_total", "failure"},
	{"agent", "agent_request_duration_seconds", "portcullis_request_duration_seconds", ""},
	{"agent", "agent_concurrent_tasks", "portcullis_inflight_requests", ""},
	{"agent", "agent_memory_usage_bytes", "process_resident_memory_bytes", ""},
}

// Aliases lists the other names of metrics.
func Aliases() []Alias { return slices.Clone(aliases[:]) }

// IsAliasFamily reports whether there are aliases of that family.
func IsAliasFamily(name string) bool {
	return slices.ContainsFunc(aliases[:], func(a Alias) bool { return a.Family == name })
}

// ShowAliases makes /metrics show the metrics under the names of these families
// too, from now on. It costs nothing but at a scrape.
func (m *Metrics) ShowAliases(families []string) { m.families.Store(&families) }

// aliased gathers a registry and adds the aliases in force.
type aliased struct {
	prometheus.Gatherer
	families *atomic.Pointer[[]string]
}

// Gather implements [prometheus.Gatherer].
func (g aliased) Gather() ([]*dto.MetricFamily, error) {
	found, err := g.Gatherer.Gather()
	wanted := g.families.Load()
	if wanted == nil || len(*wanted) == 0 {
		return found, err
	}
	byName := make(map[string]*dto.MetricFamily, len(found))
	for _, f := range found {
		byName[f.GetName()] = f
	}
	for _, a := range aliases {
		if f := byName[a.Of]; f != nil && slices.Contains(*wanted, a.Family) {
			found = append(found, a.of(f))
		}
	}
	slices.SortFunc(found, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return found, err
}

// of returns the family under the other name. It shares the metrics: nobody
// writes into what was gathered.
func (a Alias) of(f *dto.MetricFamily) *dto.MetricFamily {
	name, help := a.Name, "Another name of "+a.Of+"."
	if a.Only != "" {
		help = "Another name of " + a.Of + `{outcome="` + a.Only + `"}.`
	}
	out := &dto.MetricFamily{Name: &name, Help: &help, Type: f.Type, Unit: f.Unit}
	for _, m := range f.GetMetric() {
		if a.Only == "" || slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == "outcome" && l.GetValue() == a.Only }) {
			out.Metric = append(out.Metric, m)
		}
	}
	return out
}

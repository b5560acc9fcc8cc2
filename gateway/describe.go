package gateway

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls"
)

// RoutePipeline lists the guards of a route in the order of their phases.
type RoutePipeline struct {
	Route  string  `json:"route"`
	Path   string  `json:"path"`
	Phases []Phase `json:"phases"`
}

// Phase is one step of a pipeline.
type Phase struct {
	Phase   string   `json:"phase"`
	Guards  []string `json:"guards"`
	Refuses string   `json:"refuses"` // HTTP statuses of its refusals
}

// Pipelines describes the routes of the table.
func (t *Table) Pipelines() []RoutePipeline {
	out := []RoutePipeline{}
	for _, rt := range t.order {
		out = append(out, RoutePipeline{rt.name, rt.path, rt.pipe.describe()})
	}
	return out
}

func (p *pipeline) describe() []Phase {
	edge := "204 308 400 403 405 413 415 429 503"
	if slices.Contains(names(p.edge), mtls.GuardName) {
		edge = strings.Replace(edge, "400", "400 401", 1)
	}
	return []Phase{
		{"edge", names(p.edge), edge},
		{"authn", names(p.authn), "400 401 503"},
		{"contain", names(p.contain), "401 403 503"},
		{"decode", []string{p.decode.Name()}, "400 404 405 408 413"},
		{"admit", names(p.admit), p.privacy.Refuses("429")},
		{"authz", names(p.authz), "403"},
		{"inspect", names(p.inspect), p.use.Refuses("400 403")},
		{"record", []string{"journal"}, "503"},
		{"forward", []string{"upstream"}, "502 503 504"},
		{"review", append([]string{"reply", "error_mask"}, names(p.review)...), "400 403 404 405 406 413 415 429 502"},
		{"record", []string{"journal"}, "503"},
	}
}

func names[G interface{ Name() string }](guards []G) []string {
	out := make([]string, len(guards))
	for i, g := range guards {
		out[i] = g.Name()
	}
	return out
}

// RateLimitKeys is the number of callers whose calls are being counted.
func (t *Table) RateLimitKeys() int {
	n := 0
	for _, rt := range t.order {
		n += rt.rate.Stats().Live
	}
	return n
}

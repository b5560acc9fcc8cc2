package app_test

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/app"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs/monitoring"
)

// TestMetricsAreListed: the list of metrics, of which the reference, the
// dashboard and the alert rules are made, is what a gateway registers.
func TestMetricsAreListed(t *testing.T) {
	const hint = "internal/obs/monitoring/metric.go is the list; then go test ./internal/obs/monitoring -update"
	cfg, _, err := config.Parse("portcullis.toml", []byte("[[route]]\nname = \"a\"\npath = \"/a\"\nupstream = \"http://127.0.0.1:1/mcp\"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), app.Options{Version: "test", Config: cfg, DataDir: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	known, err := a.Metrics().Known()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]monitoring.Metric{}
	for _, m := range monitoring.List() {
		listed[m.Name] = m
	}
	for _, k := range known {
		m, ok := listed[k.Name]
		if !ok {
			t.Errorf("%s %v is registered and not listed: %s", k.Name, k.Labels, hint)
			continue
		}
		delete(listed, k.Name)
		if got := labelNames(m); m.Help != k.Help || !slices.Equal(got, k.Labels) {
			t.Errorf("%s: listed as %q %v, registered as %q %v: %s", k.Name, m.Help, got, k.Help, k.Labels, hint)
		}
	}
	for name := range listed {
		t.Errorf("%s is listed and not registered: %s", name, hint)
	}
	types := map[string]string{}
	found, err := a.Metrics().Gather().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		types[f.GetName()] = f.GetType().String()
	}
	for _, m := range monitoring.List() {
		want := map[monitoring.Type]string{monitoring.Counter: "COUNTER", monitoring.Gauge: "GAUGE", monitoring.Histogram: "HISTOGRAM"}[m.Type]
		if got, ok := types[m.Name]; ok && got != want {
			t.Errorf("%s is listed as %s and is a %s: %s", m.Name, want, got, hint)
		}
	}
}

func labelNames(m monitoring.Metric) []string {
	var out []string
	for _, l := range m.Labels {
		out = append(out, l.Name)
	}
	return out
}

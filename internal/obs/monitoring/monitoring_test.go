package monitoring

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

var update = flag.Bool("update", false, "write the files that are made from the list")

// TestFiles: the files in the repository are what the list makes.
func TestFiles(t *testing.T) {
	board, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{
		"../../../docs/metrics.md":                []byte(Reference()),
		"../../../deploy/grafana/portcullis.json": board,
		"../../../deploy/prometheus/rules.yml":    Rules(),
	} {
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the list makes (%v): go test ./internal/obs/monitoring -update", path, err)
		}
	}
}

// TestList: names, units and labels keep the conventions of Prometheus.
func TestList(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range metrics {
		if seen[m.Name] || !strings.HasPrefix(m.Name, "portcullis_") {
			t.Errorf("%s: twice, or not ours", m.Name)
		}
		seen[m.Name] = true
		if (m.Type == Counter) != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s: a %s of that name", m.Name, m.Type)
		}
		if m.Unit != "" && !strings.HasSuffix(strings.TrimSuffix(m.Name, "_total"), m.Unit) {
			t.Errorf("%s: does not end with its unit %q", m.Name, m.Unit)
		}
		for _, l := range m.Labels {
			if l.Values == "" {
				t.Errorf("%s: nothing bounds label %s", m.Name, l.Name)
			}
		}
	}
	for _, a := range obs.Aliases() {
		if strings.HasPrefix(a.Of, "portcullis_") && !seen[a.Of] {
			t.Errorf("alias %s of %s, which is not there", a.Name, a.Of)
		}
	}
}

// What is looked for in expressions. A rule over a metric that is not there never
// fires, and nobody would notice.
var (
	metricName = regexp.MustCompile(`\b(portcullis_[a-z0-9_]+)(\{[^}]*\})?`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matcher    = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"`)
)

// TestExpressions: rules and panels name metrics that are there, with labels
// that they have, and histograms by their parts.
func TestExpressions(t *testing.T) {
	byName := map[string]Metric{}
	for _, m := range metrics {
		byName[m.Name] = m
	}
	shown := map[string]bool{}
	check := func(at, expr string) {
		have := []string{"job", "instance", "le"}
		for _, m := range metricName.FindAllStringSubmatch(expr, -1) {
			name, bucket := strings.CutSuffix(m[1], "_bucket")
			metric, ok := byName[name]
			if !ok || bucket != (metric.Type == Histogram) {
				t.Errorf("%s: there is no metric %s", at, m[1])
				continue
			}
			shown[name] = true
			if metric.Type == Counter && !strings.Contains(expr, "rate(") && !strings.Contains(expr, "increase(") {
				t.Errorf("%s: counter %s without a rate", at, name)
			}
			own := []string{"job", "instance", "le"}
			for _, l := range metric.Labels {
				own = append(own, l.Name)
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(own, l[1]) {
					t.Errorf("%s: %s has no label %s", at, name, l[1])
				}
			}
			have = append(have, own...)
		}
		for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
			for _, l := range strings.Split(g[1], ", ") {
				if !slices.Contains(have, l) {
					t.Errorf("%s: grouped by %s, which nothing has", at, l)
				}
			}
		}
	}
	names := map[string]bool{}
	for _, a := range alerts {
		check(a.Name, a.Expr)
		if names[a.Name] || a.Summary == "" || a.Meaning == "" || !slices.Contains([]string{"critical", "warning", "info"}, a.Severity) {
			t.Errorf("%s: twice, or without words", a.Name)
		}
		names[a.Name] = true
	}
	for _, r := range rows {
		for _, p := range r.panels {
			for _, q := range p.queries {
				check("panel "+p.title, q.expr)
			}
		}
	}
	for _, m := range metrics {
		if !shown[m.Name] {
			t.Errorf("%s: in no panel and no rule", m.Name)
		}
	}
}

// TestDashboardSchema holds the dashboard to a schema of Grafana's model.
func TestDashboardSchema(t *testing.T) {
	text, err := os.ReadFile("testdata/dashboard.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("dashboard.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	board, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(board))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
	// The schema must be able to refuse.
	broken := bytes.Replace(board, []byte(`"timeseries"`), []byte(`"graph"`), 1)
	if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(broken)); err != nil {
		t.Fatal(err)
	}
	if schema.Validate(value) == nil {
		t.Error("the schema accepts a kind of panel that Grafana dropped")
	}
}

// TestGrid: no panel covers another or hangs over the edge, and ids are unique.
func TestGrid(t *testing.T) {
	board, err := Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(board, &d); err != nil {
		t.Fatal(err)
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > gridWidth {
			t.Errorf("panel %q: id %d twice, or over the edge", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[at]; ok {
					t.Fatalf("panel %q covers %q", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}

package obs

import (
	"strings"
	"testing"
	"time"
)

func TestAliases(t *testing.T) {
	m := NewMetrics(Build{})
	r := m.Route("files")
	for _, o := range []Outcome{Succeeded, Refused, Failed} {
		r.Begin()
		r.Observe("tools/call", 200, o, time.Millisecond, "")
	}
	r.Begin()
	body, _ := scrape(t, m, "")
	if strings.Contains(body, "chronicle_") || strings.Contains(body, "agent_") {
		t.Error("aliases that nobody asked for")
	}
	m.ShowAliases([]string{"agent"})
	if body, _ = scrape(t, m, ""); strings.Contains(body, "chronicle_") {
		t.Error("another family's alias")
	}
	m.ShowAliases([]string{"chronicle", "agent"})
	body, _ = scrape(t, m, "")
	for _, want := range []string{
		`chronicle_requests_total{code="200",method="tools/call",outcome="refused",route="files"} 1`,
		`chronicle_request_duration_seconds_count{route="files"} 3`,
		`# TYPE chronicle_request_duration_seconds histogram`,
		`agent_requests_total{code="200",method="tools/call",outcome="success",route="files"} 1`,
		`agent_errors_total{code="200",method="tools/call",outcome="failure",route="files"} 1`,
		`agent_concurrent_tasks{route="files"} 1`,
		"\nagent_memory_usage_bytes ",
		`portcullis_requests_total{code="200",method="tools/call",outcome="failure",route="files"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("missing %s", want)
		}
	}
	if strings.Contains(body, `agent_errors_total{code="200",method="tools/call",outcome="success"`) {
		t.Error("a success among the errors")
	}
	m.ShowAliases(nil)
	if body, _ = scrape(t, m, ""); strings.Contains(body, "agent_") {
		t.Error("aliases stay")
	}
	for _, a := range Aliases() {
		if !IsAliasFamily(a.Family) {
			t.Errorf("%s has no family", a.Name)
		}
	}
	if IsAliasFamily("") || IsAliasFamily("portcullis") {
		t.Error("a family out of nothing")
	}
}

// TestExemplars: only OpenMetrics shows them, and only of recorded traces.
func TestExemplars(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	m := NewMetrics(Build{})
	r := m.Route("r")
	r.Begin()
	r.Observe("tools/call", 200, Succeeded, time.Millisecond, "")
	if body, _ := scrape(t, m, "application/openmetrics-text; version=1.0.0"); strings.Contains(body, "trace_id") {
		t.Error("an exemplar without a trace")
	}
	r.Begin()
	r.Observe("tools/call", 200, Succeeded, time.Millisecond, trace)
	if body, _ := scrape(t, m, "application/openmetrics-text; version=1.0.0"); !strings.Contains(body, `# {trace_id="`+trace+`"} 0.001`) {
		t.Error(body)
	}
	if body, _ := scrape(t, m, ""); strings.Contains(body, trace) {
		t.Error("an exemplar in the plain format")
	}
}

func TestKnown(t *testing.T) {
	m := NewMetrics(Build{})
	known, err := m.Known()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, k := range known {
		if k.Help == "" || !strings.HasPrefix(k.Name, "portcullis_") {
			t.Errorf("%+v", k)
		}
		found[k.Name] = k.Labels
	}
	if got := strings.Join(found["portcullis_refusals_total"], " "); got != "route phase guard reason" { // it has no series
		t.Errorf("labels %q", got)
	}
	if labels, ok := found["portcullis_journal_lost_total"]; !ok || len(labels) != 0 {
		t.Errorf("%v %v", labels, ok)
	}
	for _, text := range []string{"", "Desc{}", `Desc{fqName: "a", help: b`, `Desc{fqName: "a", help: "b", unit: "", constLabels: {}}`} {
		if _, err := readDesc(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func TestKnownMethod(t *testing.T) {
	for in, want := range map[string]string{"tools/call": "tools/call", "GET": "GET", "": "", "tools/Call": "other", "s3cr3t": "other"} {
		if got := KnownMethod(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

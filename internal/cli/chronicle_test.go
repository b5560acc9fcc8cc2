package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/portcullis-dev/portcullis/internal/chronicle"
)

// TestChronicleVerbsCoverTheTools: each tool of the server is a verb, and each
// argument of it a flag.
func TestChronicleVerbsCoverTheTools(t *testing.T) {
	s, err := chronicle.New(chronicle.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	here, there := mcp.NewInMemoryTransports()
	if _, err := s.MCP().Connect(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}()
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string]chronicleVerb{}
	for _, v := range chronicleQueries() {
		verbs[v.tool] = v
	}
	if len(verbs) != len(list.Tools) {
		t.Errorf("%d verbs for %d tools", len(verbs), len(list.Tools))
	}
	for _, tool := range list.Tools {
		v, ok := verbs[tool.Name]
		if !ok {
			t.Errorf("no verb for %s", tool.Name)
			continue
		}
		schema, ok := tool.InputSchema.(map[string]any)
		if !ok {
			t.Fatalf("%s: schema is %T", tool.Name, tool.InputSchema)
		}
		props, _ := schema["properties"].(map[string]any)
		have := map[string]bool{"format_type": true, v.subject: true}
		for _, a := range v.args {
			have[a.name] = true
			if _, ok := props[a.name]; !ok {
				t.Errorf("%s takes no argument %s", tool.Name, a.name)
			}
		}
		for name := range props {
			if !have[name] {
				t.Errorf("%s: argument %s has no flag", v.name, name)
			}
		}
	}
}

// TestChronicleCSV: every answer that may be asked for as CSV has rows, and no
// cell is a formula.
func TestChronicleCSV(t *testing.T) {
	dir := t.TempDir()
	path, err := chronicle.WriteSample(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cfg := chronicle.Default()
	cfg.Discover, cfg.Paths = false, map[string]string{"chrome": path}
	s, err := chronicle.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	arguments := map[string]string{
		"search_history": `{"query":"a"}`, "get_recent_history": `{"hours":876000}`, "search_by_domain": `{"domain":"github.com"}`,
		"search_history_by_date": `{"query":"a","start_date":"2000-01-01","end_date":"2100-01-01"}`, "search_history_advanced": `{"query":"a"}`,
	}
	for _, v := range chronicleQueries() {
		if v.checkFormat("csv") != nil || v.tool == "export_history" {
			continue
		}
		res, err := s.Call(t.Context(), v.tool, []byte(arguments[v.tool]))
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		text, err := chronicleCSV(res.Data)
		if err != nil || strings.Count(text, "\n") < 2 {
			t.Errorf("%s: %v\n%s", v.name, err, text)
		}
	}
	text, err := chronicleCSV(chronicle.TopDomains{Domains: []chronicle.Domain{{Domain: "=HYPERLINK(1)", Visits: 1}}})
	if err != nil || strings.Contains(text, "\n=") {
		t.Errorf("a formula: %v\n%s", err, text)
	}
	if _, err := chronicleCSV(chronicle.Stats{}); err == nil {
		t.Error("statistics as CSV")
	}
}

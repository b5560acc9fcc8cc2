package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.OSSA, Rules: Rules(), Load: Load, Find: Find})
}

const good = "testdata/ossa-readable/pass.ossa.yaml"

// A manifest that says all it should passes every rule: no rule asks for what
// another forbids.
func TestNothingIsWrong(t *testing.T) {
	f := load(t, good)
	for _, r := range Rules() {
		found, err := r.Check(t.Context(), f)
		if len(found) > 0 || err != nil {
			t.Errorf("%s: %+v %v", r.ID, found, err)
		}
	}
}

func load(t *testing.T, name string) *File {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What the reader of manifests refuses has failed a rule, and rules about what
// is missing do not pass.
func TestRefusedIsNoPass(t *testing.T) {
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"ossa/v0.5", "ossa/v7"}, {"kind: Agent", "kind: Robot"}, {"apiVersion: ossa/v0.5\n", ""}, {"level: semi_autonomous", "level: 7"},
		{"name: reviewer", "name: Not A Name"}, {"protocols:", "---\nprotocols:"},
		{"max_tool_calls: 50", "max_tool_calls: many"}, {"tools: [list_issues]", "tools: 5"}, {"egress_policy: allow-list", "egress_policy: mostly"},
	} {
		text := strings.Replace(string(data), change[0], change[1], 1)
		f, err := parse("x", []byte(text))
		if err != nil {
			continue // nothing passes on what cannot be loaded
		}
		if f.refused() == nil {
			t.Errorf("%q: is read", change[1])
		}
		for _, r := range Rules() {
			found, err := r.Check(t.Context(), f)
			verdict := rule.VerdictOf(found, err)
			if r.ID == "ossa-readable" && verdict != rule.Fail {
				t.Errorf("%q: ossa-readable: %s", change[1], verdict)
			}
			switch r.ID {
			case "ossa-approval-missing", "ossa-cost-unbounded", "ossa-guardrails-missing", "ossa-auth-missing", "ossa-pii-unhandled", "ossa-class-missing", "ossa-rights-undeclared", "ossa-egress-undeclared":
				if verdict == rule.Pass {
					t.Errorf("%q: %s passes", change[1], r.ID)
				}
			}
		}
	}
}

// Findings say where they are.
func TestPlaces(t *testing.T) {
	f := load(t, "testdata/ossa-schema/fail2.ossa.yaml")
	found, err := bySchema(t.Context(), f)
	if err != nil || len(found) != 1 || found[0].Pointer != "security.audit.retention_days" || found[0].Line != 45 {
		t.Errorf("%+v %v", found, err)
	}
	if got := refusals(load(t, "testdata/ossa-readable/fail3.ossa.yaml")); len(got) != 1 || got[0].Pointer != "spec.autonomy.level" || got[0].Line != 13 {
		t.Errorf("%+v", got)
	}
}

func FuzzManifests(f *testing.F) {
	names, err := filepath.Glob("testdata/*/fail*")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("- a\n"))
	f.Add([]byte("a: 1\n---\nb: 2\n"))
	f.Add([]byte("apiVersion: ossa/v0.5\nsecurity: {audit: &a {log_tool_calls: false}}\nx: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse("x", data)
		if err != nil {
			return
		}
		for _, r := range Rules() {
			found, err := r.Check(t.Context(), file)
			if v := rule.VerdictOf(found, err); file.refused() != nil && r.ID == "ossa-readable" && v != rule.Fail {
				t.Fatalf("%s: %s", r.ID, v)
			}
			if r.Mend == nil || len(found) == 0 {
				continue
			}
			edits, err := r.Mend(file)
			if err != nil {
				continue
			}
			if _, err := rule.Apply(data, edits); err != nil {
				t.Fatalf("%s: %v", r.ID, err)
			}
		}
	})
}

package ruletest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

type file struct {
	path, text string
}

func load(_ context.Context, t *tree.Tree, path string) (file, error) {
	data, err := t.Read(path)
	return file{path, string(data)}, err
}

func shouting() rule.Rule[file] {
	return rule.Rule[file]{
		Meta: rule.Meta{
			ID: "env-shouting", Kind: rule.Env, Severity: rule.Low, Title: "Names are in capitals",
			Why: "Programs look for names as they are written.", Guides: []string{"S0-43"},
			Verify: "Look at the names in the file.", Fix: "Write the names in capitals.", Fixable: true,
		},
		Check: func(_ context.Context, f file) ([]rule.Finding, error) {
			if f.text != strings.ToUpper(f.text) {
				return []rule.Finding{{Message: "A name is not in capitals.", File: f.path}}, nil
			}
			return nil, nil
		},
		Mend: func(f file) ([]rule.Edit, error) {
			return []rule.Edit{{File: f.path, End: len(f.text), Text: strings.ToUpper(f.text)}}, nil
		},
	}
}

// The family that a package of rules would give looks like this one.
func TestRun(t *testing.T) {
	ruletest.Run(t, ruletest.Family[file]{
		Kind: rule.Env, Rules: []rule.Rule[file]{shouting()}, Load: load,
		Find: func(t *tree.Tree) []string {
			return t.Named(func(f tree.File) bool { return f.Ext() == ".env" })
		},
	})
}

func TestFaults(t *testing.T) {
	good := shouting().Meta
	for want, change := range map[string]func(*rule.Meta){
		"":                     func(*rule.Meta) {},
		"kind ci: want env":    func(m *rule.Meta) { m.Kind = rule.CI },
		"the id is not":        func(m *rule.Meta) { m.ID = "dockerfile-x" },
		"has no severity":      func(m *rule.Meta) { m.Severity = 0 },
		"the title is empty":   func(m *rule.Meta) { m.Title = "A title." },
		"why says nothing":     func(m *rule.Meta) { m.Why = "bad" },
		"fix says nothing":     func(m *rule.Meta) { m.Fix = "" },
		"names no row":         func(m *rule.Meta) { m.Guides = nil },
		"names no CWE":         func(m *rule.Meta) { m.Severity = rule.High },
		"MCP1: topic does not": func(m *rule.Meta) { m.OWASP = []string{"MCP1"} },
		"T13: topic does not":  func(m *rule.Meta) { m.Threats = []string{"MCP-T13"} },
		"Fixable says":         func(m *rule.Meta) { m.Fixable = false },
		"S1: is not of the":    func(m *rule.Meta) { m.Guides = []string{"S1"} },
		"the CoSAI level is n": func(m *rule.Meta) { m.CoSAI = 5 },
		"CWE-16: topic does n": func(m *rule.Meta) { m.CWE = []string{"CWE-16"} },
		"for nothing against ": func(m *rule.Meta) { m.CoSAI, m.Threats = rule.L1, []string{"MCP-T10"} },
	} {
		m := good
		m.Guides = slices.Clone(m.Guides)
		change(&m)
		got := ruletest.Faults(rule.Env, m, true)
		if (want == "") != (len(got) == 0) || want != "" && !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("want %q: %q", want, got)
		}
	}
}

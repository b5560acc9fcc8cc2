package ci

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*Set]{Kind: rule.CI, Rules: Rules(), Load: Load, Find: Find})
}

// What follows all the advice is found fault with by no rule.
func TestGoodWorkflows(t *testing.T) {
	tr, err := tree.Open(t.Context(), "testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if found := Find(tr); len(found) != 1 || found[0] != "." {
		t.Fatalf("targets %q", found)
	}
	s, err := Load(t.Context(), tr, ".")
	if err != nil || len(s.files) != 2 {
		t.Fatalf("%d files, %v", len(s.files), err)
	}
	for _, r := range Rules() {
		if found, err := r.Check(t.Context(), s); rule.VerdictOf(found, err) != rule.Pass {
			t.Errorf("%s: %+v, %v", r.ID, found, err)
		}
	}
}

func TestUnreadIsUnknown(t *testing.T) {
	tr, err := tree.Open(t.Context(), "testdata/unread")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	s, err := Load(t.Context(), tr, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if v := rule.VerdictOf(r.Check(t.Context(), s)); v != rule.Unknown {
			t.Errorf("%s: %s", r.ID, v)
		}
	}
}

func TestInjected(t *testing.T) {
	for script, want := range map[string]bool{
		"echo ${{ github.event.issue.title }}": true, "echo ${{ github.head_ref }}": true, "echo ${{ github.event.pull_request.head.ref }}": true,
		"echo ${{ github.event.pull_request.base.ref }}": false, "echo ${{ github.sha }}": false, "echo ${{ github.event.commits[0].message }}": true,
		"echo ${{ format('{0}', github.event.comment.body) }}": true, "echo $TITLE": false, "echo ${{ github.event.number }}": false,
	} {
		if got := injected(script) != ""; got != want {
			t.Errorf("%s: %v", script, got)
		}
	}
}

func FuzzRules(f *testing.F) {
	names, err := filepath.Glob("testdata/ci-*/*.y*ml")
	if err != nil || len(names) == 0 {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
		f.Add(data, true)
	}
	rules := Rules()
	f.Fuzz(func(t *testing.T, data []byte, lab bool) {
		name := ".github/workflows/x.yml"
		if lab {
			name = ".gitlab-ci.yml"
		}
		s := &Set{}
		s.unread = s.read(name, data)
		for _, r := range rules {
			found, err := r.Check(t.Context(), s)
			if s.unread != nil && rule.VerdictOf(found, err) == rule.Pass {
				t.Errorf("%s passes what was not read", r.ID)
			}
			for _, finding := range found {
				if finding.Line < 1 || finding.File != name || finding.Message == "" {
					t.Errorf("%s: %+v", r.ID, finding)
				}
			}
		}
	})
}

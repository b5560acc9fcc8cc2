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
		"echo ${{ format('{0}', github.event.comment.body) }}": true, "echo $TITLE": false,
		"echo ${{ github['head_ref'] }}": true, "echo ${{ github.event['issue'].title }}": true, "echo ${{ GitHub.Event.Issue.Title }}": true,
		"echo ${{ toJSON(github.event) }}": true, "echo ${{ toJSON(github) }}": true, "echo ${{ toJSON(github.event.number) }}": false, "echo ${{ toJSON(matrix) }}": false,
		"echo ${{ github.event.number }}": false,
	} {
		if got := injected(script) != ""; got != want {
			t.Errorf("%s: %v", script, got)
		}
	}
}

// What an action does is done by every pipeline that uses it. What only
// workflows have is not asked of it.
func TestActions(t *testing.T) {
	s := &Set{}
	if err := s.read("tools/x/action.yml", []byte("name: x\nruns:\n  using: composite\n  steps:\n    - uses: a/b@v1\n    - run: curl https://x | sudo -E bash -\n      shell: bash\n    - run: echo ${{ github.head_ref }}\n      shell: bash\n")); err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		var want rule.Verdict
		switch r.ID {
		case "ci-action-unpinned", "ci-pipe-to-shell", "ci-script-injection":
			want = rule.Fail
		case "ci-permissions-missing", "ci-timeout", "ci-no-scan", "ci-no-schedule", "ci-pull-request-target":
			want = rule.Skipped
		default:
			continue
		}
		if got := rule.VerdictOf(r.Check(t.Context(), s)); got != want {
			t.Errorf("%s: %s, want %s", r.ID, got, want)
		}
	}
}

func TestThroughVariable(t *testing.T) {
	for script, want := range map[string]rule.Verdict{"echo ${{ env.T }}": rule.Fail, "echo $T": rule.Pass, "echo ${{ env.TT }}": rule.Pass} {
		s := &Set{}
		if err := s.read(".github/workflows/x.yml", []byte("on: issues\nenv: {T: '${{ github.event.issue.title }}', TT: x}\njobs: {a: {runs-on: x, steps: [{run: '"+script+"'}]}}\n")); err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if got := rule.VerdictOf(r.Check(t.Context(), s)); r.ID == "ci-script-injection" && got != want {
				t.Errorf("%s: %s, want %s", script, got, want)
			}
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

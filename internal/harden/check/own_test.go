package check_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check"
	"github.com/portcullis-dev/portcullis/internal/harden/check/outcome"
	"github.com/portcullis-dev/portcullis/internal/harden/check/render/schematest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/suppress"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

const repositoryRoot = "../../.."

// There is no finding in our own repository that would make the check fail, and
// no decision there hides what is not found any more. The day is one on which
// the decisions hold: that they end is a finding of every real run.
func TestOurOwnRepository(t *testing.T) {
	t.Chdir(repositoryRoot)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	data, err := os.ReadFile(suppress.FileName)
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := suppress.Parse(suppress.FileName, data, now)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := tree.Open(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	found, err := check.Find(tr)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range tr.Left() {
		if l.Unread {
			t.Errorf("%s %s", l.Path, l.Why)
		}
	}
	out := outcome.New(t.Context(), check.Run(t.Context(), found, check.Options{}), outcome.Options{Version: "test", Now: now, FailOn: rule.High, Decisions: decisions})
	schematest.Outcome(t, out)
	for _, target := range out.Targets {
		if target.Error != "" {
			t.Errorf("%s: %s", target.Name, target.Error)
		}
		for _, r := range target.Results {
			for _, f := range r.Findings {
				if r.Severity >= rule.High || r.ID == "suppressions-unused" {
					t.Errorf("%s: %s:%d: %s", r.ID, f.File, f.Line, f.Message)
				}
			}
		}
	}
	if out.Failed || out.Counts.Suppressed == 0 {
		t.Errorf("failed %v, %d suppressed", out.Failed, out.Counts.Suppressed)
	}
}

// plant writes files of a folder that wants to be more than a folder.
func plant(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func report(t testing.TB, dir string) check.Report {
	t.Helper()
	tr, err := tree.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	found, err := check.Find(tr)
	if err != nil {
		t.Fatal(err)
	}
	r := check.Run(context.Background(), found, check.Options{})
	if _, slow := t.(*testing.B); !slow {
		copied := check.Report{Targets: slices.Clone(r.Targets)}
		schematest.Outcome(t, outcome.New(context.Background(), copied, outcome.Options{Version: "test", Now: time.Unix(1, 0), FailOn: rule.High}))
	}
	return r
}

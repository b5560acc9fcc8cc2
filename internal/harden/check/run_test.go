package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func meta(id string) rule.Meta { return rule.Meta{ID: id, Kind: "x", Severity: rule.High} }

func answer(id string, check func() ([]rule.Finding, error)) rule.Rule[string] {
	return rule.Rule[string]{Meta: meta(id), Check: func(context.Context, string) ([]rule.Finding, error) { return check() }}
}

func testFamily() family {
	active := answer("x-active", func() ([]rule.Finding, error) { return nil, nil })
	active.Active = true
	return from("x", []rule.Rule[string]{
		answer("x-good", func() ([]rule.Finding, error) { return nil, nil }),
		answer("x-bad", func() ([]rule.Finding, error) {
			return []rule.Finding{{Message: "b", Line: 2}, {Message: "a", Line: 1, Evidence: "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789"}}, nil
		}),
		answer("x-crash", func() ([]rule.Finding, error) { panic("boom") }),
		answer("x-unsure", func() ([]rule.Finding, error) { return nil, errors.New("no answer") }),
		answer("x-absent", func() ([]rule.Finding, error) { return nil, fmt.Errorf("no TLS: %w", rule.ErrNotApplicable) }),
		active,
	}, func(_ context.Context, t Target) (string, error) {
		switch t.Name {
		case "broken":
			return "", errors.New("is broken")
		case "crash":
			panic("boom")
		}
		return t.Name, nil
	})
}

func verdicts(t TargetReport) string {
	var out []string
	for _, r := range t.Results {
		out = append(out, strings.TrimPrefix(r.ID, "x-")+"="+string(r.Verdict))
	}
	return strings.Join(out, " ")
}

func TestVerdictsOfARun(t *testing.T) {
	var progress []int
	o := Options{Parallel: 2, Progress: func(done, _ int, _ Target) { progress = append(progress, done) }}
	r := run(t.Context(), []family{testFamily()}, []Target{
		{Kind: "x", Name: "fine"}, {Kind: "x", Name: "broken"}, {Kind: "x", Name: "crash"}, {Kind: "y", Name: "strange"},
	}, o)
	const unread = "good=unknown bad=unknown crash=unknown unsure=unknown absent=unknown active=skipped"
	for i, want := range []string{
		"good=pass bad=fail crash=unknown unsure=unknown absent=skipped active=skipped", unread, unread, "",
	} {
		if got := verdicts(r.Targets[i]); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", r.Targets[i].Name, got, want)
		}
		if (i > 0) != (r.Targets[i].Error != "") {
			t.Errorf("%s: error %q", r.Targets[i].Name, r.Targets[i].Error)
		}
	}
	bad := r.Targets[0].Results[1].Findings
	if bad[0].Message != "a" || strings.Contains(bad[0].Evidence, "abcdefghijkl") {
		t.Errorf("findings are not in order or show a secret: %+v", bad)
	}
	if fmt.Sprint(progress) != "[1 2 3 4]" {
		t.Errorf("progress %v", progress)
	}
	o.Active, o.Progress = true, nil
	if got := verdicts(run(t.Context(), []family{testFamily()}, []Target{{Kind: "x", Name: "fine"}}, o).Targets[0]); !strings.Contains(got, "active=pass") {
		t.Errorf("active: %s", got)
	}
}

// A rule that gives up when its time is over has not passed.
func TestALateRuleIsUnknown(t *testing.T) {
	slow := rule.Rule[string]{Meta: meta("x-slow"), Check: func(ctx context.Context, _ string) ([]rule.Finding, error) {
		<-ctx.Done()
		return nil, nil
	}}
	f := from("x", []rule.Rule[string]{slow}, func(context.Context, Target) (string, error) { return "", nil })
	r := run(t.Context(), []family{f}, []Target{{Kind: "x"}}, Options{Limit: time.Millisecond})
	if got := r.Targets[0].Results[0]; got.Verdict != rule.Unknown {
		t.Errorf("%s: %s", got.Verdict, got.Reason)
	}
}

func TestATargetThatWasNotLoadedIsUnknown(t *testing.T) {
	f := given("x", []rule.Rule[string]{answer("x-good", func() ([]rule.Finding, error) { return nil, nil })})
	r := run(t.Context(), []family{f}, []Target{{Kind: "x"}, {Kind: "x", Seen: "there"}}, Options{})
	if verdicts(r.Targets[0]) != "good=unknown" || verdicts(r.Targets[1]) != "good=pass" {
		t.Errorf("%s, %s", verdicts(r.Targets[0]), verdicts(r.Targets[1]))
	}
}

func TestFind(t *testing.T) {
	all := []family{
		files("x", []rule.Rule[string]{}, func(t *tree.Tree) []string {
			return t.Named(func(f tree.File) bool { return f.Ext() == ".x" })
		}, func(context.Context, *tree.Tree, string) (string, error) { return "", nil }),
		given("y", []rule.Rule[string]{}),
	}
	base, err := tree.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = base.Close() })
	found, err := find(all, base.With(map[string][]byte{"a.x": nil, "b.y": nil}), nil)
	if err != nil || len(found) != 1 || found[0].Path != "a.x" || !strings.HasSuffix(found[0].Name, "/a.x") {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := find(all, base, nil); err != nil || len(found) != 0 {
		t.Errorf("an empty folder: %+v, %v", found, err)
	}
}

// Ids are unique, and every kind has its place in reports.
func TestRulesAreTold(t *testing.T) {
	seen := map[string]bool{}
	total := 0
	for _, f := range families(Options{}) {
		total += len(f.rules)
	}
	for _, m := range Rules() {
		if seen[m.ID] {
			t.Errorf("%s stands twice", m.ID)
		}
		seen[m.ID] = true
	}
	if len(seen) != total {
		t.Errorf("%d rules are told of %d: a kind is not in rule.Kinds", len(seen), total)
	}
}

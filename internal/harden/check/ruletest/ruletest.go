// Package ruletest holds rules to their promises. [Run] demands of every rule
// a target that it fails, one that it passes, and that it says all of itself
// that the report shows.
//
// Fixtures stand in testdata/RULE: files or folders whose names begin with
// "fail" or "pass", such as testdata/dockerfile-root-user/fail.Dockerfile or
// testdata/helm-values-schema/pass-nested/Chart.yaml. A file is loaded as if it
// had been named on the command line; in a folder, what find returns is loaded.
//
// A rule with a Mend is mended, and has to pass then. That the fix of any other
// rule makes it pass is shown by fixtures that are one file before and after it,
// see [Unproven]; a test of all families demands it.
package ruletest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// Family is what is tested: what a package of rules gives to the registry.
type Family[T any] struct {
	Kind  rule.Kind
	Rules []rule.Rule[T]
	Load  func(ctx context.Context, t *tree.Tree, path string) (T, error)

	// Find returns the targets of a folder. Without it a folder is one target,
	// whose path is ".".
	Find func(t *tree.Tree) []string
}

// Run tests the rules of a family.
func Run[T any](t *testing.T, f Family[T]) {
	t.Helper()
	if len(f.Rules) == 0 {
		t.Fatal("no rule")
	}
	seen := map[string]bool{}
	for _, r := range f.Rules {
		if seen[r.ID] {
			t.Errorf("%s: stands twice", r.ID)
		}
		seen[r.ID] = true
		for _, fault := range Faults(f.Kind, r.Meta, r.Mend != nil) {
			t.Errorf("%s: %s", r.ID, fault)
		}
		if r.Check == nil {
			t.Errorf("%s: has no Check", r.ID)
			continue
		}
		t.Run(r.ID, func(t *testing.T) { f.fixtures(t, r) })
	}
	f.strangers(t, seen)
}

// strangers finds fixtures of rules that are not there, which test nothing.
func (f Family[T]) strangers(t *testing.T, known map[string]bool) {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), f.Kind.Prefix()) && !known[e.Name()] {
			t.Errorf("testdata/%s: there is no such rule", e.Name())
		}
	}
}

func (f Family[T]) fixtures(t *testing.T, r rule.Rule[T]) {
	entries, err := os.ReadDir(filepath.Join("testdata", r.ID))
	if err != nil {
		t.Fatalf("no fixtures: %v", err)
	}
	fails, passes := 0, 0
	for _, e := range entries {
		at := filepath.Join("testdata", r.ID, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "fail"):
			fails++
			f.fail(t, r, at)
		case strings.HasPrefix(e.Name(), "pass"):
			passes++
			f.pass(t, r, at)
		}
	}
	if fails == 0 || passes == 0 {
		t.Errorf("%d failing and %d passing fixtures: want one of each at least", fails, passes)
	}
}

func (f Family[T]) fail(t *testing.T, r rule.Rule[T], at string) {
	tr := open(t, at)
	found := f.check(t, r, tr, at)
	if len(found) == 0 {
		t.Errorf("%s: passes", at)
		return
	}
	for _, finding := range found {
		if strings.TrimSpace(finding.Message) == "" {
			t.Errorf("%s: a finding has no message", at)
		}
	}
	if r.Mend != nil {
		mended := f.mend(t, r, tr, at)
		if left := f.check(t, r, mended, at+", mended"); len(left) > 0 {
			t.Errorf("%s: still fails when mended: %+v", at, left)
		}
	}
}

func (f Family[T]) pass(t *testing.T, r rule.Rule[T], at string) {
	tr := open(t, at)
	for _, path := range f.targets(tr) {
		target, err := f.Load(t.Context(), tr, path)
		if err != nil {
			t.Errorf("%s: loading: %v", at, err)
			continue
		}
		found, err := r.Check(t.Context(), target)
		if verdict := rule.VerdictOf(found, err); verdict != rule.Pass && !errors.Is(err, rule.ErrNotApplicable) {
			t.Errorf("%s: %s, want pass: %+v %v", at, verdict, found, err)
		}
	}
}

func (f Family[T]) check(t *testing.T, r rule.Rule[T], tr *tree.Tree, at string) []rule.Finding {
	t.Helper()
	var out []rule.Finding
	for _, path := range f.targets(tr) {
		target, err := f.Load(t.Context(), tr, path)
		if err != nil {
			t.Fatalf("%s: loading: %v", at, err)
		}
		found, err := r.Check(t.Context(), target)
		if err != nil && !errors.Is(err, rule.ErrNotApplicable) {
			t.Errorf("%s: %v", at, err)
		}
		out = append(out, found...)
	}
	return out
}

// mend applies what the rule wants changed.
func (f Family[T]) mend(t *testing.T, r rule.Rule[T], tr *tree.Tree, at string) *tree.Tree {
	t.Helper()
	byFile := map[string][]rule.Edit{}
	for _, path := range f.targets(tr) {
		target, err := f.Load(t.Context(), tr, path)
		if err != nil {
			t.Fatalf("%s: loading: %v", at, err)
		}
		edits, err := r.Mend(target)
		if err != nil {
			t.Fatalf("%s: mending: %v", at, err)
		}
		for _, e := range edits {
			byFile[e.File] = append(byFile[e.File], e)
		}
	}
	contents := map[string][]byte{}
	for file, edits := range byFile {
		data, err := tr.Read(file)
		if err != nil && !edits[0].Create {
			t.Fatalf("%s: mending: %v", at, err)
		}
		if contents[file], err = rule.Apply(data, edits); err != nil {
			t.Fatalf("%s: mending: %v", at, err)
		}
	}
	return tr.With(contents)
}

func (f Family[T]) targets(tr *tree.Tree) []string {
	switch {
	case tr.Single():
		return []string{tr.Files()[0].Path}
	case f.Find == nil:
		return []string{"."}
	}
	return f.Find(tr)
}

func open(t *testing.T, at string) *tree.Tree {
	t.Helper()
	tr, err := tree.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return tr
}

var (
	idForm    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	guideForm = regexp.MustCompile(`^[SRO][0-9]-[0-9]+$`)
)

// Faults returns what is missing or malformed in what a rule says of itself.
func Faults(kind rule.Kind, m rule.Meta, mends bool) []string {
	var out []string
	add := func(wrong bool, text string) {
		if wrong {
			out = append(out, text)
		}
	}
	add(m.Kind != kind, "kind "+string(m.Kind)+": want "+string(kind))
	add(!idForm.MatchString(m.ID) || !strings.HasPrefix(m.ID, kind.Prefix()), "the id is not kebab-case, or does not begin with "+kind.Prefix())
	add(m.Severity.String() == "", "has no severity")
	add(strings.TrimSpace(m.Title) == "" || strings.HasSuffix(m.Title, "."), "the title is empty or ends with a full stop")
	for name, text := range map[string]string{"why": m.Why, "verify": m.Verify, "fix": m.Fix} {
		add(len(strings.TrimSpace(text)) < 15, name+" says nothing")
	}
	add(len(m.Guides) == 0 && len(m.OWASP) == 0, "names no row of a guide and no OWASP item")
	add(m.Severity >= rule.Medium && len(m.CWE) == 0 && kind != rule.Attestation, "names no CWE")
	add(m.CoSAI < 0 || m.CoSAI > rule.L4, "the CoSAI level is none")
	add(m.Fixable != mends, "Fixable says otherwise than Mend")
	for _, s := range m.Guides {
		add(!guideForm.MatchString(s), s+": is not of the form "+guideForm.String())
	}
	add(m.CoSAI > 0 && m.CoSAI < topic.Least(m.Threats), "CoSAI asks for nothing against these threats at "+m.CoSAI.String())
	for _, s := range slices.Concat(m.OWASP, m.Threats, m.CWE) {
		_, ok := topic.Name(s)
		add(!ok, s+": topic does not know its name")
	}
	slices.Sort(out)
	return out
}

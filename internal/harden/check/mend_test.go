package check

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// wordFamily has rules that want words gone from text files.
func wordFamily(mends map[string]func(p, text string) ([]rule.Edit, error)) family {
	type file struct{ path, text string }
	var rules []rule.Rule[file]
	for _, word := range []string{"bad", "worse", "worst", "gone"} {
		r := rule.Rule[file]{Meta: meta("x-" + word), Check: func(_ context.Context, f file) ([]rule.Finding, error) {
			if strings.Contains(f.text, word) {
				return []rule.Finding{{Message: word, File: f.path}}, nil
			}
			return nil, nil
		}}
		if m := mends[word]; m != nil {
			r.Mend = func(f file) ([]rule.Edit, error) { return m(f.path, f.text) }
		}
		rules = append(rules, r)
	}
	return files("x", rules, func(t *tree.Tree) []string { return t.Under(".") }, func(_ context.Context, t *tree.Tree, p string) (file, error) {
		data, err := t.Read(p)
		return file{p, string(data)}, err
	})
}

func takeOut(word string) func(p, text string) ([]rule.Edit, error) {
	return func(p, text string) ([]rule.Edit, error) {
		at := strings.Index(text, word)
		return []rule.Edit{{File: p, Start: at, End: at + len(word), Text: "ok"}}, nil
	}
}

func mendText(t *testing.T, text string, mends map[string]func(string, string) ([]rule.Edit, error), want func(string, Target, rule.Finding) bool) ([]Change, []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := tree.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	f := wordFamily(mends)
	targets, err := find([]family{f}, tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	changes, left := mendAll(t.Context(), []family{f}, targets, want)
	if data, _ := os.ReadFile(filepath.Join(dir, "a")); !bytes.Equal(data, []byte(text)) {
		t.Errorf("the file itself was changed: %q", data)
	}
	return changes, left
}

func always(string, Target, rule.Finding) bool { return true }

// Fixes of several rules of one file build on one another.
func TestMend(t *testing.T) {
	changes, left := mendText(t, "worse bad\n", map[string]func(string, string) ([]rule.Edit, error){"bad": takeOut("bad"), "worse": takeOut("worse")}, always)
	if len(left) > 0 || len(changes) != 1 || string(changes[0].After) != "ok ok\n" || strings.Join(changes[0].Rules, " ") != "x-bad x-worse" {
		t.Errorf("%+v, %q", changes, left)
	}
}

func TestMendLeavesWhatItShould(t *testing.T) {
	mends := map[string]func(string, string) ([]rule.Edit, error){
		"bad":   func(p, _ string) ([]rule.Edit, error) { return []rule.Edit{{File: p, Text: "very "}}, nil }, // mends nothing
		"worse": func(string, string) ([]rule.Edit, error) { return nil, errors.New("needs a person") },
		"worst": func(string, string) ([]rule.Edit, error) { panic("boom") },
		"gone":  func(string, string) ([]rule.Edit, error) { return []rule.Edit{{File: "../x", Create: true}}, nil },
	}
	changes, left := mendText(t, "bad worse worst gone\n", mends, always)
	if len(changes) > 0 || len(left) != 4 {
		t.Errorf("%+v, %q", changes, left)
	}
	for i, want := range []string{"does not mend it", "needs a person", "crashed", "would change \"../x\""} {
		if i < len(left) && !strings.Contains(left[i], want) {
			t.Errorf("%q: want %q", left[i], want)
		}
	}
	// What somebody decided to live with is not touched.
	changes, left = mendText(t, "bad\n", map[string]func(string, string) ([]rule.Edit, error){"bad": takeOut("bad")}, func(string, Target, rule.Finding) bool { return false })
	if len(changes)+len(left) > 0 {
		t.Errorf("%+v, %q", changes, left)
	}
}

// A fix that would also change what somebody lives with is left to a person.
func TestMendIsAllOrNothing(t *testing.T) {
	twice := wordFamily(nil)
	twice.rules = twice.rules[:1]
	check := twice.rules[0].check
	twice.rules[0].check = func(ctx context.Context, loaded any) ([]rule.Finding, error) {
		found, err := check(ctx, loaded)
		return append(found, rule.Finding{Message: "lived with", File: "b"}), err
	}
	twice.rules[0].mend = func(any) ([]rule.Edit, error) { return []rule.Edit{{File: "a", Text: "x"}}, nil }
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("bad\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := tree.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	changes, left := mendAll(t.Context(), []family{twice}, []Target{{Kind: "x", Name: "a", Tree: tr, Path: "a"}}, func(_ string, _ Target, f rule.Finding) bool {
		return f.File != filepath.Join(dir, "b")
	})
	if len(changes) > 0 || len(left) != 1 || !strings.Contains(left[0], "suppressed") {
		t.Errorf("%+v, %q", changes, left)
	}
}

// A fix may make a file, but not one that is there.
func TestMendCreates(t *testing.T) {
	create := func(name string) map[string]func(string, string) ([]rule.Edit, error) {
		return map[string]func(string, string) ([]rule.Edit, error){"bad": func(p, text string) ([]rule.Edit, error) {
			return append([]rule.Edit{{File: p, End: len(text), Text: "ok\n"}}, rule.Edit{File: name, Text: "new\n", Create: true}), nil
		}}
	}
	changes, left := mendText(t, "bad\n", create("b"), always)
	if len(left) > 0 || len(changes) != 2 || changes[1].Before != nil || string(changes[1].After) != "new\n" {
		t.Errorf("%+v, %q", changes, left)
	}
	if changes, left = mendText(t, "bad\n", create("a"), always); len(changes) != 0 || len(left) != 1 {
		t.Errorf("a file that is there is made: %+v, %q", changes, left)
	}
}

package place

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func states(t *testing.T, dir string, want []File) map[string]State {
	t.Helper()
	plan, err := Plan(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]State{}
	for _, c := range plan {
		out[c.Path] = c.State
		if (len(c.Diff) == 0) != (c.State == Same) {
			t.Errorf("%s is %s: %s", c.Path, c.State, c.Diff)
		}
	}
	return out
}

func apply(t *testing.T, dir string, want []File, force bool) []string {
	t.Helper()
	plan, err := Plan(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	written, err := Apply(dir, plan, force)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLifeOfAFile: written once, the same again, replaced when it was left as
// written, and never when somebody edited it, unless they insist.
func TestLifeOfAFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	one := []File{{"a/b.yaml", 0o644, []byte("one\n")}, {"run.sh", 0o755, []byte("#!/bin/sh\n")}}
	if s := states(t, dir, one); s["a/b.yaml"] != New {
		t.Error(s)
	}
	if w := apply(t, dir, one, false); len(w) != 2 {
		t.Error(w)
	}
	if info, err := os.Stat(filepath.Join(dir, "run.sh")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	before := read(t, filepath.Join(dir, RecordName))
	if w := apply(t, dir, one, false); len(w) != 0 || read(t, filepath.Join(dir, RecordName)) != before {
		t.Errorf("written again: %v", w)
	}
	two := slices.Clone(one)
	two[0].Data = []byte("two\n")
	if s := states(t, dir, two); s["a/b.yaml"] != Changed || s["run.sh"] != Same {
		t.Error(s)
	}
	apply(t, dir, two, false)
	file := filepath.Join(dir, "a", "b.yaml")
	if err := os.WriteFile(file, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := states(t, dir, one); s["a/b.yaml"] != Edited {
		t.Error(s)
	}
	if w := apply(t, dir, one, false); len(w) != 0 || read(t, file) != "mine\n" {
		t.Errorf("an edited file was replaced: %v", w)
	}
	if w := apply(t, dir, one, true); len(w) != 1 || read(t, file) != "one\n" {
		t.Errorf("%v", w)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "a", "*.new")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestRefuses: nothing is written outside the folder, through links, or over
// what is no file.
func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"../x", "link/x", "folder", "link"} {
		plan, err := Plan(dir, []File{{p, 0o644, []byte("x")}})
		if err == nil {
			_, err = Apply(dir, plan, true)
		}
		if err == nil {
			t.Errorf("%s was written", p)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("written outside: %v", left)
	}
	if err := os.WriteFile(filepath.Join(dir, RecordName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Plan(dir, nil); err == nil || !strings.Contains(err.Error(), RecordName) {
		t.Errorf("a damaged record: %v", err)
	}
}

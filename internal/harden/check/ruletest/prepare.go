package ruletest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Prepare makes fixtures that no repository can hold. It copies testdata into a
// folder of its own and goes there: "dot-git" becomes ".git", and a file whose
// name ends in ".mode666" or ".mode600" loses that end and gets the mode.
func Prepare(t *testing.T) {
	t.Helper()
	from, to := "testdata", t.TempDir()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		parts := strings.Split(filepath.ToSlash(name), "/")
		for i, p := range parts {
			if rest, ok := strings.CutPrefix(p, "dot-"); ok {
				parts[i] = "." + rest
			}
		}
		mode := fs.FileMode(0o644)
		at := strings.Join(parts, "/")
		for end, m := range map[string]fs.FileMode{".mode666": 0o666, ".mode600": 0o600} {
			if rest, ok := strings.CutSuffix(at, end); ok {
				at, mode = rest, m
			}
		}
		at = filepath.Join(to, at)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(at, data, 0o600); err != nil {
			return err
		}
		return os.Chmod(at, mode) // whatever the umask is
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(to)
}

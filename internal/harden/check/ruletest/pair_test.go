package ruletest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

func TestUnproven(t *testing.T) {
	many := strings.Repeat("another line\n", ruletest.MostChanged+1)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"mended":              {map[string]string{"fail.txt": "a\nuser: root\n", "pass.txt": "a\nuser: own\n"}, ""},
		"a part of a word":    {map[string]string{"fail.txt": "USERS=1\n", "pass.txt": ""}, ""},
		"moved inwards":       {map[string]string{"fail.txt": many, "pass.txt": "user:\n  " + strings.ReplaceAll(many, "\n", "\n  ")}, ""},
		"a mode":              {map[string]string{"fail.txt": "x", "pass.txt.mode600": "x"}, ""},
		"a file":              {map[string]string{"fail/a": "x", "pass/a": "x", "pass/user.txt": "y"}, ""},
		"what nobody sees":    {map[string]string{"fail.txt": "a\u202e", "pass.txt": "a"}, ""},
		"the same":            {map[string]string{"fail.txt": "user", "pass.txt": "user"}, "0 lines differ"},
		"another file":        {map[string]string{"fail.txt": "user\n" + many, "pass.txt": "group\n"}, "15 lines differ"},
		"something else":      {map[string]string{"fail.txt": "group: a", "pass.txt": "group: b"}, "Fix names nothing"},
		"another counterpart": {map[string]string{"fail-2.txt": "user: a", "pass.txt": "user: b", "pass-2.txt": "group"}, ""},
		"no counterpart":      {map[string]string{"fail.txt": "user"}, "no passing fixture"},
		"none that fails":     {map[string]string{"pass.txt": "user"}, "no failing fixture"},
	} {
		dir := t.TempDir()
		for file, text := range c.files {
			at := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o644); err != nil { //nolint:gosec // as a checkout is
				t.Fatal(err)
			}
		}
		got := strings.Join(ruletest.Unproven(dir, rule.Meta{Fix: "Name a user of its own, chmod 600, take U+202E out."}), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

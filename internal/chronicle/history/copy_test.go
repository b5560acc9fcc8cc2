//go:build unix

package history

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPlantedLinkIsNotWrittenThrough plants the copy's name as a symbolic link
// to a victim, and as a file.
func TestPlantedLinkIsNotWrittenThrough(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	victim := filepath.Join(t.TempDir(), "victim")
	for _, f := range []string{source, victim} {
		if err := os.WriteFile(f, []byte(filepath.Base(f)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, plant := range map[string]func(string) error{
		"link to a file":    func(p string) error { return os.Symlink(victim, p) },
		"link to nothing":   func(p string) error { return os.Symlink(filepath.Join(filepath.Dir(victim), "new"), p) },
		"file":              func(p string) error { return os.WriteFile(p, []byte("victim"), 0o600) },
		"hard link to file": func(p string) error { return os.Link(victim, p) },
	} {
		dir := t.TempDir()
		if err := plant(filepath.Join(dir, copyName)); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := copyFile(t.Context(), root, copyName, source, 1<<20); err == nil {
			t.Errorf("%s: written through", name)
		}
		root.Close()
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "victim" {
		t.Errorf("victim holds %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(victim), "new")); err == nil {
		t.Error("a file was made behind the link")
	}
}

func TestWhichCopiesAreConsistent(t *testing.T) {
	head := func(b byte) (h [100]byte) { h[20] = b; return h }
	base := state{db: part{size: 8192, mod: 1}, wal: part{size: 4152, mod: 1, head: head(1)}}
	with := func(change func(*state)) state { s := base; change(&s); return s }
	for _, tt := range []struct {
		name  string
		after state
		want  bool
	}{
		{"nothing changed", base, true},
		{"the log grew", with(func(s *state) { s.wal.size, s.wal.mod = 8272, 2 }), true},
		{"the log started again", with(func(s *state) { s.wal.head = head(2) }), false},
		{"the log shrank", with(func(s *state) { s.wal.size = 0 }), false},
		{"a checkpoint wrote the database", with(func(s *state) { s.db.mod = 2 }), false},
		{"a transaction changed the header", with(func(s *state) { s.db.head = head(9) }), false},
		{"the database grew", with(func(s *state) { s.db.size = 12288 }), false},
		{"a journal appeared", with(func(s *state) { s.journal = part{size: 512, mod: 2} }), false},
	} {
		if got := tt.after.follows(base); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

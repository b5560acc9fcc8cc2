package snapshot

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestCopy: the copy is whole, private, and holds nothing that was removed.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	db, err := sql.Open("sqlite", "file:"+from+"?_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const secret = "a word that was removed"
	for _, q := range []string{"CREATE TABLE t (v TEXT)", "INSERT INTO t VALUES ('" + secret + "'), ('kept')", "DELETE FROM t WHERE v <> 'kept'"} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := Copy(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(to)
	if err != nil || bytes.Contains(data, []byte(secret)) || !bytes.Contains(data, []byte("kept")) {
		t.Errorf("the copy holds what was removed, or not what was kept: %v", err)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: %v", info.Mode(), err)
	}
	if err := Check(t.Context(), to); err != nil {
		t.Error(err)
	}
	if err := Copy(t.Context(), from, to); err == nil {
		t.Error("a file was overwritten")
	}
	if err := Copy(t.Context(), filepath.Join(dir, "none"), filepath.Join(dir, "c.db")); err == nil {
		t.Error("a copy of nothing")
	}
	if err := os.WriteFile(to, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), to); !errors.Is(err, ErrDamaged) {
		t.Errorf("half a database: %v", err)
	}
}

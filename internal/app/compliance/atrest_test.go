package compliance

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

// TestAtRest: that values are encrypted is seen in the files, not believed.
func TestAtRest(t *testing.T) {
	dir, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() }) // nothing was written through it
	if _, err := dir.RootKey(); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), dir.DB())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := envelope.NewRing("test", envelope.Key{ID: 1, Secret: envelope.NewKey()})
	if err != nil {
		t.Fatal(err)
	}
	p := &Part{env: part.Env{Dir: dir, DB: db}}
	look := func(sealed int, wrong string) {
		t.Helper()
		n, said, err := p.atRest(context.WithoutCancel(t.Context()))
		if err != nil || n != sealed || (wrong == "") != (len(said) == 0) || !strings.Contains(strings.Join(said, " "), wrong) {
			t.Errorf("%d, %q, %v; want %d, %q", n, said, err, sealed, wrong)
		}
	}
	look(0, "")
	add := func(name string, value []byte) {
		t.Helper()
		if _, err := db.Conn().Writer.ExecContext(t.Context(), "INSERT INTO subjects (subject, hash, key, made_at) VALUES (?,?,?,1)", name, name, value); err != nil {
			t.Fatal(err)
		}
	}
	add("a", ring.Seal([]byte("key of a person"), "subjects"))
	look(1, "")
	if err := os.Chmod(filepath.Join(dir.Path(), "root.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	look(1, "mode 0640")
	if err := os.Chmod(filepath.Join(dir.Path(), "root.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	add("b", []byte("key of a person, as it is, in plain words"))
	look(1, "1 values of subjects.key")
	add("c", append([]byte{1, 0, 0, 0, 1}, "key of a person behind a head that only looks sealed"...))
	look(1, "2 values of subjects.key")
}

package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/subject"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestSubjects(t *testing.T) {
	storetest.Subjects(t, func(t *testing.T) subject.Store { return open(t, filepath.Join(t.TempDir(), "a.db")).Subjects() })
}

// TestErasedKeyIsInNoFile: what was erased is in no file of the database, also
// while it is open.
func TestErasedKeyIsInNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path).Subjects()
	secret := bytes.Repeat([]byte("0123456789abcdef"), 4)
	there := func() (found []string) {
		files, err := filepath.Glob(path + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, secret) {
				found = append(found, filepath.Base(f))
			}
		}
		return found
	}
	for _, name := range []string{"a", "b", "c"} {
		key := bytes.Clone(secret)
		if name != "b" {
			key[0]++
		}
		if _, _, err := s.AddSubjectKey(t.Context(), name, "name of "+name, key, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if len(there()) == 0 {
		t.Fatal("the key cannot be found in a file before it is erased: the test looks for the wrong thing")
	}
	if had, err := s.EraseSubjectKey(t.Context(), "b"); !had || err != nil {
		t.Fatal(had, err)
	}
	if found := there(); found != nil {
		t.Errorf("the key is still in %v", found)
	}
}

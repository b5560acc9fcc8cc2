package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestZKP(t *testing.T) {
	storetest.ZKP(t, func(t *testing.T) (zkp.Store, func() zkp.Store) {
		path := filepath.Join(t.TempDir(), "p.db")
		db := open(t, path)
		return db.ZKP(), func() zkp.Store {
			if err := db.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			return open(t, path).ZKP()
		}
	})
}

package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestUsers(t *testing.T) {
	storetest.Users(t, func(t *testing.T) (basic.Store, func() basic.Store) {
		path := filepath.Join(t.TempDir(), "p.db")
		db := open(t, path)
		return db.Users(), func() basic.Store {
			if err := db.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			return open(t, path).Users()
		}
	})
}

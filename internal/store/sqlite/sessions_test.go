package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestSessions(t *testing.T) {
	storetest.Sessions(t, func(t *testing.T) (token.Store, func() token.Store) {
		path := filepath.Join(t.TempDir(), "portcullis.db")
		db := open(t, path)
		return db.Sessions(), func() token.Store {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, path)
			return db.Sessions()
		}
	})
}

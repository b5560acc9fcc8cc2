package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestOwnerStore(t *testing.T) {
	storetest.Owners(t, func(t *testing.T) ownership.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Owners()
	})
}

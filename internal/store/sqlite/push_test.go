package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/store/storetest/notices"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

func TestPushStore(t *testing.T) {
	notices.Check(t, func(t *testing.T) push.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Push()
	})
}

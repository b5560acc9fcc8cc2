package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authz/quota"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestTaintStore(t *testing.T) {
	storetest.Taints(t, func(t *testing.T) taint.Store { return open(t, filepath.Join(t.TempDir(), "a.db")).Taints() })
}

func TestUsageStore(t *testing.T) {
	storetest.Usage(t, func(t *testing.T) quota.Store { return open(t, filepath.Join(t.TempDir(), "a.db")).Usage() })
}

package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/store/storetest"
)

func TestPinStore(t *testing.T) {
	storetest.Pins(t, func(t *testing.T) toolpin.Store { return open(t, filepath.Join(t.TempDir(), "p.db")).Pins() })
}

// TestPinStoreInMemory holds the store of tests and of one-off tables to the
// same contract.
func TestPinStoreInMemory(t *testing.T) {
	storetest.Pins(t, func(*testing.T) toolpin.Store { return toolpin.NewMemory() })
}

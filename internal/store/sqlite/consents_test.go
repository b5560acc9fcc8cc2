package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
	"github.com/portcullis-dev/portcullis/internal/store/storetest/privacy"
)

func TestConsentStore(t *testing.T) {
	privacy.Consents(t, func(t *testing.T) consent.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Consents()
	})
}

func TestBreakGlassStore(t *testing.T) {
	privacy.BreakGlass(t, func(t *testing.T) phi.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).BreakGlass()
	})
}

package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/duty"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
	"github.com/portcullis-dev/portcullis/internal/incident/rotateall"
	"github.com/portcullis-dev/portcullis/internal/store/storetest/duties"
	"github.com/portcullis-dev/portcullis/internal/store/storetest/incidents"
	"github.com/portcullis-dev/portcullis/internal/store/storetest/rotations"
)

func TestContainmentStore(t *testing.T) {
	incidents.Containments(t, func(t *testing.T) containment.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Containments()
	})
}

func TestIncidentStore(t *testing.T) {
	incidents.Incidents(t, func(t *testing.T) casebook.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Incidents()
	})
}

func TestRunStore(t *testing.T) {
	incidents.Runs(t, func(t *testing.T) playbook.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Runs()
	})
}

func TestRotationStore(t *testing.T) {
	rotations.Test(t, func(t *testing.T) rotateall.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Rotations()
	})
}

func TestDutyStore(t *testing.T) {
	duties.Test(t, func(t *testing.T) duty.Store {
		return open(t, filepath.Join(t.TempDir(), "a.db")).Duties()
	})
}

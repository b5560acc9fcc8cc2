// Package maintenance is the switch that closes the gateway to callers, kept in
// the database: it outlives a restart.
package maintenance

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/edge"
)

// Store keeps settings.
type Store interface {
	GetSetting(ctx context.Context, name string) (string, bool, error)
	SetSetting(ctx context.Context, name, value string) error
}

// setting is the name of the stored state.
const setting = "maintenance"

// Switch is the switch. It is safe for concurrent use.
type Switch struct {
	store    Store
	edge     *edge.Switch
	recorder portcullis.Recorder
	state    atomic.Pointer[admin.Maintenance] // with the reason, which callers do not see
}

// Restore returns the switch as it was left.
func Restore(ctx context.Context, store Store, e *edge.Switch, recorder portcullis.Recorder) (*Switch, error) {
	s := &Switch{store: store, edge: e, recorder: recorder}
	text, ok, err := store.GetSetting(ctx, setting)
	if err != nil || !ok {
		return s, err
	}
	var m admin.Maintenance
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, fmt.Errorf("reading the maintenance switch: %w", err)
	}
	s.turn(m)
	return s, nil
}

func (s *Switch) turn(m admin.Maintenance) {
	s.state.Store(&m)
	if m.On {
		s.edge.SetMaintenance(time.Duration(m.RetryAfter) * time.Second)
	} else {
		s.edge.ClearMaintenance()
	}
}

// State returns how it stands.
func (s *Switch) State() admin.Maintenance {
	if m := s.state.Load(); m != nil {
		return *m
	}
	return admin.Maintenance{}
}

// Set turns it: stored, in force, recorded.
func (s *Switch) Set(ctx context.Context, m admin.Maintenance, by portcullis.Actor) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("storing the maintenance switch: %w", err)
	}
	if err := s.store.SetSetting(ctx, setting, string(text)); err != nil {
		return fmt.Errorf("storing the maintenance switch: %w", err)
	}
	s.turn(m)
	e := &portcullis.Event{Type: portcullis.EventMaintenanceOff, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess, Actor: by, Reason: m.Reason}
	if m.On {
		e.Type = portcullis.EventMaintenanceOn
	}
	return s.recorder.Record(ctx, e)
}

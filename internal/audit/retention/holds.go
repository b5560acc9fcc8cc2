package retention

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

const (
	holdsName = "holds.json"
	maxHolds  = 1000
)

// ErrNoHold is returned for a hold that does not exist.
var ErrNoHold = errors.New("no such hold")

// Hold keeps records although their time may be over. Empty fields do not
// narrow it.
type Hold struct {
	ID     string      `json:"id"`
	Reason string      `json:"reason"`
	Class  class.Class `json:"class,omitempty"` // only this class
	From   time.Time   `json:"from,omitzero"`   // only events at or after
	To     time.Time   `json:"to,omitzero"`     // only events before
	Until  time.Time   `json:"until,omitzero"`  // when it ends by itself
	By     string      `json:"by"`
	At     time.Time   `json:"at"`
}

// covers reports whether the hold keeps a class file whose events happened
// between oldest and newest.
func (h *Hold) covers(c class.Class, oldest, newest time.Time) bool {
	if h.Class != "" && h.Class != c {
		return false
	}
	return oldest.IsZero() || // nobody knows when: kept
		(h.From.IsZero() || !newest.Before(h.From)) &&
			(h.To.IsZero() || oldest.Before(h.To))
}

func (h *Hold) validate() error {
	switch {
	case h.Reason == "" || len(h.Reason) > 500:
		return errors.New("reason: say why, in at most 500 bytes")
	case !h.From.IsZero() && !h.To.IsZero() && !h.From.Before(h.To):
		return errors.New("from: must be before to")
	case h.Class == "":
		return nil
	}
	_, err := class.Parse(string(h.Class))
	return err
}

func loadHolds(dir string) ([]Hold, error) {
	data, err := os.ReadFile(filepath.Join(dir, holdsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	holds, err := parseHolds(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", holdsName, err)
	}
	return holds, nil
}

// parseHolds is strict: a hold that is not understood must not lapse.
func parseHolds(data []byte) ([]Hold, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var holds []Hold
	if err := d.Decode(&holds); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the list")
	}
	for i := range holds {
		if err := holds[i].validate(); err != nil {
			return nil, fmt.Errorf("hold %d: %w", i, err)
		}
	}
	return holds, nil
}

func saveHolds(dir string, holds []Hold) error {
	data, err := json.MarshalIndent(holds, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(dir, holdsName), append(data, '\n'))
}

// Holds returns the holds, oldest first.
func (k *Keeper) Holds() ([]Hold, error) {
	k.holding.Lock()
	defer k.holding.Unlock()
	return loadHolds(k.dir)
}

// Hold stores a hold and records it. It is in force when it is stored: if
// recording fails it stays, and the error says so.
func (k *Keeper) Hold(ctx context.Context, h Hold, by portcullis.Actor) (Hold, error) {
	k.holding.Lock()
	defer k.holding.Unlock()
	now := k.now().UTC()
	h.ID, h.By, h.At = obs.NewID(), by.ID, now.Truncate(time.Millisecond)
	if err := h.validate(); err != nil {
		return h, &InvalidError{err}
	}
	if !h.Until.IsZero() && !h.Until.After(now) {
		return h, &InvalidError{errors.New("until: is over already")}
	}
	holds, err := loadHolds(k.dir)
	if err != nil {
		return h, err
	}
	if len(holds) >= maxHolds {
		return h, &InvalidError{fmt.Errorf("there are %d holds already: lift some", maxHolds)}
	}
	if err := saveHolds(k.dir, append(holds, h)); err != nil {
		return h, fmt.Errorf("storing the hold: %w", err)
	}
	k.remeasure()
	if err := k.opts.Recorder.Record(ctx, holdEvent(portcullis.EventAuditHoldSet, &h, by, h.Reason)); err != nil {
		return h, fmt.Errorf("the hold is in force, but was not recorded: %w", err)
	}
	return h, nil
}

// Lift records that a hold ends, and ends it.
func (k *Keeper) Lift(ctx context.Context, id, reason string, by portcullis.Actor) (Hold, error) {
	k.holding.Lock()
	defer k.holding.Unlock()
	h, err := k.lift(ctx, id, cmp.Or(reason, "lifted"), by)
	k.remeasure()
	return h, err
}

func (k *Keeper) lift(ctx context.Context, id, reason string, by portcullis.Actor) (Hold, error) {
	holds, err := loadHolds(k.dir)
	if err != nil {
		return Hold{}, err
	}
	i := slices.IndexFunc(holds, func(h Hold) bool { return h.ID == id })
	if i < 0 {
		return Hold{}, ErrNoHold
	}
	h := holds[i]
	if err := k.opts.Recorder.Record(ctx, holdEvent(portcullis.EventAuditHoldLifted, &h, by, reason)); err != nil {
		return h, err
	}
	if err := saveHolds(k.dir, slices.Delete(holds, i, i+1)); err != nil {
		return h, fmt.Errorf("storing the holds: %w", err)
	}
	return h, nil
}

// Forget lets a caller change who is named in holds: change reports whether it
// did. What a hold keeps stays as it is. It returns how many were changed.
func (k *Keeper) Forget(change func(by, reason *string) bool) (int, error) {
	k.holding.Lock()
	defer k.holding.Unlock()
	holds, err := loadHolds(k.dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for i := range holds {
		if change(&holds[i].By, &holds[i].Reason) {
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	if err := saveHolds(k.dir, holds); err != nil {
		return 0, fmt.Errorf("storing the holds: %w", err)
	}
	return n, nil
}

// holdsInForce returns the holds, after ending those whose time is over.
func (k *Keeper) holdsInForce(ctx context.Context, now time.Time) ([]Hold, error) {
	k.holding.Lock()
	defer k.holding.Unlock()
	holds, err := loadHolds(k.dir)
	if err != nil {
		return nil, err
	}
	var in []Hold
	for _, h := range holds {
		if h.Until.IsZero() || h.Until.After(now) {
			in = append(in, h)
		} else if _, err := k.lift(ctx, h.ID, "its end is reached", self()); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func holdEvent(typ portcullis.EventType, h *Hold, by portcullis.Actor, reason string) *portcullis.Event {
	e := &portcullis.Event{
		Type: typ, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess,
		Actor: by, Resource: "hold:" + h.ID, Action: "audit/hold", Reason: reason,
	}
	if h.Class != "" {
		e.Details = append(e.Details, slog.String("class", string(h.Class)))
	}
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"from", h.From}, {"to", h.To}, {"until", h.Until}} {
		if !t.at.IsZero() {
			e.Details = append(e.Details, slog.Time(t.name, t.at))
		}
	}
	return e
}

// InvalidError says that the caller asked for something that makes no sense.
type InvalidError struct{ Err error }

// Error returns what is wrong.
func (e *InvalidError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *InvalidError) Unwrap() error { return e.Err }

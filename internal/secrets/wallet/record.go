package wallet

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
)

// note is what is recorded of an access or a change.
type note struct {
	event          portcullis.EventType
	action         string // "wallet.put"
	name, provider string
	version        uint32
	reason         string
}

func (w *Wallet) record(ctx context.Context, n note, outcome portcullis.Outcome) error {
	e := &portcullis.Event{
		Type: n.event, Severity: portcullis.SeverityInfo, Outcome: outcome, Actor: w.o.Actor, Action: n.action, Reason: n.reason,
	}
	if outcome == portcullis.OutcomeFailure {
		e.Severity = portcullis.SeverityWarn
	}
	if n.name != "" {
		e.Resource = "secret:wallet/" + n.name
	}
	if n.provider != "" {
		e.Details = append(e.Details, slog.String("provider", n.provider))
	}
	if n.version != 0 {
		e.Details = append(e.Details, slog.Uint64("version", uint64(n.version)))
	}
	if n.event == portcullis.EventSecretRotated && w.o.Actor.ID != "" {
		e.Details = append(e.Details, slog.String("rotated_by", w.o.Actor.ID))
	}
	if err := w.o.Recorder.Record(ctx, e); err != nil {
		return fmt.Errorf("recording the event: %w", err)
	}
	return nil
}

func (w *Wallet) recordAll(ctx context.Context, notes []note, outcome portcullis.Outcome) error {
	for _, n := range notes {
		if err := w.record(ctx, n, outcome); err != nil {
			return err
		}
	}
	return nil
}

// commit records the intent, replaces the file and records the outcome.
func (w *Wallet) commit(ctx context.Context, notes []note, raw []byte) error {
	if err := w.recordAll(ctx, notes, portcullis.OutcomePending); err != nil {
		return err
	}
	err := disk.Replace(w.o.FS, w.path, raw)
	outcome := portcullis.OutcomeSuccess
	if err != nil {
		outcome = portcullis.OutcomeFailure
	}
	if rerr := w.recordAll(context.WithoutCancel(ctx), notes, outcome); rerr != nil && err == nil {
		return fmt.Errorf("the wallet was changed, but its outcome is not in the audit journal: %w", rerr)
	}
	return err
}

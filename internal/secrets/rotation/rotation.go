// Package rotation gives keys of providers new values, in steps that can stop
// anywhere:
//
//	new value ─▶ pending ─▶ asked about at the provider ─▶ current
//	                                                         │ the old one is kept
//	                                                         ▼ for the overlap
//	                                                       purged
//
// Each step is one change of the wallet file, so a process that dies leaves the
// step before or after it, and [Rotator.Finish] goes on from there. The old value
// serves until the provider took the new one. A provider that says no, or says
// nothing, changes nothing but the journal: the old value stays.
package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/secrets/probe"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Errors of a rotation that did not happen. The old value is active.
var (
	ErrRefused = errors.New("the provider refuses the new value: the old one stays active")
	ErrUnknown = errors.New("whether the provider takes the new value cannot be told now: the old one stays active")
)

// Check asks a provider about a key.
type Check interface {
	Ask(ctx context.Context, key []byte) probe.Result
}

// Plan says how one entry is rotated.
type Plan struct {
	Name      string
	Check     Check         // nil = nobody is asked
	Overlap   time.Duration // how long the old value is kept; 0 = not at all
	Expires   *time.Time    // of the entry from then on; nil = as before
	Discard   bool          // drop a value that the provider refuses, instead of keeping it to be looked at
	Automatic bool          // no person gave the value
}

// Rotator rotates entries of one wallet.
type Rotator struct {
	Wallet   *wallet.Wallet
	Recorder portcullis.Recorder
	Actor    portcullis.Actor
}

// Outcome is what came of a rotation, also of one that failed.
type Outcome struct {
	Result  probe.Result // Verdict "" = nobody was asked
	Version uint32       // of the value in question
}

// Rotate stages a value and goes on with it as [Rotator.Finish] does.
func (r *Rotator) Rotate(ctx context.Context, p Plan, value []byte) (Outcome, error) {
	stage := r.Wallet.Stage
	if p.Automatic {
		stage = r.Wallet.StageAutomatic
	}
	if err := stage(ctx, p.Name, value); err != nil {
		return Outcome{}, err
	}
	return r.Finish(ctx, p)
}

// Finish asks the provider about the pending value and promotes it if it is
// taken. The error wraps [ErrRefused] or [ErrUnknown] otherwise. What was asked
// about is what is promoted: a value that another process staged meanwhile is
// not.
func (r *Rotator) Finish(ctx context.Context, p Plan) (Outcome, error) {
	var out Outcome
	e, err := r.Wallet.Entry(p.Name)
	if err != nil {
		return out, err
	}
	if out.Version = e.Pending; out.Version == 0 {
		return out, fmt.Errorf("%q: %w: no value is pending", p.Name, wallet.ErrState)
	}
	if p.Check != nil {
		if out, err = r.Verify(ctx, p.Name, wallet.Pending, p.Check); err != nil {
			return out, err
		}
		if out.Result.Verdict != probe.Accepted {
			return out, r.failed(ctx, p, e.Provider, out)
		}
	}
	return out, r.Wallet.Promote(ctx, p.Name, wallet.Rotation{Overlap: p.Overlap, Expires: p.Expires, Version: out.Version})
}

// Verify asks the provider about one of the values of an entry and changes
// nothing. The error is about the wallet or the journal, not about the answer.
func (r *Rotator) Verify(ctx context.Context, name string, which wallet.Which, c Check) (Outcome, error) {
	v, e, err := r.Wallet.Reveal(ctx, name, which, true)
	if err != nil {
		return Outcome{}, err
	}
	defer v.Wipe()
	out := Outcome{Result: c.Ask(ctx, v.Bytes()), Version: version(e, which)}
	outcome, severity := portcullis.OutcomeSuccess, portcullis.SeverityInfo
	if out.Result.Verdict != probe.Accepted {
		outcome, severity = portcullis.OutcomeFailure, portcullis.SeverityWarn
	}
	return out, r.record(ctx, portcullis.EventSecretVerified, severity, outcome, "wallet.ask", name, e.Provider, out)
}

// Try asks about a value that is in no wallet, for who wants to know before.
func Try(ctx context.Context, c Check, value []byte) Outcome {
	return Outcome{Result: c.Ask(ctx, value)}
}

func version(e wallet.Entry, which wallet.Which) uint32 {
	switch which {
	case wallet.Pending:
		return e.Pending
	case wallet.Previous:
		return e.Previous
	}
	return e.Version
}

// failed records that a value was not taken and does with it what the plan says.
// Only what the provider itself refused is ever dropped.
func (r *Rotator) failed(ctx context.Context, p Plan, provider string, out Outcome) error {
	severity, why := portcullis.SeverityError, ErrRefused
	if out.Result.Verdict != probe.Refused {
		severity, why = portcullis.SeverityWarn, ErrUnknown
	}
	err := fmt.Errorf("%q: %w (%s)", p.Name, why, out.Result.Why)
	err = errors.Join(err, r.record(ctx, portcullis.EventSecretRotationFailed, severity, portcullis.OutcomeFailure, "wallet.rotate", p.Name, provider, out))
	if p.Discard && out.Result.Verdict == probe.Refused {
		err = errors.Join(err, r.Wallet.AbortVersion(ctx, p.Name, out.Version))
	}
	return err
}

// Failed records a rotation that failed before there was a new value.
func (r *Rotator) Failed(ctx context.Context, e wallet.Entry) error {
	return r.record(ctx, portcullis.EventSecretRotationFailed, portcullis.SeverityError, portcullis.OutcomeFailure, "wallet.rotate", e.Name, e.Provider,
		Outcome{Result: probe.Result{Verdict: "novalue"}, Version: e.Version})
}

func (r *Rotator) record(ctx context.Context, t portcullis.EventType, s portcullis.Severity, o portcullis.Outcome, action, name, provider string, out Outcome) error {
	e := &portcullis.Event{
		Type: t, Severity: s, Outcome: o, Actor: r.Actor, Action: action, Resource: "secret:wallet/" + name, Reason: string(out.Result.Verdict),
		Details: []slog.Attr{slog.Uint64("version", uint64(out.Version))},
	}
	if provider != "" {
		e.Details = append(e.Details, slog.String("provider", provider))
	}
	if out.Result.Why != "" {
		e.Details = append(e.Details, slog.String("why", out.Result.Why))
	}
	if err := r.Recorder.Record(context.WithoutCancel(ctx), e); err != nil {
		return fmt.Errorf("recording the event: %w", err)
	}
	return nil
}

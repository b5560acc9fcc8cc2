// Package wallet is the part of the administration API where the command line
// records what it does with the wallet. The wallet itself never passes here:
// the command line opens the file with a password that stays in its process,
// and only who opened the socket of the data folder may record.
package wallet

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/internal/admin"
)

const path = "/api/v1/wallet/events"

// socket is the method of who came through the socket in the data folder.
const socket = "socket"

// Event is an access to the wallet, or a change of it. It never holds a value.
type Event struct {
	Type     string `json:"type" enum:"SECRET_READ,SECRET_WRITTEN,SECRET_ROTATED,SECRET_VERIFIED,SECRET_ROTATION_FAILED"`
	Outcome  string `json:"outcome" enum:"pending,success,failure"`
	Action   string `json:"action" maxLength:"32" pattern:"^wallet\\.[a-z]+$"`
	Resource string `json:"resource,omitempty" maxLength:"160" pattern:"^secret:wallet/[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"Empty for what concerns the whole wallet"`
	Reason   string `json:"reason,omitempty" maxLength:"32" pattern:"^[a-z]+$"`
	Provider string `json:"provider,omitempty" maxLength:"128" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$"`
	Version  uint64 `json:"version,omitempty" maximum:"4294967295"`
	Why      string `json:"why,omitempty" maxLength:"32" pattern:"^[a-z]+$" doc:"Of an answer of a provider"`
}

// Group adds the operation to the API.
func Group(recorder portcullis.Recorder) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "record-wallet-event", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusNoContent,
			Summary: "Record an access to the wallet or a change of it; only over the socket in the data folder"},
			func(ctx context.Context, in *admin.Body[Event]) (*struct{}, error) {
				if gateway.PrincipalFrom(ctx).Method != socket {
					// Not 403: what a handler answers with that, the gateway masks.
					return nil, huma.Error404NotFound("only over the socket in the data folder")
				}
				if err := recorder.Record(ctx, in.Body.event(admin.Actor(ctx))); err != nil {
					return nil, s.Internal(ctx, err)
				}
				return &struct{}{}, nil
			})
	}
}

func (e *Event) event(by portcullis.Actor) *portcullis.Event {
	out := &portcullis.Event{
		Type: portcullis.EventType(e.Type), Severity: portcullis.SeverityInfo, Outcome: portcullis.Outcome(e.Outcome),
		Actor: by, Action: e.Action, Resource: e.Resource, Reason: e.Reason,
	}
	if out.Outcome == portcullis.OutcomeFailure {
		out.Severity = portcullis.SeverityWarn
	}
	if out.Type == portcullis.EventSecretRotationFailed && e.Reason == "refused" {
		out.Severity = portcullis.SeverityError
	}
	if e.Provider != "" {
		out.Details = append(out.Details, slog.String("provider", e.Provider))
	}
	if e.Version != 0 {
		out.Details = append(out.Details, slog.Uint64("version", e.Version))
	}
	if e.Why != "" {
		out.Details = append(out.Details, slog.String("why", e.Why))
	}
	if out.Type == portcullis.EventSecretRotated {
		out.Details = append(out.Details, slog.String("rotated_by", by.ID))
	}
	return out
}

// Recorder records through the API.
type Recorder struct{ client *admin.Client }

var _ portcullis.Recorder = Recorder{}

// NewRecorder returns a recorder for a wallet that this process opened.
func NewRecorder(c *admin.Client) Recorder { return Recorder{c} }

// Record sends the event. Who acted, the gateway knows better than the caller.
func (r Recorder) Record(ctx context.Context, e *portcullis.Event) error {
	out := Event{Type: string(e.Type), Outcome: string(e.Outcome), Action: e.Action, Resource: e.Resource, Reason: e.Reason}
	if i := slices.IndexFunc(e.Details, func(a slog.Attr) bool { return a.Key == "provider" }); i >= 0 {
		out.Provider = e.Details[i].Value.String()
	}
	if i := slices.IndexFunc(e.Details, func(a slog.Attr) bool { return a.Key == "version" }); i >= 0 {
		out.Version = e.Details[i].Value.Uint64()
	}
	if i := slices.IndexFunc(e.Details, func(a slog.Attr) bool { return a.Key == "why" }); i >= 0 {
		out.Why = e.Details[i].Value.String()
	}
	if err := r.client.Tell(ctx, http.MethodPost, path, out); err != nil {
		return fmt.Errorf("recording in the audit journal: %w", err)
	}
	return nil
}

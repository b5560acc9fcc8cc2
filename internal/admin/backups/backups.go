// Package backups is the part of the administration API that records what the
// command line does with backups: it copies the files itself, beside a running
// gateway, and no copy begins before the journal tells of it.
package backups

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
)

const path = "/api/v1/backups"

// Note tells of a backup.
type Note struct {
	Action  string `json:"action" enum:"create,drill"`
	Outcome string `json:"outcome" enum:"pending,success,failure"`
	SHA256  string `json:"sha256,omitempty" pattern:"^[0-9a-f]{64}$" doc:"Of what is signed in the backup"`
	Records uint64 `json:"records,omitempty" doc:"Records of the audit log that its checkpoint covers"`
	Bytes   int64  `json:"bytes,omitempty" minimum:"0"`
	Failed  string `json:"failed,omitempty" maxLength:"200" doc:"Checks of a drill that failed"`
}

// Group adds the operation to the API.
func Group(journal portcullis.Recorder) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "note-backup", Method: http.MethodPost, Path: path, Summary: "Record that a backup is made, or was restored for a drill", DefaultStatus: http.StatusNoContent},
			func(ctx context.Context, in *admin.Body[Note]) (*struct{}, error) {
				if err := journal.Record(ctx, in.Body.event(admin.Actor(ctx))); err != nil {
					return nil, s.Internal(ctx, err)
				}
				return nil, nil
			})
	}
}

func (n *Note) event(by portcullis.Actor) *portcullis.Event {
	e := &portcullis.Event{
		Time: time.Now(), Type: portcullis.EventBackupCreated, Severity: portcullis.SeverityWarn, Outcome: portcullis.Outcome(n.Outcome),
		Actor: by, Action: "backup." + n.Action,
	}
	if n.Action == "drill" {
		e.Type, e.Severity = portcullis.EventBackupVerified, portcullis.SeverityInfo
	}
	if e.Outcome == portcullis.OutcomeFailure {
		e.Severity = portcullis.SeverityError
	}
	if n.SHA256 != "" {
		e.Resource = "backup:" + n.SHA256[:16]
		e.Details = append(e.Details, slog.String("sha256", n.SHA256), slog.Uint64("records", n.Records), slog.Int64("bytes", n.Bytes))
	}
	if n.Failed != "" {
		e.Details = append(e.Details, slog.String("failed", n.Failed))
	}
	return e
}

// Tell records a note.
func Tell(ctx context.Context, c *admin.Client, n Note) error {
	return c.Tell(ctx, http.MethodPost, path, n)
}

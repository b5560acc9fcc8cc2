// Package push is the part of the administration API that shows notifications
// of agents that could not be delivered, and sends them again.
package push

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// Book is what the API needs; *push.Book has it.
type Book interface {
	Dead(ctx context.Context, limit int) ([]push.Letter, error)
	Replay(ctx context.Context, id string) (int, error)
}

// most is how many dead letters one answer holds.
const most = 1000

// View is one dead letter.
type View struct {
	ID        string    `json:"id" doc:"Id of the delivery, as its target would have seen it"`
	Route     string    `json:"route"`
	Principal string    `json:"principal" doc:"Who asked for it"`
	Task      string    `json:"task"`
	Target    string    `json:"target" doc:"Scheme, host and port; the rest can be a secret"`
	Reason    string    `json:"reason" doc:"Why the last attempt failed"`
	Attempts  int       `json:"attempts"`
	CreatedAt time.Time `json:"created_at"`
	FailedAt  time.Time `json:"failed_at"`
}

// Which says what to send again.
type Which struct {
	ID string `json:"id,omitempty" maxLength:"64" doc:"Id of a delivery; all if there is none"`
}

// Replayed is how many are sent again.
type Replayed struct {
	Replayed int `json:"replayed"`
}

const path = "/api/v1/push/dead"

// Group adds the operations to the API.
func Group(b Book, recorder portcullis.Recorder) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "list-push-dead", Method: http.MethodGet, Path: path, Summary: "List notifications of agents that could not be delivered, at most 1000"},
			func(ctx context.Context, _ *struct{}) (*admin.Body[[]View], error) {
				list, err := b.Dead(ctx, most)
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[[]View]{Body: views(list)}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "replay-push-dead", Method: http.MethodPost, Path: path + "/replay", Summary: "Send notifications again that could not be delivered"},
			func(ctx context.Context, in *struct{ Body Which }) (*admin.Body[Replayed], error) {
				n, err := b.Replay(ctx, in.Body.ID)
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				if n == 0 && in.Body.ID != "" {
					return nil, huma.Error404NotFound("there is no such dead letter: 'portcullis push dead' lists them")
				}
				e := portcullis.Event{
					Time: time.Now(), Type: portcullis.EventPushReplayed, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
					Actor: admin.Actor(ctx), Details: []slog.Attr{slog.Int("count", n), slog.String("delivery", in.Body.ID)},
				}
				if err := recorder.Record(ctx, &e); err != nil {
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[Replayed]{Body: Replayed{n}}, nil
			})
	}
}

func views(list []push.Letter) []View {
	out := make([]View, len(list))
	for i, l := range list {
		out[i] = View{l.ID, l.Route, l.Principal, l.Task, l.Origin, l.Reason, l.Attempts, l.CreatedAt, l.FailedAt}
	}
	return out
}

// Dead asks for the dead letters.
func Dead(ctx context.Context, c *admin.Client) ([]View, error) {
	return admin.Ask[[]View](ctx, c, http.MethodGet, path, nil)
}

// Replay sends a dead letter again, or all if id is "".
func Replay(ctx context.Context, c *admin.Client, id string) (Replayed, error) {
	return admin.Ask[Replayed](ctx, c, http.MethodPost, path+"/replay", Which{id})
}

package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
)

// Notices is what the API needs of the queue of notices; *notify.Queue has it.
type Notices interface {
	List(ctx context.Context, failed bool) ([]notify.Message, error)
}

// RotateKey asks for the successor of a key.
type RotateKey struct {
	Emergency bool   `json:"emergency,omitempty" doc:"No overlap: the old key ends now"`
	Claim     bool   `json:"claim,omitempty" doc:"Reply with a claim token in place of the key"`
	Reason    string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

// RotateKeys asks for the successors of many keys.
type RotateKeys struct {
	Which     string `json:"which" enum:"due,all" doc:"due: as their schedules say; all: every key in use"`
	Emergency bool   `json:"emergency,omitempty" doc:"With all: no overlap; the reply shows the new keys"`
	Reason    string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

func (s *Server) registerRotation(api huma.API, keys Keys, notices Notices) {
	huma.Register(api, huma.Operation{OperationID: "rotate-key", Method: http.MethodPost, Path: "/api/v1/keys/{id}/rotate", Summary: "Give a key a successor; the reply is the only place that shows it"},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" minLength:"32" maxLength:"32" pattern:"^[0-9a-f]{32}$" doc:"Id of the key"`
			Body RotateKey
		}) (*Body[apikey.Rotation], error) {
			o := apikey.RotateOptions{Emergency: in.Body.Emergency, Reason: in.Body.Reason, By: Actor(ctx)}
			if in.Body.Claim {
				o.Delivery = apikey.ByToken
			}
			made, err := keys.Rotate(ctx, in.ID, o)
			if err != nil {
				return nil, s.keyError(ctx, err)
			}
			return &Body[apikey.Rotation]{made.Reveal()}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "rotate-keys", Method: http.MethodPost, Path: "/api/v1/keys/rotate", Summary: "Give keys successors, which their holders fetch"},
		func(ctx context.Context, in *Body[RotateKeys]) (*Body[[]apikey.Rotation], error) {
			made, err := rotateKeys(ctx, keys, in.Body)
			if err != nil && len(made) == 0 {
				return nil, s.keyError(ctx, err)
			}
			if err != nil { // what was made must be shown: it is shown once
				s.log.ErrorContext(ctx, "some keys are not rotated", "error", err)
			}
			out := make([]apikey.Rotation, len(made))
			for i := range made {
				out[i] = made[i].Reveal()
			}
			return &Body[[]apikey.Rotation]{out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "list-key-notices", Method: http.MethodGet, Path: "/api/v1/keys/notifications", Summary: "Notices to owners that wait or, with failed, were given up"},
		func(ctx context.Context, in *struct {
			Failed bool `query:"failed"`
		}) (*Body[[]notify.Message], error) {
			list, err := notices.List(ctx, in.Failed)
			if err != nil {
				return nil, s.Internal(ctx, err)
			}
			if list == nil {
				list = []notify.Message{}
			}
			return &Body[[]notify.Message]{list}, nil
		})
}

func rotateKeys(ctx context.Context, keys Keys, r RotateKeys) ([]apikey.Rotated, error) {
	if r.Which == "due" {
		return keys.RotateDue(ctx, Actor(ctx))
	}
	o := apikey.RotateOptions{Emergency: r.Emergency, Delivery: apikey.ByHolder, Reason: r.Reason, By: Actor(ctx)}
	if r.Emergency {
		o.Delivery = apikey.Reveal // the old key opens nothing any more, the claim endpoint included
	}
	return keys.RotateAll(ctx, o)
}

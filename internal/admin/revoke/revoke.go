// Package revoke is the part of the administration API that ends everything
// that callers hold open.
package revoke

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
)

// Request says whose sessions end.
type Request struct {
	Principal string `json:"principal,omitempty" maxLength:"255" doc:"Id of a principal; none = everybody"`
	Reason    string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
	Force     bool   `json:"force,omitempty" doc:"Although evidence of an open incident is not preserved"`
}

// Revoked says what ended.
type Revoked struct {
	Principal string    `json:"principal,omitempty"`
	Sessions  int       `json:"sessions" doc:"Sessions of logins and issued tokens"`
	Streams   int       `json:"streams" doc:"Streams that were open"`
	At        time.Time `json:"at" doc:"Sessions of MCP that were opened before end, too"`
}

// Revoker is what the API needs.
type Revoker interface {
	RevokeSessions(ctx context.Context, r Request, by portcullis.Actor) (Revoked, error)
}

const path = "/api/v1/incidents/revoke-sessions"

// Group adds the operation to the API.
func Group(r Revoker) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "revoke-sessions", Method: http.MethodPost, Path: path, Summary: "End sessions, their tokens, sessions of MCP and open streams, at once"},
			func(ctx context.Context, in *admin.Body[Request]) (*admin.Body[Revoked], error) {
				out, err := r.RevokeSessions(ctx, in.Body, admin.Actor(ctx))
				switch {
				case errors.Is(err, order.ErrEvidence):
					return nil, huma.Error409Conflict(err.Error())
				case errors.Is(err, token.ErrInvalid):
					return nil, huma.Error422UnprocessableEntity(err.Error())
				case err != nil:
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[Revoked]{Body: out}, nil
			})
	}
}

// End ends sessions.
func End(ctx context.Context, c *admin.Client, r Request) (Revoked, error) {
	return admin.Ask[Revoked](ctx, c, http.MethodPost, path, r)
}

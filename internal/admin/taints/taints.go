// Package taints is the part of the administration API that shows which callers
// bear marks for what they have read, and lifts them.
package taints

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
)

// Ledger is what the API needs; *taint.Ledger has it.
type Ledger interface {
	List(ctx context.Context) ([]taint.Mark, error)
	Lift(ctx context.Context, principal, reason string, by portcullis.Actor) ([]taint.Mark, error)
}

// View is one mark.
type View struct {
	Principal string    `json:"principal"`
	Label     string    `json:"label" enum:"confidential,untrusted"`
	Route     string    `json:"route" doc:"Where the caller got it"`
	At        time.Time `json:"at" doc:"When it was written last"`
	Until     time.Time `json:"until"`
}

// Lift says whose marks to lift.
type Lift struct {
	Principal string `json:"principal" minLength:"1" maxLength:"512"`
	Reason    string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

const path = "/api/v1/taints"

// Group adds the operations to the API.
func Group(l Ledger) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "list-taints", Method: http.MethodGet, Path: path, Summary: "List the marks that callers bear, at most 1000"},
			func(ctx context.Context, _ *struct{}) (*admin.Body[[]View], error) {
				list, err := l.List(ctx)
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[[]View]{Body: views(list)}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "lift-taints", Method: http.MethodPost, Path: path + "/lift", Summary: "Take all marks from a caller"},
			func(ctx context.Context, in *struct{ Body Lift }) (*admin.Body[[]View], error) {
				lifted, err := l.Lift(ctx, in.Body.Principal, in.Body.Reason, admin.Actor(ctx))
				switch {
				case err != nil:
					return nil, s.Internal(ctx, err)
				case len(lifted) == 0:
					return nil, huma.Error404NotFound("this caller bears no mark: 'portcullis taint list' shows those that do")
				}
				return &admin.Body[[]View]{Body: views(lifted)}, nil
			})
	}
}

func views(list []taint.Mark) []View {
	out := make([]View, len(list))
	for i, m := range list {
		out[i] = View{m.Principal, m.Label.String(), m.Route, m.At, m.Until}
	}
	return out
}

// List asks for the marks of all callers.
func List(ctx context.Context, c *admin.Client) ([]View, error) {
	return admin.Ask[[]View](ctx, c, http.MethodGet, path, nil)
}

// LiftOf takes the marks of a caller, and returns them.
func LiftOf(ctx context.Context, c *admin.Client, l Lift) ([]View, error) {
	return admin.Ask[[]View](ctx, c, http.MethodPost, path+"/lift", l)
}

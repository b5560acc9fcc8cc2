// Package usage is the part of the administration API that shows how much of
// their limits callers have used.
package usage

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authz/quota"
)

// Ledger is what the API needs; *quota.Ledger has it.
type Ledger interface {
	List(ctx context.Context, principal string) ([]quota.Counter, error)
}

// View is what one caller used of one route.
type View struct {
	Route     string    `json:"route"`
	Principal string    `json:"principal"`
	Session   string    `json:"session,omitempty" doc:"Hash of the MCP session whose calls these are; absent for the caller's day"`
	Calls     int64     `json:"calls" doc:"Tool calls"`
	Bytes     int64     `json:"bytes" doc:"Bytes of replies, where the route limits them"`
	Spent     float64   `json:"spent" doc:"Of the budget"`
	Until     time.Time `json:"until" doc:"When the count begins anew"`
}

const path = "/api/v1/usage"

// Group adds the operation to the API.
func Group(l Ledger) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "list-usage", Method: http.MethodGet, Path: path, Summary: "Show how much of their limits callers have used, at most 1000 counts"},
			func(ctx context.Context, in *struct {
				Principal string `query:"principal" maxLength:"512" doc:"Only those of this caller"`
			}) (*admin.Body[[]View], error) {
				list, err := l.List(ctx, in.Principal)
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				out := make([]View, len(list))
				for i, c := range list {
					out[i] = View{c.Route, c.Principal, c.Session, c.Calls, c.Bytes, float64(c.Spent) / 1e6, c.Until}
				}
				return &admin.Body[[]View]{Body: out}, nil
			})
	}
}

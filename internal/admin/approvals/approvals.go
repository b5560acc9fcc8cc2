// Package approvals is the part of the admin API where people agree to calls
// of others, or do not.
package approvals

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authz/approval"
)

const base = "/api/v1/approvals"

// Service is what the API needs; *approval.Service has it.
type Service interface {
	List(ctx context.Context, all bool) ([]approval.View, error)
	Show(ctx context.Context, id string) (approval.View, error)
	Decide(ctx context.Context, id string, d approval.Decision) (approval.View, error)
}

// Verdict is what an approver says.
type Verdict struct {
	Approve bool   `json:"approve"`
	Reason  string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

type requestID struct {
	ID string `path:"id" minLength:"32" maxLength:"32" pattern:"^[0-9a-f]{32}$" doc:"Id of the request"`
}

// Group adds the operations to the API.
func Group(service Service) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "list-approvals", Method: http.MethodGet, Path: base, Summary: "List calls that wait for the word of another person, oldest first"},
			func(ctx context.Context, in *struct {
				All bool `query:"all" doc:"Those that were decided, too"`
			}) (*admin.Body[[]approval.View], error) {
				list, err := service.List(ctx, in.All)
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[[]approval.View]{Body: list}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "show-approval", Method: http.MethodGet, Path: base + "/{id}", Summary: "Show a call that waits, with its parameters"},
			func(ctx context.Context, in *requestID) (*admin.Body[approval.View], error) {
				v, err := service.Show(ctx, in.ID)
				if err != nil {
					return nil, explain(ctx, s, err)
				}
				return &admin.Body[approval.View]{Body: v}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "decide-approval", Method: http.MethodPost, Path: base + "/{id}", Summary: "Approve a call that waits, or deny it"},
			func(ctx context.Context, in *struct {
				ID   string `path:"id" minLength:"32" maxLength:"32" pattern:"^[0-9a-f]{32}$" doc:"Id of the request"`
				Body Verdict
			}) (*admin.Body[approval.View], error) {
				v, err := service.Decide(ctx, in.ID, approval.Decision{Approve: in.Body.Approve, Reason: in.Body.Reason, By: admin.Actor(ctx)})
				if err != nil {
					return nil, explain(ctx, s, err)
				}
				return &admin.Body[approval.View]{Body: v}, nil
			})
	}
}

func explain(ctx context.Context, s *admin.Server, err error) error {
	switch {
	case errors.Is(err, approval.ErrNotFound):
		return huma.Error404NotFound("no such request: 'portcullis approval list' shows those that wait")
	case errors.Is(err, approval.ErrConflict):
		return huma.Error409Conflict(approval.ErrConflict.Error())
	case errors.Is(err, approval.ErrSelf):
		return huma.Error409Conflict(approval.ErrSelf.Error())
	}
	return s.Internal(ctx, err)
}

// List asks for the calls that wait, or all that are remembered.
func List(ctx context.Context, c *admin.Client, all bool) ([]approval.View, error) {
	return admin.Ask[[]approval.View](ctx, c, http.MethodGet, fmt.Sprintf("%s?all=%t", base, all), nil)
}

// Show asks for one.
func Show(ctx context.Context, c *admin.Client, id string) (approval.View, error) {
	return admin.Ask[approval.View](ctx, c, http.MethodGet, base+"/"+url.PathEscape(id), nil)
}

// Decide approves or denies one.
func Decide(ctx context.Context, c *admin.Client, id string, v Verdict) (approval.View, error) {
	return admin.Ask[approval.View](ctx, c, http.MethodPost, base+"/"+url.PathEscape(id), v)
}

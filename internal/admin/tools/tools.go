// Package tools is the part of the admin API where operators look at the tools
// of servers, approve versions of them and hold them.
package tools

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

const base = "/api/v1/tools"

// Book is what the API needs; *toolpin.Book has it.
type Book interface {
	List(f toolpin.Filter) []toolpin.View
	Show(ctx context.Context, route, tool string) (toolpin.View, error)
	Approve(ctx context.Context, d toolpin.Verdict) (toolpin.View, error)
	Quarantine(ctx context.Context, d toolpin.Verdict) (toolpin.View, error)
}

// Approval is an operator's yes to one version.
type Approval struct {
	Route  string `json:"route" minLength:"1" maxLength:"64"`
	Tool   string `json:"tool" minLength:"1" maxLength:"1024" doc:"Name of the tool"`
	Hash   string `json:"hash" pattern:"^[0-9a-f]{12,64}$" doc:"The version, or at least the first 12 digits of its hash"`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

// Quarantine is an operator's no to a tool.
type Quarantine struct {
	Route  string `json:"route" minLength:"1" maxLength:"64"`
	Tool   string `json:"tool" minLength:"1" maxLength:"1024" doc:"Name of the tool"`
	Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"For the audit log"`
}

// Group adds the operations to the API. Names of tools are the servers' words:
// they stand in queries and bodies, never in paths.
func Group(book Book) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "list-tools", Method: http.MethodGet, Path: base, Summary: "List the tools that servers showed, by route and name"},
			func(_ context.Context, in *struct {
				Route string `query:"route" maxLength:"64"`
				State string `query:"state" enum:"trusted,held,quarantined"`
			}) (*admin.Body[[]toolpin.View], error) {
				return &admin.Body[[]toolpin.View]{Body: book.List(toolpin.Filter{Route: in.Route, State: in.State})}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "show-tool", Method: http.MethodGet, Path: base + "/show", Summary: "Show a tool, its versions and what differs between them"},
			func(ctx context.Context, in *struct {
				Route string `query:"route" required:"true" maxLength:"64"`
				Tool  string `query:"tool" required:"true" maxLength:"1024"`
			}) (*admin.Body[toolpin.View], error) {
				v, err := book.Show(ctx, in.Route, in.Tool)
				return answer(ctx, s, v, err)
			})
		huma.Register(api, huma.Operation{OperationID: "approve-tool", Method: http.MethodPost, Path: base + "/approve", Summary: "Approve one version of a tool"},
			func(ctx context.Context, in *admin.Body[Approval]) (*admin.Body[toolpin.View], error) {
				v, err := book.Approve(ctx, toolpin.Verdict{Route: in.Body.Route, Tool: in.Body.Tool, Hash: in.Body.Hash, Reason: in.Body.Reason, By: admin.Actor(ctx)})
				return answer(ctx, s, v, err)
			})
		huma.Register(api, huma.Operation{OperationID: "quarantine-tool", Method: http.MethodPost, Path: base + "/quarantine", Summary: "Hold a tool at once, until a version of it is approved"},
			func(ctx context.Context, in *admin.Body[Quarantine]) (*admin.Body[toolpin.View], error) {
				v, err := book.Quarantine(ctx, toolpin.Verdict{Route: in.Body.Route, Tool: in.Body.Tool, Reason: in.Body.Reason, By: admin.Actor(ctx)})
				return answer(ctx, s, v, err)
			})
	}
}

func answer(ctx context.Context, s *admin.Server, v toolpin.View, err error) (*admin.Body[toolpin.View], error) {
	switch {
	case err == nil:
		return &admin.Body[toolpin.View]{Body: v}, nil
	case errors.Is(err, toolpin.ErrNotFound):
		return nil, huma.Error404NotFound("no such tool has been seen on this route: 'portcullis tools list' shows those that were")
	case errors.Is(err, toolpin.ErrVersion):
		return nil, huma.Error409Conflict(toolpin.ErrVersion.Error())
	case errors.Is(err, toolpin.ErrNoVersion):
		return nil, huma.Error409Conflict(toolpin.ErrNoVersion.Error())
	case errors.Is(err, toolpin.ErrConflict):
		return nil, huma.Error409Conflict(toolpin.ErrConflict.Error())
	case errors.Is(err, toolpin.ErrFull):
		return nil, huma.Error409Conflict(toolpin.ErrFull.Error())
	}
	return nil, s.Internal(ctx, err)
}

// List asks for the tools of a route, or of all, in a state, or in all.
func List(ctx context.Context, c *admin.Client, f toolpin.Filter) ([]toolpin.View, error) {
	query := url.Values{}
	if f.Route != "" {
		query.Set("route", f.Route)
	}
	if f.State != "" {
		query.Set("state", f.State)
	}
	return admin.Ask[[]toolpin.View](ctx, c, http.MethodGet, base+"?"+query.Encode(), nil)
}

// Show asks for one tool.
func Show(ctx context.Context, c *admin.Client, route, tool string) (toolpin.View, error) {
	query := url.Values{"route": {route}, "tool": {tool}}
	return admin.Ask[toolpin.View](ctx, c, http.MethodGet, base+"/show?"+query.Encode(), nil)
}

// Approve approves one version.
func Approve(ctx context.Context, c *admin.Client, a Approval) (toolpin.View, error) {
	return admin.Ask[toolpin.View](ctx, c, http.MethodPost, base+"/approve", a)
}

// Hold puts a tool into quarantine.
func Hold(ctx context.Context, c *admin.Client, q Quarantine) (toolpin.View, error) {
	return admin.Ask[toolpin.View](ctx, c, http.MethodPost, base+"/quarantine", q)
}

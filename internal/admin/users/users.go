// Package users is the part of the administration API that manages users with
// a name and a password, and its client.
package users

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
)

// Users is what the API needs of user management; *basic.Service has it.
type Users interface {
	Add(ctx context.Context, req basic.Add) (basic.Added, error)
	List(ctx context.Context) ([]basic.User, error)
	SetPassword(ctx context.Context, name, password string, by portcullis.Actor) (basic.Added, error)
	SetGrants(ctx context.Context, name string, roles, scopes []string, by portcullis.Actor) (basic.User, error)
	SetDisabled(ctx context.Context, name string, disabled bool, reason string, by portcullis.Actor) (basic.User, error)
	Remove(ctx context.Context, name, reason string, by portcullis.Actor) error
}

// AddUser asks for a user. The API says nothing about the form of a password, so
// that no reply about a wrong form repeats one.
type AddUser struct {
	Name     string   `json:"name" minLength:"1" maxLength:"128"`
	Password string   `json:"password,omitempty" doc:"Empty = one is generated, and only this reply shows it"`
	Roles    []string `json:"roles,omitempty" maxItems:"100"`
	Scopes   []string `json:"scopes,omitempty" maxItems:"100"`
}

// UserPassword gives a user another password.
type UserPassword struct {
	Password string `json:"password,omitempty" doc:"Empty = one is generated, and only this reply shows it"`
}

// UserGrants replaces what a user may do; what is not there is left.
type UserGrants struct {
	Roles  *[]string `json:"roles,omitempty" maxItems:"100"`
	Scopes *[]string `json:"scopes,omitempty" maxItems:"100"`
}

// UserState bars a user or admits one.
type UserState struct {
	Disabled bool   `json:"disabled"`
	Reason   string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

// RevealedUser is a user with the password that was generated, if one was.
type RevealedUser struct {
	basic.User
	Password string `json:"password,omitempty"`
}

const (
	path   = "/api/v1/users"
	byName = path + "/{name}"
)

// Group adds the management of users.
func Group(users Users) admin.Group {
	return func(api huma.API, s *admin.Server) {
		g := group{users, s}
		g.registerAdding(api)
		g.registerChanges(api)
	}
}

type group struct {
	users Users
	s     *admin.Server
}

func (g group) registerAdding(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "add-user", Method: http.MethodPost, Path: path, Summary: "Add a user", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *admin.Body[AddUser]) (*admin.Body[RevealedUser], error) {
			made, err := g.users.Add(ctx, basic.Add{
				Name: in.Body.Name, Password: in.Body.Password, Roles: in.Body.Roles, Scopes: in.Body.Scopes, By: admin.Actor(ctx),
			})
			return g.revealed(ctx, made, err)
		})
	huma.Register(api, huma.Operation{OperationID: "list-users", Method: http.MethodGet, Path: path, Summary: "List users by name"},
		func(ctx context.Context, _ *struct{}) (*admin.Body[[]basic.User], error) {
			list, err := g.users.List(ctx)
			if err != nil {
				return nil, g.refuse(ctx, err)
			}
			return &admin.Body[[]basic.User]{Body: list}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "set-user-password", Method: http.MethodPut, Path: byName + "/password", Summary: "Give a user another password; sessions end"},
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"128"`
			Body UserPassword
		}) (*admin.Body[RevealedUser], error) {
			made, err := g.users.SetPassword(ctx, in.Name, in.Body.Password, admin.Actor(ctx))
			return g.revealed(ctx, made, err)
		})
}

func (g group) registerChanges(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "set-user-roles", Method: http.MethodPut, Path: byName + "/roles", Summary: "Replace roles or scopes of a user; sessions end"},
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"128"`
			Body UserGrants
		}) (*admin.Body[basic.User], error) {
			v, err := g.users.SetGrants(ctx, in.Name, list(in.Body.Roles), list(in.Body.Scopes), admin.Actor(ctx))
			return g.view(ctx, v, err)
		})
	huma.Register(api, huma.Operation{OperationID: "set-user-state", Method: http.MethodPut, Path: byName + "/state", Summary: "Disable a user, whose sessions end, or enable one again"},
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"128"`
			Body UserState
		}) (*admin.Body[basic.User], error) {
			v, err := g.users.SetDisabled(ctx, in.Name, in.Body.Disabled, in.Body.Reason, admin.Actor(ctx))
			return g.view(ctx, v, err)
		})
	huma.Register(api, huma.Operation{OperationID: "remove-user", Method: http.MethodDelete, Path: byName, Summary: "Remove a user, whose sessions end"},
		func(ctx context.Context, in *struct {
			Name   string `path:"name" maxLength:"128"`
			Reason string `query:"reason" maxLength:"200" doc:"For the audit log"`
		}) (*struct{}, error) {
			if err := g.users.Remove(ctx, in.Name, in.Reason, admin.Actor(ctx)); err != nil {
				return nil, g.refuse(ctx, err)
			}
			return &struct{}{}, nil
		})
}

// list returns nil for what is not there and an empty list for one without
// members.
func list(given *[]string) []string {
	switch {
	case given == nil:
		return nil
	case *given == nil:
		return []string{}
	}
	return *given
}

func (g group) revealed(ctx context.Context, made basic.Added, err error) (*admin.Body[RevealedUser], error) {
	if err != nil {
		return nil, g.refuse(ctx, err)
	}
	return &admin.Body[RevealedUser]{Body: RevealedUser{User: made.User, Password: made.Password}}, nil
}

func (g group) view(ctx context.Context, v basic.User, err error) (*admin.Body[basic.User], error) {
	if err != nil {
		return nil, g.refuse(ctx, err)
	}
	return &admin.Body[basic.User]{Body: v}, nil
}

func (g group) refuse(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, basic.ErrNotFound):
		return huma.Error404NotFound("no such user")
	case errors.Is(err, basic.ErrExists):
		return huma.Error409Conflict("there is a user of that name")
	case errors.Is(err, basic.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, basic.ErrConflict):
		return huma.Error409Conflict("the user was changed meanwhile")
	}
	return g.s.Internal(ctx, err)
}

// Create adds a user.
func Create(ctx context.Context, c *admin.Client, a AddUser) (RevealedUser, error) {
	return admin.Ask[RevealedUser](ctx, c, http.MethodPost, path, a)
}

// List lists users by name.
func List(ctx context.Context, c *admin.Client) ([]basic.User, error) {
	return admin.Ask[[]basic.User](ctx, c, http.MethodGet, path, nil)
}

// SetPassword gives a user another password.
func SetPassword(ctx context.Context, c *admin.Client, name string, p UserPassword) (RevealedUser, error) {
	return admin.Ask[RevealedUser](ctx, c, http.MethodPut, at(name)+"/password", p)
}

// SetGrants replaces roles or scopes of a user.
func SetGrants(ctx context.Context, c *admin.Client, name string, g UserGrants) (basic.User, error) {
	return admin.Ask[basic.User](ctx, c, http.MethodPut, at(name)+"/roles", g)
}

// SetState disables or enables a user.
func SetState(ctx context.Context, c *admin.Client, name string, st UserState) (basic.User, error) {
	return admin.Ask[basic.User](ctx, c, http.MethodPut, at(name)+"/state", st)
}

// Remove removes a user.
func Remove(ctx context.Context, c *admin.Client, name, reason string) error {
	return c.Tell(ctx, http.MethodDelete, at(name)+"?reason="+url.QueryEscape(reason), nil)
}

func at(name string) string { return path + "/" + url.PathEscape(name) }

// Package zkp is the part of the administration API about who may log in by a
// zero-knowledge proof: enrolling, listing and removing users.
package zkp

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
)

const path = "/api/v1/zkp/users"

// Enrol asks to enrol a user.
type Enrol struct {
	UserID    string   `json:"user_id" maxLength:"128" doc:"Letters, digits and . _ @ + -, the first a letter or digit"`
	PublicKey string   `json:"public_key" maxLength:"77" doc:"Decimal number, as 'zkp keygen' prints it"`
	Roles     []string `json:"roles,omitempty" maxItems:"256"`
	Scopes    []string `json:"scopes,omitempty" maxItems:"256"`
	Replace   bool     `json:"replace,omitempty" doc:"The user may be enrolled: the key before and its sessions end"`
}

type userID struct {
	ID string `path:"id" minLength:"1" maxLength:"128" doc:"Id of the user"`
}

// Group adds the management of enrolments.
func Group(r *zkp.Registry) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "enrol-zkp-user", Method: http.MethodPost, Path: path, Summary: "Enrol a user for login by zero-knowledge proof", DefaultStatus: http.StatusCreated},
			func(ctx context.Context, in *admin.Body[Enrol]) (*admin.Body[zkp.Enrolment], error) {
				made, err := r.Enrol(ctx, zkp.EnrolRequest{
					UserID: in.Body.UserID, PublicKey: in.Body.PublicKey, Roles: in.Body.Roles, Scopes: in.Body.Scopes,
					Replace: in.Body.Replace, By: admin.Actor(ctx),
				})
				if err != nil {
					return nil, refuse(ctx, s, err)
				}
				return &admin.Body[zkp.Enrolment]{Body: shown(made)}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "list-zkp-users", Method: http.MethodGet, Path: path, Summary: "List enrolled users"},
			func(ctx context.Context, _ *struct{}) (*admin.Body[[]zkp.Enrolment], error) {
				list, err := r.List(ctx)
				if err != nil {
					return nil, refuse(ctx, s, err)
				}
				out := make([]zkp.Enrolment, len(list))
				for i, e := range list {
					out[i] = shown(e)
				}
				return &admin.Body[[]zkp.Enrolment]{Body: out}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "remove-zkp-user", Method: http.MethodDelete, Path: path + "/{id}", Summary: "Forget a user and end their sessions"},
			func(ctx context.Context, in *userID) (*admin.Body[zkp.Enrolment], error) {
				gone, err := r.Remove(ctx, in.ID, admin.Actor(ctx))
				if err != nil {
					return nil, refuse(ctx, s, err)
				}
				return &admin.Body[zkp.Enrolment]{Body: shown(gone)}, nil
			})
	}
}

// shown writes empty lists as lists.
func shown(e zkp.Enrolment) zkp.Enrolment {
	if e.Roles == nil {
		e.Roles = []string{}
	}
	if e.Scopes == nil {
		e.Scopes = []string{}
	}
	return e
}

func refuse(ctx context.Context, s *admin.Server, err error) error {
	switch {
	case errors.Is(err, zkp.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, zkp.ErrNotEnrolled):
		return huma.Error404NotFound("no such user is enrolled")
	case errors.Is(err, zkp.ErrEnrolled):
		return huma.Error409Conflict("the user is enrolled already: --replace ends the key before and its sessions")
	case errors.Is(err, zkp.ErrKeyTaken):
		return huma.Error409Conflict("the public key is enrolled for another user")
	}
	return s.Internal(ctx, err)
}

// Enroll enrols a user.
func Enroll(ctx context.Context, c *admin.Client, e Enrol) (zkp.Enrolment, error) {
	return admin.Ask[zkp.Enrolment](ctx, c, http.MethodPost, path, e)
}

// List lists enrolled users.
func List(ctx context.Context, c *admin.Client) ([]zkp.Enrolment, error) {
	return admin.Ask[[]zkp.Enrolment](ctx, c, http.MethodGet, path, nil)
}

// Remove forgets a user and returns what was enrolled.
func Remove(ctx context.Context, c *admin.Client, user string) (zkp.Enrolment, error) {
	return admin.Ask[zkp.Enrolment](ctx, c, http.MethodDelete, path+"/"+url.PathEscape(user), nil)
}

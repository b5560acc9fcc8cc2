// Package duties is the part of the administration API in which people see what
// they have to do again and again, and sign it off.
package duties

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/incident/duty"
)

// Duty is a duty and where it stands.
type Duty struct {
	Name   string     `json:"name"`
	What   string     `json:"what"`
	Every  string     `json:"every" doc:"Such as week, or 2 weeks"`
	Grace  int64      `json:"grace_seconds"`
	State  string     `json:"state" enum:"ahead,due,overdue"`
	Due    time.Time  `json:"due" doc:"The oldest date that is not signed off"`
	Missed int        `json:"missed" doc:"Dates that went by since, this one not counted"`
	Signed *time.Time `json:"signed_at,omitempty"`
	Event  string     `json:"event,omitempty" doc:"Id of the event in the audit log that tells who signed, and with which note"`
}

// SignOff is what somebody says of a duty that is done.
type SignOff struct {
	Note string `json:"note" minLength:"1" maxLength:"500" doc:"What was done, for the audit log"`
}

// Calendar is what the API needs.
type Calendar interface {
	Duties() []duty.View
	Duty(name string) (duty.View, error)
	Sign(ctx context.Context, name, note string, by portcullis.Actor) (duty.View, error)
}

func of(v duty.View) Duty {
	d := Duty{
		Name: v.Name, What: v.What, Every: v.Every.String(), Grace: int64(v.Grace / time.Second), State: string(v.State),
		Due: v.Due, Missed: v.Missed, Event: v.Record.Event,
	}
	if !v.Record.Signed.IsZero() {
		d.Signed = &v.Record.Signed
	}
	return d
}

const path = "/api/v1/duties"

type named struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the duty"`
}

// Group adds the operations to the API.
func Group(c Calendar) admin.Group {
	return func(api huma.API, s *admin.Server) {
		answer := func(ctx context.Context, v duty.View, err error) (*admin.Body[Duty], error) {
			switch {
			case err == nil:
				return &admin.Body[Duty]{Body: of(v)}, nil
			case errors.Is(err, duty.ErrNotFound):
				return nil, huma.Error404NotFound(err.Error() + ": 'portcullis incident duty list' shows those that there are")
			case errors.Is(err, duty.ErrInvalid):
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			return nil, s.Internal(ctx, err)
		}
		huma.Register(api, huma.Operation{OperationID: "list-duties", Method: http.MethodGet, Path: path, Summary: "List what people do again and again, and where it stands"},
			func(context.Context, *struct{}) (*admin.Body[[]Duty], error) {
				out := []Duty{}
				for _, v := range c.Duties() {
					out = append(out, of(v))
				}
				return &admin.Body[[]Duty]{Body: out}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "show-duty", Method: http.MethodGet, Path: path + "/{name}", Summary: "Show one duty"},
			func(ctx context.Context, in *named) (*admin.Body[Duty], error) {
				v, err := c.Duty(in.Name)
				return answer(ctx, v, err)
			})
		huma.Register(api, huma.Operation{OperationID: "sign-duty", Method: http.MethodPost, Path: path + "/{name}/sign", Summary: "Sign a duty off: it is done until its next date"},
			func(ctx context.Context, in *struct {
				Name string `path:"name" maxLength:"64" doc:"Name of the duty"`
				Body SignOff
			}) (*admin.Body[Duty], error) {
				v, err := c.Sign(ctx, in.Name, in.Body.Note, admin.Actor(ctx))
				return answer(ctx, v, err)
			})
	}
}

// List asks where all duties stand.
func List(ctx context.Context, c *admin.Client) ([]Duty, error) {
	return admin.Ask[[]Duty](ctx, c, http.MethodGet, path, nil)
}

// Show asks where one stands.
func Show(ctx context.Context, c *admin.Client, name string) (Duty, error) {
	return admin.Ask[Duty](ctx, c, http.MethodGet, path+"/"+url.PathEscape(name), nil)
}

// Sign signs one off.
func Sign(ctx context.Context, c *admin.Client, name, note string) (Duty, error) {
	return admin.Ask[Duty](ctx, c, http.MethodPost, path+"/"+url.PathEscape(name)+"/sign", SignOff{Note: note})
}

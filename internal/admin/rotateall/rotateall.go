// Package rotateall is the part of the administration API that replaces
// everything that may have been stolen: a plan, a run of it, and claim tokens
// for the keys that it made.
package rotateall

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
	"github.com/portcullis-dev/portcullis/internal/incident/rotateall"
)

// Request says what to rotate. Without a plan it only makes one.
type Request struct {
	Overlap  int64    `json:"overlap_seconds,omitempty" minimum:"0" maximum:"604800" doc:"How long the old ones go on working; 0 = not at all"`
	Exclude  []string `json:"exclude,omitempty" maxItems:"1000" doc:"Ids of items such as key:ID, or kinds: key, signing, wallet"`
	Plan     string   `json:"plan,omitempty" maxLength:"64" doc:"Digest of the plan that is to be carried out; none = only plan"`
	Incident string   `json:"incident,omitempty" maxLength:"64"`
	Reason   string   `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
	Force    bool     `json:"force,omitempty" doc:"Although evidence of an open incident is not preserved"`
}

// Rotations is what the API needs.
type Rotations interface {
	Plan(ctx context.Context, o rotateall.Order) (rotateall.Run, error)
	Start(ctx context.Context, o rotateall.Order, plan string, force bool) (rotateall.Run, error)
	Resume(ctx context.Context, id string) (rotateall.Run, error)
	Get(ctx context.Context, id string) (rotateall.Run, error)
	Deliver(ctx context.Context, id string) ([]apikey.Rotation, error)
}

const path = "/api/v1/rotations"

type runID struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the run"`
}

// Group adds the operations to the API.
func Group(r Rotations) admin.Group {
	return func(api huma.API, s *admin.Server) {
		h := handlers{r, s}
		huma.Register(api, huma.Operation{OperationID: "rotate-all", Method: http.MethodPost, Path: path, Summary: "Plan a rotation of everything, or carry out a plan", DefaultStatus: http.StatusAccepted}, h.start)
		huma.Register(api, huma.Operation{OperationID: "show-rotation", Method: http.MethodGet, Path: path + "/{id}", Summary: "Say how far a rotation is"},
			func(ctx context.Context, in *runID) (*admin.Body[rotateall.Run], error) {
				out, err := r.Get(ctx, in.ID)
				return h.answer(ctx, out, err)
			})
		huma.Register(api, huma.Operation{OperationID: "resume-rotation", Method: http.MethodPost, Path: path + "/{id}/resume", Summary: "Try again what failed, or waited for a person"},
			func(ctx context.Context, in *runID) (*admin.Body[rotateall.Run], error) {
				out, err := r.Resume(ctx, in.ID)
				return h.answer(ctx, out, err)
			})
		huma.Register(api, huma.Operation{OperationID: "deliver-rotation", Method: http.MethodPost, Path: path + "/{id}/deliver", Summary: "Make claim tokens for the keys that nobody has fetched; those made before are void"},
			func(ctx context.Context, in *runID) (*admin.Body[[]apikey.Rotation], error) {
				out, err := r.Deliver(ctx, in.ID)
				if err != nil {
					_, err = h.answer(ctx, rotateall.Run{}, err)
					return nil, err
				}
				if out == nil {
					out = []apikey.Rotation{}
				}
				return &admin.Body[[]apikey.Rotation]{Body: out}, nil
			})
	}
}

type handlers struct {
	rotations Rotations
	server    *admin.Server
}

func (h handlers) start(ctx context.Context, in *admin.Body[Request]) (*admin.Body[rotateall.Run], error) {
	b := in.Body
	o := rotateall.Order{
		Overlap: time.Duration(b.Overlap) * time.Second, Exclude: b.Exclude, Incident: b.Incident, Reason: b.Reason, By: admin.Actor(ctx).ID,
	}
	var out rotateall.Run
	var err error
	if b.Plan == "" {
		out, err = h.rotations.Plan(ctx, o)
	} else {
		out, err = h.rotations.Start(ctx, o, b.Plan, b.Force)
	}
	return h.answer(ctx, out, err)
}

func (h handlers) answer(ctx context.Context, r rotateall.Run, err error) (*admin.Body[rotateall.Run], error) {
	switch {
	case err == nil:
		return &admin.Body[rotateall.Run]{Body: r}, nil
	case errors.Is(err, rotateall.ErrNotFound), errors.Is(err, casebook.ErrNotFound):
		return nil, huma.Error404NotFound(err.Error())
	case errors.Is(err, rotateall.ErrInvalid):
		return nil, huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, order.ErrEvidence), errors.Is(err, casebook.ErrClosed), errors.Is(err, rotateall.ErrBusy), errors.Is(err, rotateall.ErrChanged):
		return nil, huma.Error409Conflict(err.Error())
	}
	return nil, h.server.Internal(ctx, err)
}

// Plan asks what a rotation would replace.
func Plan(ctx context.Context, c *admin.Client, r Request) (rotateall.Run, error) {
	r.Plan = ""
	return admin.Ask[rotateall.Run](ctx, c, http.MethodPost, path, r)
}

// pollEvery is how often is asked how far a run is.
const pollEvery = 100 * time.Millisecond

// Carry carries out a plan and returns when the run is over. tell hears of its
// progress.
func Carry(ctx context.Context, c *admin.Client, r Request, tell func(rotateall.Run)) (rotateall.Run, error) {
	out, err := admin.Ask[rotateall.Run](ctx, c, http.MethodPost, path, r)
	return await(ctx, c, out, err, tell)
}

// Resume tries again what failed and returns when the run is over.
func Resume(ctx context.Context, c *admin.Client, id string, tell func(rotateall.Run)) (rotateall.Run, error) {
	out, err := admin.Ask[rotateall.Run](ctx, c, http.MethodPost, path+"/"+url.PathEscape(id)+"/resume", nil)
	return await(ctx, c, out, err, tell)
}

func await(ctx context.Context, c *admin.Client, r rotateall.Run, err error, tell func(rotateall.Run)) (rotateall.Run, error) {
	for err == nil && r.State == rotateall.Running {
		tell(r)
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(pollEvery):
		}
		r, err = admin.Ask[rotateall.Run](ctx, c, http.MethodGet, path+"/"+url.PathEscape(r.ID), nil)
	}
	return r, err
}

// Deliver returns claim tokens for the keys that a run made and nobody fetched.
func Deliver(ctx context.Context, c *admin.Client, id string) ([]apikey.Rotation, error) {
	return admin.Ask[[]apikey.Rotation](ctx, c, http.MethodPost, path+"/"+url.PathEscape(id)+"/deliver", nil)
}

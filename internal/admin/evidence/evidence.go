// Package evidence is the part of the administration API that preserves
// evidence: it begins an archive and tells how far it is. The archive is written
// to the data folder; nothing of it travels over the API.
package evidence

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
)

// Errors of a Maker.
var (
	ErrBusy    = errors.New("evidence is being preserved already: wait for it")
	ErrInvalid = errors.New("not what evidence can be made of")
)

// States of an archive.
const (
	Running  = "running"
	Finished = "finished"
	Failed   = "failed"
)

// DefaultHours is how far back evidence goes.
const DefaultHours = 48

// Request says what to preserve.
type Request struct {
	Hours        int      `json:"hours,omitempty" minimum:"0" maximum:"87600" doc:"How far back the audit log is preserved; 0 = 48"`
	Recipients   []string `json:"recipients,omitempty" maxItems:"32" doc:"age recipients; none = not encrypted"`
	OpenPersonal bool     `json:"open_personal,omitempty" doc:"Personal data is opened, not left sealed as it is in the log"`
	Incident     string   `json:"incident,omitempty" maxLength:"64" doc:"Id of the incident it is about; none = all that are open"`
	Reason       string   `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

// Counts say what an archive holds of the audit log.
type Counts struct {
	First     uint64 `json:"first_record"`
	Records   uint64 `json:"records"`
	Removed   uint64 `json:"removed" doc:"Records that retention had removed: their hashes are there"`
	Uncovered uint64 `json:"uncovered" doc:"Records that no checkpoint covered yet"`
	Refused   uint64 `json:"refused" doc:"Records of calls that ended with 401, 403 or 5xx"`
}

// Archive is one archive.
type Archive struct {
	ID        string `json:"id"`
	State     string `json:"state" enum:"running,finished,failed"`
	Done      int64  `json:"done,omitempty" doc:"Records written so far"`
	All       int64  `json:"all,omitempty"`
	Error     string `json:"error,omitempty"`
	Name      string `json:"name,omitempty"`
	Path      string `json:"path,omitempty" doc:"On the machine of the gateway"`
	Bytes     int64  `json:"bytes,omitempty"`
	SHA256    string `json:"sha256,omitempty" doc:"Of the file"`
	Key       string `json:"key,omitempty" doc:"Key of the log, which verifies it"`
	Encrypted bool   `json:"encrypted,omitempty"`
	Counts    Counts `json:"counts"`
}

// Maker is what the API needs.
type Maker interface {
	Start(ctx context.Context, r Request, by portcullis.Actor) (Archive, error)
	Get(id string) (Archive, bool)
}

const path = "/api/v1/evidence"

// Group adds the operations to the API.
func Group(m Maker) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "preserve-evidence", Method: http.MethodPost, Path: path, Summary: "Begin an archive of evidence in the data folder", DefaultStatus: http.StatusAccepted},
			func(ctx context.Context, in *admin.Body[Request]) (*admin.Body[Archive], error) {
				a, err := m.Start(ctx, in.Body, admin.Actor(ctx))
				switch {
				case errors.Is(err, ErrBusy):
					return nil, huma.Error409Conflict(err.Error())
				case errors.Is(err, ErrInvalid):
					return nil, huma.Error422UnprocessableEntity(err.Error())
				case err != nil:
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[Archive]{Body: a}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "show-evidence", Method: http.MethodGet, Path: path + "/{id}", Summary: "Say how far an archive is"},
			func(_ context.Context, in *struct {
				ID string `path:"id" maxLength:"64"`
			}) (*admin.Body[Archive], error) {
				a, ok := m.Get(in.ID)
				if !ok {
					return nil, huma.Error404NotFound("no such archive was begun by this process")
				}
				return &admin.Body[Archive]{Body: a}, nil
			})
	}
}

// pollEvery is how often is asked how far an archive is.
const pollEvery = 100 * time.Millisecond

// Preserve makes an archive and returns when it is there. tell hears of its
// progress.
func Preserve(ctx context.Context, c *admin.Client, r Request, tell func(Archive)) (Archive, error) {
	a, err := admin.Ask[Archive](ctx, c, http.MethodPost, path, r)
	for err == nil && a.State == Running {
		tell(a)
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-time.After(pollEvery):
		}
		a, err = admin.Ask[Archive](ctx, c, http.MethodGet, path+"/"+url.PathEscape(a.ID), nil)
	}
	if err == nil && a.State == Failed {
		err = errors.New("preserving evidence: " + a.Error)
	}
	return a, err
}

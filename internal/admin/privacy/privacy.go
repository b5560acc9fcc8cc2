// Package privacy is the part of the administration API for the rights of
// persons: what is held about one, erasing it, and what they wish.
package privacy

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

const (
	base        = "/api/v1/privacy"
	accessPath  = base + "/access"
	erasePath   = base + "/erase"
	erasures    = base + "/erasures"
	restricts   = base + "/restrict"
	rectifyPath = base + "/rectify"
	mapPath     = base + "/map"
	keyPath     = base + "/receipt-key"
	maxListed   = 1000
)

// Desk is what the API needs.
type Desk interface {
	Access(ctx context.Context, who string, export bool, by portcullis.Actor) (subject.Export, error)
	Erase(ctx context.Context, who string, dry bool, by portcullis.Actor) (Erased, error)
	Erasures(ctx context.Context, max int) ([]subject.Status, error)
	Erasure(ctx context.Context, id string) (subject.Status, error)
	Restrict(ctx context.Context, who string, on bool, reason string, by portcullis.Actor) error
	Rectify(ctx context.Context, who string, attributes map[string]string, by portcullis.Actor) error
	Map() []subject.Place
	Key() string
}

// Erased is what an erasure did, or would do.
type Erased struct {
	Dry bool `json:"dry_run,omitempty"`
	subject.Status
}

// Access says whose data is wanted.
type Access struct {
	Subject string `json:"subject" minLength:"1" maxLength:"512" doc:"Id of a principal, or name of an account"`
	Export  bool   `json:"export,omitempty" doc:"It is taken along, not only looked at"`
}

// Erase says who is erased.
type Erase struct {
	Subject string `json:"subject" minLength:"1" maxLength:"512" doc:"Id of a principal, or name of an account"`
	DryRun  bool   `json:"dry_run,omitempty" doc:"Only count what would be removed"`
}

// Restrict says whose processing is restricted.
type Restrict struct {
	Subject    string `json:"subject" minLength:"1" maxLength:"512"`
	Restricted bool   `json:"restricted"`
	Reason     string `json:"reason,omitempty" maxLength:"200" doc:"Kept encrypted"`
}

// Rectify says what is put right.
type Rectify struct {
	Subject    string            `json:"subject" minLength:"1" maxLength:"512"`
	Attributes map[string]string `json:"attributes" doc:"An empty value removes one"`
}

// Key is the public key of receipts.
type Key struct {
	Key string `json:"key"`
}

// Group adds the operations to the API.
func Group(d Desk) admin.Group {
	return func(api huma.API, s *admin.Server) {
		registerReading(api, s, d)
		registerChanges(api, s, d)
	}
}

func registerReading(api huma.API, s *admin.Server, d Desk) {
	huma.Register(api, huma.Operation{OperationID: "privacy-access", Method: http.MethodPost, Path: accessPath, Summary: "Show what is held about a person"},
		func(ctx context.Context, in *admin.Body[Access]) (*admin.Body[subject.Export], error) {
			e, err := d.Access(ctx, in.Body.Subject, in.Body.Export, admin.Actor(ctx))
			return answer(ctx, s, e, err)
		})
	huma.Register(api, huma.Operation{OperationID: "privacy-erasures", Method: http.MethodGet, Path: erasures, Summary: "List erasures, the newest first"},
		func(ctx context.Context, _ *struct{}) (*admin.Body[[]subject.Status], error) {
			list, err := d.Erasures(ctx, maxListed)
			return answer(ctx, s, list, err)
		})
	huma.Register(api, huma.Operation{OperationID: "privacy-erasure", Method: http.MethodGet, Path: erasures + "/{id}", Summary: "Show an erasure with its receipt"},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64"`
		}) (*admin.Body[subject.Status], error) {
			one, err := d.Erasure(ctx, in.ID)
			return answer(ctx, s, one, err)
		})
	huma.Register(api, huma.Operation{OperationID: "privacy-map", Method: http.MethodGet, Path: mapPath, Summary: "List what is stored about persons: where, why, how long"},
		func(context.Context, *struct{}) (*admin.Body[[]subject.Place], error) {
			return &admin.Body[[]subject.Place]{Body: d.Map()}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "privacy-receipt-key", Method: http.MethodGet, Path: keyPath, Summary: "Show the public key of receipts"},
		func(context.Context, *struct{}) (*admin.Body[Key], error) {
			return &admin.Body[Key]{Body: Key{d.Key()}}, nil
		})
}

func registerChanges(api huma.API, s *admin.Server, d Desk) {
	huma.Register(api, huma.Operation{OperationID: "privacy-erase", Method: http.MethodPost, Path: erasePath, Summary: "Erase a person, for ever"},
		func(ctx context.Context, in *admin.Body[Erase]) (*admin.Body[Erased], error) {
			e, err := d.Erase(ctx, in.Body.Subject, in.Body.DryRun, admin.Actor(ctx))
			return answer(ctx, s, e, err)
		})
	huma.Register(api, huma.Operation{OperationID: "privacy-restrict", Method: http.MethodPost, Path: restricts, Summary: "Refuse the calls of a person, or take them again", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *admin.Body[Restrict]) (*struct{}, error) {
			return nothing(ctx, s, d.Restrict(ctx, in.Body.Subject, in.Body.Restricted, in.Body.Reason, admin.Actor(ctx)))
		})
	huma.Register(api, huma.Operation{OperationID: "privacy-rectify", Method: http.MethodPost, Path: rectifyPath, Summary: "Keep what a person has put right", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *admin.Body[Rectify]) (*struct{}, error) {
			return nothing(ctx, s, d.Rectify(ctx, in.Body.Subject, in.Body.Attributes, admin.Actor(ctx)))
		})
}

func nothing(ctx context.Context, s *admin.Server, err error) (*struct{}, error) {
	_, err = answer(ctx, s, struct{}{}, err)
	return nil, err
}

func answer[T any](ctx context.Context, s *admin.Server, v T, err error) (*admin.Body[T], error) {
	switch {
	case errors.Is(err, subject.ErrUnknown):
		return nil, huma.Error404NotFound("nothing is known of that subject: give the id of a principal as the audit log shows it, or the name of an account")
	case errors.Is(err, subject.ErrNotFound):
		return nil, huma.Error404NotFound("no such erasure")
	case errors.Is(err, subject.ErrAmbiguous):
		return nil, huma.Error409Conflict("more than one account has that name: give the id, such as user:ID or zkp:NAME")
	case err != nil:
		return nil, s.Internal(ctx, err)
	}
	return &admin.Body[T]{Body: v}, nil
}

// Show asks for what is held about a person.
func Show(ctx context.Context, c *admin.Client, what Access) (subject.Export, error) {
	return admin.Ask[subject.Export](ctx, c, http.MethodPost, accessPath, what)
}

// Remove erases a person.
func Remove(ctx context.Context, c *admin.Client, what Erase) (Erased, error) {
	return admin.Ask[Erased](ctx, c, http.MethodPost, erasePath, what)
}

// List asks for erasures.
func List(ctx context.Context, c *admin.Client) ([]subject.Status, error) {
	return admin.Ask[[]subject.Status](ctx, c, http.MethodGet, erasures, nil)
}

// One asks for an erasure.
func One(ctx context.Context, c *admin.Client, id string) (subject.Status, error) {
	return admin.Ask[subject.Status](ctx, c, http.MethodGet, erasures+"/"+url.PathEscape(id), nil)
}

// SetRestricted restricts the processing of a person, or lifts that.
func SetRestricted(ctx context.Context, c *admin.Client, what Restrict) error {
	return c.Tell(ctx, http.MethodPost, restricts, what)
}

// PutRight keeps what a person has put right.
func PutRight(ctx context.Context, c *admin.Client, what Rectify) error {
	return c.Tell(ctx, http.MethodPost, rectifyPath, what)
}

// DataMap asks what is stored about persons.
func DataMap(ctx context.Context, c *admin.Client) ([]subject.Place, error) {
	return admin.Ask[[]subject.Place](ctx, c, http.MethodGet, mapPath, nil)
}

// ReceiptKey asks for the public key of receipts.
func ReceiptKey(ctx context.Context, c *admin.Client) (string, error) {
	k, err := admin.Ask[Key](ctx, c, http.MethodGet, keyPath, nil)
	return k.Key, err
}

// Package consents is the part of the administration API for what people
// agreed to, and for who reads protected health information in an emergency.
package consents

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
)

const (
	consentsPath = "/api/v1/privacy/consents"
	glassPath    = "/api/v1/privacy/break-glass"
	maxListed    = 1000
)

// Consents is what the API needs of *consent.Book.
type Consents interface {
	Statuses(ctx context.Context, principal string) ([]consent.Status, error)
	History(ctx context.Context, principal string) ([]consent.Consent, error)
	Grant(ctx context.Context, c consent.Consent, by portcullis.Actor) (consent.Consent, error)
	Withdraw(ctx context.Context, principal, purpose string, by portcullis.Actor) (consent.Consent, error)
}

// Glass is what the API needs of *phi.Glass.
type Glass interface {
	Active() []phi.Grant
	History(ctx context.Context, limit int) ([]phi.Grant, error)
	Grant(ctx context.Context, principal, reason string, long time.Duration, by portcullis.Actor) (phi.Grant, error)
	Revoke(ctx context.Context, which string, by portcullis.Actor) (phi.Grant, error)
}

// Consent is one time that somebody agreed.
type Consent struct {
	ID          string     `json:"id"`
	Principal   string     `json:"principal"`
	Purpose     string     `json:"purpose"`
	Version     string     `json:"policy_version" doc:"Version of the policy that was agreed to"`
	GrantedAt   time.Time  `json:"granted_at"`
	GrantedBy   string     `json:"granted_by"`
	Evidence    string     `json:"evidence,omitempty"`
	WithdrawnAt *time.Time `json:"withdrawn_at,omitempty"`
	WithdrawnBy string     `json:"withdrawn_by,omitempty"`
	Replaced    bool       `json:"replaced,omitempty" doc:"Ended by a newer consent, not by a withdrawal"`
}

// Status is how a principal stands to a purpose.
type Status struct {
	Purpose string   `json:"purpose"`
	Text    string   `json:"text,omitempty"`
	URL     string   `json:"url,omitempty"`
	Version string   `json:"policy_version" doc:"Version of the policy that is in force"`
	State   string   `json:"state" enum:"given,missing,withdrawn,outdated,expired"`
	Consent *Consent `json:"consent,omitempty" doc:"The newest"`
}

// Change says whose consent changes.
type Change struct {
	Principal string `json:"principal" minLength:"1" maxLength:"1024"`
	Purpose   string `json:"purpose" minLength:"1" maxLength:"64"`
	Version   string `json:"policy_version,omitempty" maxLength:"64" doc:"Must be the one in force, if it is given"`
	Evidence  string `json:"evidence,omitempty" maxLength:"500" doc:"What shows it: the reference of a form, a ticket"`
}

// Grant is one break-glass grant.
type Grant struct {
	ID        string     `json:"id"`
	Principal string     `json:"principal"`
	Reason    string     `json:"reason"`
	By        string     `json:"by"`
	At        time.Time  `json:"at"`
	Until     time.Time  `json:"until"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	EndedBy   string     `json:"ended_by,omitempty"`
}

// Break says for whom the glass is broken.
type Break struct {
	Principal string `json:"principal" minLength:"1" maxLength:"1024"`
	Reason    string `json:"reason" minLength:"1" maxLength:"200"`
	Seconds   int64  `json:"seconds" minimum:"60" maximum:"86400"`
}

// Revoke names a grant.
type Revoke struct {
	Which string `json:"which" minLength:"1" maxLength:"1024" doc:"Id of the grant, or its principal"`
}

type whose struct {
	Principal string `query:"principal" required:"true" minLength:"1" maxLength:"1024"`
}

// Group adds the operations to the API.
func Group(book Consents, glass Glass) admin.Group {
	return func(api huma.API, s *admin.Server) {
		registerConsents(api, s, book)
		registerGlass(api, s, glass)
	}
}

func registerConsents(api huma.API, s *admin.Server, book Consents) {
	huma.Register(api, huma.Operation{OperationID: "list-consents", Method: http.MethodGet, Path: consentsPath, Summary: "How a principal stands to each purpose"},
		func(ctx context.Context, in *whose) (*admin.Body[[]Status], error) {
			list, err := book.Statuses(ctx, in.Principal)
			if err != nil {
				return nil, s.Internal(ctx, err)
			}
			out := make([]Status, len(list))
			for i, x := range list {
				out[i] = StatusOf(x)
			}
			return &admin.Body[[]Status]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "consent-history", Method: http.MethodGet, Path: consentsPath + "/history", Summary: "Everything a principal agreed to, oldest first"},
		func(ctx context.Context, in *whose) (*admin.Body[[]Consent], error) {
			list, err := book.History(ctx, in.Principal)
			if err != nil {
				return nil, s.Internal(ctx, err)
			}
			out := make([]Consent, len(list))
			for i := range list {
				out[i] = consentOf(&list[i])
			}
			return &admin.Body[[]Consent]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "grant-consent", Method: http.MethodPost, Path: consentsPath + "/grant", Summary: "Note that a principal agrees to a purpose"},
		func(ctx context.Context, in *admin.Body[Change]) (*admin.Body[Consent], error) {
			c, err := book.Grant(ctx, consent.Consent{Principal: in.Body.Principal, Purpose: in.Body.Purpose, Version: in.Body.Version, Evidence: in.Body.Evidence}, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Consent]{Body: consentOf(&c)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "withdraw-consent", Method: http.MethodPost, Path: consentsPath + "/withdraw", Summary: "End a consent, at once and in running streams too"},
		func(ctx context.Context, in *admin.Body[Change]) (*admin.Body[Consent], error) {
			c, err := book.Withdraw(ctx, in.Body.Principal, in.Body.Purpose, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Consent]{Body: consentOf(&c)}, nil
		})
}

func registerGlass(api huma.API, s *admin.Server, glass Glass) {
	huma.Register(api, huma.Operation{OperationID: "list-break-glass", Method: http.MethodGet, Path: glassPath, Summary: "Who reads protected health information in an emergency"},
		func(ctx context.Context, in *struct {
			All bool `query:"all" doc:"Those that are over, too"`
		}) (*admin.Body[[]Grant], error) {
			list := glass.Active()
			if in.All {
				var err error
				if list, err = glass.History(ctx, maxListed); err != nil {
					return nil, s.Internal(ctx, err)
				}
			}
			out := make([]Grant, len(list))
			for i := range list {
				out[i] = grantOf(&list[i])
			}
			return &admin.Body[[]Grant]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "break-glass", Method: http.MethodPost, Path: glassPath, Summary: "Let a principal read in an emergency"},
		func(ctx context.Context, in *admin.Body[Break]) (*admin.Body[Grant], error) {
			g, err := glass.Grant(ctx, in.Body.Principal, in.Body.Reason, time.Duration(in.Body.Seconds)*time.Second, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Grant]{Body: grantOf(&g)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "end-break-glass", Method: http.MethodPost, Path: glassPath + "/revoke", Summary: "End a break-glass grant before its time"},
		func(ctx context.Context, in *admin.Body[Revoke]) (*admin.Body[Grant], error) {
			g, err := glass.Revoke(ctx, in.Body.Which, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Grant]{Body: grantOf(&g)}, nil
		})
}

func refusal(ctx context.Context, s *admin.Server, err error) error {
	switch {
	case errors.Is(err, consent.ErrPurpose), errors.Is(err, consent.ErrNotGiven), errors.Is(err, phi.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, consent.ErrVersion):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, consent.ErrInvalid), errors.Is(err, phi.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	return s.Internal(ctx, err)
}

// StatusOf returns a status as it is shown.
func StatusOf(x consent.Status) Status {
	out := Status{Purpose: x.Purpose.Name, Text: x.Purpose.Text, URL: x.Purpose.URL, Version: x.Purpose.Version, State: string(x.State)}
	if x.Latest.ID != "" {
		c := consentOf(&x.Latest)
		out.Consent = &c
	}
	return out
}

func consentOf(c *consent.Consent) Consent {
	return Consent{
		ID: c.ID, Principal: c.Principal, Purpose: c.Purpose, Version: c.Version, GrantedAt: c.GrantedAt, GrantedBy: c.GrantedBy,
		Evidence: c.Evidence, WithdrawnAt: when(c.WithdrawnAt), WithdrawnBy: c.WithdrawnBy, Replaced: c.Replaced,
	}
}

func grantOf(g *phi.Grant) Grant {
	return Grant{ID: g.ID, Principal: g.Principal, Reason: g.Reason, By: g.By, At: g.At, Until: g.Until, EndedAt: when(g.EndedAt), EndedBy: g.EndedBy}
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// List asks how a principal stands to each purpose.
func List(ctx context.Context, c *admin.Client, principal string) ([]Status, error) {
	return admin.Ask[[]Status](ctx, c, http.MethodGet, consentsPath+"?"+url.Values{"principal": {principal}}.Encode(), nil)
}

// History asks for everything a principal agreed to.
func History(ctx context.Context, c *admin.Client, principal string) ([]Consent, error) {
	return admin.Ask[[]Consent](ctx, c, http.MethodGet, consentsPath+"/history?"+url.Values{"principal": {principal}}.Encode(), nil)
}

// Give notes a consent.
func Give(ctx context.Context, c *admin.Client, x Change) (Consent, error) {
	return admin.Ask[Consent](ctx, c, http.MethodPost, consentsPath+"/grant", x)
}

// Withdraw ends a consent.
func Withdraw(ctx context.Context, c *admin.Client, x Change) (Consent, error) {
	return admin.Ask[Consent](ctx, c, http.MethodPost, consentsPath+"/withdraw", x)
}

// Grants asks who reads in an emergency.
func Grants(ctx context.Context, c *admin.Client, all bool) ([]Grant, error) {
	path := glassPath
	if all {
		path += "?all=true"
	}
	return admin.Ask[[]Grant](ctx, c, http.MethodGet, path, nil)
}

// BreakGlass lets a principal read in an emergency.
func BreakGlass(ctx context.Context, c *admin.Client, x Break) (Grant, error) {
	return admin.Ask[Grant](ctx, c, http.MethodPost, glassPath, x)
}

// EndBreakGlass ends a grant before its time.
func EndBreakGlass(ctx context.Context, c *admin.Client, x Revoke) (Grant, error) {
	return admin.Ask[Grant](ctx, c, http.MethodPost, glassPath+"/revoke", x)
}

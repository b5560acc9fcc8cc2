// Package incidents is the part of the administration API for a bad day: which
// incidents are open, who is contained, and changing both.
package incidents

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

const (
	incidentsPath    = "/api/v1/incidents"
	containmentsPath = "/api/v1/containments"
	maxListed        = 1000
)

// Cases is what the API needs of *casebook.Book.
type Cases interface {
	List(ctx context.Context, all bool, limit int) ([]casebook.Incident, error)
	Close(ctx context.Context, id, note string, by portcullis.Actor) (casebook.Incident, error)
	// Only is the id of the only incident that is open, or "".
	Only() string
}

// Held is what the API needs of *containment.Book.
type Held interface {
	Active() []containment.Containment
	History(ctx context.Context, max int) ([]containment.Containment, error)
	Contain(ctx context.Context, c containment.Containment, by portcullis.Actor) (containment.Containment, error)
	Release(ctx context.Context, id, reason string, by portcullis.Actor) ([]containment.Released, error)
}

// Incident is one incident.
type Incident struct {
	ID       string     `json:"id"`
	Subject  string     `json:"subject,omitempty" doc:"Whom it is about"`
	Rule     string     `json:"rule"`
	Summary  string     `json:"summary"`
	Score    int        `json:"score" doc:"The highest risk"`
	Count    int        `json:"count" doc:"How often it was noticed"`
	Opened   time.Time  `json:"opened_at"`
	Seen     time.Time  `json:"seen_at" doc:"When it was noticed last"`
	Closed   *time.Time `json:"closed_at,omitempty"`
	ClosedBy string     `json:"closed_by,omitempty"`
	Note     string     `json:"note,omitempty"`

	Severity  string     `json:"severity" enum:"P1,P2,P3,P4"`
	Phase     string     `json:"phase" enum:"detect,contain,preserve,eradicate,recover,review"`
	Owner     string     `json:"owner,omitempty" doc:"Who looks after it"`
	Subjects  []string   `json:"subjects" doc:"Whom and what it is about"`
	Preserved *time.Time `json:"preserved_at,omitempty" doc:"When evidence was preserved last"`
}

// Containment is one containment.
type Containment struct {
	ID        string     `json:"id"`
	Subject   string     `json:"subject"`
	Measure   string     `json:"measure" enum:"block,throttle,step_up"`
	PerHour   int        `json:"per_hour,omitempty"`
	Admin     bool       `json:"admin,omitempty" doc:"Holds on the admin listener too"`
	Reason    string     `json:"reason"`
	By        string     `json:"by"`
	Auto      bool       `json:"automatic,omitempty"`
	Incident  string     `json:"incident,omitempty"`
	At        time.Time  `json:"at"`
	Until     time.Time  `json:"until"`
	Ended     *time.Time `json:"ended_at,omitempty"`
	EndedBy   string     `json:"ended_by,omitempty"`
	EndedFor  string     `json:"ended_for,omitempty"`
	StillHeld bool       `json:"still_held,omitempty" doc:"A tool that stays held until a version of it is approved"`
}

// Contain says whom to contain.
type Contain struct {
	Subject  string `json:"subject" minLength:"1" maxLength:"1024" doc:"Id of a principal, key:ID, session:ID, ip:CIDR, tool:ROUTE/NAME, route:NAME, upstream:NAME or everything"`
	Measure  string `json:"measure,omitempty" enum:"block,throttle,step_up" default:"block"`
	Seconds  int64  `json:"for_seconds" minimum:"1" maximum:"31536000"`
	PerHour  int    `json:"per_hour,omitempty" minimum:"0" doc:"Calls of a throttle"`
	Reason   string `json:"reason" minLength:"1" maxLength:"200"`
	Incident string `json:"incident,omitempty" maxLength:"64" doc:"Incident that it belongs to. Without one it is the only one that is open"`
	Admin    bool   `json:"admin,omitempty" doc:"On the admin listener too. The socket in the data folder is always open to its owner"`
}

// Release says whom to let go.
type Release struct {
	Which  string `json:"which" minLength:"1" maxLength:"1024" doc:"Id of a containment, or a subject"`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

// Close says which incident to close.
type Close struct {
	ID     string `json:"id,omitempty" maxLength:"64" doc:"Without one it is the only one that is open"`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log"`
}

// Group adds the operations to the API.
func Group(cases Cases, held Held) admin.Group {
	return func(api huma.API, s *admin.Server) {
		registerIncidents(api, s, cases)
		registerContainments(api, s, cases, held)
	}
}

func registerIncidents(api huma.API, s *admin.Server, cases Cases) {
	huma.Register(api, huma.Operation{OperationID: "list-incidents", Method: http.MethodGet, Path: incidentsPath, Summary: "List incidents: those that are open, or the newest 1000"},
		func(ctx context.Context, in *struct {
			All bool `query:"all" doc:"Those that are closed, too"`
		}) (*admin.Body[[]Incident], error) {
			list, err := cases.List(ctx, in.All, maxListed)
			if err != nil {
				return nil, s.Internal(ctx, err)
			}
			out := make([]Incident, len(list))
			for i, c := range list {
				out[i] = Of(c)
			}
			return &admin.Body[[]Incident]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "close-incident", Method: http.MethodPost, Path: incidentsPath + "/close", Summary: "Close an incident; what it contained stays contained"},
		func(ctx context.Context, in *admin.Body[Close]) (*admin.Body[Incident], error) {
			if in.Body.ID == "" {
				in.Body.ID = cases.Only()
			}
			c, err := cases.Close(ctx, in.Body.ID, in.Body.Reason, admin.Actor(ctx))
			switch {
			case errors.Is(err, casebook.ErrNotFound):
				return nil, huma.Error404NotFound("no incident of that id is open: 'portcullis incident status' shows those that are")
			case err != nil:
				return nil, s.Internal(ctx, err)
			}
			return &admin.Body[Incident]{Body: Of(c)}, nil
		})
}

func registerContainments(api huma.API, s *admin.Server, cases Cases, held Held) {
	huma.Register(api, huma.Operation{OperationID: "list-containments", Method: http.MethodGet, Path: containmentsPath, Summary: "List containments: those in force, or the newest 1000"},
		func(ctx context.Context, in *struct {
			All bool `query:"all" doc:"Those that are over, too"`
		}) (*admin.Body[[]Containment], error) {
			list := held.Active()
			if in.All {
				var err error
				if list, err = held.History(ctx, maxListed); err != nil {
					return nil, s.Internal(ctx, err)
				}
			}
			out := make([]Containment, len(list))
			for i := range list {
				out[i] = containmentOf(&list[i])
			}
			return &admin.Body[[]Containment]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "contain", Method: http.MethodPost, Path: containmentsPath, Summary: "Hold a caller or a tool back for a time", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *admin.Body[Contain]) (*admin.Body[Containment], error) {
			b := in.Body
			subject, err := containment.ParseSubject(b.Subject)
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			if b.Incident == "" {
				b.Incident = cases.Only()
			}
			now := time.Now()
			c, err := held.Contain(ctx, containment.Containment{
				Subject: subject, Measure: containment.Measure(b.Measure), PerHour: b.PerHour, Reason: b.Reason, Admin: b.Admin, Incident: b.Incident,
				Until: now.Add(time.Duration(b.Seconds) * time.Second),
			}, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Containment]{Body: containmentOf(&c)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "release", Method: http.MethodPost, Path: containmentsPath + "/release", Summary: "End containments before their time"},
		func(ctx context.Context, in *admin.Body[Release]) (*admin.Body[[]Containment], error) {
			list, err := held.Release(ctx, in.Body.Which, in.Body.Reason, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			out := make([]Containment, len(list))
			for i := range list {
				out[i] = containmentOf(&list[i].Containment)
				out[i].StillHeld = list[i].StillHeld
			}
			return &admin.Body[[]Containment]{Body: out}, nil
		})
}

func refusal(ctx context.Context, s *admin.Server, err error) error {
	switch {
	case errors.Is(err, containment.ErrNotFound):
		return huma.Error404NotFound("no such containment is in force: 'portcullis incident status' shows those that are")
	case errors.Is(err, containment.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, containment.ErrFull):
		return huma.Error409Conflict(containment.ErrFull.Error())
	case errors.Is(err, toolpin.ErrFull):
		return huma.Error409Conflict(toolpin.ErrFull.Error())
	}
	return s.Internal(ctx, err)
}

// Of is an incident as the API shows it.
func Of(i casebook.Incident) Incident {
	return Incident{
		Severity: string(i.Severity), Phase: string(i.Phase), Owner: i.Owner, Subjects: append([]string{}, i.Subjects...), Preserved: when(i.Preserved),
		ID: i.ID, Subject: i.Subject, Rule: i.Rule, Summary: i.Summary, Score: i.Score, Count: i.Count,
		Opened: i.OpenedAt, Seen: i.SeenAt, Closed: when(i.ClosedAt), ClosedBy: i.ClosedBy, Note: i.Note,
	}
}

func containmentOf(c *containment.Containment) Containment {
	return Containment{
		ID: c.ID, Subject: c.Subject.String(), Measure: string(c.Measure), PerHour: c.PerHour, Admin: c.Admin, Reason: c.Reason,
		By: c.By, Auto: c.Auto, Incident: c.Incident, At: c.At, Until: c.Until,
		Ended: when(c.EndedAt), EndedBy: c.EndedBy, EndedFor: c.EndedFor,
	}
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func all(path string, on bool) string {
	return path + "?" + url.Values{"all": {strconv.FormatBool(on)}}.Encode()
}

// Incidents asks for the incidents that are open, or for the newest.
func Incidents(ctx context.Context, c *admin.Client, everything bool) ([]Incident, error) {
	return admin.Ask[[]Incident](ctx, c, http.MethodGet, all(incidentsPath, everything), nil)
}

// Containments asks for those in force, or for the newest.
func Containments(ctx context.Context, c *admin.Client, everything bool) ([]Containment, error) {
	return admin.Ask[[]Containment](ctx, c, http.MethodGet, all(containmentsPath, everything), nil)
}

// Hold contains somebody or something.
func Hold(ctx context.Context, c *admin.Client, what Contain) (Containment, error) {
	return admin.Ask[Containment](ctx, c, http.MethodPost, containmentsPath, what)
}

// LetGo ends containments.
func LetGo(ctx context.Context, c *admin.Client, what Release) ([]Containment, error) {
	return admin.Ask[[]Containment](ctx, c, http.MethodPost, containmentsPath+"/release", what)
}

// CloseIncident closes an incident.
func CloseIncident(ctx context.Context, c *admin.Client, what Close) (Incident, error) {
	return admin.Ask[Incident](ctx, c, http.MethodPost, incidentsPath+"/close", what)
}

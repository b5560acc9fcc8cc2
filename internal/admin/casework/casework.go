// Package casework is the part of the administration API in which people work
// off an incident: open it, say who looks after it and where it stands, write
// down what they find, read its timeline and its report.
package casework

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
	"github.com/portcullis-dev/portcullis/internal/incident/report"
)

const path = "/api/v1/incidents"

// Desk is what the API needs.
type Desk interface {
	Cases() *casebook.Book
	// Settle waits until timelines have what was done so far.
	Settle(ctx context.Context) error
	Gather(ctx context.Context, id string) (report.Data, error)
	Act(ctx context.Context, a playbook.Act) (playbook.Acted, error)

	Library() playbook.Library
	Plan(ctx context.Context, q playbook.Request) (casebook.Incident, []playbook.Planned, error)
	Start(ctx context.Context, q playbook.Request) (playbook.Run, error)
	Resume(ctx context.Context, id string, force bool, by portcullis.Actor) (playbook.Run, error)
	RunOf(ctx context.Context, id string) (playbook.Run, error)
	Runs(ctx context.Context, incident string, most int) ([]playbook.Run, error)
}

// Open says what an incident is about.
type Open struct {
	Title    string   `json:"title" minLength:"1" maxLength:"200"`
	Severity string   `json:"severity,omitempty" enum:"P1,P2,P3,P4" default:"P3"`
	Subjects []string `json:"subjects,omitempty" maxItems:"20" doc:"Whom and what it is about, as containments write it"`
	Owner    string   `json:"owner,omitempty" maxLength:"200"`
}

// Change is one of the things that people say of an incident.
type Change struct {
	ID     string `json:"id,omitempty" maxLength:"64" doc:"Without one it is the only one that is open"`
	Value  string `json:"value" minLength:"1" maxLength:"4000" doc:"Owner, severity, phase, or the text of a note"`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log; needed to go back to a phase"`
	Force  bool   `json:"force,omitempty" doc:"Go on without evidence"`
}

// Entry is one line of a timeline.
type Entry struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Kind   string    `json:"kind" enum:"phase,note,action,evidence,owner,severity,closed"`
	Text   string    `json:"text"`
	Events []string  `json:"events" doc:"Ids of events in the audit log"`
}

// Case is an incident with its timeline.
type Case struct {
	incidents.Incident
	Timeline []Entry `json:"timeline"`
}

// Report is what looking back begins with.
type Report struct {
	Incident string   `json:"incident"`
	Markdown string   `json:"markdown"`
	Missing  []string `json:"missing" doc:"What a complete report has and this one lacks"`
}

// Act asks for one action.
type Act struct {
	Action   string            `json:"action" minLength:"1" maxLength:"64"`
	Incident string            `json:"incident,omitempty" maxLength:"64" doc:"Without one it is the only one that is open"`
	Args     map[string]string `json:"args,omitempty"`
	Force    bool              `json:"force,omitempty" doc:"Destroy before evidence is preserved"`
	DryRun   bool              `json:"dry_run,omitempty" doc:"Only say what would be done"`
}

// Acted is what became of it.
type Acted struct {
	Incident string   `json:"incident"`
	Plan     string   `json:"plan"`
	DryRun   bool     `json:"dry_run,omitempty"`
	Notes    []string `json:"notes"`
}

// Group adds the operations to the API.
func Group(d Desk) admin.Group {
	return func(api huma.API, s *admin.Server) {
		registerCases(api, s, d)
		registerChanges(api, s, d)
		registerPlaybooks(api, s, d)
		registerRuns(api, s, d)
	}
}

// refusal turns what went wrong into what the caller may read.
func refusal(ctx context.Context, s *admin.Server, err error) error {
	switch {
	case errors.Is(err, casebook.ErrNotFound):
		return huma.Error404NotFound("no such incident is open: 'portcullis incident list' shows those that are")
	case errors.Is(err, casebook.ErrWhich), errors.Is(err, casebook.ErrClosed), errors.Is(err, order.ErrEvidence), errors.Is(err, playbook.ErrBusy), errors.Is(err, playbook.ErrAction):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, playbook.ErrNone):
		return huma.Error404NotFound(err.Error() + ": 'portcullis incident playbook list' shows those that there are")
	case errors.Is(err, playbook.ErrNotFound):
		return huma.Error404NotFound("no such run: 'portcullis incident playbook runs' shows them")
	case errors.Is(err, casebook.ErrInvalid), errors.Is(err, casebook.ErrPhase), errors.Is(err, playbook.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	return s.Internal(ctx, err)
}

func caseOf(ctx context.Context, d Desk, id string) (Case, error) {
	if err := d.Settle(ctx); err != nil {
		return Case{}, err
	}
	i, list, err := d.Cases().Find(ctx, id)
	if err != nil {
		return Case{}, err
	}
	out := Case{Incident: incidents.Of(i), Timeline: make([]Entry, len(list))}
	for n, e := range list {
		out.Timeline[n] = Entry{e.ID, e.At, e.Actor, string(e.Kind), e.Text, append([]string{}, e.Events...)}
	}
	return out, nil
}

type which struct {
	ID string `query:"id" maxLength:"64" doc:"Without one it is the only one that is open"`
}

func registerCases(api huma.API, s *admin.Server, d Desk) {
	huma.Register(api, huma.Operation{OperationID: "open-incident", Method: http.MethodPost, Path: path, Summary: "Open an incident", DefaultStatus: http.StatusCreated},
		func(ctx context.Context, in *admin.Body[Open]) (*admin.Body[incidents.Incident], error) {
			b := in.Body
			i, err := d.Cases().Open(ctx, casebook.New{Title: b.Title, Severity: casebook.Severity(b.Severity), Subjects: b.Subjects, Owner: b.Owner}, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[incidents.Incident]{Body: incidents.Of(i)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "show-incident", Method: http.MethodGet, Path: path + "/show", Summary: "Show an incident and its timeline"},
		func(ctx context.Context, in *which) (*admin.Body[Case], error) {
			c, err := caseOf(ctx, d, in.ID)
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Case]{Body: c}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "report-incident", Method: http.MethodGet, Path: path + "/report", Summary: "Write the report of an incident. It names callers"},
		func(ctx context.Context, in *which) (*admin.Body[Report], error) {
			data, err := d.Gather(ctx, in.ID)
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Report]{Body: Report{data.Incident.ID, report.Markdown(&data), append([]string{}, report.Missing(&data)...)}}, nil
		})
}

func registerChanges(api huma.API, s *admin.Server, d Desk) {
	for _, c := range []struct {
		id, summary string
		do          func(ctx context.Context, c Change, by portcullis.Actor) error
	}{
		{"assign", "Say who looks after an incident", func(ctx context.Context, c Change, by portcullis.Actor) error {
			return d.Cases().Assign(ctx, c.ID, c.Value, by)
		}},
		{"severity", "Say how bad an incident is", func(ctx context.Context, c Change, by portcullis.Actor) error {
			return d.Cases().Grade(ctx, c.ID, casebook.Severity(c.Value), c.Reason, by)
		}},
		{"phase", "Take an incident to another phase", func(ctx context.Context, c Change, by portcullis.Actor) error {
			return d.Cases().Move(ctx, c.ID, casebook.Phase(c.Value), c.Reason, c.Force, by)
		}},
		{"note", "Write something down. The audit log gets its digest", func(ctx context.Context, c Change, by portcullis.Actor) error {
			_, err := d.Cases().Note(ctx, c.ID, c.Value, by)
			return err
		}},
	} {
		huma.Register(api, huma.Operation{OperationID: c.id + "-incident", Method: http.MethodPost, Path: path + "/" + c.id, Summary: c.summary},
			func(ctx context.Context, in *admin.Body[Change]) (*admin.Body[Case], error) {
				if in.Body.ID == "" {
					in.Body.ID = d.Cases().Only()
				}
				if err := c.do(ctx, in.Body, admin.Actor(ctx)); err != nil {
					return nil, refusal(ctx, s, err)
				}
				out, err := caseOf(ctx, d, in.Body.ID)
				if err != nil {
					return nil, refusal(ctx, s, err)
				}
				return &admin.Body[Case]{Body: out}, nil
			})
	}
	huma.Register(api, huma.Operation{OperationID: "act-on-incident", Method: http.MethodPost, Path: path + "/act", Summary: "Do one action of playbooks for an incident"},
		func(ctx context.Context, in *admin.Body[Act]) (*admin.Body[Acted], error) {
			b := in.Body
			a, err := d.Act(ctx, playbook.Act{Action: b.Action, Incident: b.Incident, Args: b.Args, Force: b.Force, DryRun: b.DryRun, By: admin.Actor(ctx)})
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Acted]{Body: Acted{a.Incident, a.Plan, b.DryRun, append([]string{}, a.Notes...)}}, nil
		})
}

func at(path, id string) string {
	if id == "" {
		return path
	}
	return path + "?" + url.Values{"id": {id}}.Encode()
}

// OpenIncident opens an incident.
func OpenIncident(ctx context.Context, c *admin.Client, o Open) (incidents.Incident, error) {
	return admin.Ask[incidents.Incident](ctx, c, http.MethodPost, path, o)
}

// Show asks for an incident and its timeline.
func Show(ctx context.Context, c *admin.Client, id string) (Case, error) {
	return admin.Ask[Case](ctx, c, http.MethodGet, at(path+"/show", id), nil)
}

// Say changes an incident: what is "assign", "severity", "phase" or "note".
func Say(ctx context.Context, c *admin.Client, what string, change Change) (Case, error) {
	return admin.Ask[Case](ctx, c, http.MethodPost, path+"/"+what, change)
}

// WriteReport asks for the report of an incident.
func WriteReport(ctx context.Context, c *admin.Client, id string) (Report, error) {
	return admin.Ask[Report](ctx, c, http.MethodGet, at(path+"/report", id), nil)
}

// Do asks for one action.
func Do(ctx context.Context, c *admin.Client, a Act) (Acted, error) {
	return admin.Ask[Acted](ctx, c, http.MethodPost, path+"/act", a)
}

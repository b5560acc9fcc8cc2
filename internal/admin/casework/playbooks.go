package casework

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

const (
	playbooksPath = "/api/v1/playbooks"
	runsPath      = "/api/v1/playbook-runs"
	maxRuns       = 200
)

// Playbook is one playbook.
type Playbook struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	About   string `json:"about,omitempty"`
	Steps   int    `json:"steps"`
	BuiltIn bool   `json:"built_in"`
	Text    string `json:"text,omitempty" doc:"As it was written"`
}

// Ask asks for a run, or for its plan.
type Ask struct {
	Incident string            `json:"incident,omitempty" maxLength:"64" doc:"Without one it is the only one that is open"`
	Vars     map[string]string `json:"vars,omitempty" doc:"What is known beside what the incident says"`
	Force    bool              `json:"force,omitempty" doc:"Destroy before evidence is preserved"`
}

// Planned is what a run would do.
type Planned struct {
	Incident string             `json:"incident"`
	Playbook string             `json:"playbook"`
	Steps    []playbook.Planned `json:"steps"`
}

// Run is a playbook as it is carried out.
type Run struct {
	ID       string             `json:"id"`
	Incident string             `json:"incident"`
	Playbook string             `json:"playbook"`
	State    string             `json:"state" enum:"running,done,incomplete,failed"`
	Force    bool               `json:"force,omitempty"`
	Auto     bool               `json:"automatic,omitempty"`
	By       string             `json:"by"`
	Started  time.Time          `json:"started_at"`
	Ended    *time.Time         `json:"ended_at,omitempty"`
	Steps    []playbook.StepRun `json:"steps"`
}

func runOf(r *playbook.Run) Run {
	out := Run{ID: r.ID, Incident: r.Incident, Playbook: r.Playbook, State: string(r.State), Force: r.Force, Auto: r.Auto, By: r.By, Started: r.StartedAt, Steps: r.Steps}
	if !r.EndedAt.IsZero() {
		out.Ended = &r.EndedAt
	}
	return out
}

type named struct {
	Name string `path:"name" minLength:"1" maxLength:"64" doc:"Name of the playbook"`
}

func registerPlaybooks(api huma.API, s *admin.Server, d Desk) {
	huma.Register(api, huma.Operation{OperationID: "list-playbooks", Method: http.MethodGet, Path: playbooksPath, Summary: "List playbooks"},
		func(context.Context, *struct{}) (*admin.Body[[]Playbook], error) {
			l := d.Library()
			out := make([]Playbook, 0, len(l))
			for _, name := range l.Names() {
				p := l[name]
				out = append(out, Playbook{Name: name, Title: p.Title, About: p.About, Steps: len(p.Steps), BuiltIn: p.BuiltIn})
			}
			return &admin.Body[[]Playbook]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "show-playbook", Method: http.MethodGet, Path: playbooksPath + "/{name}", Summary: "Show a playbook"},
		func(ctx context.Context, in *named) (*admin.Body[Playbook], error) {
			p := d.Library()[in.Name]
			if p == nil {
				return nil, refusal(ctx, s, playbook.ErrNone)
			}
			return &admin.Body[Playbook]{Body: Playbook{p.Name, p.Title, p.About, len(p.Steps), p.BuiltIn, p.Text}}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "plan-playbook", Method: http.MethodPost, Path: playbooksPath + "/{name}/plan", Summary: "Say what a playbook would do now, and change nothing"},
		func(ctx context.Context, in *struct {
			Name string `path:"name" minLength:"1" maxLength:"64" doc:"Name of the playbook"`
			Body Ask
		}) (*admin.Body[Planned], error) {
			i, steps, err := d.Plan(ctx, in.Body.request(ctx, in.Name))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Planned]{Body: Planned{i.ID, in.Name, steps}}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "run-playbook", Method: http.MethodPost, Path: playbooksPath + "/{name}/run", Summary: "Begin a playbook for an incident", DefaultStatus: http.StatusAccepted},
		func(ctx context.Context, in *struct {
			Name string `path:"name" minLength:"1" maxLength:"64" doc:"Name of the playbook"`
			Body Ask
		}) (*admin.Body[Run], error) {
			run, err := d.Start(ctx, in.Body.request(ctx, in.Name))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Run]{Body: runOf(&run)}, nil
		})
}

func (a *Ask) request(ctx context.Context, name string) playbook.Request {
	return playbook.Request{Playbook: name, Incident: a.Incident, Vars: a.Vars, Force: a.Force, By: admin.Actor(ctx)}
}

type runID struct {
	ID string `path:"id" minLength:"1" maxLength:"64" doc:"Id of the run"`
}

func registerRuns(api huma.API, s *admin.Server, d Desk) {
	huma.Register(api, huma.Operation{OperationID: "list-playbook-runs", Method: http.MethodGet, Path: runsPath, Summary: "List the newest runs of playbooks"},
		func(ctx context.Context, in *struct {
			Incident string `query:"incident" maxLength:"64" doc:"Only those of this incident"`
		}) (*admin.Body[[]Run], error) {
			list, err := d.Runs(ctx, in.Incident, maxRuns)
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			out := make([]Run, len(list))
			for i := range list {
				out[i] = runOf(&list[i])
			}
			return &admin.Body[[]Run]{Body: out}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "show-playbook-run", Method: http.MethodGet, Path: runsPath + "/{id}", Summary: "Show a run of a playbook"},
		func(ctx context.Context, in *runID) (*admin.Body[Run], error) {
			run, err := d.RunOf(ctx, in.ID)
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Run]{Body: runOf(&run)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "resume-playbook-run", Method: http.MethodPost, Path: runsPath + "/{id}/resume", Summary: "Go on with a run at its first step that was not done", DefaultStatus: http.StatusAccepted},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" minLength:"1" maxLength:"64" doc:"Id of the run"`
			Body struct {
				Force bool `json:"force,omitempty" doc:"Destroy before evidence is preserved"`
			}
		}) (*admin.Body[Run], error) {
			run, err := d.Resume(ctx, in.ID, in.Body.Force, admin.Actor(ctx))
			if err != nil {
				return nil, refusal(ctx, s, err)
			}
			return &admin.Body[Run]{Body: runOf(&run)}, nil
		})
}

// Playbooks asks for the playbooks that there are.
func Playbooks(ctx context.Context, c *admin.Client) ([]Playbook, error) {
	return admin.Ask[[]Playbook](ctx, c, http.MethodGet, playbooksPath, nil)
}

// ShowPlaybook asks for one.
func ShowPlaybook(ctx context.Context, c *admin.Client, name string) (Playbook, error) {
	return admin.Ask[Playbook](ctx, c, http.MethodGet, playbooksPath+"/"+url.PathEscape(name), nil)
}

// PlanRun asks what a run would do.
func PlanRun(ctx context.Context, c *admin.Client, name string, a Ask) (Planned, error) {
	return admin.Ask[Planned](ctx, c, http.MethodPost, playbooksPath+"/"+url.PathEscape(name)+"/plan", a)
}

// StartRun begins a run.
func StartRun(ctx context.Context, c *admin.Client, name string, a Ask) (Run, error) {
	return admin.Ask[Run](ctx, c, http.MethodPost, playbooksPath+"/"+url.PathEscape(name)+"/run", a)
}

// Runs asks for the newest runs, of one incident if it is not "".
func Runs(ctx context.Context, c *admin.Client, incident string) ([]Run, error) {
	return admin.Ask[[]Run](ctx, c, http.MethodGet, runsPath+"?"+url.Values{"incident": {incident}}.Encode(), nil)
}

// ShowRun asks for one.
func ShowRun(ctx context.Context, c *admin.Client, id string) (Run, error) {
	return admin.Ask[Run](ctx, c, http.MethodGet, runsPath+"/"+url.PathEscape(id), nil)
}

// ResumeRun goes on with one.
func ResumeRun(ctx context.Context, c *admin.Client, id string, force bool) (Run, error) {
	return admin.Ask[Run](ctx, c, http.MethodPost, runsPath+"/"+url.PathEscape(id)+"/resume", map[string]bool{"force": force})
}

// pollEvery is how often a run that goes on is asked for.
const pollEvery = 100 * time.Millisecond

// Wait asks for a run until it has ended. told hears of each step that ends.
func Wait(ctx context.Context, c *admin.Client, run Run, told func(n int, s playbook.StepRun) error) (Run, error) {
	next := 0
	for {
		for next < len(run.Steps) && (run.Steps[next].Ended != nil || run.State != string(playbook.Running)) {
			if err := told(next+1, run.Steps[next]); err != nil {
				return run, err
			}
			next++
		}
		if run.State != string(playbook.Running) {
			return run, nil
		}
		t := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return run, ctx.Err()
		case <-t.C:
		}
		var err error
		if run, err = ShowRun(ctx, c, run.ID); err != nil {
			return run, err
		}
	}
}

package playbook

import (
	"context"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// State says where a run is.
type State string

// The states of a run.
const (
	Running    State = "running"
	Done       State = "done"       // every step was done
	Incomplete State = "incomplete" // it came to its end, and a step was not done
	Failed     State = "failed"     // a step failed, and the rest waits
)

// StepState says where a step is.
type StepState string

// The states of a step.
const (
	StepWaiting StepState = "waiting"
	StepRunning StepState = "running"
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"
	StepRefused StepState = "refused" // it destroys, and evidence is not preserved
	StepMissing StepState = "missing" // nobody registered the action
	StepSkipped StepState = "skipped" // optional, and what it needs is not known
)

// StepRun is one step of a run.
type StepRun struct {
	Name     string            `json:"name"`
	Action   string            `json:"action"`
	Phase    string            `json:"phase,omitempty"`
	Optional bool              `json:"optional,omitempty"`
	Args     map[string]string `json:"args,omitempty"`
	State    StepState         `json:"state" enum:"waiting,running,done,failed,refused,missing,skipped"`
	Notes    []string          `json:"notes,omitempty" doc:"What the action told"`
	Error    string            `json:"error,omitempty"`
	Started  *time.Time        `json:"started_at,omitempty"`
	Ended    *time.Time        `json:"ended_at,omitempty"`
}

// Run is a playbook as it is carried out.
type Run struct {
	ID        string
	Incident  string
	Playbook  string
	State     State
	Force     bool
	Auto      bool // a rule started it
	By        string
	StartedAt time.Time
	EndedAt   time.Time // zero while it runs
	Steps     []StepRun
}

// Errors of runs.
var (
	ErrNotFound = errors.New("no such run")
	ErrNone     = errors.New("no such playbook")
	ErrBusy     = errors.New("the run has not ended")
	ErrLimit    = errors.New("rules have started as many playbooks as they may in an hour")
	ErrAgain    = errors.New("a rule has started the playbook for this incident already")
)

// Store keeps runs. A driver passes storetest/incidents.Runs.
type Store interface {
	// SaveRun adds a run or replaces the one with its id.
	SaveRun(ctx context.Context, r Run) error
	// Run returns the one with an id, or ErrNotFound.
	Run(ctx context.Context, id string) (Run, error)
	// Runs lists the newest, of one incident if it is not "".
	Runs(ctx context.Context, incident string, max int) ([]Run, error)
	// RunningRuns lists those that have not ended, oldest first.
	RunningRuns(ctx context.Context) ([]Run, error)
	// AutoRuns counts those that rules started since a time.
	AutoRuns(ctx context.Context, since time.Time) (int, error)
}

// Request asks for a run.
type Request struct {
	Playbook string
	Incident string            // "" = the only one that is open
	Vars     map[string]string // beside what is known of the incident
	Force    bool              // destroy before evidence is preserved
	Auto     bool
	By       portcullis.Actor
}

// Planned is a step as it would be carried out now.
type Planned struct {
	Name        string            `json:"name"`
	Action      string            `json:"action"`
	Phase       string            `json:"phase,omitempty"`
	Optional    bool              `json:"optional,omitempty"`
	Destructive bool              `json:"destructive,omitempty"`
	Args        map[string]string `json:"args,omitempty"`
	State       StepState         `json:"state" enum:"waiting,failed,refused,missing,skipped" doc:"waiting: it would be done"`
	Text        string            `json:"text,omitempty" doc:"What it would do, or why it would not"`
}

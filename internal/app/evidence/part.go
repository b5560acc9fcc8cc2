// Package evidence preserves what an investigation needs before anything is
// destroyed: one signed archive of the audit log with its proof, and of what the
// gateway was and held at that moment. Package auditlog/evidence verifies it,
// anywhere.
//
// Archives are written to DATA/evidence, by the process that has the data
// folder. Personal data stays as it is in the log, sealed, unless an operator
// asks to have it opened; the names of principals in lists are then their
// subjects, as in sealed events.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	api "github.com/portcullis-dev/portcullis/internal/admin/evidence"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
	"github.com/portcullis-dev/portcullis/internal/audit/tlog"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Folder is where archives are, below the data folder.
const Folder = "evidence"

// maxArchives is how many may lie in the folder: whoever takes them away decides
// what is kept, so none is ever removed to make room.
const maxArchives = 64

// Part implements part.Part.
type Part struct {
	env     part.Env
	running atomic.Bool
	key     atomic.Pointer[tlog.Key]

	mu   sync.Mutex
	jobs map[string]*api.Archive // of this process, by id
	busy bool
	wait sync.WaitGroup
	life context.Context
	end  context.CancelFunc
}

var (
	_ part.Part         = (*Part)(nil)
	_ part.Administered = (*Part)(nil)
	_ part.Finishing    = (*Part)(nil)
)

// New returns the part. What an archive that a crash cut off left is removed.
func New(env part.Env) (part.Part, error) {
	p := &Part{env: env, jobs: map[string]*api.Archive{}}
	p.life, p.end = context.WithCancel(context.Background())
	left, err := filepath.Glob(filepath.Join(p.folder(), "*"+unfinished))
	if err != nil {
		return nil, err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("removing an archive that was cut off: %w", err)
		}
	}
	return p, env.Response.Actions.Add(action{p})
}

func (p *Part) folder() string { return filepath.Join(p.env.Dir.Path(), Folder) }

// Next implements part.Part.
func (p *Part) Next(_ context.Context, cfg *config.Config, _ part.Secrets) (func(), error) {
	key, err := transparency.Key(p.env.Dir, cfg.Audit.Tree.Origin)
	if err != nil {
		return nil, err
	}
	return func() { p.key.Store(key) }, nil
}

// Run implements part.Part.
func (p *Part) Run(ctx context.Context) {
	p.running.Store(true)
	<-ctx.Done()
	p.end()
	p.wait.Wait()
}

// Finish implements part.Finishing.
func (p *Part) Finish(context.Context) { p.end() }

// Groups implements part.Administered.
func (p *Part) Groups() []admin.Group { return []admin.Group{api.Group(p)} }

// Start implements api.Maker: it begins an archive, one at a time.
func (p *Part) Start(ctx context.Context, in api.Request, by portcullis.Actor) (api.Archive, error) {
	o, err := p.order(in, by)
	if err != nil {
		return api.Archive{}, err
	}
	if in.Incident != "" { // said before the work is done, not behind it
		i, _, err := p.env.Response.Cases.Find(ctx, in.Incident)
		if errors.Is(err, casebook.ErrNotFound) || err == nil && !i.Open() {
			err = fmt.Errorf("%w: no such incident is open", api.ErrInvalid)
		}
		if err != nil {
			return api.Archive{}, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy {
		return api.Archive{}, api.ErrBusy
	}
	if err := p.room(); err != nil {
		return api.Archive{}, err
	}
	a := &api.Archive{ID: obs.NewID(), State: api.Running}
	for id, old := range p.jobs { // of the past, the files are what counts
		if old.State != api.Running {
			delete(p.jobs, id)
		}
	}
	p.jobs[a.ID], p.busy = a, true
	p.wait.Go(func() {
		made, err := p.Make(p.life, o, func(done, all int64) {
			p.mu.Lock()
			defer p.mu.Unlock()
			a.Done, a.All = done, all
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy = false
		if err != nil {
			p.env.Log.Error("preserving evidence", "error", err)
			a.State, a.Error = api.Failed, err.Error()
			return
		}
		made.ID = a.ID
		*a = made
	})
	return *a, nil
}

// Get implements api.Maker.
func (p *Part) Get(id string) (api.Archive, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.jobs[id]
	if !ok {
		return api.Archive{}, false
	}
	return *a, true
}

// room refuses when too many archives lie there.
func (p *Part) room() error {
	entries, err := os.ReadDir(p.folder())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the folder of evidence: %w", err)
	}
	n := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), unfinished) {
			n++
		}
	}
	if n >= maxArchives {
		return fmt.Errorf("%w: %d archives lie in %s: move them to a safe place first", api.ErrInvalid, n, p.folder())
	}
	return nil
}

// record writes what happens to evidence.
func (p *Part) record(ctx context.Context, o *order, name string, out portcullis.Outcome, details ...slog.Attr) error {
	sev := portcullis.SeverityWarn
	if out == portcullis.OutcomeFailure {
		sev = portcullis.SeverityError
	}
	if o.Incident != "" {
		details = append(details, slog.String("incident", o.Incident))
	}
	return p.env.Journal.Record(context.WithoutCancel(ctx), &portcullis.Event{
		Time: time.Now(), Type: portcullis.EventIncidentAction, Severity: sev, Outcome: out, Actor: o.by,
		Action: "evidence", Resource: "evidence:" + name, Reason: o.Reason, Details: details,
	})
}

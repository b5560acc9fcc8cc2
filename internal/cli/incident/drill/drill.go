package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/admin/casework"
	"github.com/portcullis-dev/portcullis/internal/admin/incidents"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

const (
	patience   = 30 * time.Second // until detection has seen the attack
	limit      = time.Second      // within which containment takes effect
	scanCalls  = 250
	afterwards = 30 // calls that the attacker tries when all is done
)

// hands is who does what in a drill.
type hands struct {
	*scratch
	o        Options
	r        *Result
	attacker *caller
	owner    *caller // the legitimate one
	keyID    string
	stream   <-chan struct{}
}

// Run drills, and returns what it saw. An error means that the drill itself
// could not be held.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	s, err := start(ctx, o)
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	h := &hands{scratch: s, o: o, r: &Result{Playbook: o.Playbook, Grades: []Grade{}}}
	if err := h.keys(ctx); err != nil {
		return nil, err
	}
	calling, stop := context.WithCancel(ctx)
	defer stop()
	var tasks sync.WaitGroup
	tasks.Go(func() {
		h.owner.run(calling, 5*time.Millisecond, [][2]string{{routeFiles, "list"}, {routeMail, "send"}})
	})
	defer tasks.Wait()
	defer stop()
	id, err := h.attack(ctx)
	if err != nil {
		return nil, err
	}
	attacking, rest := context.WithCancel(calling)
	defer rest()
	for range 2 { // it goes on while people act
		tasks.Go(func() { h.attacker.run(attacking, time.Millisecond, [][2]string{{routeFiles, "read"}}) })
	}
	o.Log("carrying out the playbook %s while the attack goes on", o.Playbook)
	run, held, err := h.respond(ctx, id)
	if err != nil {
		return nil, err
	}
	rest()
	h.gradeContainment(ctx, run, held)
	stop()
	tasks.Wait()
	h.gradeOwner(held)
	h.gradeSteps(run)
	if err := h.gradeReport(ctx, id, run); err != nil {
		return nil, err
	}
	if err := h.gradeLog(ctx); err != nil {
		return nil, err
	}
	if h.r.Run, err = json.Marshal(run); err != nil {
		return nil, fmt.Errorf("writing the run: %w", err)
	}
	h.r.close()
	return h.r, nil
}

// keys makes one key that will be stolen and one for somebody else.
func (h *hands) keys(ctx context.Context) error {
	stolen, err := h.client.CreateKey(ctx, admin.CreateKey{Name: "stolen", Scopes: []string{"tools:*"}})
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	other, err := h.client.CreateKey(ctx, admin.CreateKey{Name: "legitimate", Scopes: []string{"tools:*"}})
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	h.keyID = stolen.ID
	h.attacker, h.owner = newCaller(h.base, stolen.Key), newCaller(h.base, other.Key)
	return nil
}

// attack steals: it opens a stream, looks for tools and carries data out, until
// detection has opened an incident. Without one a person opens it.
func (h *hands) attack(ctx context.Context) (string, error) {
	h.o.Log("an attacker uses a stolen key")
	var err error
	if h.stream, err = h.attacker.open(ctx, routeFiles); err != nil {
		return "", err
	}
	began := time.Now()
	for n := range scanCalls {
		if _, err := h.attacker.call(ctx, routeFiles, fmt.Sprintf("tool_%d", n%60)); err != nil {
			return "", fmt.Errorf("attacking: %w", err)
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < patience {
		open, err := incidents.Incidents(ctx, h.client, false)
		if err != nil {
			return "", err
		}
		at := slices.IndexFunc(open, func(i incidents.Incident) bool { return strings.Contains(i.Subject, h.keyID) })
		if at >= 0 {
			h.r.grade("detection", true, fmt.Sprintf("an incident was opened %s after the attack began, risk %d", time.Since(began).Round(10*time.Millisecond), open[at].Score))
			return open[at].ID, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-tick.C:
		}
	}
	h.r.grade("detection", false, fmt.Sprintf("no incident was opened within %s", patience))
	i, err := casework.OpenIncident(ctx, h.client, casework.Open{Title: "a key was stolen", Severity: "P1", Subjects: []string{"key:" + h.keyID}})
	return i.ID, err
}

// respond carries out the playbook.
func (h *hands) respond(ctx context.Context, id string) (casework.Run, []incidents.Containment, error) {
	ask := casework.Ask{Incident: id, Vars: map[string]string{
		"key": h.keyID, "route": routeFiles, "tool": routeFiles + "/read", "upstream": h.files.l.Addr().String(), "ticket": "drill",
	}}
	run, err := casework.StartRun(ctx, h.client, h.o.Playbook, ask)
	if err != nil {
		return run, nil, err
	}
	if run, err = casework.Wait(ctx, h.client, run, func(n int, s playbook.StepRun) error {
		h.o.Log("  %d %s: %s", n, s.Name, s.State)
		return nil
	}); err != nil {
		return run, nil, err
	}
	list, err := incidents.Containments(ctx, h.client, true)
	return run, slices.DeleteFunc(list, func(c incidents.Containment) bool { return c.Incident != id }), err
}

// gradeContainment looks at when the attacker was answered last, at the stream,
// and at what it gets now.
func (h *hands) gradeContainment(ctx context.Context, run casework.Run, held []incidents.Containment) {
	if len(held) == 0 {
		h.r.grade("containment", false, "nothing was contained")
		h.r.grade("lockout", false, "nothing was contained")
		return
	}
	first := slices.MinFunc(held, func(a, b incidents.Containment) int { return a.At.Compare(b.At) }).At
	took := max(0, lastPassed(h.attacker.seen()).Sub(first))
	h.r.ContainedIn = took
	before := len(h.attacker.seen())
	passed := 0
	for range afterwards {
		o, err := h.attacker.call(ctx, routeFiles, "read")
		if err == nil && o.status < http.StatusBadRequest {
			passed++
		}
	}
	slowed := slices.ContainsFunc(held, func(c incidents.Containment) bool { return c.Measure == "throttle" })
	if slowed { // what a throttle lets pass is no sign of its being late
		took = 0
	}
	h.r.grade("containment", took <= limit && h.streamEnded(ctx, held), fmt.Sprintf("the attacker was answered last %s after the first containment, of %d calls", h.r.ContainedIn.Round(time.Millisecond), before))
	h.r.Calls.Attacker, h.r.Calls.AttackerLast = before, passed
	h.r.grade("lockout", passed == 0 || slowed && passed < afterwards/2, fmt.Sprintf("%d of %d calls of the attacker pass afterwards", passed, afterwards))
}

// streamEnded reports whether the stream of the attacker has ended, where what
// was contained ends streams.
func (h *hands) streamEnded(ctx context.Context, held []incidents.Containment) bool {
	ends := slices.ContainsFunc(held, func(c incidents.Containment) bool {
		return c.Measure == "block" && !strings.HasPrefix(c.Subject, "tool:")
	})
	if !ends {
		return true
	}
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-h.stream:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// gradeOwner looks for calls of the legitimate caller that were refused where
// nothing was contained.
func (h *hands) gradeOwner(held []incidents.Containment) {
	lost, bad := 0, 0
	calls := h.owner.seen()
	for _, o := range calls {
		if o.status < http.StatusBadRequest {
			continue
		}
		lost++
		if !slices.ContainsFunc(held, func(c incidents.Containment) bool { return h.covers(c.Subject, o) }) {
			bad++
		}
	}
	h.r.Calls.Legitimate, h.r.Calls.Lost = len(calls), lost
	h.r.grade("legitimate caller", bad == 0 && len(calls) > lost, fmt.Sprintf("%d of %d calls were lost, %d of them where nothing was contained", lost, len(calls), bad))
}

// covers reports whether what is contained is what a call went to.
func (h *hands) covers(subject string, o outcome) bool {
	upstream := h.mail
	if o.route == routeFiles {
		upstream = h.files
	}
	switch subject {
	case "everything", "route:" + o.route, "tool:" + o.route + "/" + o.tool, "upstream:" + upstream.l.Addr().String():
		return true
	}
	return false
}

// gradeSteps looks at what became of the steps, and at their order.
func (h *hands) gradeSteps(run casework.Run) {
	var kept *playbook.StepRun
	destroys := map[string]bool{"rotate-all": true, "revoke-sessions": true, "revoke-key": true, "scale-down": true, "release": true, "erase": true}
	order, destroyed := true, 0
	for i := range run.Steps {
		s := &run.Steps[i]
		name := fmt.Sprintf("step %d: %s", i+1, s.Name)
		switch {
		case s.State == playbook.StepDone:
			h.r.grade(name, true, lastOf(s))
		case s.State == playbook.StepMissing, s.State == playbook.StepRefused, s.State == playbook.StepWaiting:
			h.r.notRun(name, s.Error)
		case s.State == playbook.StepSkipped, s.Optional:
			h.r.notRun(name, "optional: "+s.Error)
		default:
			h.r.grade(name, false, s.Error)
		}
		if s.Action == playbook.Evidence && s.State == playbook.StepDone {
			kept = s
		}
		if (destroys[s.Action] || s.Action == "hook" && !h.harmless(s.Args["name"])) && s.State == playbook.StepDone {
			destroyed++
			order = order && kept != nil && !s.Started.Before(*kept.Ended)
		}
	}
	switch {
	case !order:
		h.r.grade("evidence first", false, "something was destroyed before evidence was preserved")
	case kept == nil:
		h.r.notRun("evidence first", "no evidence was preserved; nothing was destroyed")
	default:
		h.r.grade("evidence first", true, fmt.Sprintf("evidence was preserved before %d steps that destroy", destroyed))
	}
}

// harmless reports whether the configuration says of a hook that it destroys
// nothing.
func (h *hands) harmless(name string) bool {
	return slices.ContainsFunc(h.o.Hooks, func(k Hook) bool { return k.Name == name && !k.Destructive })
}

func lastOf(s *playbook.StepRun) string {
	if n := len(s.Notes); n > 0 {
		return s.Notes[n-1]
	}
	return "done"
}

// gradeReport asks for the report.
func (h *hands) gradeReport(ctx context.Context, id string, run casework.Run) error {
	rep, err := casework.WriteReport(ctx, h.client, id)
	if err != nil {
		return err
	}
	noEvidence := slices.ContainsFunc(run.Steps, func(s playbook.StepRun) bool {
		return s.Action == playbook.Evidence && s.State == playbook.StepMissing
	})
	switch {
	case len(rep.Missing) == 0:
		h.r.grade("report", true, "timeline, containments, evidence and counts are there")
	case noEvidence && slices.Equal(rep.Missing, []string{"evidence"}):
		h.r.notRun("report", "it lacks evidence, which cannot be preserved here; the rest is there")
	default:
		h.r.grade("report", false, "it lacks "+strings.Join(rep.Missing, ", "))
	}
	return nil
}

// gradeLog stops the gateway and verifies its audit log.
func (h *hands) gradeLog(ctx context.Context) error {
	if err := h.stop(ctx); err != nil {
		return err
	}
	rep, err := h.verify(ctx)
	if err != nil {
		return fmt.Errorf("verifying the audit log: %w", err)
	}
	h.r.grade("audit log", rep.OK() && rep.Size > 0, fmt.Sprintf("%d records verified, %d problems", rep.Checked, len(rep.Problems)))
	return nil
}

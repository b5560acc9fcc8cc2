package respond

import (
	"context"
	"errors"
	"net/url"
	"path"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// tell adds an event to the timeline of the incident that it is about. What was
// told already is not told twice.
func (p *Part) tell(ctx context.Context, e *portcullis.Event) {
	for i := range tries {
		err := p.cases.Follow(ctx, e)
		if err == nil || ctx.Err() != nil {
			return
		}
		p.env.Log.Error("writing the timeline of an incident", "event", e.ID, "try", i+1, "error", err)
		wait(ctx, time.Second)
	}
}

// patience is how long a question waits for what was just done.
const patience = 5 * time.Second

// errBehind says that a timeline may lack what happened last.
var errBehind = errors.New("the timeline is behind the audit log: ask again")

// settle returns when timelines have what is in the journal now: whoever does
// something and then asks finds it. Where nobody follows the journal, as on the
// command line without a gateway, it is read here.
func (p *Part) settle(ctx context.Context) error {
	end := p.env.Journal.End().Seq
	if !p.running.Load() {
		return p.readUp(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for p.seen.Load() < end {
		wait(ctx, 10*time.Millisecond)
		if ctx.Err() != nil {
			return errBehind
		}
	}
	return nil
}

// readUp reads the journal once. Nothing is committed: whoever runs next reads
// it again.
func (p *Part) readUp(ctx context.Context) error {
	p.idle.Lock()
	defer p.idle.Unlock()
	for ctx.Err() == nil {
		r, ok, err := p.feed.Poll()
		if err != nil || !ok {
			return err
		}
		p.tell(ctx, &r.Event)
	}
	return ctx.Err()
}

// triggering starts playbooks by the part that runs them, which is made after
// this one.
type triggering struct{ r *part.Response }

// Trigger implements response.Playbooks.
func (t triggering) Trigger(ctx context.Context, playbook, incident string, vars map[string]string) error {
	if t.r.Trigger == nil {
		return nil
	}
	return t.r.Trigger.Trigger(ctx, playbook, incident, vars)
}

// upstreamsOf names the upstream of each route, as containments write it: host
// and port of its address, or the name of its program.
func upstreamsOf(cfg *config.Config) map[string]string {
	out := map[string]string{}
	for i := range cfg.Routes {
		rt := &cfg.Routes[i]
		if u, err := url.Parse(rt.Upstream); rt.Upstream != "" && err == nil {
			out[rt.Name] = u.Host
		} else if len(rt.Command) > 0 {
			out[rt.Name] = path.Base(rt.Command[0])
		}
	}
	return out
}

package respond

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/detect/risk"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/response"
)

const (
	feedName    = "response"
	settingDone = "incident.responded" // number of the first record that nothing was done about yet

	checkpoint = 5 * time.Second // how often the place in the journal is stored
	marks      = 32              // places that are kept of one window
	tries      = 5               // before a response that fails is given up
)

// follower reads the journal. What is remembered of callers is in memory only:
// after a restart it is made again from the events of one window. So the place
// that is stored stays a window behind, and what was done about events is
// stored beside it: nothing is done twice.
type follower struct {
	*Part
	done   uint64 // nothing is done about records before this one
	stored uint64
	places []place // oldest first
	last   time.Time
}

// place is where the journal was at a time.
type place struct {
	at     time.Time // of the event
	cursor journal.Cursor
}

func (p *Part) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.followOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		p.failed.Store(true)
		p.env.Log.Error("following the journal for risky callers", "error", err)
		wait(ctx, time.Second)
		if err := p.feed.Rewind(); err != nil {
			p.env.Log.Error("closing the journal", "error", err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (p *Part) followOnce(ctx context.Context) error {
	f := &follower{Part: p, last: time.Now()}
	text, ok, err := p.env.DB.GetSetting(ctx, settingDone)
	if err != nil {
		return err
	}
	if ok {
		if f.done, err = strconv.ParseUint(text, 10, 64); err != nil {
			return err
		}
		f.stored = f.done
	}
	for {
		r, err := f.next(ctx)
		if err != nil {
			return errors.Join(err, f.keep(context.WithoutCancel(ctx), time.Time{}))
		}
		p.failed.Store(false)
		if r == nil { // nothing new
			f.seen.Store(f.feed.Cursor().Seq)
			if err := f.keepSoon(ctx); err != nil {
				return err
			}
			continue
		}
		f.take(ctx, r)
		f.seen.Store(r.Seq + 1)
		f.mark(r)
		if err := f.keepSoon(ctx); err != nil {
			return err
		}
	}
}

// next returns the next record, or nil when none came for a while.
func (f *follower) next(ctx context.Context) (*feed.Record, error) {
	r, ok, err := f.feed.Poll()
	if err != nil {
		return nil, err
	}
	if !ok {
		wait(ctx, feed.Interval)
		return nil, ctx.Err()
	}
	return &r, nil
}

// take does what has to be done about a record.
func (f *follower) take(ctx context.Context, r *feed.Record) {
	e := &r.Event
	if e.Type == portcullis.EventSessionOpened {
		f.loggedIn(ctx, e)
	}
	found := f.scores.Observe(e)
	for _, a := range found {
		f.metrics.scores.Observe(float64(a.Score))
	}
	if r.Seq < f.done {
		return
	}
	f.tell(ctx, e)
	acted := false
	for _, a := range found {
		if a.Score > f.lowest() {
			f.respond(ctx, e, a)
			acted = true
		}
	}
	f.done = r.Seq + 1
	if acted {
		f.keepDone(ctx)
	}
}

// lowest is the score above which any rule acts.
func (f *follower) lowest() int {
	low := risk.Max
	for _, r := range f.rules.Load().Rules {
		low = min(low, r.Score)
	}
	return low
}

func (f *follower) respond(ctx context.Context, e *portcullis.Event, a risk.Assessment) {
	finding := response.Finding{Score: a.Score, Facts: facts(a.Facts), Route: e.Route}
	if a.Subject.Principal != "" {
		finding.Subject = containment.Subject{Kind: containment.KindPrincipal, ID: a.Subject.Principal}
	} else {
		finding.Subject = containment.Subject{Kind: containment.KindAddress, Net: a.Subject.Network}
	}
	if tool, ok := strings.CutPrefix(e.Resource, "tool:"); ok {
		finding.Tool = tool
	}
	for i := range tries {
		err := f.engine.Respond(ctx, finding)
		if err == nil || ctx.Err() != nil {
			return
		}
		f.env.Log.Error("responding to a risky caller", "event", e.ID, "kind", finding.Subject.Kind.String(), "try", i+1, "error", err)
		wait(ctx, time.Second)
	}
}

func facts(f risk.Facts) []slog.Attr {
	return []slog.Attr{
		slog.Bool("auth_failure", f.AuthFailure), slog.Int("failed_attempts", f.FailedAttempts), slog.Bool("tor_exit", f.Tor),
		slog.Bool("rapid_requests", f.Rapid), slog.Bool("scanning", f.Scanning), slog.Float64("anomaly_score", f.Anomaly),
	}
}

// loggedIn lifts step-ups for a session that was opened by a login.
func (f *follower) loggedIn(ctx context.Context, e *portcullis.Event) {
	session, ok := strings.CutPrefix(e.Resource, "session:")
	if !ok || e.Outcome != portcullis.OutcomeSuccess {
		return
	}
	for _, d := range e.Details {
		if d.Key != "subject" || d.Value.Kind() != slog.KindString {
			continue
		}
		if err := f.held.LoggedIn(ctx, d.Value.String(), session, e.Time); err != nil {
			f.env.Log.Error("lifting a step-up", "error", err)
		}
	}
}

// mark remembers the place behind a record, if that is a while behind the last.
func (f *follower) mark(r *feed.Record) {
	every := time.Duration(f.window.Load()) / marks
	if n := len(f.places); n == 0 || r.Event.Time.Sub(f.places[n-1].at) >= every {
		f.places = append(f.places, place{r.Event.Time, r.Next})
	}
}

func (f *follower) keepSoon(ctx context.Context) error {
	now := time.Now()
	if now.Sub(f.last) < checkpoint {
		return nil
	}
	return f.keep(ctx, now)
}

// keep stores how far things are done, and the last place that is a window old.
func (f *follower) keep(ctx context.Context, now time.Time) error {
	f.last = now
	f.keepDone(ctx)
	if n := len(f.places); n > 0 {
		old := f.places[n-1].at.Add(-time.Duration(f.window.Load()))
		if !now.IsZero() && now.Add(-time.Duration(f.window.Load())).After(old) {
			old = now.Add(-time.Duration(f.window.Load())) // nothing came for long: it still grows old
		}
		i := 0
		for i < n && !f.places[i].at.After(old) {
			i++
		}
		if i > 0 {
			at := f.places[i-1].cursor
			f.places = append(f.places[:0], f.places[i:]...)
			return f.feed.Commit(at)
		}
	}
	return nil
}

func (f *follower) keepDone(ctx context.Context) {
	if f.done == f.stored {
		return
	}
	if err := f.env.DB.SetSetting(context.WithoutCancel(ctx), settingDone, strconv.FormatUint(f.done, 10)); err != nil {
		f.env.Log.Error("storing what was responded to", "error", err)
		return
	}
	f.stored = f.done
}

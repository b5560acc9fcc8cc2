package toolpin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// View is a tool as operators see it.
type View struct {
	Route      string    `json:"route"`
	Tool       string    `json:"tool"`
	State      string    `json:"state" enum:"trusted,held,quarantined"`
	Why        string    `json:"why,omitempty" doc:"Why it is held, the gravest reason first"`
	Hash       string    `json:"hash,omitempty" doc:"Version that an approval is about: the one that waits, else the approved one"`
	Approved   string    `json:"approved,omitempty" doc:"Approved version"`
	FirstSeen  time.Time `json:"first_seen"`
	ChangedAt  time.Time `json:"changed_at"`
	DecidedBy  string    `json:"decided_by,omitempty"`
	Reason     string    `json:"reason,omitempty" doc:"Reason that was given"`
	Difference string    `json:"difference,omitempty" doc:"From the approved version to the one that waits, for people"`

	ApprovedEntry json.RawMessage `json:"approved_entry,omitempty" doc:"The approved version as the server showed it"`
	SeenEntry     json.RawMessage `json:"seen_entry,omitempty" doc:"The version that waits"`
}

func viewOf(p Pin) View {
	v := View{
		Route: p.Route, Tool: p.Tool, State: p.State.String(), Why: JoinReasons(p.Why), Hash: p.Seen.String(), Approved: p.Approved.String(),
		FirstSeen: p.FirstSeen, ChangedAt: p.ChangedAt, DecidedBy: p.DecidedBy, Reason: p.Note,
	}
	if v.Hash == "" {
		v.Hash = v.Approved
	}
	return v
}

// Filter says which tools to list. The zero Filter lists all.
type Filter struct {
	Route string
	State string // "trusted", "held" or "quarantined"
}

// List returns tools by route and name.
func (b *Book) List(f Filter) []View {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []View{}
	for _, t := range b.tracks {
		if f.Route != "" && f.Route != t.name {
			continue
		}
		for _, p := range t.view.Load().pins {
			if v := viewOf(p.Pin); f.State == "" || f.State == v.State {
				out = append(out, v)
			}
		}
	}
	slices.SortFunc(out, func(x, y View) int {
		if c := strings.Compare(x.Route, y.Route); c != 0 {
			return c
		}
		return strings.Compare(x.Tool, y.Tool)
	})
	return out
}

// Show returns one tool with its texts and what differs between them.
func (b *Book) Show(ctx context.Context, route, tool string) (View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, _, err := b.find(route, tool)
	if err != nil {
		return View{}, err
	}
	v := viewOf(p)
	if v.ApprovedEntry, err = b.text(ctx, p, p.Approved); err != nil {
		return View{}, err
	}
	if v.SeenEntry, err = b.text(ctx, p, p.Seen); err != nil {
		return View{}, err
	}
	if v.SeenEntry != nil {
		v.Difference, err = Diff(v.ApprovedEntry, v.SeenEntry)
	}
	return v, err
}

func (b *Book) text(ctx context.Context, p Pin, h Hash) ([]byte, error) {
	if h.IsZero() {
		return nil, nil
	}
	text, err := b.store.PinnedText(ctx, p.Route, p.Tool, h)
	if err != nil {
		return nil, fmt.Errorf("reading a version of tool %q: %w", p.Tool, err)
	}
	return text, nil
}

// find returns the pin of a tool. The caller holds mu.
func (b *Book) find(route, tool string) (Pin, *track, error) {
	t := b.tracks[route]
	if t == nil {
		return Pin{}, nil, ErrNotFound
	}
	e := t.view.Load().pins[tool]
	if e == nil {
		return Pin{}, t, ErrNotFound
	}
	return e.Pin, t, nil
}

// minPrefix is how much of a hash names a version, in hexadecimal digits.
const minPrefix = 12

// Verdict is an operator's word on a tool.
type Verdict struct {
	Route, Tool string
	Hash        string // approvals: the version, or at least 12 digits of it
	Reason      string
	By          portcullis.Actor
}

// Approve makes one version of a tool the one that may be used: the one that
// waits, or the approved one, which releases the tool as it was. It returns
// ErrVersion if the hash names neither, as when the tool has changed since the
// operator looked.
func (b *Book) Approve(ctx context.Context, d Verdict) (View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, t, err := b.find(d.Route, d.Tool)
	if err != nil {
		return View{}, err
	}
	if p.Seen.IsZero() && p.Approved.IsZero() {
		return View{}, ErrNoVersion
	}
	named := func(h Hash) bool { return len(d.Hash) >= minPrefix && strings.HasPrefix(h.String(), d.Hash) }
	switch {
	case !p.Seen.IsZero() && named(p.Seen):
		p.Approved = p.Seen
	case named(p.Approved):
	default:
		return View{}, ErrVersion
	}
	p.State, p.Seen, p.Why = Trusted, Hash{}, nil
	return b.decide(ctx, t, p, d, portcullis.EventToolApproved)
}

// Quarantine holds a tool at once, whatever the policy of its route, until it
// is approved. The tool need not have been seen.
func (b *Book) Quarantine(ctx context.Context, d Verdict) (View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, t, err := b.find(d.Route, d.Tool)
	if errors.Is(err, ErrNotFound) {
		t = b.track(d.Route)
		if len(t.view.Load().pins) >= maxTools {
			return View{}, ErrFull
		}
		p = Pin{Route: d.Route, Tool: d.Tool, FirstSeen: b.now()}
	}
	p.State, p.Why = Quarantined, nil
	return b.decide(ctx, t, p, d, portcullis.EventToolQuarantined)
}

// decide writes an operator's word down, first into the audit log: not
// recorded, not done. The caller holds mu.
func (b *Book) decide(ctx context.Context, t *track, p Pin, d Verdict, event portcullis.EventType) (View, error) {
	ctx = context.WithoutCancel(ctx)
	p.ChangedAt, p.DecidedBy, p.Note = b.now(), d.By.ID, d.Reason
	if err := b.note(ctx, event, portcullis.OutcomeSuccess, p, d); err != nil {
		return View{}, fmt.Errorf("recording the decision: %w", err)
	}
	if err := b.save(ctx, t, t.view.Load().route, []Pin{p}, nil); err != nil {
		d.Reason = "could not be stored"
		return View{}, errors.Join(err, b.note(ctx, event, portcullis.OutcomeFailure, p, d))
	}
	return viewOf(p), nil
}

func (b *Book) note(ctx context.Context, event portcullis.EventType, o portcullis.Outcome, p Pin, d Verdict) error {
	return b.recorder.Record(ctx, &portcullis.Event{
		Time: b.now(), Type: event, Severity: portcullis.SeverityWarn, Outcome: o, Actor: d.By, Route: p.Route,
		Resource: "tool:" + plain(p.Tool), Action: "tools/decide", Reason: d.Reason,
		Details: []slog.Attr{slog.String("hash", p.Approved.String())},
	})
}

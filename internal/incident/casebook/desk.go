package casebook

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

var _ order.Cases = (*Book)(nil)

// ByHand is the rule of incidents that a person opened.
const ByHand = "hand"

// Bounds of what a person says of an incident.
const (
	MaxSubjects = 20
	maxSubject  = 1024 // bytes
	maxOpen     = 1000 // incidents at a time
)

// New is what a person says who opens an incident.
type New struct {
	Title    string
	Severity Severity // "" = P3
	Subjects []string // as containments write them
	Owner    string
}

// line reports whether a text is one line that is not too long.
func line(s string, most int) bool {
	return s != "" && len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Open opens an incident by hand.
func (b *Book) Open(ctx context.Context, n New, by portcullis.Actor) (Incident, error) {
	ctx = context.WithoutCancel(ctx)
	if n.Severity == "" {
		n.Severity = P3
	}
	long := func(s string) bool { return !line(s, maxSubject) }
	switch {
	case !line(n.Title, MaxText):
		return Incident{}, fmt.Errorf("%w: title: want one line of 1 to %d bytes", ErrInvalid, MaxText)
	case !n.Severity.Valid():
		return Incident{}, fmt.Errorf("%w: severity: want P1, P2, P3 or P4", ErrInvalid)
	case len(n.Subjects) > MaxSubjects || slices.ContainsFunc(n.Subjects, long):
		return Incident{}, fmt.Errorf("%w: subjects: want at most %d of 1 to %d bytes", ErrInvalid, MaxSubjects, maxSubject)
	case n.Owner != "" && !line(n.Owner, MaxText):
		return Incident{}, fmt.Errorf("%w: owner: want one line of at most %d bytes", ErrInvalid, MaxText)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.open) >= maxOpen {
		return Incident{}, fmt.Errorf("%w: %d incidents are open: close some", ErrInvalid, len(b.open))
	}
	now := stored(b.now())
	i := Incident{
		ID: obs.NewID(), Rule: ByHand, Summary: n.Title, Count: 1, OpenedAt: now, SeenAt: now, Severity: n.Severity,
		Subjects: slices.Clone(n.Subjects), Owner: n.Owner,
	}
	i.Key = ByHand + ":" + i.ID
	if len(n.Subjects) > 0 {
		i.Subject = n.Subjects[0]
	}
	return b.begin(ctx, i, by)
}

// change is what happens to an incident, for its timeline and the audit log.
type change struct {
	kind    Kind
	text    string
	reason  string
	by      portcullis.Actor
	details []slog.Attr
	out     *Entry // gets what the timeline says; may be nil
}

// change does something to an incident that is open: on record first, then
// stored, then in its timeline.
func (b *Book) change(ctx context.Context, id string, c change, do func(*Incident) error) error {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	at, err := b.opened(id)
	if err != nil {
		if id != "" {
			if _, err := b.store.Incident(ctx, id); err == nil {
				return ErrClosed
			}
		}
		return err
	}
	next := at.Incident
	if err := do(&next); err != nil {
		return err
	}
	reason := c.reason
	if reason == "" && c.kind != KindNote {
		reason = c.text
	}
	e := &portcullis.Event{
		Time: b.now(), Type: portcullis.EventIncidentAction, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Actor: c.by, Action: string(c.kind), Resource: "incident:" + next.ID, Reason: reason,
		Details: append([]slog.Attr{slog.String("incident", next.ID)}, c.details...),
	}
	if err := b.recorder.Record(ctx, e); err != nil {
		return fmt.Errorf("recording what was done about an incident: %w", err)
	}
	next.SeenAt = stored(e.Time)
	if err := b.save(ctx, next); err != nil {
		return err
	}
	at.Incident, at.saved = next, next.SeenAt
	line := Entry{ID: obs.NewID(), Incident: next.ID, At: next.SeenAt, Actor: c.by.ID, Kind: c.kind, Text: c.text, Events: []string{e.ID}}
	if c.out != nil {
		*c.out = line
	}
	return b.add(ctx, line)
}

// Assign says who looks after an incident.
func (b *Book) Assign(ctx context.Context, id, owner string, by portcullis.Actor) error {
	if !line(owner, MaxText) {
		return fmt.Errorf("%w: owner: want one line of 1 to %d bytes", ErrInvalid, MaxText)
	}
	return b.change(ctx, id, change{kind: KindOwner, text: owner, reason: "assigned", by: by}, func(i *Incident) error {
		i.Owner = owner
		return nil
	})
}

// Grade says how bad an incident is.
func (b *Book) Grade(ctx context.Context, id string, s Severity, reason string, by portcullis.Actor) error {
	if !s.Valid() {
		return fmt.Errorf("%w: severity: want P1, P2, P3 or P4", ErrInvalid)
	}
	return b.change(ctx, id, change{kind: KindSeverity, text: string(s), reason: reason, by: by}, func(i *Incident) error {
		i.Severity = s
		return nil
	})
}

// Move takes an incident to another phase; see [Phase.Move].
func (b *Book) Move(ctx context.Context, id string, to Phase, reason string, force bool, by portcullis.Actor) error {
	if len(reason) > MaxText {
		return fmt.Errorf("%w: reason: more than %d bytes", ErrInvalid, MaxText)
	}
	c := change{kind: KindPhase, text: string(to), reason: reason, by: by, details: []slog.Attr{slog.String("phase", string(to)), slog.Bool("forced", force)}}
	return b.change(ctx, id, c, func(i *Incident) error {
		if err := i.Phase.Move(to, reason, !i.Preserved.IsZero(), force); err != nil {
			return err
		}
		i.Phase = to
		return nil
	})
}

// Reach takes an incident forward to a phase, and does nothing if it is there
// or further.
func (b *Book) Reach(ctx context.Context, id string, to Phase, force bool, by portcullis.Actor) error {
	i, _, err := b.Find(ctx, id)
	if err != nil || !i.Phase.Before(to) {
		return err
	}
	return b.Move(ctx, id, to, "", force, by)
}

// Preserve notes that evidence of an incident is preserved: the name of the
// archive and its SHA-256.
func (b *Book) Preserve(ctx context.Context, id, archive, sha256 string, by portcullis.Actor) error {
	text := archive + " sha256:" + sha256
	if archive == "" || sha256 == "" || len(text) > MaxNote {
		return fmt.Errorf("%w: evidence: want the name of an archive and its digest", ErrInvalid)
	}
	return b.change(ctx, id, change{kind: KindEvidence, text: text, reason: "evidence preserved", by: by, details: []slog.Attr{slog.String("sha256", sha256)}},
		func(i *Incident) error {
			i.Preserved = stored(b.now())
			return nil
		})
}

// Preserved implements [order.Cases].
func (b *Book) Preserved(ctx context.Context, id string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id != "" {
		i, err := b.find(ctx, id)
		return err == nil && !i.Preserved.IsZero(), err
	}
	for _, e := range b.open {
		if e.Preserved.IsZero() {
			return false, nil
		}
	}
	return true, nil
}

// Package casebook keeps incidents: what was noticed of whom, how bad it is,
// who looks after it, in which [Phase] it is, what was done and when (its
// timeline), and when somebody closed it.
//
// An incident is opened by a rule ([Book.Notice]) or by a person ([Book.Open]);
// from there on the two are the same.
//
// One incident is open for a key at a time: what is noticed again while it is
// open updates it. So a storm of events is one incident with a number, and
// whoever is woken by INCIDENT_OPENED is woken once. The events name the incident
// by its id, which is also the key by which alerts find together; whom it is
// about is their actor, whose personal data is sealed in the audit log.
package casebook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Errors of this package.
var (
	ErrNotFound = errors.New("no such incident is open")
	ErrInvalid  = errors.New("not an incident")
)

// MaxText bounds texts of an incident, in bytes.
const MaxText = 200

// Overflow is the key of the incident that stands for all that came when too
// many had been opened already.
const Overflow = "overflow"

// Incident is one of them.
type Incident struct {
	ID       string
	Key      string // one is open for a key at a time
	Subject  string // whom it is about, as containments write it
	Rule     string // that opened it
	Summary  string
	Score    int // the highest
	Count    int // how often it was noticed
	OpenedAt time.Time
	SeenAt   time.Time // noticed last
	ClosedAt time.Time // zero = open
	ClosedBy string
	Note     string // of who closed it

	Severity  Severity
	Phase     Phase
	Owner     string    // who looks after it, "" = nobody yet
	Subjects  []string  // whom and what it is about, Subject first
	Preserved time.Time // when evidence was preserved last, zero = never

	Actor portcullis.Actor // the subject, for the event that tells of the incident; not stored
}

// Open reports whether the incident is open.
func (i *Incident) Open() bool { return i.ClosedAt.IsZero() }

// Store keeps incidents. A driver passes storetest/incidents.Incidents.
type Store interface {
	// SaveIncident adds an incident or replaces the one with its id.
	SaveIncident(ctx context.Context, i Incident) error
	// OpenIncidents lists those that are open, oldest first.
	OpenIncidents(ctx context.Context) ([]Incident, error)
	// Incidents lists the newest, those that are closed included.
	Incidents(ctx context.Context, max int) ([]Incident, error)
	// OpenedIncidents counts those opened since a time.
	OpenedIncidents(ctx context.Context, since time.Time) (int, error)
	// Incident returns the one with an id, or ErrNotFound.
	Incident(ctx context.Context, id string) (Incident, error)
	// AddEntry adds to the timeline of an incident. An entry whose id the
	// timeline has already is not added again.
	AddEntry(ctx context.Context, e Entry) error
	// Entries lists the timeline of an incident, oldest first.
	Entries(ctx context.Context, incident string) ([]Entry, error)
}

// Settings bound what a Book does by itself.
type Settings struct {
	PerHour int           // incidents opened in an hour; further ones become one
	Quiet   time.Duration // after which an incident closes; 0 = never
}

// Defaults of Settings.
const (
	DefaultPerHour = 100
	DefaultQuiet   = 24 * time.Hour
)

// saveEvery is how often what is noticed again of an open incident is stored.
const saveEvery = 10 * time.Second

// Book opens, updates and closes incidents. It is safe for concurrent use.
type Book struct {
	store    Store
	recorder portcullis.Recorder
	now      func() time.Time

	mu    sync.Mutex
	set   Settings
	open  map[string]*entry // by key
	early []time.Time       // when those of the last hour were opened, oldest first
}

type entry struct {
	Incident
	saved    time.Time // when it was stored last
	followed int       // events that its timeline took
}

// NewBook returns the book of a store. now may be nil.
func NewBook(ctx context.Context, store Store, recorder portcullis.Recorder, now func() time.Time) (*Book, error) {
	if now == nil {
		now = time.Now
	}
	b := &Book{store: store, recorder: recorder, now: now, open: map[string]*entry{}, set: Settings{DefaultPerHour, DefaultQuiet}}
	list, err := store.OpenIncidents(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading incidents: %w", err)
	}
	for _, i := range list {
		b.open[i.Key] = &entry{Incident: i, saved: i.SeenAt}
	}
	n, err := store.OpenedIncidents(ctx, now().Add(-time.Hour))
	if err != nil {
		return nil, fmt.Errorf("reading incidents: %w", err)
	}
	for range n { // a restart does not begin the hour anew
		b.early = append(b.early, now())
	}
	return b, nil
}

// Use puts settings into force.
func (b *Book) Use(s Settings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set = s
}

// Notice opens an incident, or updates the one that is open for its key. It
// reports whether one was opened.
func (b *Book) Notice(ctx context.Context, i Incident, details ...slog.Attr) (Incident, bool, error) {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if i.Key == "" || len(i.Summary) > MaxText {
		return Incident{}, false, ErrInvalid
	}
	now := stored(b.now())
	have := b.open[i.Key]
	if have == nil && b.tooMany(now) {
		i.Key, i.Subject, i.Summary = Overflow, "", "more incidents than incident.max_per_hour allows"
		have = b.open[i.Key]
	}
	if have != nil {
		have.Count++
		have.Score, have.SeenAt = max(have.Score, i.Score), now
		if now.Sub(have.saved) < saveEvery {
			return have.Incident, false, nil
		}
		have.saved = now
		return have.Incident, false, b.save(ctx, have.Incident)
	}
	i.ID, i.Count, i.OpenedAt, i.SeenAt = obs.NewID(), 1, now, now
	i.Owner, i.Severity, i.Subjects = "", severityOf(i), nil
	if i.Subject != "" {
		i.Subjects = []string{i.Subject}
	}
	by := i.Actor
	if i.Actor = (portcullis.Actor{}); i.Key == Overflow || by == (portcullis.Actor{}) {
		by = portcullis.Actor{ID: auto, Method: "response"}
	}
	i, err := b.begin(ctx, i, by, details...)
	if err != nil {
		return Incident{}, false, err
	}
	b.early = append(b.early, now)
	return i, true, nil
}

// begin puts a new incident on record, stores it and writes the first line of
// its timeline. The caller holds mu and has set what is known of it.
func (b *Book) begin(ctx context.Context, i Incident, by portcullis.Actor, details ...slog.Attr) (Incident, error) {
	i.ClosedAt, i.ClosedBy, i.Note, i.Preserved, i.Phase = time.Time{}, "", "", time.Time{}, Detect
	event, err := b.note(ctx, portcullis.EventIncidentOpened, i, by, i.Summary, details...)
	if err != nil {
		return Incident{}, fmt.Errorf("recording an incident: %w", err)
	}
	if err := b.save(ctx, i); err != nil {
		return Incident{}, err
	}
	b.open[i.Key] = &entry{Incident: i, saved: i.SeenAt}
	who := by.ID
	if i.Rule != ByHand { // the event tells of the caller; who opened it is the gateway
		who = auto
	}
	err = b.add(ctx, Entry{Incident: i.ID, At: i.OpenedAt, Actor: who, Kind: KindPhase, Text: string(Detect), Events: []string{event}})
	return i, err
}

// tooMany reports whether no further incident may be opened now. The caller
// holds mu.
func (b *Book) tooMany(now time.Time) bool {
	for len(b.early) > 0 && now.Sub(b.early[0]) >= time.Hour {
		b.early = b.early[1:]
	}
	return b.set.PerHour > 0 && len(b.early) >= b.set.PerHour
}

// Close closes an incident. It returns ErrNotFound if none of that id is open.
func (b *Book) Close(ctx context.Context, id, note string, by portcullis.Actor) (Incident, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(note) > MaxText {
		return Incident{}, fmt.Errorf("%w: reason: more than %d bytes", ErrInvalid, MaxText)
	}
	for _, e := range b.open {
		if e.ID == id {
			return b.close(context.WithoutCancel(ctx), e.Incident, note, by)
		}
	}
	return Incident{}, ErrNotFound
}

// close closes i. The caller holds mu.
func (b *Book) close(ctx context.Context, i Incident, note string, by portcullis.Actor) (Incident, error) {
	i.ClosedAt, i.ClosedBy, i.Note = stored(b.now()), by.ID, note
	event, err := b.note(ctx, portcullis.EventIncidentClosed, i, by, note)
	if err != nil {
		return Incident{}, fmt.Errorf("recording that an incident is closed: %w", err)
	}
	if err := b.save(ctx, i); err != nil {
		return Incident{}, err
	}
	delete(b.open, i.Key)
	return i, b.add(ctx, Entry{Incident: i.ID, At: i.ClosedAt, Actor: by.ID, Kind: KindClosed, Text: note, Events: []string{event}})
}

// untouched reports whether nobody has begun to look after an incident that a
// rule opened: only such a one closes by itself.
func (i *Incident) untouched() bool { return i.Rule != ByHand && i.Owner == "" && i.Phase == Detect }

// Sweep closes incidents of which nothing was heard for long and that nobody
// looks after, and stores what was only counted.
func (b *Book) Sweep(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	var errs []error
	for _, e := range b.open {
		switch {
		case b.set.Quiet > 0 && e.untouched() && now.Sub(e.SeenAt) >= b.set.Quiet:
			_, err := b.close(ctx, e.Incident, "nothing more was noticed", portcullis.Actor{ID: auto, Method: "schedule"})
			errs = append(errs, err)
		case e.SeenAt.After(e.saved) && now.Sub(e.saved) >= saveEvery:
			e.saved = now
			errs = append(errs, b.save(ctx, e.Incident))
		}
	}
	return errors.Join(errs...)
}

// Count is the number of incidents that are open.
func (b *Book) Count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open)
}

// CountBy is the number of those that are open of one severity.
func (b *Book) CountBy(s Severity) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.open {
		if e.Severity == s {
			n++
		}
	}
	return n
}

// List lists the newest incidents: those that are open, or all.
func (b *Book) List(ctx context.Context, all bool, limit int) ([]Incident, error) {
	if all {
		return b.store.Incidents(ctx, limit)
	}
	return b.store.OpenIncidents(ctx)
}

func (b *Book) save(ctx context.Context, i Incident) error {
	if err := b.store.SaveIncident(ctx, i); err != nil {
		return fmt.Errorf("storing an incident: %w", err)
	}
	return nil
}

// note writes that an incident was opened or closed, and returns the id of the
// event.
func (b *Book) note(ctx context.Context, t portcullis.EventType, i Incident, by portcullis.Actor, reason string, more ...slog.Attr) (string, error) {
	sev, action := portcullis.SeverityCritical, "open" // what a rule opens wakes people
	if i.Rule == ByHand {
		sev = i.Severity.event()
	}
	if t == portcullis.EventIncidentClosed {
		sev, action = portcullis.SeverityInfo, "close"
	}
	e := &portcullis.Event{
		Time: b.now(), Type: t, Severity: sev, Outcome: portcullis.OutcomeSuccess, Actor: by,
		Resource: "incident:" + i.ID, Action: action, Reason: reason, RiskScore: i.Score,
		Details: append([]slog.Attr{
			slog.String("dedup_key", i.ID), slog.String("rule", i.Rule), slog.Int("count", i.Count), slog.String("priority", string(i.Severity)),
		}, more...),
	}
	err := b.recorder.Record(ctx, e)
	return e.ID, err
}

// auto is who acts when nobody does.
const auto = "portcullis"

// stored is a time as stores keep it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

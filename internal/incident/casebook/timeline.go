package casebook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Kind says what an entry of a timeline is.
type Kind string

// The kinds of entries.
const (
	KindPhase    Kind = "phase"    // the text is the phase that began
	KindNote     Kind = "note"     // somebody wrote something down
	KindAction   Kind = "action"   // the audit log tells of something that was done
	KindEvidence Kind = "evidence" // the text is the archive, and its digest
	KindOwner    Kind = "owner"    // the text is who looks after it from now on
	KindSeverity Kind = "severity" // the text is how bad it is from now on
	KindClosed   Kind = "closed"
)

// MaxNote bounds what one entry says, in bytes.
const MaxNote = 4000

// maxFollowed bounds what the timeline of one incident takes from the audit log
// between two starts: the log itself has all.
const maxFollowed = 2000

// Entry is one line of a timeline.
type Entry struct {
	ID       string
	Incident string
	At       time.Time
	Actor    string // who did it
	Kind     Kind
	Text     string
	Events   []string // ids of events in the audit log that tell of it
}

// add stores an entry. The caller holds mu.
func (b *Book) add(ctx context.Context, e Entry) error {
	if e.ID == "" {
		e.ID = obs.NewID()
	}
	if err := b.store.AddEntry(ctx, e); err != nil {
		return fmt.Errorf("storing an entry of a timeline: %w", err)
	}
	return nil
}

// Find returns an incident and its timeline. "" is the only one that is open.
func (b *Book) Find(ctx context.Context, id string) (Incident, []Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(ctx, id)
	if err != nil {
		return Incident{}, nil, err
	}
	list, err := b.store.Entries(ctx, i.ID)
	if err != nil {
		return Incident{}, nil, fmt.Errorf("reading a timeline: %w", err)
	}
	return i, list, nil
}

// ErrWhich says that an incident has to be named.
var ErrWhich = errors.New("more than one incident is open: name one")

// find returns an incident as it is now. The caller holds mu.
func (b *Book) find(ctx context.Context, id string) (Incident, error) {
	if e, err := b.opened(id); err == nil || id == "" {
		if err != nil {
			return Incident{}, err
		}
		return e.Incident, nil
	}
	return b.store.Incident(ctx, id)
}

// opened returns an incident that is open. The caller holds mu.
func (b *Book) opened(id string) (*entry, error) {
	if id == "" && len(b.open) > 1 {
		return nil, ErrWhich
	}
	for _, e := range b.open {
		if id == "" || e.ID == id {
			return e, nil
		}
	}
	return nil, ErrNotFound
}

// Only returns the id of the only incident that is open, or "".
func (b *Book) Only() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, err := b.opened(""); err == nil {
		return e.ID
	}
	return ""
}

// Note writes something down. The audit log gets the digest of the text: that
// it was written, and that it is still what was written, can be proved, and the
// text itself can be kept from whoever reads the log.
func (b *Book) Note(ctx context.Context, id, text string, by portcullis.Actor) (Entry, error) {
	if text == "" || len(text) > MaxNote || !utf8.ValidString(text) {
		return Entry{}, fmt.Errorf("%w: note: want 1 to %d bytes of text", ErrInvalid, MaxNote)
	}
	sum := sha256.Sum256([]byte(text))
	var out Entry
	err := b.change(ctx, id, change{KindNote, text, "", by, []slog.Attr{slog.String("sha256", hex.EncodeToString(sum[:]))}, &out}, func(*Incident) error { return nil })
	return out, err
}

// followed are the events, beside INCIDENT_ACTION, that say what was done while
// an incident was open.
func followed(t portcullis.EventType) bool {
	switch t {
	case portcullis.EventIncidentAction, portcullis.EventMaintenanceOn, portcullis.EventMaintenanceOff, portcullis.EventAPIKeyRevoked,
		portcullis.EventAPIKeyRotated, portcullis.EventSessionRevoked, portcullis.EventSecretRotated, portcullis.EventConfigChanged,
		portcullis.EventToolApproved:
		return true
	}
	return false
}

// own reports whether the book wrote an event, and has it in its timeline.
func own(e *portcullis.Event) bool {
	switch Kind(e.Action) {
	case KindNote, KindPhase, KindOwner, KindSeverity, KindEvidence:
		return strings.HasPrefix(e.Resource, "incident:")
	}
	return false
}

// Follow adds an event of the audit log to the timeline of the incident that it
// names, or of the only one that was open when it happened. What the book wrote
// itself, what a schedule did and what is only about to happen is left out. It may see an event twice.
func (b *Book) Follow(ctx context.Context, e *portcullis.Event) error {
	if !followed(e.Type) || e.Outcome == portcullis.OutcomePending || e.Actor.Method == "schedule" || own(e) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at, err := b.opened(detail(e, "incident"))
	if err != nil || e.Time.Before(at.OpenedAt) || at.followed >= maxFollowed {
		return nil //nolint:nilerr // it belongs to none
	}
	at.followed++
	who := detail(e, "by")
	if who == "" {
		who = e.Actor.ID
	}
	return b.add(context.WithoutCancel(ctx), Entry{ID: e.ID, Incident: at.ID, At: stored(e.Time), Actor: who, Kind: KindAction, Text: told(e), Events: []string{e.ID}})
}

// told is an event in one line.
func told(e *portcullis.Event) string {
	words := []string{strings.ToLower(strings.ReplaceAll(string(e.Type), "_", " "))}
	if e.Type == portcullis.EventIncidentAction {
		words[0] = e.Action
	}
	subject := detail(e, "subject")
	if subject == "" && detail(e, "automatic") == "true" {
		subject = e.Actor.ID
		if subject == "" && e.Actor.IP.IsValid() {
			subject = "ip:" + e.Actor.IP.String()
		}
	}
	if subject == "" {
		subject = e.Resource
	}
	for _, w := range []string{subject, detail(e, "measure")} {
		if w != "" {
			words = append(words, w)
		}
	}
	text := strings.Join(words, " ")
	if e.Outcome == portcullis.OutcomeFailure {
		text += " (failed)"
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return clip(text)
}

// clip shortens a text to what an entry holds, between runes.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "�")
	for len(text) > MaxNote {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}

func detail(e *portcullis.Event, key string) string {
	for _, a := range e.Details {
		if a.Key == key {
			return a.Value.Resolve().String()
		}
	}
	return ""
}

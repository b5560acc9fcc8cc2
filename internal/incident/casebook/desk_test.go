package casebook

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
)

var root = portcullis.Actor{ID: "local:root"}

func attr(key, value string) slog.Attr { return slog.String(key, value) }

// TestPhaseMachine: whatever people do, an incident is in one of the phases, is
// never behind preserving without evidence unless somebody insisted, does not
// change once it is closed, comes back from the store as it was, and its
// timeline begins with its first phase and ends in the one it is in.
func TestPhaseMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
		m := &memory{kept: map[string]Incident{}}
		open := func() *Book {
			b, err := NewBook(t.Context(), m, m, func() time.Time { return now })
			if err != nil {
				rt.Fatal(err)
			}
			return b
		}
		b := open()
		i, err := b.Open(t.Context(), New{Title: "a key was stolen", Subjects: []string{"key:1"}}, root)
		if err != nil {
			rt.Fatal(err)
		}
		phase, preserved, forced, closed := Detect, false, false, false
		rt.Repeat(map[string]func(*rapid.T){
			"move": func(rt *rapid.T) {
				now = now.Add(time.Minute)
				to := rapid.SampledFrom(append(Phases(), "nonsense", "")).Draw(rt, "to")
				reason := rapid.SampledFrom([]string{"", "it is not over"}).Draw(rt, "reason")
				force := rapid.Bool().Draw(rt, "force")
				err := b.Move(t.Context(), i.ID, to, reason, force, root)
				allowed := !closed && to.Valid() && to != phase && (phase.Before(to) || reason != "") &&
					(preserved || force || to.Before(Eradicate) || !phase.Before(Eradicate))
				if allowed != (err == nil) {
					rt.Fatalf("%s to %q (reason %q, force %t, preserved %t, closed %t) = %v", phase, to, reason, force, preserved, closed, err)
				}
				if closed && !errors.Is(err, ErrClosed) {
					rt.Fatalf("a closed incident: %v", err)
				}
				if err == nil {
					forced = forced || force
					phase = to
				}
			},
			"preserve": func(rt *rapid.T) {
				err := b.Preserve(t.Context(), i.ID, "evidence.tar", strings.Repeat("0", 64), root)
				if (err == nil) == closed {
					rt.Fatalf("closed %t: %v", closed, err)
				}
				preserved = preserved || err == nil
			},
			"note": func(rt *rapid.T) {
				if _, err := b.Note(t.Context(), i.ID, "looked at the proxy", root); (err == nil) == closed {
					rt.Fatalf("closed %t: %v", closed, err)
				}
			},
			"close": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "rarely") > 0 {
					return
				}
				if _, err := b.Close(t.Context(), i.ID, "over", root); (err == nil) == closed {
					rt.Fatalf("closed %t: %v", closed, err)
				}
				closed = true
			},
			"restart": func(*rapid.T) { b = open() },
			"": func(rt *rapid.T) {
				have, list, err := b.Find(t.Context(), i.ID)
				if err != nil || have.Phase != phase || have.Open() == closed || have.Preserved.IsZero() == preserved {
					rt.Fatalf("%+v, %v; want phase %s, closed %t, preserved %t", have, err, phase, closed, preserved)
				}
				if !have.Phase.Valid() || !have.Phase.Before(Eradicate) && !preserved && !forced {
					rt.Fatalf("in %s without evidence", have.Phase)
				}
				last := Phase("")
				for _, e := range list {
					if e.Kind == KindPhase {
						last = Phase(e.Text)
					}
				}
				if len(list) == 0 || list[0].Kind != KindPhase || list[0].Text != string(Detect) || last != phase {
					rt.Fatalf("timeline %+v", list)
				}
				if ok, err := b.Preserved(t.Context(), i.ID); err != nil || ok != preserved {
					rt.Fatalf("Preserved = %t, %v", ok, err)
				}
				if ok, err := b.Preserved(t.Context(), ""); err != nil || ok != (preserved || closed) {
					rt.Fatalf("Preserved of all = %t, %v", ok, err)
				}
			},
		})
	})
}

func TestOpenByHand(t *testing.T) {
	m := &memory{kept: map[string]Incident{}}
	b, err := NewBook(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]New{
		"no title": {}, "long title": {Title: strings.Repeat("x", MaxText+1)}, "severity": {Title: "x", Severity: "P5"},
		"two lines": {Title: "x\ny"}, "subject of two lines": {Title: "x", Subjects: []string{"a\nb"}},
		"empty subject": {Title: "x", Subjects: []string{""}}, "many": {Title: "x", Subjects: make([]string, MaxSubjects+1)}, "owner": {Title: "x", Owner: strings.Repeat("x", MaxText+1)},
	} {
		if _, err := b.Open(t.Context(), n, root); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(m.events) != 0 || b.Count() != 0 {
		t.Fatal("what was refused left a trace")
	}
	if _, _, err := b.Find(t.Context(), ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing is open: %v", err)
	}
	i, err := b.Open(t.Context(), New{Title: "a key was stolen", Severity: P1, Subjects: []string{"key:1", "user:a"}, Owner: "alice"}, root)
	if err != nil || i.Phase != Detect || i.Subject != "key:1" || i.Owner != "alice" || b.CountBy(P1) != 1 || b.CountBy(P2) != 0 {
		t.Fatalf("%+v, %v", i, err)
	}
	if b.Only() != i.ID {
		t.Error("it is not the only one")
	}
	if err := b.Sweep(t.Context()); err != nil || b.Count() != 1 {
		t.Error("it closed by itself")
	}
	if _, err := b.Open(t.Context(), New{Title: "another"}, root); err != nil || b.Only() != "" {
		t.Errorf("%v", err)
	}
	if _, _, err := b.Find(t.Context(), ""); !errors.Is(err, ErrWhich) {
		t.Errorf("two are open: %v", err)
	}
	if err := b.Assign(t.Context(), i.ID, "bob", root); err != nil {
		t.Error(err)
	}
	if err := b.Grade(t.Context(), i.ID, P2, "smaller than it looked", root); err != nil {
		t.Error(err)
	}
	if err := b.Grade(t.Context(), i.ID, "high", "", root); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	have, list, err := b.Find(t.Context(), i.ID)
	if err != nil || have.Owner != "bob" || have.Severity != P2 || len(list) != 3 {
		t.Errorf("%+v, %+v, %v", have, list, err)
	}
	if err := b.Assign(t.Context(), "nothing", "bob", root); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestNoteIsNotInTheLog: the audit log has the digest of a note and not a word.
func TestNoteIsNotInTheLog(t *testing.T) {
	m := &memory{kept: map[string]Incident{}}
	b, err := NewBook(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, err := b.Open(t.Context(), New{Title: "x"}, root)
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Note(t.Context(), "", "alice says hello", root)
	if err != nil || e.Incident != i.ID || e.Kind != KindNote || e.Actor != root.ID {
		t.Fatalf("%+v, %v", e, err)
	}
	last := m.events[len(m.events)-1]
	if strings.Contains(fmt.Sprintf("%+v", last), "alice") || detail(&last, "sha256") != fmt.Sprintf("%x", sha256.Sum256([]byte("alice says hello"))) {
		t.Errorf("%+v", last)
	}
	for _, bad := range []string{"", strings.Repeat("x", MaxNote+1), "\xff"} {
		if _, err := b.Note(t.Context(), "", bad, root); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	m.mute = errors.New("the disk is full")
	if _, err := b.Note(t.Context(), "", "x", root); !errors.Is(err, m.mute) {
		t.Errorf("what cannot be recorded was done: %v", err)
	}
	if _, list, err := b.Find(t.Context(), ""); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestFollow: what the audit log tells of goes to the incident that it names,
// or to the only one that was open then, once.
func TestFollow(t *testing.T) {
	m := &memory{kept: map[string]Incident{}}
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	b, err := NewBook(t.Context(), m, m, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.Open(t.Context(), New{Title: "first"}, root)
	if err != nil {
		t.Fatal(err)
	}
	event := func(id string, after time.Duration, kind portcullis.EventType, incident string) *portcullis.Event {
		e := &portcullis.Event{ID: id, Time: now.Add(after), Type: kind, Outcome: portcullis.OutcomeSuccess, Actor: root, Action: "contain", Resource: "containment:1", Reason: "leaked"}
		if incident != "" {
			e.Details = append(e.Details, attr("incident", incident))
		}
		return e
	}
	texts := func(id string) (out []string) {
		_, list, err := b.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.Kind == KindAction {
				out = append(out, e.Text)
			}
		}
		return out
	}
	follow := func(list ...*portcullis.Event) {
		t.Helper()
		for _, e := range list {
			if err := b.Follow(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	scheduled := event("e5", time.Second, portcullis.EventAPIKeyRotated, "")
	scheduled.Actor.Method = "schedule"
	own := event("e6", time.Second, portcullis.EventIncidentAction, "")
	own.Resource, own.Action = "incident:"+first.ID, "note"
	follow(
		event("e1", -time.Second, portcullis.EventIncidentAction, ""), // before it was opened
		event("e2", time.Second, portcullis.EventIncidentAction, ""),
		event("e2", time.Second, portcullis.EventIncidentAction, ""), // again
		event("e3", time.Second, portcullis.EventAPIKeyRevoked, ""),
		event("e4", time.Second, portcullis.EventAuthFailure, ""), // nothing that was done
		scheduled, own,
		event("e7", time.Second, portcullis.EventIncidentAction, "another"),
	)
	if got := texts(first.ID); len(got) != 2 || got[0] != "contain containment:1: leaked" || got[1] != "api key revoked containment:1: leaked" {
		t.Errorf("%q", got)
	}
	second, err := b.Open(t.Context(), New{Title: "second"}, root)
	if err != nil {
		t.Fatal(err)
	}
	follow(event("e8", time.Second, portcullis.EventIncidentAction, ""), event("e9", time.Second, portcullis.EventIncidentAction, second.ID))
	if a, z := texts(first.ID), texts(second.ID); len(a) != 2 || len(z) != 1 {
		t.Errorf("%q and %q", a, z)
	}
}

// TestEvidenceFirst: the book answers what package order asks.
func TestEvidenceFirst(t *testing.T) {
	m := &memory{kept: map[string]Incident{}}
	b, err := NewBook(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Ask(t.Context(), b, "", "rotate-all", true, false); err != nil {
		t.Errorf("nothing is open: %v", err)
	}
	i, err := b.Open(t.Context(), New{Title: "x"}, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Ask(t.Context(), b, "", "rotate-all", true, false); !errors.Is(err, order.ErrEvidence) {
		t.Errorf("one is open: %v", err)
	}
	if err := b.Preserve(t.Context(), i.ID, "", "", root); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if err := b.Preserve(t.Context(), i.ID, "evidence.tar", strings.Repeat("a", 64), root); err != nil {
		t.Fatal(err)
	}
	if err := order.Ask(t.Context(), b, i.ID, "rotate-all", true, false); err != nil {
		t.Errorf("evidence is preserved: %v", err)
	}
}

// Package casework keeps what happens on a bad day: incidents, containments, runs
// of playbooks and rotations of everything.
package casework

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Incidents implements casebook.Store.
type Incidents struct{ db *conn.Conn }

var _ casebook.Store = (*Incidents)(nil)

// NewIncidents returns the store.
func NewIncidents(c *conn.Conn) *Incidents { return &Incidents{db: c} }

const incidentColumns = `id, key, subject, rule, summary, score, count, opened_at, seen_at, closed_at, closed_by, note,
	severity, phase, owner, subjects, preserved_at`

// SaveIncident implements casebook.Store.
func (s *Incidents) SaveIncident(ctx context.Context, i casebook.Incident) error {
	_, err := s.db.Writer.ExecContext(ctx, `INSERT INTO incidents (`+incidentColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET score = excluded.score, count = excluded.count, seen_at = excluded.seen_at,
			closed_at = excluded.closed_at, closed_by = excluded.closed_by, note = excluded.note,
			severity = excluded.severity, phase = excluded.phase, owner = excluded.owner, subjects = excluded.subjects, preserved_at = excluded.preserved_at`,
		i.ID, i.Key, i.Subject, i.Rule, i.Summary, i.Score, i.Count, conn.Micros(i.OpenedAt), conn.Micros(i.SeenAt), conn.Micros(i.ClosedAt), i.ClosedBy, i.Note,
		string(i.Severity), string(i.Phase), i.Owner, strings.Join(i.Subjects, "\n"), conn.Micros(i.Preserved))
	return conn.Explain(err)
}

// OpenIncidents implements casebook.Store.
func (s *Incidents) OpenIncidents(ctx context.Context) ([]casebook.Incident, error) {
	return s.list(ctx, "SELECT "+incidentColumns+" FROM incidents WHERE closed_at = 0 ORDER BY opened_at, id")
}

// Incidents implements casebook.Store.
func (s *Incidents) Incidents(ctx context.Context, limit int) ([]casebook.Incident, error) {
	return s.list(ctx, "SELECT "+incidentColumns+" FROM incidents ORDER BY opened_at DESC, id DESC LIMIT ?", limit)
}

// OpenedIncidents implements casebook.Store.
func (s *Incidents) OpenedIncidents(ctx context.Context, since time.Time) (n int, err error) {
	err = s.db.Reader.QueryRowContext(ctx, "SELECT count(*) FROM incidents WHERE opened_at > ?", conn.Micros(since)).Scan(&n)
	return n, conn.Explain(err)
}

// Incident implements casebook.Store.
func (s *Incidents) Incident(ctx context.Context, id string) (casebook.Incident, error) {
	list, err := s.list(ctx, "SELECT "+incidentColumns+" FROM incidents WHERE id = ?", id)
	if err != nil {
		return casebook.Incident{}, err
	}
	if len(list) == 0 {
		return casebook.Incident{}, casebook.ErrNotFound
	}
	return list[0], nil
}

// AddEntry implements casebook.Store.
func (s *Incidents) AddEntry(ctx context.Context, e casebook.Entry) error {
	_, err := s.db.Writer.ExecContext(ctx, `INSERT INTO incident_entries (incident, id, at, actor, kind, text, events) VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (incident, id) DO NOTHING`,
		e.Incident, e.ID, conn.Micros(e.At), e.Actor, string(e.Kind), e.Text, strings.Join(e.Events, " "))
	return conn.Explain(err)
}

// Entries implements casebook.Store.
func (s *Incidents) Entries(ctx context.Context, incident string) (out []casebook.Entry, err error) {
	rows, err := s.db.Reader.QueryContext(ctx, "SELECT id, at, actor, kind, text, events FROM incident_entries WHERE incident = ? ORDER BY at, id", incident)
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e := casebook.Entry{Incident: incident}
		var at int64
		var kind, events string
		if err := rows.Scan(&e.ID, &at, &e.Actor, &kind, &e.Text, &events); err != nil {
			return nil, conn.Explain(err)
		}
		e.At, e.Kind, e.Events = conn.FromMicros(at), casebook.Kind(kind), strings.Fields(events)
		out = append(out, e)
	}
	return out, conn.Explain(rows.Err())
}

func (s *Incidents) list(ctx context.Context, query string, args ...any) (out []casebook.Incident, err error) {
	rows, err := s.db.Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var i casebook.Incident
		var opened, seen, closed, preserved int64
		var severity, phase, subjects string
		if err := rows.Scan(&i.ID, &i.Key, &i.Subject, &i.Rule, &i.Summary, &i.Score, &i.Count, &opened, &seen, &closed, &i.ClosedBy, &i.Note, &severity, &phase, &i.Owner, &subjects, &preserved); err != nil {
			return nil, conn.Explain(err)
		}
		i.OpenedAt, i.SeenAt, i.ClosedAt = conn.FromMicros(opened), conn.FromMicros(seen), conn.FromMicros(closed)
		i.Severity, i.Phase, i.Preserved = casebook.Severity(severity), casebook.Phase(phase), conn.FromMicros(preserved)
		if subjects != "" {
			i.Subjects = strings.Split(subjects, "\n")
		}
		out = append(out, i)
	}
	return out, conn.Explain(rows.Err())
}

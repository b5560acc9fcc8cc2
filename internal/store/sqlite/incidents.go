package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
)

// Incidents implements casebook.Store.
type Incidents struct{ db *DB }

var _ casebook.Store = (*Incidents)(nil)

// Incidents returns the store of incidents. None is ever removed.
func (db *DB) Incidents() *Incidents { return &Incidents{db: db} }

const incidentColumns = "id, key, subject, rule, summary, score, count, opened_at, seen_at, closed_at, closed_by, note"

// SaveIncident implements casebook.Store.
func (s *Incidents) SaveIncident(ctx context.Context, i casebook.Incident) error {
	_, err := s.db.writer.ExecContext(ctx, `INSERT INTO incidents (`+incidentColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET score = excluded.score, count = excluded.count, seen_at = excluded.seen_at,
			closed_at = excluded.closed_at, closed_by = excluded.closed_by, note = excluded.note`,
		i.ID, i.Key, i.Subject, i.Rule, i.Summary, i.Score, i.Count, micros(i.OpenedAt), micros(i.SeenAt), micros(i.ClosedAt), i.ClosedBy, i.Note)
	return explain(err)
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
	err = s.db.reader.QueryRowContext(ctx, "SELECT count(*) FROM incidents WHERE opened_at > ?", micros(since)).Scan(&n)
	return n, explain(err)
}

func (s *Incidents) list(ctx context.Context, query string, args ...any) (out []casebook.Incident, err error) {
	rows, err := s.db.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var i casebook.Incident
		var opened, seen, closed int64
		if err := rows.Scan(&i.ID, &i.Key, &i.Subject, &i.Rule, &i.Summary, &i.Score, &i.Count, &opened, &seen, &closed, &i.ClosedBy, &i.Note); err != nil {
			return nil, explain(err)
		}
		i.OpenedAt, i.SeenAt, i.ClosedAt = fromMicros(opened), fromMicros(seen), fromMicros(closed)
		out = append(out, i)
	}
	return out, explain(rows.Err())
}

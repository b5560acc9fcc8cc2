package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/taint"
)

// Taints implements taint.Store.
type Taints struct{ db *DB }

var _ taint.Store = (*Taints)(nil)

// Taints returns the store of what callers have read.
func (db *DB) Taints() *Taints { return &Taints{db: db} }

const taintColumns = "principal, label, route, at, until"

// Taints implements taint.Store.
func (t *Taints) Taints(ctx context.Context, principal string, now time.Time) ([]taint.Mark, error) {
	return t.list(ctx, "SELECT "+taintColumns+" FROM taints WHERE principal = ? AND until > ? ORDER BY label", principal, micros(now))
}

// SaveTaint implements taint.Store.
func (t *Taints) SaveTaint(ctx context.Context, m taint.Mark) error {
	return t.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM taints WHERE until <= ?", micros(m.At)); err != nil {
			return explain(err)
		}
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO taints ("+taintColumns+") VALUES (?,?,?,?,?)",
			m.Principal, m.Label, m.Route, micros(m.At), micros(m.Until))
		return explain(err)
	})
}

// DropTaints implements taint.Store.
func (t *Taints) DropTaints(ctx context.Context, principal string) error {
	_, err := t.db.writer.ExecContext(ctx, "DELETE FROM taints WHERE principal = ?", principal)
	return explain(err)
}

// ListTaints implements taint.Store.
func (t *Taints) ListTaints(ctx context.Context, now time.Time, max int) ([]taint.Mark, error) {
	return t.list(ctx, "SELECT "+taintColumns+" FROM taints WHERE until > ? ORDER BY principal, label LIMIT ?", micros(now), max)
}

func (t *Taints) list(ctx context.Context, query string, args ...any) (out []taint.Mark, err error) {
	rows, err := t.db.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m taint.Mark
		var at, until int64
		if err := rows.Scan(&m.Principal, &m.Label, &m.Route, &at, &until); err != nil {
			return nil, explain(err)
		}
		m.At, m.Until = fromMicros(at), fromMicros(until)
		out = append(out, m)
	}
	return out, explain(rows.Err())
}

package casework

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/rotateall"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Rotations implements rotateall.Store.
type Rotations struct{ db *conn.Conn }

var _ rotateall.Store = (*Rotations)(nil)

// NewRotations returns the store.
func NewRotations(c *conn.Conn) *Rotations { return &Rotations{db: c} }

// keepRotations is how long a run is remembered: its history is in the audit log.
const keepRotations = 365 * 24 * time.Hour

// AddRun implements rotateall.Store.
func (s *Rotations) AddRun(ctx context.Context, r rotateall.Run) error {
	err := s.db.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM rotation_runs WHERE ended_at > 0 AND ended_at < ?", conn.Micros(r.Created.Add(-keepRotations))); err != nil {
			return conn.Explain(err)
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO rotation_runs (id, plan, state, overlap, made_by, reason, incident, created_at, ended_at) VALUES (?,?,?,?,?,?,?,?,?)",
			r.ID, r.Plan, string(r.State), r.Overlap.Microseconds(), r.By, r.Reason, r.Incident, conn.Micros(r.Created), conn.Micros(r.Ended)); err != nil {
			return conn.Explain(err)
		}
		for n, i := range r.Items {
			if _, err := tx.ExecContext(ctx, "INSERT INTO rotation_items (run, n, kind, name, base, state, result, detail) VALUES (?,?,?,?,?,?,?,?)",
				r.ID, n, i.Kind, i.Name, i.Base, string(i.State), i.Result, i.Detail); err != nil {
				return conn.Explain(err)
			}
		}
		return nil
	})
	if conn.Taken(err) {
		return rotateall.ErrBusy
	}
	return err
}

// SaveItem implements rotateall.Store.
func (s *Rotations) SaveItem(ctx context.Context, run string, n int, i rotateall.Item) error {
	return s.update(ctx, "UPDATE rotation_items SET state = ?, result = ?, detail = ? WHERE run = ? AND n = ?", string(i.State), i.Result, i.Detail, run, n)
}

// SaveRun implements rotateall.Store.
func (s *Rotations) SaveRun(ctx context.Context, r rotateall.Run) error {
	err := s.update(ctx, "UPDATE rotation_runs SET state = ?, ended_at = ? WHERE id = ?", string(r.State), conn.Micros(r.Ended), r.ID)
	if conn.Taken(err) {
		return rotateall.ErrBusy
	}
	return err
}

func (s *Rotations) update(ctx context.Context, query string, args ...any) error {
	res, err := s.db.Writer.ExecContext(ctx, query, args...)
	if err != nil {
		return conn.Explain(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(rotateall.ErrNotFound, err)
	}
	return nil
}

// Run implements rotateall.Store.
func (s *Rotations) Run(ctx context.Context, id string) (rotateall.Run, error) {
	if id == "" {
		return s.one(ctx, "ORDER BY created_at DESC, id DESC LIMIT 1")
	}
	return s.one(ctx, "WHERE id = ?", id)
}

// RunningRun implements rotateall.Store.
func (s *Rotations) RunningRun(ctx context.Context) (rotateall.Run, error) {
	return s.one(ctx, "WHERE state = 'running'")
}

func (s *Rotations) one(ctx context.Context, which string, args ...any) (r rotateall.Run, err error) {
	var overlap, created, ended int64
	var state string
	err = s.db.Reader.QueryRowContext(ctx, "SELECT id, plan, state, overlap, made_by, reason, incident, created_at, ended_at FROM rotation_runs "+which, args...). //nolint:gosec // which is one of the texts above
																					Scan(&r.ID, &r.Plan, &state, &overlap, &r.By, &r.Reason, &r.Incident, &created, &ended)
	if errors.Is(err, sql.ErrNoRows) {
		return r, rotateall.ErrNotFound
	}
	if err != nil {
		return r, conn.Explain(err)
	}
	r.State, r.Overlap, r.Created, r.Ended = rotateall.State(state), time.Duration(overlap)*time.Microsecond, conn.FromMicros(created), conn.FromMicros(ended)
	rows, err := s.db.Reader.QueryContext(ctx, "SELECT kind, name, base, state, result, detail FROM rotation_items WHERE run = ? ORDER BY n", r.ID)
	if err != nil {
		return r, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r.Items = []rotateall.Item{}
	for rows.Next() {
		var i rotateall.Item
		if err := rows.Scan(&i.Kind, &i.Name, &i.Base, &state, &i.Result, &i.Detail); err != nil {
			return r, conn.Explain(err)
		}
		i.State = rotateall.State(state)
		r.Items = append(r.Items, i)
	}
	return r, conn.Explain(rows.Err())
}

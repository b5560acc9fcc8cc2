package casework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Runs implements playbook.Store.
type Runs struct{ db *conn.Conn }

var _ playbook.Store = (*Runs)(nil)

// NewRuns returns the store.
func NewRuns(c *conn.Conn) *Runs { return &Runs{db: c} }

const runColumns = "id, incident, playbook, state, force, auto, started_by, started_at, ended_at, steps"

// SaveRun implements playbook.Store.
func (s *Runs) SaveRun(ctx context.Context, r playbook.Run) error {
	steps, err := json.Marshal(r.Steps)
	if err != nil {
		return fmt.Errorf("writing the steps of a run: %w", err)
	}
	_, err = s.db.Writer.ExecContext(ctx, "INSERT OR REPLACE INTO playbook_runs ("+runColumns+") VALUES (?,?,?,?,?,?,?,?,?,?)",
		r.ID, r.Incident, r.Playbook, string(r.State), r.Force, r.Auto, r.By, conn.Micros(r.StartedAt), conn.Micros(r.EndedAt), string(steps))
	return conn.Explain(err)
}

// Run implements playbook.Store.
func (s *Runs) Run(ctx context.Context, id string) (playbook.Run, error) {
	list, err := s.list(ctx, "SELECT "+runColumns+" FROM playbook_runs WHERE id = ?", id)
	if err != nil {
		return playbook.Run{}, err
	}
	if len(list) == 0 {
		return playbook.Run{}, playbook.ErrNotFound
	}
	return list[0], nil
}

// Runs implements playbook.Store.
func (s *Runs) Runs(ctx context.Context, incident string, limit int) ([]playbook.Run, error) {
	if incident == "" {
		return s.list(ctx, "SELECT "+runColumns+" FROM playbook_runs ORDER BY started_at DESC, id DESC LIMIT ?", limit)
	}
	return s.list(ctx, "SELECT "+runColumns+" FROM playbook_runs WHERE incident = ? ORDER BY started_at DESC, id DESC LIMIT ?", incident, limit)
}

// RunningRuns implements playbook.Store.
func (s *Runs) RunningRuns(ctx context.Context) ([]playbook.Run, error) {
	return s.list(ctx, "SELECT "+runColumns+" FROM playbook_runs WHERE state = 'running' ORDER BY started_at, id")
}

// AutoRuns implements playbook.Store.
func (s *Runs) AutoRuns(ctx context.Context, since time.Time) (n int, err error) {
	err = s.db.Reader.QueryRowContext(ctx, "SELECT count(*) FROM playbook_runs WHERE auto = 1 AND started_at > ?", conn.Micros(since)).Scan(&n)
	return n, conn.Explain(err)
}

func (s *Runs) list(ctx context.Context, query string, args ...any) (out []playbook.Run, err error) {
	rows, err := s.db.Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r playbook.Run
		var started, ended int64
		var state, steps string
		if err := rows.Scan(&r.ID, &r.Incident, &r.Playbook, &state, &r.Force, &r.Auto, &r.By, &started, &ended, &steps); err != nil {
			return nil, conn.Explain(err)
		}
		if err := json.Unmarshal([]byte(steps), &r.Steps); err != nil {
			return nil, fmt.Errorf("reading the steps of run %q: %w", r.ID, err)
		}
		r.State, r.StartedAt, r.EndedAt = playbook.State(state), conn.FromMicros(started), conn.FromMicros(ended)
		out = append(out, r)
	}
	return out, conn.Explain(rows.Err())
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// Pins implements toolpin.Store.
type Pins struct{ db *DB }

var _ toolpin.Store = (*Pins)(nil)

// Pins returns the store of what servers showed of their tools.
func (db *DB) Pins() *Pins { return &Pins{db: db} }

const pinColumns = "route, tool, state, approved, seen, why, revision, first_seen, changed_at, decided_by, note"

// LoadPins implements toolpin.Store.
func (s *Pins) LoadPins(ctx context.Context) (routes []toolpin.Route, pins []toolpin.Pin, err error) {
	routes, err = collect(ctx, s.db.reader, "SELECT route, opened_at, settled FROM tool_routes ORDER BY route", func(scan func(...any) error) (r toolpin.Route, err error) {
		var opened int64
		err = scan(&r.Name, &opened, &r.Settled)
		r.Opened = fromMicros(opened)
		return r, err
	})
	if err != nil {
		return nil, nil, err
	}
	pins, err = collect(ctx, s.db.reader, "SELECT "+pinColumns+" FROM tool_pins ORDER BY route, tool", scanPin)
	return routes, pins, err
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, db *sql.DB, query string, read func(scan func(...any) error) (T, error)) (out []T, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := read(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, v)
	}
	return out, explain(rows.Err())
}

func scanPin(scan func(...any) error) (p toolpin.Pin, err error) {
	var approved, seen []byte
	var why string
	var first, changed int64
	err = scan(&p.Route, &p.Tool, &p.State, &approved, &seen, &why, &p.Revision, &first, &changed, &p.DecidedBy, &p.Note)
	copy(p.Approved[:], approved)
	copy(p.Seen[:], seen)
	p.Why = toolpin.SplitReasons(why)
	p.FirstSeen, p.ChangedAt = fromMicros(first), fromMicros(changed)
	return p, err
}

// SavePins implements toolpin.Store.
func (s *Pins) SavePins(ctx context.Context, r toolpin.Route, pins []toolpin.Pin, versions []toolpin.Version) error {
	return s.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tool_routes (route, opened_at, settled) VALUES (?,?,?)
			ON CONFLICT (route) DO UPDATE SET opened_at = excluded.opened_at, settled = excluded.settled`,
			r.Name, micros(r.Opened), r.Settled); err != nil {
			return explain(err)
		}
		for _, v := range versions {
			if _, err := tx.ExecContext(ctx, "INSERT INTO tool_versions (route, tool, hash, text) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
				r.Name, v.Tool, v.Hash[:], v.Text); err != nil {
				return explain(err)
			}
		}
		for _, p := range pins {
			if err := savePin(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func savePin(ctx context.Context, tx *sql.Tx, p toolpin.Pin) error {
	approved, seen := hashBytes(p.Approved), hashBytes(p.Seen)
	query := `UPDATE tool_pins SET state = ?3, approved = ?4, seen = ?5, why = ?6, revision = ?7, first_seen = ?8,
		changed_at = ?9, decided_by = ?10, note = ?11 WHERE route = ?1 AND tool = ?2 AND revision = ?7 - 1`
	if p.Revision == 1 {
		query = "INSERT INTO tool_pins (" + pinColumns + ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) ON CONFLICT DO NOTHING"
	}
	res, err := tx.ExecContext(ctx, query, p.Route, p.Tool, p.State, approved, seen, toolpin.JoinReasons(p.Why),
		p.Revision, micros(p.FirstSeen), micros(p.ChangedAt), p.DecidedBy, p.Note)
	if err != nil {
		return explain(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, toolpin.ErrConflict)
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM tool_versions WHERE route = ? AND tool = ? AND hash <> ? AND hash <> ?", p.Route, p.Tool, approved, seen)
	return explain(err)
}

// hashBytes is a hash as it is stored.
func hashBytes(h toolpin.Hash) []byte {
	if h.IsZero() {
		return []byte{}
	}
	return h[:]
}

// PinnedText implements toolpin.Store.
func (s *Pins) PinnedText(ctx context.Context, route, tool string, h toolpin.Hash) (text []byte, err error) {
	err = s.db.reader.QueryRowContext(ctx, "SELECT text FROM tool_versions WHERE route = ? AND tool = ? AND hash = ?", route, tool, h[:]).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, toolpin.ErrNotFound
	}
	return text, explain(err)
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
)

// Owners implements ownership.Store.
type Owners struct{ db *DB }

var _ ownership.Store = (*Owners)(nil)

// Owners returns the store of whose tasks and contexts are.
func (db *DB) Owners() *Owners { return &Owners{db: db} }

// Owner implements ownership.Store.
func (o *Owners) Owner(ctx context.Context, k ownership.Key, now time.Time) (ownership.Record, error) {
	r := ownership.Record{Key: k}
	var until int64
	err := o.db.reader.QueryRowContext(ctx, "SELECT principal, until FROM owners WHERE route = ? AND kind = ? AND id = ? AND until > ?",
		k.Route, int64(k.Kind), k.ID[:], micros(now)).Scan(&r.Principal, &until)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ownership.Record{}, nil
	case err != nil:
		return ownership.Record{}, explain(err)
	}
	r.Until = fromMicros(until)
	return r, nil
}

// SaveOwners implements ownership.Store.
func (o *Owners) SaveOwners(ctx context.Context, now time.Time, list []ownership.Record) error {
	return o.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM owners WHERE until <= ?", micros(now)); err != nil {
			return explain(err)
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO owners (route, kind, id, principal, until) VALUES (?,?,?,?,?)
			ON CONFLICT (route, kind, id) DO UPDATE SET until = max(until, excluded.until) WHERE principal = excluded.principal`)
		if err != nil {
			return explain(err)
		}
		for _, r := range list {
			if _, err := insert.ExecContext(ctx, r.Route, int64(r.Kind), r.ID[:], r.Principal, micros(r.Until)); err != nil {
				return errors.Join(explain(err), insert.Close())
			}
		}
		return insert.Close()
	})
}

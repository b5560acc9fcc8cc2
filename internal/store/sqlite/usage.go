package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/quota"
)

// Usage implements quota.Store.
type Usage struct{ db *DB }

var _ quota.Store = (*Usage)(nil)

// Usage returns the store of what callers used.
func (db *DB) Usage() *Usage { return &Usage{db: db} }

const usageColumns = "principal, route, session, calls, bytes, spent, until"

// Usage implements quota.Store.
func (u *Usage) Usage(ctx context.Context, k quota.Key, now time.Time) (quota.Counter, error) {
	row := u.db.reader.QueryRowContext(ctx, "SELECT "+usageColumns+" FROM usage WHERE principal = ? AND route = ? AND session = ? AND until > ?",
		k.Principal, k.Route, k.Session, micros(now))
	c, err := scanCounter(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return quota.Counter{Key: k}, nil
	}
	return c, explain(err)
}

// SaveUsage implements quota.Store.
func (u *Usage) SaveUsage(ctx context.Context, now time.Time, list []quota.Counter) error {
	return u.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM usage WHERE until <= ?", micros(now)); err != nil {
			return explain(err)
		}
		insert, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO usage ("+usageColumns+") VALUES (?,?,?,?,?,?,?)")
		if err != nil {
			return explain(err)
		}
		for _, c := range list {
			if _, err := insert.ExecContext(ctx, c.Principal, c.Route, c.Session, c.Calls, c.Bytes, c.Spent, micros(c.Until)); err != nil {
				return errors.Join(explain(err), insert.Close())
			}
		}
		return insert.Close()
	})
}

// ListUsage implements quota.Store.
func (u *Usage) ListUsage(ctx context.Context, principal string, now time.Time, max int) (out []quota.Counter, err error) {
	rows, err := u.db.reader.QueryContext(ctx, "SELECT "+usageColumns+" FROM usage WHERE (? = '' OR principal = ?) AND until > ? ORDER BY route, principal, session LIMIT ?",
		principal, principal, micros(now), max)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		c, err := scanCounter(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, c)
	}
	return out, explain(rows.Err())
}

func scanCounter(scan func(...any) error) (c quota.Counter, err error) {
	var until int64
	err = scan(&c.Principal, &c.Route, &c.Session, &c.Calls, &c.Bytes, &c.Spent, &until)
	c.Until = fromMicros(until)
	return c, err
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/authn/basic"
)

// Users implements basic.Store.
type Users struct{ db *DB }

var _ basic.Store = (*Users)(nil)

// Users returns the store of users.
func (db *DB) Users() *Users { return &Users{db: db} }

const userColumns = "id, name, hash, roles, scopes, disabled, created_at, changed_at, epoch, version"

// Get implements basic.Store.
func (u *Users) Get(ctx context.Context, name string) (basic.Record, error) {
	r, err := scanUser(u.db.reader.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE name = ?", name).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return basic.Record{}, basic.ErrNotFound
	case err != nil:
		return basic.Record{}, explain(err)
	}
	return r, nil
}

// List implements basic.Store.
func (u *Users) List(ctx context.Context) (out []basic.Record, err error) {
	rows, err := u.db.reader.QueryContext(ctx, "SELECT "+userColumns+" FROM users ORDER BY name")
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanUser(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, r)
	}
	return out, explain(rows.Err())
}

// Put implements basic.Store.
func (u *Users) Put(ctx context.Context, r basic.Record) error {
	roles, err := encodeWords(r.Roles)
	if err != nil {
		return err
	}
	scopes, err := encodeWords(r.Scopes)
	if err != nil {
		return err
	}
	return u.db.inTx(ctx, func(tx *sql.Tx) error {
		if r.Version == 0 {
			_, err := tx.ExecContext(ctx, "INSERT INTO users ("+userColumns+") VALUES (?,?,?,?,?,?,?,?,?,1)",
				r.ID, r.Name, r.Hash, roles, scopes, r.Disabled, micros(r.CreatedAt), micros(r.ChangedAt), r.Epoch)
			if duplicate(err) || taken(err) {
				return basic.ErrExists
			}
			return explain(err)
		}
		if err := sameVersion(ctx, tx, r.ID, r.Version, r.Epoch); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE users SET hash = ?, roles = ?, scopes = ?, disabled = ?, changed_at = ?, epoch = ?,
			version = version + 1 WHERE id = ?`, r.Hash, roles, scopes, r.Disabled, micros(r.ChangedAt), r.Epoch, r.ID)
		return explain(err)
	})
}

// Remove implements basic.Store.
func (u *Users) Remove(ctx context.Context, id string, version int64) error {
	return u.db.inTx(ctx, func(tx *sql.Tx) error {
		if err := sameVersion(ctx, tx, id, version, -1); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM users WHERE id = ?", id)
		return explain(err)
	})
}

// sameVersion checks that a user is as the caller knows it; an epoch below 0 is
// not compared.
func sameVersion(ctx context.Context, tx *sql.Tx, id string, version, epoch int64) error {
	var storedVersion, storedEpoch int64
	err := tx.QueryRowContext(ctx, "SELECT version, epoch FROM users WHERE id = ?", id).Scan(&storedVersion, &storedEpoch)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return basic.ErrNotFound
	case err != nil:
		return explain(err)
	case storedVersion != version, epoch >= 0 && epoch < storedEpoch:
		return basic.ErrConflict
	}
	return nil
}

func encodeWords(list []string) (string, error) {
	if list == nil {
		list = []string{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("encoding user: %w", err)
	}
	return string(b), nil
}

func scanUser(scan func(...any) error) (basic.Record, error) {
	var (
		r                basic.Record
		roles, scopes    string
		created, changed int64
	)
	err := scan(&r.ID, &r.Name, &r.Hash, &roles, &scopes, &r.Disabled, &created, &changed, &r.Epoch, &r.Version)
	if err != nil {
		return basic.Record{}, err
	}
	if err := errors.Join(json.Unmarshal([]byte(roles), &r.Roles), json.Unmarshal([]byte(scopes), &r.Scopes)); err != nil {
		return basic.Record{}, fmt.Errorf("decoding user %s: %w", r.ID, err)
	}
	r.CreatedAt, r.ChangedAt = fromMicros(created), fromMicros(changed)
	return r, nil
}

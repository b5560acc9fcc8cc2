package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
)

// ZKP implements zkp.Store.
type ZKP struct{ db *DB }

var _ zkp.Store = (*ZKP)(nil)

// ZKP returns the store of enrolments for login by proof.
func (db *DB) ZKP() *ZKP { return &ZKP{db: db} }

const enrolmentColumns = "user_id, public_key, roles, scopes, enrolled_at, enrolled_by"

// Enrol implements zkp.Store.
func (z *ZKP) Enrol(ctx context.Context, e zkp.Enrolment, replace bool) error {
	roles, err := json.Marshal(e.Roles)
	if err != nil {
		return fmt.Errorf("encoding roles: %w", err)
	}
	scopes, err := json.Marshal(e.Scopes)
	if err != nil {
		return fmt.Errorf("encoding scopes: %w", err)
	}
	return z.db.inTx(ctx, func(tx *sql.Tx) error {
		var holder string
		err := tx.QueryRowContext(ctx, "SELECT user_id FROM zkp_enrolments WHERE public_key = ?", string(e.PublicKey)).Scan(&holder)
		switch {
		case err == nil && holder != e.UserID:
			return zkp.ErrKeyTaken
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return explain(err)
		}
		conflict := " ON CONFLICT (user_id) DO NOTHING"
		if replace {
			conflict = ` ON CONFLICT (user_id) DO UPDATE SET public_key = excluded.public_key, roles = excluded.roles,
				scopes = excluded.scopes, enrolled_at = excluded.enrolled_at, enrolled_by = excluded.enrolled_by`
		}
		done, err := tx.ExecContext(ctx, "INSERT INTO zkp_enrolments ("+enrolmentColumns+") VALUES (?,?,?,?,?,?)"+conflict,
			e.UserID, string(e.PublicKey), string(roles), string(scopes), micros(e.EnrolledAt), e.EnrolledBy)
		if err != nil {
			return explain(err)
		}
		return changedOne(done, zkp.ErrEnrolled)
	})
}

func changedOne(r sql.Result, otherwise error) error {
	n, err := r.RowsAffected()
	if err != nil {
		return explain(err)
	}
	if n != 1 {
		return otherwise
	}
	return nil
}

// Enrolment implements zkp.Store.
func (z *ZKP) Enrolment(ctx context.Context, user string) (zkp.Enrolment, error) {
	row := z.db.reader.QueryRowContext(ctx, "SELECT "+enrolmentColumns+" FROM zkp_enrolments WHERE user_id = ?", user)
	e, err := scanEnrolment(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return zkp.Enrolment{}, zkp.ErrNotEnrolled
	}
	return e, explain(err)
}

// Enrolments implements zkp.Store.
func (z *ZKP) Enrolments(ctx context.Context) (out []zkp.Enrolment, err error) {
	rows, err := z.db.reader.QueryContext(ctx, "SELECT "+enrolmentColumns+" FROM zkp_enrolments ORDER BY user_id")
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e, err := scanEnrolment(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, e)
	}
	return out, explain(rows.Err())
}

// Remove implements zkp.Store.
func (z *ZKP) Remove(ctx context.Context, user string) error {
	done, err := z.db.writer.ExecContext(ctx, "DELETE FROM zkp_enrolments WHERE user_id = ?", user)
	if err != nil {
		return explain(err)
	}
	return changedOne(done, zkp.ErrNotEnrolled)
}

func scanEnrolment(scan func(...any) error) (e zkp.Enrolment, err error) {
	var roles, scopes string
	var at int64
	if err := scan(&e.UserID, &e.PublicKey, &roles, &scopes, &at, &e.EnrolledBy); err != nil {
		return zkp.Enrolment{}, err
	}
	if err := json.Unmarshal([]byte(roles), &e.Roles); err != nil {
		return zkp.Enrolment{}, fmt.Errorf("reading roles: %w", err)
	}
	if err := json.Unmarshal([]byte(scopes), &e.Scopes); err != nil {
		return zkp.Enrolment{}, fmt.Errorf("reading scopes: %w", err)
	}
	e.EnrolledAt = fromMicros(at)
	return e, nil
}

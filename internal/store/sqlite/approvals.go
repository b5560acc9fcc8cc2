package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authz/approval"
)

// Approvals implements approval.Store.
type Approvals struct{ db *DB }

var _ approval.Store = (*Approvals)(nil)

// Approvals returns the store of calls that wait for another person's word.
func (db *DB) Approvals() *Approvals { return &Approvals{db: db} }

const approvalColumns = `id, digest, route, principal, key_id, tool, sealed, state,
	created_at, expires_at, use_for, decided_by, decided_at, reason`

// keepApprovals is how long a request is remembered after it is over: its
// history is in the audit log.
const keepApprovals = 7 * 24 * time.Hour

// OpenApproval implements approval.Store.
func (a *Approvals) OpenApproval(ctx context.Context, r approval.Request, perPrincipal, total int) (out approval.Request, err error) {
	err = a.db.inTx(ctx, func(tx *sql.Tx) error {
		now := micros(r.CreatedAt)
		if _, err := tx.ExecContext(ctx, "DELETE FROM approvals WHERE expires_at < ?", micros(r.CreatedAt.Add(-keepApprovals))); err != nil {
			return explain(err)
		}
		// Nobody decides on them any more, and they are what takes room.
		if _, err := tx.ExecContext(ctx, "UPDATE approvals SET sealed = x'' WHERE (expires_at <= ? OR state = ?) AND length(sealed) > 0", now, approval.Used); err != nil {
			return explain(err)
		}
		row := tx.QueryRowContext(ctx, "SELECT "+approvalColumns+" FROM approvals WHERE digest = ? AND state <> ? AND expires_at > ? ORDER BY created_at DESC LIMIT 1",
			r.Digest[:], approval.Used, now)
		switch have, err := scanApproval(row.Scan); {
		case err == nil:
			out = have
			return nil
		case !errors.Is(err, sql.ErrNoRows):
			return explain(err)
		}
		var own, all int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FILTER (WHERE principal = ?), count(*) FROM approvals WHERE state = ? AND expires_at > ?",
			r.Principal, approval.Pending, now).Scan(&own, &all); err != nil {
			return explain(err)
		}
		if own >= perPrincipal || all >= total {
			return approval.ErrTooMany
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO approvals ("+approvalColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			r.ID, r.Digest[:], r.Route, r.Principal, r.KeyID, r.Tool, r.Sealed, r.State,
			now, micros(r.ExpiresAt), r.Use.Microseconds(), r.DecidedBy, micros(r.DecidedAt), r.Reason)
		out = r
		return explain(err)
	})
	return out, err
}

// TakeApproval implements approval.Store.
func (a *Approvals) TakeApproval(ctx context.Context, digest [32]byte, now time.Time) (approval.Request, error) {
	// Asked of a reader first: most calls find nothing, and the one writer is
	// everybody's.
	var id string
	err := a.db.reader.QueryRowContext(ctx, "SELECT id FROM approvals WHERE digest = ? AND state = ? AND expires_at > ? ORDER BY created_at LIMIT 1",
		digest[:], approval.Approved, micros(now)).Scan(&id)
	if err != nil {
		return approval.Request{}, missingApproval(err)
	}
	row := a.db.writer.QueryRowContext(ctx, "UPDATE approvals SET state = ? WHERE id = ? AND state = ? AND expires_at > ? RETURNING "+approvalColumns,
		approval.Used, id, approval.Approved, micros(now))
	r, err := scanApproval(row.Scan)
	return r, missingApproval(err)
}

// DecideApproval implements approval.Store.
func (a *Approvals) DecideApproval(ctx context.Context, r approval.Request) error {
	return a.db.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE approvals SET state = ?, expires_at = ?, decided_by = ?, decided_at = ?, reason = ?
			WHERE id = ? AND state = ? AND expires_at > ?`,
			r.State, micros(r.ExpiresAt), r.DecidedBy, micros(r.DecidedAt), r.Reason, r.ID, approval.Pending, micros(r.DecidedAt))
		if err != nil {
			return explain(err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		var there int
		if err := tx.QueryRowContext(ctx, "SELECT 1 FROM approvals WHERE id = ?", r.ID).Scan(&there); err != nil {
			return missingApproval(err)
		}
		return approval.ErrConflict
	})
}

// Approval implements approval.Store.
func (a *Approvals) Approval(ctx context.Context, id string) (approval.Request, error) {
	r, err := scanApproval(a.db.reader.QueryRowContext(ctx, "SELECT "+approvalColumns+" FROM approvals WHERE id = ?", id).Scan)
	return r, missingApproval(err)
}

// Approvals implements approval.Store.
func (a *Approvals) Approvals(ctx context.Context, now time.Time, all bool) (out []approval.Request, err error) {
	rows, err := a.db.reader.QueryContext(ctx, "SELECT "+approvalColumns+" FROM approvals WHERE ? OR (state = ? AND expires_at > ?) ORDER BY created_at, id",
		all, approval.Pending, micros(now))
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanApproval(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, r)
	}
	return out, explain(rows.Err())
}

func missingApproval(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return approval.ErrNotFound
	}
	return explain(err)
}

func scanApproval(scan func(...any) error) (r approval.Request, err error) {
	var digest []byte
	var created, expires, use, decided int64
	if err := scan(&r.ID, &digest, &r.Route, &r.Principal, &r.KeyID, &r.Tool, &r.Sealed, &r.State,
		&created, &expires, &use, &r.DecidedBy, &decided, &r.Reason); err != nil {
		return approval.Request{}, err
	}
	copy(r.Digest[:], digest)
	r.CreatedAt, r.ExpiresAt, r.DecidedAt = fromMicros(created), fromMicros(expires), fromMicros(decided)
	r.Use = time.Duration(use) * time.Microsecond
	return r, nil
}

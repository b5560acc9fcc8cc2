package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey/notify"
)

var _ notify.Store = (*APIKeys)(nil)

const noticeColumns = "id, target, body, created_at, next_at, attempts, failed_at, last_error"

// AddNotices implements notify.Store.
func (a *APIKeys) AddNotices(ctx context.Context, limit int, messages ...notify.Message) error {
	return a.db.inTx(ctx, func(tx *sql.Tx) error {
		for _, m := range messages {
			_, err := tx.ExecContext(ctx, "INSERT INTO key_notices ("+noticeColumns+") VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING",
				m.ID, m.Target, m.Body, micros(m.CreatedAt), micros(m.NextAt), m.Attempts, micros(m.FailedAt), m.LastError)
			if err != nil {
				return explain(err)
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM key_notices WHERE id IN (SELECT id FROM key_notices
			ORDER BY failed_at = 0, created_at, id LIMIT max(0, (SELECT count(*) FROM key_notices) - ?))`, limit)
		return explain(err)
	})
}

// DueNotices implements notify.Store.
func (a *APIKeys) DueNotices(ctx context.Context, now time.Time, limit int) ([]notify.Message, error) {
	return a.notices(ctx, "WHERE failed_at = 0 AND next_at <= ? ORDER BY next_at, id LIMIT ?", micros(now), limit)
}

// Notices implements notify.Store.
func (a *APIKeys) Notices(ctx context.Context, failed bool) ([]notify.Message, error) {
	return a.notices(ctx, "WHERE (failed_at <> 0) = ? ORDER BY created_at, id", failed)
}

func (a *APIKeys) notices(ctx context.Context, where string, args ...any) (out []notify.Message, err error) {
	rows, err := a.db.reader.QueryContext(ctx, "SELECT "+noticeColumns+" FROM key_notices "+where, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m notify.Message
		var created, next, failed int64
		if err := rows.Scan(&m.ID, &m.Target, &m.Body, &created, &next, &m.Attempts, &failed, &m.LastError); err != nil {
			return nil, explain(err)
		}
		m.CreatedAt, m.NextAt, m.FailedAt = fromMicros(created), fromMicros(next), fromMicros(failed)
		out = append(out, m)
	}
	return out, explain(rows.Err())
}

// UpdateNotice implements notify.Store.
func (a *APIKeys) UpdateNotice(ctx context.Context, m notify.Message) error {
	_, err := a.db.writer.ExecContext(ctx, "UPDATE key_notices SET next_at = ?, attempts = ?, failed_at = ?, last_error = ? WHERE id = ?",
		micros(m.NextAt), m.Attempts, micros(m.FailedAt), m.LastError, m.ID)
	return explain(err)
}

// DeleteNotice implements notify.Store.
func (a *APIKeys) DeleteNotice(ctx context.Context, id string) error {
	_, err := a.db.writer.ExecContext(ctx, "DELETE FROM key_notices WHERE id = ?", id)
	return explain(err)
}

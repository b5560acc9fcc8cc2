package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Sessions implements token.Store.
type Sessions struct{ db *DB }

var _ token.Store = (*Sessions)(nil)

// Sessions returns the store of sessions, signing keys and revoked tokens.
func (db *DB) Sessions() *Sessions { return &Sessions{db} }

const sessionColumns = "id, subject, name, method, roles, scopes, ip, created_at, expires_at, used_at, refresh, ended_at, end_reason"

// AddSession implements token.Store.
func (s *Sessions) AddSession(ctx context.Context, sn token.Session, limit int, reason string) (ended []string, err error) {
	roles, rerr := json.Marshal(sn.Roles)
	scopes, serr := json.Marshal(sn.Scopes)
	if err := errors.Join(rerr, serr); err != nil {
		return nil, fmt.Errorf("encoding a session: %w", err)
	}
	err = s.db.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO sessions ("+sessionColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,0,'')",
			sn.ID, sn.Subject, sn.Name, sn.Method, string(roles), string(scopes), sn.IP,
			micros(sn.CreatedAt), micros(sn.ExpiresAt), micros(sn.UsedAt), sn.Refresh[:])
		if err != nil {
			return explain(err)
		}
		if !sn.Refreshes() {
			return nil
		}
		ended, err = endWhere(ctx, tx, reason, sn.CreatedAt, `id IN (SELECT id FROM sessions
			WHERE subject = ? AND ended_at = 0 AND expires_at > ? AND refresh <> zeroblob(32)
			ORDER BY id = ? DESC, used_at DESC, id LIMIT -1 OFFSET ?)`, sn.Subject, micros(sn.CreatedAt), sn.ID, limit)
		return err
	})
	return ended, err
}

// endWhere ends the sessions that a condition names and returns their ids.
func endWhere(ctx context.Context, tx *sql.Tx, reason string, at time.Time, where string, args ...any) (ids []string, err error) {
	rows, err := tx.QueryContext(ctx, "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE ended_at = 0 AND "+where+" RETURNING id",
		append([]any{micros(at), reason}, args...)...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, explain(err)
		}
		ids = append(ids, id)
	}
	return ids, explain(rows.Err())
}

// Session implements token.Store.
func (s *Sessions) Session(ctx context.Context, id string) (token.Session, error) {
	sn, err := scanSession(s.db.reader.QueryRowContext(ctx, "SELECT "+sessionColumns+" FROM sessions WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return sn, token.ErrNotFound
	}
	return sn, err
}

func scanSession(row interface{ Scan(...any) error }) (token.Session, error) {
	var sn token.Session
	var roles, scopes string
	var refresh []byte
	var created, expires, used, ended int64
	err := row.Scan(&sn.ID, &sn.Subject, &sn.Name, &sn.Method, &roles, &scopes, &sn.IP, &created, &expires, &used, &refresh, &ended, &sn.EndReason)
	if err != nil {
		return sn, explain(err)
	}
	if err := errors.Join(json.Unmarshal([]byte(roles), &sn.Roles), json.Unmarshal([]byte(scopes), &sn.Scopes)); err != nil {
		return sn, fmt.Errorf("%w: session %q: %w", conn.ErrCorrupt, sn.ID, err)
	}
	if copy(sn.Refresh[:], refresh) != len(sn.Refresh) {
		return sn, fmt.Errorf("%w: session %q", conn.ErrCorrupt, sn.ID)
	}
	sn.CreatedAt, sn.ExpiresAt, sn.UsedAt, sn.EndedAt = fromMicros(created), fromMicros(expires), fromMicros(used), fromMicros(ended)
	return sn, nil
}

// Sessions implements token.Store.
func (s *Sessions) Sessions(ctx context.Context, subject string, now time.Time) (out []token.Session, err error) {
	rows, err := s.db.reader.QueryContext(ctx, "SELECT "+sessionColumns+` FROM sessions
		WHERE ended_at = 0 AND expires_at > ? AND (? = '' OR subject = ?) ORDER BY created_at, id`, micros(now), subject, subject)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		sn, err := scanSession(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, sn)
	}
	return out, explain(rows.Err())
}

// Refresh implements token.Store.
func (s *Sessions) Refresh(ctx context.Context, id string, old, next [32]byte, at time.Time) (bool, error) {
	return s.db.one(ctx, "UPDATE sessions SET refresh = ?, used_at = max(used_at, ?) WHERE id = ? AND refresh = ? AND ended_at = 0 AND refresh <> zeroblob(32)",
		next[:], micros(at), id, old[:])
}

// End implements token.Store.
func (s *Sessions) End(ctx context.Context, id, reason string, at time.Time) (bool, error) {
	return s.db.one(ctx, "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at = 0", micros(at), reason, id)
}

// EndAll implements token.Store.
func (s *Sessions) EndAll(ctx context.Context, subject, reason string, at time.Time) (ids []string, err error) {
	err = s.db.inTx(ctx, func(tx *sql.Tx) error {
		ids, err = endWhere(ctx, tx, reason, at, "(? = '' OR subject = ?)", subject, subject)
		return err
	})
	return ids, err
}

// Purge implements token.Store.
func (s *Sessions) Purge(ctx context.Context, sessions, tokens time.Time) error {
	return s.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE expires_at < ?", micros(sessions)); err != nil {
			return explain(err)
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM revoked_tokens WHERE revoked_at < ?", micros(tokens))
		return explain(err)
	})
}

// RevokeToken implements token.Store.
func (s *Sessions) RevokeToken(ctx context.Context, r token.RevokedToken) error {
	_, err := s.db.writer.ExecContext(ctx, "INSERT INTO revoked_tokens (id, revoked_at, reason) VALUES (?,?,?) ON CONFLICT (id) DO NOTHING",
		r.ID, micros(r.RevokedAt), r.Reason)
	return explain(err)
}

// RevokedTokens implements token.Store.
func (s *Sessions) RevokedTokens(ctx context.Context) (out []token.RevokedToken, err error) {
	rows, err := s.db.reader.QueryContext(ctx, "SELECT id, revoked_at, reason FROM revoked_tokens ORDER BY revoked_at, id")
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r token.RevokedToken
		var at int64
		if err := rows.Scan(&r.ID, &at, &r.Reason); err != nil {
			return nil, explain(err)
		}
		r.RevokedAt = fromMicros(at)
		out = append(out, r)
	}
	return out, explain(rows.Err())
}

// SigningKeys implements signing.Store.
func (s *Sessions) SigningKeys(ctx context.Context) (out []signing.Record, err error) {
	rows, err := s.db.reader.QueryContext(ctx, "SELECT kid, sealed, created_at, active_at FROM signing_keys ORDER BY active_at, kid")
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r signing.Record
		var created, active int64
		if err := rows.Scan(&r.KID, &r.Sealed, &created, &active); err != nil {
			return nil, explain(err)
		}
		r.CreatedAt, r.ActiveAt = fromMicros(created), fromMicros(active)
		out = append(out, r)
	}
	return out, explain(rows.Err())
}

// AddSigningKey implements signing.Store.
func (s *Sessions) AddSigningKey(ctx context.Context, r signing.Record) error {
	_, err := s.db.writer.ExecContext(ctx, "INSERT INTO signing_keys (kid, sealed, created_at, active_at) VALUES (?,?,?,?)",
		r.KID, r.Sealed, micros(r.CreatedAt), micros(r.ActiveAt))
	return explain(err)
}

// MoveSigningKey implements signing.Store.
func (s *Sessions) MoveSigningKey(ctx context.Context, kid string, activeAt time.Time) error {
	_, err := s.db.writer.ExecContext(ctx, "UPDATE signing_keys SET active_at = ? WHERE kid = ?", micros(activeAt), kid)
	return explain(err)
}

// DeleteSigningKey implements signing.Store.
func (s *Sessions) DeleteSigningKey(ctx context.Context, kid string) error {
	_, err := s.db.writer.ExecContext(ctx, "DELETE FROM signing_keys WHERE kid = ?", kid)
	return explain(err)
}

// one runs a statement and reports whether it changed a row.
func (db *DB) one(ctx context.Context, query string, args ...any) (bool, error) {
	res, err := db.writer.ExecContext(ctx, query, args...)
	if err != nil {
		return false, explain(err)
	}
	n, err := res.RowsAffected()
	return n > 0, explain(err)
}

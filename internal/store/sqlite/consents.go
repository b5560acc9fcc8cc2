package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/portcullis-dev/portcullis/internal/privacy/consent"
	"github.com/portcullis-dev/portcullis/internal/privacy/phi"
)

// Consents implements consent.Store.
type Consents struct{ db *DB }

var _ consent.Store = (*Consents)(nil)

// Consents returns the store of what people agreed to.
func (db *DB) Consents() *Consents { return &Consents{db: db} }

const consentColumns = "id, principal, purpose, policy_version, granted_at, granted_by, evidence, withdrawn_at, withdrawn_by, replaced"

// SaveConsents implements consent.Store.
func (s *Consents) SaveConsents(ctx context.Context, list ...consent.Consent) error {
	return s.db.inTx(ctx, func(tx *sql.Tx) error {
		for _, c := range list {
			_, err := tx.ExecContext(ctx, `INSERT INTO consents (`+consentColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?)
				ON CONFLICT (id) DO UPDATE SET withdrawn_at = excluded.withdrawn_at, withdrawn_by = excluded.withdrawn_by, replaced = excluded.replaced`,
				c.ID, c.Principal, c.Purpose, c.Version, micros(c.GrantedAt), c.GrantedBy, c.Evidence, micros(c.WithdrawnAt), c.WithdrawnBy, c.Replaced)
			if err != nil {
				return explain(err)
			}
		}
		return nil
	})
}

// ActiveConsents implements consent.Store.
func (s *Consents) ActiveConsents(ctx context.Context) ([]consent.Consent, error) {
	return s.list(ctx, "SELECT "+consentColumns+" FROM consents WHERE withdrawn_at = 0 ORDER BY principal, purpose")
}

// Consents implements consent.Store.
func (s *Consents) Consents(ctx context.Context, principal string) ([]consent.Consent, error) {
	return s.list(ctx, "SELECT "+consentColumns+" FROM consents WHERE principal = ? ORDER BY granted_at, id", principal)
}

// DropConsents implements consent.Store.
func (s *Consents) DropConsents(ctx context.Context, principal string) error {
	_, err := s.db.writer.ExecContext(ctx, "DELETE FROM consents WHERE principal = ?", principal)
	return explain(err)
}

func (s *Consents) list(ctx context.Context, query string, args ...any) (out []consent.Consent, err error) {
	rows, err := s.db.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c consent.Consent
		var granted, withdrawn int64
		if err := rows.Scan(&c.ID, &c.Principal, &c.Purpose, &c.Version, &granted, &c.GrantedBy, &c.Evidence, &withdrawn, &c.WithdrawnBy, &c.Replaced); err != nil {
			return nil, explain(err)
		}
		c.GrantedAt, c.WithdrawnAt = fromMicros(granted), fromMicros(withdrawn)
		out = append(out, c)
	}
	return out, explain(rows.Err())
}

// BreakGlass implements phi.Store.
type BreakGlass struct{ db *DB }

var _ phi.Store = (*BreakGlass)(nil)

// BreakGlass returns the store of who may read in an emergency.
func (db *DB) BreakGlass() *BreakGlass { return &BreakGlass{db: db} }

// SaveBreakGlass implements phi.Store.
func (s *BreakGlass) SaveBreakGlass(ctx context.Context, g phi.Grant) error {
	_, err := s.db.writer.ExecContext(ctx, "INSERT OR REPLACE INTO break_glass (id, principal, reason, granted_by, at, until, ended_at, ended_by) VALUES (?,?,?,?,?,?,?,?)",
		g.ID, g.Principal, g.Reason, g.By, micros(g.At), micros(g.Until), micros(g.EndedAt), g.EndedBy)
	return explain(err)
}

// BreakGlass implements phi.Store.
func (s *BreakGlass) BreakGlass(ctx context.Context, limit int) (out []phi.Grant, err error) {
	rows, err := s.db.reader.QueryContext(ctx, "SELECT id, principal, reason, granted_by, at, until, ended_at, ended_by FROM break_glass ORDER BY at DESC, id DESC LIMIT ?", limit)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var g phi.Grant
		var at, until, ended int64
		if err := rows.Scan(&g.ID, &g.Principal, &g.Reason, &g.By, &at, &until, &ended, &g.EndedBy); err != nil {
			return nil, explain(err)
		}
		g.At, g.Until, g.EndedAt = fromMicros(at), fromMicros(until), fromMicros(ended)
		out = append(out, g)
	}
	return out, explain(rows.Err())
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// APIKeys implements apikey.Store.
type APIKeys struct{ db *DB }

var _ apikey.Store = (*APIKeys)(nil)

// APIKeys returns the store of API keys.
func (db *DB) APIKeys() *APIKeys { return &APIKeys{db: db} }

const apiKeyColumns = `id, name, hash, scopes, roles, routes, owner, tenant, schedule, status,
	created_at, expires_at, rotated_at, deprecate_at, revoke_at, revoked_at, last_used_at,
	revoke_reason, predecessor, successor, rotated_by, claim_until, claimed_at, claim_hash, told, version`

// Get implements apikey.Store.
func (a *APIKeys) Get(ctx context.Context, id string) (apikey.Record, error) {
	row := a.db.reader.QueryRowContext(ctx, "SELECT "+apiKeyColumns+" FROM api_keys WHERE id = ?", id)
	r, err := scanAPIKey(row.Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return apikey.Record{}, apikey.ErrNotFound
	case err != nil:
		return apikey.Record{}, explain(err)
	}
	return r, nil
}

// List implements apikey.Store.
func (a *APIKeys) List(ctx context.Context, page apikey.Page) (out []apikey.Record, err error) {
	query, args := "SELECT "+apiKeyColumns+" FROM api_keys", []any{}
	if page.After != "" {
		last, err := a.Get(ctx, page.After)
		if err != nil {
			return nil, err
		}
		query += " WHERE (created_at, id) > (?, ?)"
		args = append(args, micros(last.CreatedAt), last.ID)
	}
	query += " ORDER BY created_at, id"
	if page.Limit > 0 {
		query += " LIMIT ?"
		args = append(args, page.Limit)
	}
	rows, err := a.db.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }() // an open one would hold the log back
	for rows.Next() {
		r, err := scanAPIKey(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, r)
	}
	return out, explain(rows.Err())
}

// Put implements apikey.Store.
func (a *APIKeys) Put(ctx context.Context, records ...apikey.Record) error {
	return a.db.inTx(ctx, func(tx *sql.Tx) error {
		for i := range records {
			put := updateAPIKey
			if records[i].Version == 0 {
				put = insertAPIKey
			}
			if err := put(ctx, tx, &records[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// TouchLastUsed implements apikey.Store.
func (a *APIKeys) TouchLastUsed(ctx context.Context, uses []apikey.Use) error {
	if len(uses) == 0 {
		return nil
	}
	return a.db.inTx(ctx, func(tx *sql.Tx) (err error) {
		stmt, err := tx.PrepareContext(ctx, "UPDATE api_keys SET last_used_at = ?1 WHERE id = ?2 AND last_used_at < ?1")
		if err != nil {
			return explain(err)
		}
		defer func() { err = errors.Join(err, stmt.Close()) }()
		for _, u := range uses {
			if _, err := stmt.ExecContext(ctx, micros(u.At), u.ID); err != nil {
				return explain(err)
			}
		}
		return nil
	})
}

func insertAPIKey(ctx context.Context, tx *sql.Tx, r *apikey.Record) error {
	lists, err := encodeLists(r)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO api_keys ("+apiKeyColumns+
		") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,?,?,?,?,?,?,?,?,1)",
		r.ID, r.Name, r.Hash[:], lists[0], lists[1], lists[2], r.Owner, r.Tenant, string(r.Schedule), int(r.Status),
		micros(r.CreatedAt), micros(r.ExpiresAt), micros(r.RotatedAt), micros(r.DeprecateAt),
		micros(r.RevokeAt), micros(r.RevokedAt), r.RevokeReason, r.Predecessor, r.Successor,
		r.RotatedBy, micros(r.ClaimUntil), micros(r.ClaimedAt), r.ClaimHash[:], int(r.Told))
	if duplicate(err) {
		return apikey.ErrExists
	}
	return explain(err)
}

func updateAPIKey(ctx context.Context, tx *sql.Tx, r *apikey.Record) error {
	var version, status int64
	err := tx.QueryRowContext(ctx, "SELECT version, status FROM api_keys WHERE id = ?", r.ID).Scan(&version, &status)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return apikey.ErrNotFound
	case err != nil:
		return explain(err)
	case version != r.Version:
		return apikey.ErrConflict
	case status > int64(r.Status):
		return apikey.ErrRegress
	}
	lists, err := encodeLists(r)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE api_keys SET name = ?, scopes = ?, roles = ?, routes = ?, owner = ?, tenant = ?,
		schedule = ?, status = ?, expires_at = ?, rotated_at = ?, deprecate_at = ?, revoke_at = ?, revoked_at = ?,
		revoke_reason = ?, predecessor = ?, successor = ?, rotated_by = ?,
		hash = CASE WHEN claim_until <> 0 AND claimed_at = 0 THEN ? ELSE hash END,
		claim_until = ?, claimed_at = ?, claim_hash = ?, told = ?, version = version + 1 WHERE id = ?`,
		r.Name, lists[0], lists[1], lists[2], r.Owner, r.Tenant,
		string(r.Schedule), int(r.Status), micros(r.ExpiresAt), micros(r.RotatedAt), micros(r.DeprecateAt),
		micros(r.RevokeAt), micros(r.RevokedAt), r.RevokeReason, r.Predecessor, r.Successor,
		r.RotatedBy, r.Hash[:], micros(r.ClaimUntil), micros(r.ClaimedAt), r.ClaimHash[:], int(r.Told), r.ID)
	return explain(err)
}

func encodeLists(r *apikey.Record) (out [3]string, err error) {
	for i, list := range [...][]string{r.Scopes, r.Roles, r.Routes} {
		if list == nil {
			list = []string{}
		}
		b, err := json.Marshal(list)
		if err != nil {
			return out, fmt.Errorf("encoding api key %s: %w", r.ID, err)
		}
		out[i] = string(b)
	}
	return out, nil
}

func scanAPIKey(scan func(...any) error) (apikey.Record, error) {
	var (
		r        apikey.Record
		hash     []byte
		claim    []byte
		lists    [3]string
		schedule string
		status   int64
		told     int64
		times    [9]int64
	)
	err := scan(&r.ID, &r.Name, &hash, &lists[0], &lists[1], &lists[2], &r.Owner, &r.Tenant, &schedule, &status,
		&times[0], &times[1], &times[2], &times[3], &times[4], &times[5], &times[6],
		&r.RevokeReason, &r.Predecessor, &r.Successor, &r.RotatedBy, &times[7], &times[8], &claim, &told, &r.Version)
	if err != nil {
		return apikey.Record{}, err
	}
	for i, list := range [...]*[]string{&r.Scopes, &r.Roles, &r.Routes} {
		if err := json.Unmarshal([]byte(lists[i]), list); err != nil {
			return apikey.Record{}, fmt.Errorf("decoding api key %s: %w", r.ID, err)
		}
	}
	if len(hash) != len(r.Hash) || len(claim) != len(r.ClaimHash) || told < 0 || told > int64(apikey.StatusRevoked) || status < int64(apikey.StatusActive) || status > int64(apikey.StatusRevoked) {
		return apikey.Record{}, fmt.Errorf("decoding api key %s: %w", r.ID, conn.ErrCorrupt)
	}
	copy(r.Hash[:], hash)
	copy(r.ClaimHash[:], claim)
	r.ClaimUntil, r.ClaimedAt, r.Told = fromMicros(times[7]), fromMicros(times[8]), apikey.Status(told)
	r.Schedule, r.Status = apikey.Schedule(schedule), apikey.Status(status)
	r.CreatedAt, r.ExpiresAt, r.RotatedAt = fromMicros(times[0]), fromMicros(times[1]), fromMicros(times[2])
	r.DeprecateAt, r.RevokeAt = fromMicros(times[3]), fromMicros(times[4])
	r.RevokedAt, r.LastUsedAt = fromMicros(times[5]), fromMicros(times[6])
	return r, nil
}

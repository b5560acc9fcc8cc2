// Package notices is the part of the embedded store that keeps notifications of
// agents: it implements push.Store over the connections of the database.
package notices

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// Store implements push.Store.
type Store struct {
	Reader, Writer *sql.DB
	InTx           func(ctx context.Context, fn func(*sql.Tx) error) error // one writing transaction
	Explain        func(error) error                                       // names what is wrong with the file
}

var _ push.Store = (*Store)(nil)

// micros is how a time is kept; 0 = never.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

const registrationColumns = "id, route, principal, key_id, task, name, version, origin, ticket, secret, sealed, created_at, until, checked_at"

// AddRegistration implements push.Store.
func (p *Store) AddRegistration(ctx context.Context, r push.Registration, most int) error {
	return p.InTx(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM push_registrations WHERE route = ? AND principal = ?", r.Route, r.Principal).Scan(&n)
		if err != nil {
			return p.Explain(err)
		}
		if n >= most {
			res, err := tx.ExecContext(ctx, `DELETE FROM push_registrations WHERE id = (SELECT id FROM push_registrations
				WHERE route = ? AND principal = ? AND task = '' ORDER BY created_at, id LIMIT 1)`, r.Route, r.Principal)
			if err != nil {
				return p.Explain(err)
			}
			if gone, err := res.RowsAffected(); err != nil || gone == 0 {
				return errors.Join(err, push.ErrFull)
			}
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO push_registrations ("+registrationColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			r.ID, r.Route, r.Principal, r.KeyID, r.Task, r.Name, r.Version, r.Origin, r.Ticket[:], r.Secret[:], r.Sealed,
			micros(r.CreatedAt), micros(r.Until), micros(r.CheckedAt))
		return p.Explain(err)
	})
}

// ByTicket implements push.Store.
func (p *Store) ByTicket(ctx context.Context, ticket push.Hash, now time.Time) (push.Registration, error) {
	return p.registration(ctx, "ticket = ? AND until > ?", ticket[:], micros(now))
}

// ByID implements push.Store.
func (p *Store) ByID(ctx context.Context, id string, now time.Time) (push.Registration, error) {
	return p.registration(ctx, "id = ? AND until > ?", id, micros(now))
}

func (p *Store) registration(ctx context.Context, where string, args ...any) (push.Registration, error) {
	var r push.Registration
	var ticket, secret []byte
	var created, until, checked int64
	err := p.Reader.QueryRowContext(ctx, "SELECT "+registrationColumns+" FROM push_registrations WHERE "+where, args...).Scan(
		&r.ID, &r.Route, &r.Principal, &r.KeyID, &r.Task, &r.Name, &r.Version, &r.Origin, &ticket, &secret, &r.Sealed, &created, &until, &checked)
	if errors.Is(err, sql.ErrNoRows) {
		return push.Registration{}, push.ErrUnknown
	}
	if err != nil {
		return push.Registration{}, p.Explain(err)
	}
	copy(r.Ticket[:], ticket)
	copy(r.Secret[:], secret)
	r.CreatedAt, r.Until, r.CheckedAt = fromMicros(created), fromMicros(until), fromMicros(checked)
	return r, nil
}

// Bind implements push.Store.
func (p *Store) Bind(ctx context.Context, id, task string, until time.Time) (bool, error) {
	res, err := p.Writer.ExecContext(ctx, "UPDATE push_registrations SET task = ?, until = max(until, ?) WHERE id = ? AND task IN ('', ?)",
		task, micros(until), id, task)
	if err != nil {
		return false, p.Explain(err)
	}
	n, err := res.RowsAffected()
	return n > 0, p.Explain(err)
}

// Settle implements push.Store.
func (p *Store) Settle(ctx context.Context, id, name string, until time.Time) error {
	return p.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE push_registrations SET name = ?, until = max(until, ?) WHERE id = ?", name, micros(until), id); err != nil {
			return p.Explain(err)
		}
		const older = `SELECT o.id FROM push_registrations o JOIN push_registrations n ON n.id = ?
			WHERE o.route = n.route AND o.principal = n.principal AND o.task = n.task AND o.name = n.name AND o.id <> n.id`
		if _, err := tx.ExecContext(ctx, "UPDATE push_deliveries SET registration = ? WHERE registration IN ("+older+")", id, id); err != nil {
			return p.Explain(err)
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM push_registrations WHERE id IN ("+older+")", id)
		return p.Explain(err)
	})
}

// Checked implements push.Store.
func (p *Store) Checked(ctx context.Context, id string, at time.Time) error {
	_, err := p.Writer.ExecContext(ctx, "UPDATE push_registrations SET checked_at = ? WHERE id = ?", micros(at), id)
	return p.Explain(err)
}

// Drop implements push.Store.
func (p *Store) Drop(ctx context.Context, id string) error {
	_, err := p.Writer.ExecContext(ctx, "DELETE FROM push_registrations WHERE id = ?", id)
	return p.Explain(err)
}

// Remove implements push.Store.
func (p *Store) Remove(ctx context.Context, route, principal, task, name string) (int, error) {
	return p.affected(ctx, "DELETE FROM push_registrations WHERE route = ? AND principal = ? AND task = ? AND name = ?", route, principal, task, name)
}

func (p *Store) affected(ctx context.Context, query string, args ...any) (int, error) {
	res, err := p.Writer.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, p.Explain(err)
	}
	n, err := res.RowsAffected()
	return int(n), p.Explain(err)
}

// Queue implements push.Store.
func (p *Store) Queue(ctx context.Context, d push.Delivery, most push.Most) error {
	return p.InTx(ctx, func(tx *sql.Tx) error {
		var known bool
		var n, bytes, all int
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM push_registrations WHERE id = ?), count(*), coalesce(sum(length(sealed)), 0),
			(SELECT count(*) FROM push_deliveries WHERE failed_at = 0) FROM push_deliveries WHERE registration = ? AND failed_at = 0`,
			d.Registration, d.Registration).Scan(&known, &n, &bytes, &all)
		switch {
		case err != nil:
			return p.Explain(err)
		case !known:
			return push.ErrUnknown
		case n >= most.Deliveries, bytes+len(d.Sealed) > most.Bytes, all >= most.All:
			return push.ErrFull
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO push_deliveries (id, registration, sealed, created_at, seq, next_at, attempts, failed_at, reason)
			VALUES (?,?,?,?,(SELECT coalesce(max(seq), 0) + 1 FROM push_deliveries WHERE registration = ?),?,?,?,?)`,
			d.ID, d.Registration, d.Sealed, micros(d.CreatedAt), d.Registration, micros(d.NextAt), d.Attempts, micros(d.FailedAt), d.Reason)
		return p.Explain(err)
	})
}

const deliveryColumns = "d.id, d.registration, d.sealed, d.created_at, d.next_at, d.attempts, d.failed_at, d.reason"

func (p *Store) scan(rows *sql.Rows, d *push.Delivery, more ...any) error {
	var created, next, failed int64
	if err := rows.Scan(append([]any{&d.ID, &d.Registration, &d.Sealed, &created, &next, &d.Attempts, &failed, &d.Reason}, more...)...); err != nil {
		return p.Explain(err)
	}
	d.CreatedAt, d.NextAt, d.FailedAt = fromMicros(created), fromMicros(next), fromMicros(failed)
	return nil
}

// Due implements push.Store.
func (p *Store) Due(ctx context.Context, now time.Time, limit int) (out []push.Delivery, err error) {
	rows, err := p.Reader.QueryContext(ctx, "SELECT "+deliveryColumns+` FROM push_deliveries d
		WHERE d.failed_at = 0 AND d.next_at <= ? AND NOT EXISTS (SELECT 1 FROM push_deliveries b
			WHERE b.registration = d.registration AND b.failed_at = 0 AND (b.seq < d.seq OR b.seq = d.seq AND b.id < d.id))
		ORDER BY d.next_at, d.id LIMIT ?`, micros(now), limit)
	if err != nil {
		return nil, p.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d push.Delivery
		if err := p.scan(rows, &d); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, p.Explain(rows.Err())
}

// Update implements push.Store.
func (p *Store) Update(ctx context.Context, d push.Delivery) error {
	_, err := p.Writer.ExecContext(ctx, "UPDATE push_deliveries SET next_at = ?, attempts = ?, failed_at = ?, reason = ? WHERE id = ?",
		micros(d.NextAt), d.Attempts, micros(d.FailedAt), d.Reason, d.ID)
	return p.Explain(err)
}

// Done implements push.Store.
func (p *Store) Done(ctx context.Context, id string) error {
	_, err := p.Writer.ExecContext(ctx, "DELETE FROM push_deliveries WHERE id = ?", id)
	return p.Explain(err)
}

// Dead implements push.Store.
func (p *Store) Dead(ctx context.Context, limit int) (out []push.Letter, err error) {
	rows, err := p.Reader.QueryContext(ctx, "SELECT "+deliveryColumns+`, r.route, r.principal, r.task, r.origin
		FROM push_deliveries d JOIN push_registrations r ON r.id = d.registration
		WHERE d.failed_at > 0 ORDER BY d.failed_at DESC, d.id LIMIT ?`, limit)
	if err != nil {
		return nil, p.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var l push.Letter
		if err := p.scan(rows, &l.Delivery, &l.Route, &l.Principal, &l.Task, &l.Origin); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, p.Explain(rows.Err())
}

// Replay implements push.Store.
func (p *Store) Replay(ctx context.Context, id string, now time.Time) (int, error) {
	return p.affected(ctx, "UPDATE push_deliveries SET failed_at = 0, attempts = 0, created_at = ?, next_at = ? WHERE failed_at > 0 AND (? = '' OR id = ?)",
		micros(now), micros(now), id, id)
}

// Expire implements push.Store.
func (p *Store) Expire(ctx context.Context, now, before time.Time, most int) error {
	return p.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM push_registrations WHERE until <= ?", micros(now)); err != nil {
			return p.Explain(err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM push_deliveries WHERE failed_at > 0 AND failed_at < ?", micros(before)); err != nil {
			return p.Explain(err)
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM push_deliveries WHERE id IN
			(SELECT id FROM push_deliveries WHERE failed_at > 0 ORDER BY failed_at DESC, id LIMIT -1 OFFSET ?)`, most)
		return p.Explain(err)
	})
}

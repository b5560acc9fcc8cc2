package casework

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Containments implements containment.Store.
type Containments struct{ db *conn.Conn }

var _ containment.Store = (*Containments)(nil)

// NewContainments returns the store.
func NewContainments(c *conn.Conn) *Containments { return &Containments{db: c} }

const containmentColumns = `id, subject, measure, per_hour, admin, auto, reason, made_by, incident, held, cleared,
	at, until, ended_at, ended_by, ended_for`

// keepContainments is how long one is remembered after it is over: its history
// is in the audit log.
const keepContainments = 90 * 24 * time.Hour

// SaveContainment implements containment.Store.
func (s *Containments) SaveContainment(ctx context.Context, c containment.Containment) error {
	return s.db.InTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM containments WHERE ended_at > 0 AND ended_at < ?", conn.Micros(c.At.Add(-keepContainments))); err != nil {
			return conn.Explain(err)
		}
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO containments ("+containmentColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			c.ID, c.Subject.String(), string(c.Measure), c.PerHour, c.Admin, c.Auto, c.Reason, c.By, c.Incident, c.Held, strings.Join(c.Cleared, " "),
			conn.Micros(c.At), conn.Micros(c.Until), conn.Micros(c.EndedAt), c.EndedBy, c.EndedFor)
		return conn.Explain(err)
	})
}

// ActiveContainments implements containment.Store.
func (s *Containments) ActiveContainments(ctx context.Context) ([]containment.Containment, error) {
	return s.list(ctx, "SELECT "+containmentColumns+" FROM containments WHERE ended_at = 0 ORDER BY at, id")
}

// Containments implements containment.Store.
func (s *Containments) Containments(ctx context.Context, limit int) ([]containment.Containment, error) {
	return s.list(ctx, "SELECT "+containmentColumns+" FROM containments ORDER BY at DESC, id DESC LIMIT ?", limit)
}

// AutoContainments implements containment.Store.
func (s *Containments) AutoContainments(ctx context.Context, since time.Time) (n int, err error) {
	err = s.db.Reader.QueryRowContext(ctx, "SELECT count(*) FROM containments WHERE auto = 1 AND at > ?", conn.Micros(since)).Scan(&n)
	return n, conn.Explain(err)
}

func (s *Containments) list(ctx context.Context, query string, args ...any) (out []containment.Containment, err error) {
	rows, err := s.db.Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		c, err := scanContainment(rows.Scan)
		if err != nil {
			return nil, conn.Explain(err)
		}
		out = append(out, c)
	}
	return out, conn.Explain(rows.Err())
}

func scanContainment(scan func(...any) error) (c containment.Containment, err error) {
	var subject, measure, cleared string
	var at, until, ended int64
	if err := scan(&c.ID, &subject, &measure, &c.PerHour, &c.Admin, &c.Auto, &c.Reason, &c.By, &c.Incident, &c.Held, &cleared,
		&at, &until, &ended, &c.EndedBy, &c.EndedFor); err != nil {
		return c, err
	}
	c.Measure, c.At, c.Until = containment.Measure(measure), conn.FromMicros(at), conn.FromMicros(until)
	c.EndedAt = conn.FromMicros(ended)
	if cleared != "" {
		c.Cleared = strings.Split(cleared, " ")
	}
	if c.Subject, err = containment.ParseSubject(subject); err != nil {
		return c, fmt.Errorf("containment %q: %w", c.ID, err)
	}
	return c, nil
}

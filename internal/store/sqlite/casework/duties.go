package casework

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis/internal/incident/duty"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Duties implements duty.Store.
type Duties struct{ db *conn.Conn }

var _ duty.Store = (*Duties)(nil)

// NewDuties returns the store.
func NewDuties(c *conn.Conn) *Duties { return &Duties{db: c} }

// Duties implements duty.Store.
func (s *Duties) Duties(ctx context.Context) (out []duty.Record, err error) {
	rows, err := s.db.Reader.QueryContext(ctx, "SELECT name, since, signed_at, event, told_at, overdue FROM duties ORDER BY name")
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r duty.Record
		var since, signed, told int64
		if err := rows.Scan(&r.Name, &since, &signed, &r.Event, &told, &r.Overdue); err != nil {
			return nil, conn.Explain(err)
		}
		r.Since, r.Signed, r.Told = conn.FromMicros(since), conn.FromMicros(signed), conn.FromMicros(told)
		out = append(out, r)
	}
	return out, conn.Explain(rows.Err())
}

// SaveDuty implements duty.Store.
func (s *Duties) SaveDuty(ctx context.Context, r duty.Record) error {
	_, err := s.db.Writer.ExecContext(ctx, "INSERT OR REPLACE INTO duties (name, since, signed_at, event, told_at, overdue) VALUES (?,?,?,?,?,?)",
		r.Name, conn.Micros(r.Since), conn.Micros(r.Signed), r.Event, conn.Micros(r.Told), r.Overdue)
	return conn.Explain(err)
}

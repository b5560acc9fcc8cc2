package recovery

import (
	"context"
	"errors"

	"github.com/portcullis-dev/portcullis/internal/incident/duty"
)

// Duties implements duty.Store.
type Duties struct{ DB }

var _ duty.Store = (*Duties)(nil)

// Duties implements duty.Store.
func (s *Duties) Duties(ctx context.Context) (out []duty.Record, err error) {
	rows, err := s.Reader.QueryContext(ctx, "SELECT name, since, signed_at, event, told_at, overdue FROM duties ORDER BY name")
	if err != nil {
		return nil, s.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r duty.Record
		var since, signed, told int64
		if err := rows.Scan(&r.Name, &since, &signed, &r.Event, &told, &r.Overdue); err != nil {
			return nil, s.Explain(err)
		}
		r.Since, r.Signed, r.Told = fromMicros(since), fromMicros(signed), fromMicros(told)
		out = append(out, r)
	}
	return out, s.Explain(rows.Err())
}

// SaveDuty implements duty.Store.
func (s *Duties) SaveDuty(ctx context.Context, r duty.Record) error {
	_, err := s.Writer.ExecContext(ctx, "INSERT OR REPLACE INTO duties (name, since, signed_at, event, told_at, overdue) VALUES (?,?,?,?,?,?)",
		r.Name, micros(r.Since), micros(r.Signed), r.Event, micros(r.Told), r.Overdue)
	return s.Explain(err)
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/subject"
)

// Subjects implements subject.Store.
type Subjects struct{ db *DB }

var _ subject.Store = (*Subjects)(nil)

// Subjects returns the store of the keys that personal data in the audit log
// is sealed under.
func (db *DB) Subjects() *Subjects { return &Subjects{db: db} }

// SubjectKey implements subject.Store.
func (s *Subjects) SubjectKey(ctx context.Context, name string) (key []byte, err error) {
	err = s.db.reader.QueryRowContext(ctx, "SELECT key FROM subjects WHERE subject = ?", name).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, subject.ErrNoKey
	}
	return key, explain(err)
}

// FindSubjectKey implements subject.Store.
func (s *Subjects) FindSubjectKey(ctx context.Context, hash string) (name string, key []byte, err error) {
	err = s.db.reader.QueryRowContext(ctx, "SELECT subject, key FROM subjects WHERE hash = ?", hash).Scan(&name, &key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, subject.ErrNoKey
	}
	return name, key, explain(err)
}

// AddSubjectKey implements subject.Store.
func (s *Subjects) AddSubjectKey(ctx context.Context, hash, name string, sealed []byte, at time.Time) (_ string, key []byte, err error) {
	err = s.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO subjects (subject, hash, key, made_at) VALUES (?,?,?,?) ON CONFLICT DO NOTHING", name, hash, sealed, micros(at)); err != nil {
			return explain(err)
		}
		return explain(tx.QueryRowContext(ctx, "SELECT subject, key FROM subjects WHERE hash = ?", hash).Scan(&name, &key))
	})
	return name, key, err
}

// eraseTries is how often, a tenth of a second apart, the write-ahead log is
// asked to forget what was erased while others read it.
const eraseTries = 50

// EraseSubjectKey implements subject.Store.
func (s *Subjects) EraseSubjectKey(ctx context.Context, hash string) (bool, error) {
	n, err := s.erase(ctx, "DELETE FROM subjects WHERE hash = ?", hash)
	return n > 0, err
}

// EraseSubjectKeys implements subject.Store.
func (s *Subjects) EraseSubjectKeys(ctx context.Context, from, to string) (int64, error) {
	return s.erase(ctx, "DELETE FROM subjects WHERE subject >= ? AND subject < ?", from, to)
}

// erase removes rows. Removed content is overwritten in the file
// (secure_delete), and the write-ahead log, which may hold it too, is emptied.
func (s *Subjects) erase(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := s.db.writer.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, explain(err)
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return 0, explain(err)
	}
	return n, s.db.ForgetLog(ctx)
}

// ForgetLog empties the write-ahead log, which may hold what was removed from
// the file.
func (db *DB) ForgetLog(ctx context.Context) error {
	for range eraseTries {
		var busy, log, moved int
		if err := db.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
			return explain(err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("it is removed, but readers keep a copy in the write-ahead log of %q", db.path)
}

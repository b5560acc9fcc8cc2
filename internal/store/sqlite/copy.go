package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// CopyTo writes a copy of the database, as it is at one moment, to a new file
// that only its owner reads. Writers go on meanwhile. What was removed from the
// database is in no page of the copy.
func (db *DB) CopyTo(ctx context.Context, path string) error {
	pool, err := connect(db.path, 1, "_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, privateFile) // SQLite would make it readable by others
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		_, err = pool.ExecContext(ctx, "VACUUM INTO ?", path)
	}
	if err = errors.Join(explain(err), pool.Close()); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	return nil
}

// Check reads the whole database and says what is wrong with it.
func (db *DB) Check(ctx context.Context) error {
	var text string
	if err := db.reader.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&text); err != nil {
		return fmt.Errorf("checking the database: %w", explain(err))
	}
	if text != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, text)
	}
	return nil
}

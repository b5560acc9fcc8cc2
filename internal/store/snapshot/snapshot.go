// Package snapshot copies the embedded database while it is in use, and checks
// a copy.
package snapshot

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// ErrDamaged says that a database is not whole.
var ErrDamaged = errors.New("the database is damaged")

const privateFile = 0o600

func open(path string) (*sql.DB, error) {
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String()+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, fmt.Errorf("opening database %q: %w", path, err)
	}
	pool.SetMaxOpenConns(1)
	return pool, nil
}

// Copy writes a copy of a database, as it is at one moment, to a new file that
// only its owner reads. Writers go on meanwhile. What was removed from the
// database is in no page of the copy.
func Copy(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	pool, err := open(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, privateFile) // SQLite would make it readable by others
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		_, err = pool.ExecContext(ctx, "VACUUM INTO ?", to)
	}
	if err = errors.Join(err, pool.Close()); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	return nil
}

// Check reads a whole database and says what is wrong with it.
func Check(ctx context.Context, path string) (err error) {
	pool, err := open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var text string
	if err := pool.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&text); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if text != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, text)
	}
	return nil
}

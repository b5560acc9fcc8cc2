package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate brings the schema up to date. The version is read with one query
// first: goose itself is called only when there is something to do, so opening
// a current database costs nothing on its account.
func (db *DB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	known, err := latest(files)
	if err != nil {
		return err
	}
	stored, err := db.schemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case stored == known:
		return nil
	case stored > known:
		return fmt.Errorf("%w: schema %d, this program knows up to %d", ErrNewer, stored, known)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db.writer, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating schema from %d to %d: %w", stored, known, err)
	}
	return nil
}

// latest returns the highest version among files named 00001_what.sql.
func latest(files fs.FS) (int64, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, err
	}
	var top int64
	for _, name := range names {
		digits, _, _ := strings.Cut(name, "_")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %q: want a number before the first _", name)
		}
		top = max(top, n)
	}
	return top, nil
}

// schemaVersion returns the version of the schema in the file, 0 if it is
// empty. A database of another program is ErrForeign.
func (db *DB) schemaVersion(ctx context.Context) (int64, error) {
	var id int64
	if err := db.writer.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return 0, err
	}
	if id != applicationID {
		var name string
		err := db.writer.QueryRowContext(ctx,
			"SELECT name FROM sqlite_schema WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite_%' LIMIT 1").Scan(&name)
		switch {
		case err == nil:
			return 0, fmt.Errorf("%w: it has a table %q and not our mark", ErrForeign, name)
		case errors.Is(err, sql.ErrNoRows):
			return 0, nil // empty, or the first migration was cut off
		}
		return 0, err
	}
	var version sql.NullInt64
	err := db.writer.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&version)
	if err != nil {
		return 0, err
	}
	return version.Int64, nil
}

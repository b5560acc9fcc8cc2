// Package sqlite is the embedded store: one file in the data folder, nothing
// to install or run.
//
// [Open] returns a [DB]. What a consumer needs of it stands in a file named
// after the consumer: [DB.APIKeys] implements apikey.Store, [DB.Users]
// basic.Store, [DB.GetSetting]
// and [DB.SetSetting] keep the gateway's own stored state.
//
// There is one writing connection, whose transactions take the write lock at
// once (two transactions that read first and write later would refuse each
// other), and a pool of reading ones, which a writer never blocks (WAL). A
// commit is on disk when it returns (synchronous FULL): a revocation survives
// a power loss. Readers cannot write, whatever they are asked to run.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	sqlite "modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors of [Open].
var (
	// ErrCorrupt says that the file is not a database or is damaged.
	ErrCorrupt = errors.New("database file is damaged or not a database")
	// ErrForeign says that the file is some other program's database.
	ErrForeign = errors.New("database belongs to another program")
	// ErrNewer says that a later version of the program has changed the file.
	ErrNewer = errors.New("database was written by a newer version of portcullis")
)

const (
	applicationID = 0x504f5254 // "PORT"; also in migrations/00001
	privateFile   = 0o600
	minReaders    = 4
)

// DB is an open store. It is safe for concurrent use.
type DB struct {
	path   string
	writer *sql.DB
	reader *sql.DB
}

// Open opens the database file at path, makes it (mode 0600) if it is not
// there, and brings its schema up to date. Only one process may have it open:
// the data folder's lock sees to that.
func Open(ctx context.Context, path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database %q: %w", path, err)
	}
	// SQLite would make it readable by others; -wal and -shm copy its mode.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, privateFile)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	db := &DB{path: abs}
	if db.writer, err = connect(abs, 1, "_pragma=synchronous(FULL)&_pragma=secure_delete(1)&_pragma=temp_store(2)&_txlock=immediate"); err != nil {
		return nil, err
	}
	if db.reader, err = connect(abs, max(minReaders, runtime.GOMAXPROCS(0)), "_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, db.writer.Close())
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %q: %w", abs, explain(err)), db.Close())
	}
	return db, nil
}

// OpenReader opens the database at path beside the process that has it open,
// for reading only; writing fails. A file that is not there is an error.
func OpenReader(path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database %q: %w", path, err)
	}
	if _, err := os.Stat(abs); err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	db := &DB{path: abs}
	if db.reader, err = connect(abs, 1, "_pragma=query_only(1)"); err != nil {
		return nil, err
	}
	db.writer = db.reader
	return db, nil
}

// connect makes a pool. It does not touch the file yet.
func connect(abs string, conns int, extra string) (*sql.DB, error) {
	dsn := (&url.URL{Scheme: "file", Path: abs}).String() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&" + extra
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("opening database %q: %w", abs, err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// Path returns the file's absolute path.
func (db *DB) Path() string { return db.path }

// Ping reports whether the store answers: for readiness.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.reader.QueryRowContext(ctx, "SELECT 1 FROM settings UNION ALL SELECT 1 LIMIT 1").Scan(&one); err != nil {
		return fmt.Errorf("asking database: %w", explain(err))
	}
	return nil
}

// Close waits for running queries and closes the file. The last connection
// brings the write-ahead log into it.
func (db *DB) Close() error {
	return errors.Join(db.reader.Close(), db.writer.Close())
}

// Writer is the writing connection, for packages below this one.
func (db *DB) Writer() *sql.DB { return db.writer }

// Reader is the pool of reading connections, for packages below this one.
func (db *DB) Reader() *sql.DB { return db.reader }

// InTx runs fn in one writing transaction.
func (db *DB) InTx(ctx context.Context, fn func(*sql.Tx) error) error { return db.inTx(ctx, fn) }

// Explain gives damage of the file its own name.
func Explain(err error) error { return explain(err) }

// Micros is the stored form of a time; 0 for the zero time.
func Micros(t time.Time) int64 { return micros(t) }

// FromMicros is the inverse of Micros, in UTC.
func FromMicros(n int64) time.Time { return fromMicros(n) }

// inTx runs fn in one writing transaction.
func (db *DB) inTx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	if err := fn(tx); err != nil {
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			return errors.Join(err, rerr)
		}
		return err
	}
	return explain(tx.Commit())
}

// explain gives damage of the file its own name.
func explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// duplicate reports whether err is a violated primary key.
func duplicate(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

// taken reports whether err is a value that must be unique and is not.
func taken(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE
}

// micros is the stored form of a time; 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of micros, in UTC.
func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

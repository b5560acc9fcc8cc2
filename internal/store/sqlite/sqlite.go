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

	"github.com/portcullis-dev/portcullis/internal/store/sqlite/casework"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Errors of [Open], beside [conn.ErrCorrupt].
var (
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
	conn   *conn.Conn // writer and reader, for the stores in packages below
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
	db.conn = &conn.Conn{Writer: db.writer, Reader: db.reader}
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
	db.conn = &conn.Conn{Writer: db.writer, Reader: db.reader}
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

// Conn is the connection, for stores in packages below this one.
func (db *DB) Conn() *conn.Conn { return db.conn }

func (db *DB) inTx(ctx context.Context, fn func(*sql.Tx) error) error { return db.conn.InTx(ctx, fn) }

func explain(err error) error { return conn.Explain(err) }

func duplicate(err error) bool { return conn.Duplicate(err) }

func taken(err error) bool { return conn.Taken(err) }

func micros(t time.Time) int64 { return conn.Micros(t) }

func fromMicros(n int64) time.Time { return conn.FromMicros(n) }

// Incidents returns the store of incidents.
func (db *DB) Incidents() *casework.Incidents { return casework.NewIncidents(db.conn) }

// Runs returns the store of runs of playbooks.
func (db *DB) Runs() *casework.Runs { return casework.NewRuns(db.conn) }

// Rotations returns the store of rotations of everything.
func (db *DB) Rotations() *casework.Rotations { return casework.NewRotations(db.conn) }

// Duties returns the store of duties.
func (db *DB) Duties() *casework.Duties { return casework.NewDuties(db.conn) }

// Containments returns the store of containments.
func (db *DB) Containments() *casework.Containments { return casework.NewContainments(db.conn) }

package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	sqlite "modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// Names of files in the audit folder.
const (
	FileName = "index.db"
	lockName = "index.lock"
)

// version is that of the tables and of what their columns hold. A file of
// another version is made again.
const version = 1

const privateFile = 0o600

const schema = `
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE terms (id INTEGER PRIMARY KEY, dim INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (dim, text));
CREATE TABLE blocks (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
	since INTEGER NOT NULL, until INTEGER NOT NULL, segment INTEGER NOT NULL);
CREATE TABLE columns (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE lists (term INTEGER NOT NULL, block INTEGER NOT NULL, list BLOB NOT NULL, PRIMARY KEY (term, block)) WITHOUT ROWID;
`

// Columns of block b have the ids b*columnsPerBlock + one of these.
const (
	columnTimes = iota
	columnRefs
	columnBloom
	columnsPerBlock = 4
)

// errDamaged says that the file is no index of this version.
var errDamaged = errors.New("audit index is damaged, or of another version")

// open opens the file with some number of connections. It does not make it.
func open(path string, conns int, extra string) (*sql.DB, error) {
	abs, err := filepath.Abs(path) // in a URI a relative path would begin with a host
	if err != nil {
		return nil, fmt.Errorf("opening the audit index: %w", err)
	}
	dsn := (&url.URL{Scheme: "file", Path: abs}).String() + "?_pragma=busy_timeout(5000)&" + extra
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("opening the audit index: %w", err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// openReader opens the index for questions; nil when there is none that is of
// use. Readers cannot write, whatever they are asked to run.
func openReader(ctx context.Context, path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	db, err := open(path, 4, "_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	if err := check(ctx, db); err != nil {
		_ = db.Close() // it was only read
		if errors.Is(err, errDamaged) {
			return nil, nil
		}
		return nil, err
	}
	return db, nil
}

// check reports whether the file is an index of this version.
func check(ctx context.Context, db *sql.DB) error {
	var got int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&got); err != nil {
		return explain(err)
	}
	if got != version {
		return errDamaged
	}
	return nil
}

// openWriter opens the index to write it. A file that is not of use is made
// again: all of it can be read from the journal.
func openWriter(ctx context.Context, path string) (*sql.DB, error) {
	for range 2 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, privateFile)
		if err != nil {
			return nil, fmt.Errorf("opening the audit index: %w", err)
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		db, err := open(path, 1, "_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=cache_size(-16000)&_txlock=immediate")
		if err != nil {
			return nil, err
		}
		err = prepare(ctx, db)
		if err == nil {
			return db, nil
		}
		_ = db.Close() // its error would hide err
		if !errors.Is(err, errDamaged) {
			return nil, err
		}
		if err := remove(path); err != nil {
			return nil, err
		}
	}
	return nil, errDamaged
}

// prepare makes the tables of a new file, and checks an old one.
func prepare(ctx context.Context, db *sql.DB) error {
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return explain(err)
	}
	if tables > 0 {
		return check(ctx, db)
	}
	return inTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
		return err
	})
}

// remove removes the index.
func remove(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the audit index: %w", err)
		}
	}
	return nil
}

// lock takes the lock of whoever writes the index; nil when another process
// has it. It lasts until the file is closed.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, privateFile)
	if err != nil {
		return nil, fmt.Errorf("locking the audit index: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("locking the audit index: %w", err)
}

func inTx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	if err := fn(tx); err != nil {
		if rerr := tx.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			return errors.Join(explain(err), rerr)
		}
		return explain(err)
	}
	return explain(tx.Commit())
}

// explain gives damage of the file its own name.
func explain(err error) error {
	var e *sqlite.Error
	if errors.Is(err, errList) {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if errors.As(err, &e) {
		switch e.Code() & 0xff { // the low byte is the primary code
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return err
}

// store writes a block behind those that are there.
func store(ctx context.Context, db *sql.DB, b *block) error {
	return inTx(ctx, db, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "INSERT INTO blocks (n, first, last, since, until, segment) VALUES (?, ?, ?, ?, ?, ?)",
			b.n, int64(b.first), int64(b.last), b.since, b.until, int64(b.segments[1]))
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		for column, data := range map[int64][]byte{columnTimes: b.times, columnRefs: b.refs, columnBloom: makeBloom(b.hashes)} {
			if _, err := tx.ExecContext(ctx, "INSERT INTO columns (id, data) VALUES (?, ?)", id*columnsPerBlock+column, data); err != nil {
				return err
			}
		}
		if err := storeLists(ctx, tx, id, b); err != nil {
			return err
		}
		return storeState(ctx, tx, b.end, b.lastID)
	})
}

func storeLists(ctx context.Context, tx *sql.Tx, id int64, b *block) error {
	find, err := tx.PrepareContext(ctx, "SELECT id FROM terms WHERE dim = ? AND text = ?")
	if err != nil {
		return err
	}
	defer find.Close()
	name, err := tx.PrepareContext(ctx, "INSERT INTO terms (dim, text) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer name.Close()
	put, err := tx.PrepareContext(ctx, "INSERT INTO lists (term, block, list) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	for _, t := range b.terms() {
		var termID int64
		err := find.QueryRowContext(ctx, t.dim, t.text).Scan(&termID)
		if errors.Is(err, sql.ErrNoRows) {
			var res sql.Result
			if res, err = name.ExecContext(ctx, t.dim, t.text); err == nil {
				termID, err = res.LastInsertId()
			}
		}
		if err != nil {
			return err
		}
		if _, err := put.ExecContext(ctx, termID, id, encodeList(b.lists[t])); err != nil {
			return err
		}
	}
	return nil
}

// storeState notes how far the index reaches, and the id of the last event in
// it: a journal that has another one there is another journal.
func storeState(ctx context.Context, tx *sql.Tx, end journal.Cursor, lastID string) error {
	text, err := end.MarshalText()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO state (name, value) VALUES ('end', ?1), ('last', ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		string(text), lastID)
	return err
}

// loadState returns how far the index reaches; zero when it is empty.
func loadState(ctx context.Context, db asker) (end journal.Cursor, lastID string, err error) {
	var text string
	err = db.QueryRowContext(ctx, "SELECT a.value, b.value FROM state a, state b WHERE a.name = 'end' AND b.name = 'last'").Scan(&text, &lastID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return journal.Cursor{}, "", nil
	case err != nil:
		return end, "", explain(err)
	}
	if err := end.UnmarshalText([]byte(text)); err != nil {
		return end, "", fmt.Errorf("%w: %w", errDamaged, err)
	}
	return end, lastID, nil
}

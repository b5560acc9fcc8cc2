package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	folderPrefix = "portcullis-chronicle-"
	lockName     = "owner.lock"
	copyName     = "copy.db"

	attempts   = 8
	firstPause = 20 * time.Millisecond
)

// Snapshot is a private, consistent copy of a SQLite database.
type Snapshot struct {
	dir  string
	lock *os.File
}

// Take copies the database at path with its write-ahead log (or rollback
// journal) into a new folder that only this user can enter (S1-9). The -shm
// file is an index of the log: it is rebuilt in the copy, never trusted. The
// copy is made again when the browser wrote to the database meanwhile; after
// several attempts that is an ErrBusy.
func Take(ctx context.Context, path, tempDir string, maxBytes int64) (*Snapshot, error) {
	if tempDir == "" {
		tempDir = os.TempDir()
	}
	real, err := filepath.EvalSymlinks(path) // SQLite names the log after the real file
	if err != nil {
		return nil, classify(err)
	}
	pause := firstPause
	for range attempts {
		snap, err := newSnapshot(tempDir)
		if err != nil {
			return nil, err
		}
		err = snap.copyFrom(ctx, real, maxBytes)
		if err == nil {
			return snap, nil
		}
		err = errors.Join(err, snap.Close())
		if !errors.Is(err, errChanged) {
			return nil, classify(err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
	return nil, fmt.Errorf("%w: it was written during each of %d copies", ErrBusy, attempts)
}

// newSnapshot makes the folder and marks it as owned by this process.
func newSnapshot(tempDir string) (*Snapshot, error) {
	var lastErr error
	for range 3 {
		dir, err := os.MkdirTemp(tempDir, folderPrefix) // 0700, never an existing name
		if err != nil {
			return nil, fmt.Errorf("making a private folder: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err == nil {
			if err = lockFile(f); err == nil {
				return &Snapshot{dir: dir, lock: f}, nil
			}
			err = errors.Join(err, f.Close())
		}
		lastErr = errors.Join(err, os.RemoveAll(dir))
	}
	return nil, fmt.Errorf("locking a private folder: %w", lastErr)
}

// Close removes the copy. It may be called twice.
func (s *Snapshot) Close() error {
	if s.lock == nil {
		return nil
	}
	// Closed first: Windows does not remove open files. A sweeper that takes
	// the lock now removes the same folder.
	err := s.lock.Close()
	s.lock = nil
	return errors.Join(err, os.RemoveAll(s.dir))
}

// errChanged says that the source was written while it was copied.
var errChanged = errors.New("source changed during the copy")

func (s *Snapshot) copyFrom(ctx context.Context, path string, maxBytes int64) error {
	before, err := stateOf(path)
	if err != nil {
		return err
	}
	if before.total() > maxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, before.total(), maxBytes)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	budget := maxBytes
	for _, suffix := range []string{"", "-wal", "-journal"} {
		n, err := copyFile(ctx, root, copyName+suffix, path+suffix, budget)
		if suffix != "" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		budget -= n
	}
	after, err := stateOf(path)
	if err != nil {
		return err
	}
	if !after.follows(before) {
		return errChanged
	}
	return nil
}

// copyFile copies a regular file into root under a new name, mode 0600.
func copyFile(ctx context.Context, root *os.Root, name, source string, limit int64) (n int64, err error) {
	in, err := openSource(source)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	n, err = io.Copy(out, &cancelable{ctx: ctx, r: io.LimitReader(in, limit+1)})
	if err == nil && n > limit {
		return n, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return n, err
}

type cancelable struct {
	ctx context.Context //nolint:containedctx // lives for one copy
	r   io.Reader
}

func (c *cancelable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// openSource opens a file of the browser for reading. The last element must
// not be a symbolic link and must be a regular file; a named pipe does not
// block.
func openSource(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|sourceFlags, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%w: not a regular file", ErrFormat)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// part is the state of one file: its size, time and first bytes. The header of
// a database holds a change counter, that of a log its salts, which differ
// after each restart of the log.
type part struct {
	size int64
	mod  int64 // ns
	head [100]byte
}

// state is that of a database and its log or journal; sizes are 0 when a file
// is absent.
type state struct{ db, wal, journal part }

func stateOf(path string) (state, error) {
	var s state
	for _, f := range []struct {
		suffix string
		part   *part
		head   int
	}{{"", &s.db, 100}, {"-wal", &s.wal, 32}, {"-journal", &s.journal, 28}} {
		err := f.part.read(path+f.suffix, f.head)
		if err != nil && (f.suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return s, err
		}
	}
	return s, nil
}

func (p *part) read(path string, head int) error {
	f, err := openSource(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	p.size, p.mod = fi.Size(), fi.ModTime().UnixNano()
	if _, err := io.ReadFull(f, p.head[:head]); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}

func (s state) total() int64 { return s.db.size + s.wal.size + s.journal.size }

// follows reports whether a copy made between before and s is consistent: the
// database and journal did not change, and the log at most grew (SQLite reads
// it up to the last whole transaction).
func (s state) follows(before state) bool {
	if s.db != before.db || s.journal != before.journal {
		return false
	}
	return before.wal.size == 0 || s.wal.head == before.wal.head && s.wal.size >= before.wal.size
}

// Open opens the copy read-only. Sorting stays in memory, so that no other
// temporary file appears. The caller closes the database before the Snapshot.
func (s *Snapshot) Open(ctx context.Context) (*sql.DB, error) {
	path := filepath.Join(s.dir, copyName)
	if fi, err := os.Stat(path + "-journal"); err == nil && fi.Size() > 0 {
		if err := rollBack(ctx, path); err != nil {
			return nil, classify(err)
		}
	}
	db, err := sql.Open("sqlite", dsn(path, "ro", "query_only(1)", "temp_store(2)", "trusted_schema(0)", "busy_timeout(1000)"))
	if err != nil {
		return nil, classify(err)
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(classify(err), db.Close())
	}
	return db, nil
}

// rollBack lets SQLite undo the transaction that a crashed browser left in the
// copied journal; a read-only connection may not.
func rollBack(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "rw", "trusted_schema(0)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var n int
	return db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_master").Scan(&n)
}

func dsn(path, mode string, pragmas ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // file:///C:/…
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"mode": {mode}, "_pragma": pragmas}.Encode()}
	return u.String()
}

// Signature identifies the content of a database for a cache: it changes when
// the browser writes.
func Signature(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", classify(err)
	}
	s, err := stateOf(real)
	if err != nil {
		return "", classify(err)
	}
	return fmt.Sprintf("%d.%d.%x-%d.%d.%x-%d.%d", s.db.size, s.db.mod, s.db.head[24:28],
		s.wal.size, s.wal.mod, s.wal.head[16:24], s.journal.size, s.journal.mod), nil
}

// Sweep removes the folders that killed processes of this user left in tempDir
// ("" = the system's) and returns how many.
func Sweep(tempDir string) (int, error) {
	if tempDir == "" {
		tempDir = os.TempDir()
	}
	entries, err := os.ReadDir(tempDir)
	if err != nil {
		return 0, fmt.Errorf("looking for old copies: %w", err)
	}
	removed := 0
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), folderPrefix) { // a symbolic link is no folder here
			continue
		}
		dir := filepath.Join(tempDir, e.Name())
		fi, err := e.Info()
		if err != nil || !ownedByUs(fi) || !abandoned(dir, fi) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}

// abandoned reports whether no process holds the folder's lock. A folder
// without a lock file may be one that is just being made.
func abandoned(dir string, fi fs.FileInfo) bool {
	lock := filepath.Join(dir, lockName)
	if _, err := os.Lstat(lock); errors.Is(err, fs.ErrNotExist) {
		return time.Since(fi.ModTime()) > time.Minute
	}
	return ownerGone(lock)
}

// Package datadir keeps the data folder: who may enter it, who is using it and
// the key from which all of the gateway's own keys are derived.
//
// The folder is private to its owner (0700). One process at a time uses it
// ([Dir.Lock]). Its root key is 32 random bytes, made once; every use derives
// its own key by a purpose ([Dir.Derive], HKDF-SHA256, RFC 5869), so no two
// uses share key material. Losing the file root.key invalidates everything
// that was derived from it: it is never made anew behind the owner's back.
//
//	dir, err := datadir.Open("/var/lib/portcullis")
//	err = dir.Lock()
//	pepper, err := dir.Derive("apikey/pepper/v1", 32)
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Names inside the folder.
const (
	dbName      = "portcullis.db"
	auditName   = "audit"
	spoolName   = "spool"
	socketName  = "admin.sock"
	lockName    = "lock"
	rootKeyName = "root.key"
)

const privateDir fs.FileMode = 0o700

// Dir is an open data folder. Its methods are safe for concurrent use.
type Dir struct {
	path string
	root *os.Root // all files are opened under it, whatever the path means by now

	mu   sync.Mutex
	lock *os.File // nil when not held
}

// Open opens the data folder and makes it, with audit/ and spool/ inside, if
// it is not there. A folder that others may enter is closed to them; one that
// belongs to somebody else, or cannot be closed, is refused.
func Open(path string) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder %q: %w", path, err)
	}
	if err := os.MkdirAll(abs, privateDir); err != nil {
		return nil, fmt.Errorf("making data folder: %w", err)
	}
	// A symbolic link is followed once, here; what it led to is checked below
	// through the open folder, so that a link changed meanwhile gains nothing.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, fmt.Errorf("data folder %q: %w", path, err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("opening data folder: %w", err)
	}
	d := &Dir{path: abs, root: root}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

func (d *Dir) prepare() error {
	if err := d.private("."); err != nil {
		return err
	}
	for _, name := range []string{auditName, spoolName} {
		if err := d.root.Mkdir(name, privateDir); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making folder %q: %w", filepath.Join(d.path, name), err)
		}
		if err := d.private(name); err != nil {
			return err
		}
	}
	// The path must still lead to the folder that was checked: the database
	// and the socket are opened by path.
	byPath, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	opened, err := d.root.Stat(".")
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if !os.SameFile(byPath, opened) {
		return fmt.Errorf("data folder %q was replaced while it was opened", d.path)
	}
	return nil
}

// private makes sure that a folder is ours and closed to others.
func (d *Dir) private(name string) error {
	full := filepath.Join(d.path, name)
	info, err := d.root.Lstat(name)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a folder", full)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int64(st.Uid) != int64(os.Geteuid()) {
		return fmt.Errorf("folder %q belongs to user %d, not to us (user %d)", full, st.Uid, os.Geteuid())
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := d.root.Chmod(name, privateDir); err != nil {
		return fmt.Errorf("folder %q is open to others (mode %04o) and cannot be closed: %w", full, info.Mode().Perm(), err)
	}
	if info, err = d.root.Lstat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("folder %q stays open to others: its file system keeps no modes", full)
	}
	return nil
}

// Path returns the folder's absolute path, symbolic links resolved.
func (d *Dir) Path() string { return d.path }

// DB returns the path of the embedded database.
func (d *Dir) DB() string { return filepath.Join(d.path, dbName) }

// Resolve returns the file of a store, "sqlite:FILE": relative to the folder
// unless it is absolute.
func (d *Dir) Resolve(url string) string {
	file := strings.TrimPrefix(url, "sqlite:")
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(d.path, file)
}

// AuditDir returns the folder of the audit log. It exists.
func (d *Dir) AuditDir() string { return filepath.Join(d.path, auditName) }

// SpoolDir returns the folder of what waits to be sent. It exists.
func (d *Dir) SpoolDir() string { return filepath.Join(d.path, spoolName) }

// AdminSocket returns the path of the admin API's socket.
func (d *Dir) AdminSocket() string { return AdminSocket(d.path) }

// maxSocketPath is the longest path of a socket that every system takes, in
// bytes: macOS has 104 with the closing NUL, Linux 108.
const maxSocketPath = 103

// AdminSocket returns the path of the admin API's socket in a data folder:
// absolute, or relative to the working folder where that is what fits.
func AdminSocket(folder string) string {
	path := filepath.Join(folder, socketName)
	if len(path) <= maxSocketPath {
		return path
	}
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}

// Close gives the lock back, if it is held, and closes the folder.
func (d *Dir) Close() error { return errors.Join(d.Unlock(), d.root.Close()) }

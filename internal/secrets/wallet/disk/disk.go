// Package disk replaces a file so that whoever reads it, whenever the process
// or the machine dies, finds the old content or the new and nothing between.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FS is what replacing a file asks of a file system, one call for each step
// that can be the last. [OS] is the real one.
type FS interface {
	Create(name string) (File, error) // exclusively, mode 0600
	Rename(from, to string) error
	Remove(name string) error // no error for what is not there
	SyncDir(dir string) error
}

// File is a file being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// OS is the file system of the machine.
type OS struct{}

var _ FS = OS{}

// Create makes a file that only its owner may read. It follows no link.
func (OS) Create(name string) (File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
}

// Rename moves a file over another.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file, if it is there.
func (OS) Remove(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SyncDir makes names in a folder durable.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ErrUncertain is wrapped when the file was replaced and nobody knows whether
// that survives a loss of power.
var ErrUncertain = errors.New("the change was made, but it may not survive a loss of power")

// Replace writes content to a temporary file beside path, syncs it, moves it
// over path and syncs the folder. Only who holds the [Lock] of path may call
// it: the name of the temporary file is fixed, so that a dead process leaves at
// most one.
func Replace(fsys FS, path string, content []byte) error {
	temp := path + ".tmp"
	if err := fsys.Remove(temp); err != nil {
		return fmt.Errorf("removing what an interrupted change left: %w", err)
	}
	if err := Write(fsys, temp, content); err != nil {
		return errors.Join(err, fsys.Remove(temp))
	}
	if err := fsys.Rename(temp, path); err != nil {
		return errors.Join(fmt.Errorf("moving the new file into place: %w", err), fsys.Remove(temp))
	}
	if err := fsys.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return nil
}

// Write makes a new file of mode 0600.
func Write(fsys FS, name string, content []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return fmt.Errorf("making the new file: %w", err)
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(fmt.Errorf("writing the new file: %w", err), f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing the new file: %w", err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("closing the new file: %w", err)
	}
	return nil
}

// Read reads a file of at most limit bytes that is no link, and refuses one
// that others may read or write.
func Read(path string, limit int64) (_ []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is no regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%q is open to others (mode %#o): chmod 600 it", path, info.Mode().Perm())
	case info.Size() > limit:
		return nil, fmt.Errorf("%q has more than %d bytes", path, limit)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%q has more than %d bytes", path, limit)
	}
	return b, nil
}

// Lock keeps other processes from changing path until unlock, or the end of
// the process however it ends. It waits for who has it. The lock is on a file
// of its own, which stays: path itself is replaced by every change.
func Lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking: %w", err), f.Close())
	}
	return f.Close, nil
}

// ReadAny reads a file of at most limit bytes whatever its mode: a credential
// that systemd made, whose folder keeps others away, or a file to import.
func ReadAny(path string, limit int64) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%q has more than %d bytes", path, limit)
	}
	return b, nil
}

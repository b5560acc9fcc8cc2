package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// LockedError says that another process uses the data folder.
type LockedError struct {
	Path string
	PID  int // 0 if it is not known
}

// Error names the folder and the process.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("another portcullis is using %s", e.Path)
	}
	return fmt.Sprintf("another portcullis (pid %d) is using %s", e.PID, e.Path)
}

// Lock takes the data folder for this Dir until Unlock, Close or the end of
// the process, however it ends. The error is a [*LockedError] if somebody else
// has it. Locking twice is an error as well.
func (d *Dir) Lock() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock != nil {
		return fmt.Errorf("data folder %q is locked already", d.path)
	}
	f, err := d.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, privateFile)
	if err != nil {
		return fmt.Errorf("opening lock file: %w", err)
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &LockedError{Path: d.path, PID: readPID(f)}
		} else {
			err = fmt.Errorf("locking data folder %q: %w", d.path, err)
		}
		return errors.Join(err, f.Close())
	}
	// The pid is for people and for messages; the kernel's lock decides.
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), writeAt(f, pid)); err != nil {
		return errors.Join(fmt.Errorf("writing lock file: %w", err), f.Close())
	}
	d.lock = f
	return nil
}

// Unlock gives the folder back. Without a lock it does nothing. The file
// stays: removing it would let two processes lock two different files.
func (d *Dir) Unlock() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil
	}
	f := d.lock
	d.lock = nil
	return errors.Join(f.Truncate(0), f.Close())
}

// Locked reports whether this Dir holds the lock.
func (d *Dir) Locked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lock != nil
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

func readPID(f *os.File) int {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

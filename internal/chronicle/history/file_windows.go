package history

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const sourceFlags = 0

// Windows error codes of a file that another process holds.
const (
	errSharingViolation = syscall.Errno(32)
	errLockViolation    = syscall.Errno(33)
)

// lockFile needs to do nothing: an open file cannot be removed on Windows, and
// that is the lock.
func lockFile(*os.File) error { return nil }

// ownerGone reports whether nobody holds the lock of a folder.
func ownerGone(lock string) bool { return os.Remove(lock) == nil }

func ownedByUs(fs.FileInfo) bool { return true } // the temporary folder is the user's own

func inUse(err error) bool {
	return errors.Is(err, errSharingViolation) || errors.Is(err, errLockViolation)
}

//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package history

import (
	"io/fs"
	"os"
	"syscall"
)

const sourceFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC

// lockFile takes the exclusive lock that lasts until f is closed, or fails at
// once.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// ownerGone reports whether nobody holds the lock of a folder.
func ownerGone(lock string) bool {
	f, err := os.OpenFile(lock, os.O_RDWR|sourceFlags, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return lockFile(f) == nil
}

func ownedByUs(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// inUse reports the error of a file that another process holds: not on Unix,
// where locks are advisory.
func inUse(error) bool { return false }

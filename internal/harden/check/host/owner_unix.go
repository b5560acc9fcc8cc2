//go:build unix

package host

import (
	"io/fs"
	"syscall"
)

// ownerOf returns the account that a file belongs to.
func ownerOf(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}

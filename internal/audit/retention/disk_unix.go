//go:build linux || darwin || freebsd

package retention

import "golang.org/x/sys/unix"

// diskSpace returns how many bytes of the disk of path this process may still
// write, and how many it has.
func diskSpace(path string) (free, size uint64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, false
	}
	return uint64(max(s.Bavail, 0)) * uint64(s.Bsize), uint64(s.Blocks) * uint64(s.Bsize), true //nolint:unconvert // the types differ between systems
}

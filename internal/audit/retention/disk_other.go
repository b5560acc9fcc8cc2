//go:build !(linux || darwin || freebsd)

package retention

// diskSpace is not known here.
func diskSpace(string) (free, size uint64, ok bool) { return 0, 0, false }

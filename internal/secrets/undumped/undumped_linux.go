package undumped

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Process keeps the memory of this process out of core files and out of reach
// of other processes of the same user.
func Process() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core files off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("closing the memory to other processes: %w", err)
	}
	return nil
}

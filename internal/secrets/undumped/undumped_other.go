//go:build !linux

package undumped

import (
	"fmt"
	"syscall"
)

// Process keeps the memory of this process out of core files.
func Process() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("turning core files off: %w", err)
	}
	return nil
}

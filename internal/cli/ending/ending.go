// Package ending says which signals ask a running gateway to stop.
package ending

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Context returns a context that ends with parent, at Ctrl-C and at SIGTERM.
// SIGHUP ends it too unless reloads is true (then it means "read the
// configuration again") or the process was started to ignore it, as nohup does:
// a gateway whose terminal was closed shall stop in order, not be torn down
// with what it would have tidied up. stop releases the signals.
func Context(parent context.Context, reloads bool) (ctx context.Context, stop context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !reloads && !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(parent, signals...)
}

package syslog

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// acknowledged waits until the other end has acknowledged everything that was
// written, or ctx ends. Without it a receiver that had closed before anything
// reached it looks like one that has read it all: its end of the connection
// arrives either way.
func acknowledged(ctx context.Context, conn net.Conn) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		var pending, failed int
		var perr, ferr error
		err := raw.Control(func(fd uintptr) {
			pending, perr = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
			failed, ferr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		})
		switch err := errors.Join(err, perr, ferr); {
		case err != nil:
			return err
		case failed != 0:
			return syscall.Errno(failed)
		case pending == 0:
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.New("the receiver does not acknowledge what was sent")
		}
	}
}

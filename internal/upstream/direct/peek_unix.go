//go:build linux || darwin

package direct

import "syscall"

// peeker looks into a socket's receive queue without taking from it and
// without waiting. It is used by one goroutine at a time.
type peeker struct {
	raw   syscall.RawConn
	look  func(fd uintptr)
	empty bool
	b     [1]byte
}

func (p *peeker) init(raw syscall.RawConn) {
	p.raw = raw
	p.look = func(fd uintptr) {
		for {
			_, _, err := syscall.Recvfrom(int(fd), p.b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if err == syscall.EINTR {
				continue
			}
			// Bytes, an end of file and a reset all make the peer unfit.
			p.empty = err == syscall.EAGAIN
			return
		}
	}
}

// quiet reports whether the connection is open and nothing waits to be read.
func (p *peeker) quiet() bool {
	p.empty = false
	return p.raw != nil && p.raw.Control(p.look) == nil && p.empty
}

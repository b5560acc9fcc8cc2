//go:build darwin || linux

package stdio

import (
	"os/exec"
	"syscall"
	"unsafe"
)

// idTypePid is P_PID of waitid(2).
const idTypePid = 1

// awaitExit returns when the process has exited, and leaves it unreaped: until
// it is reaped its id, and so the id of its group, belongs to no one else.
func awaitExit(pid int) {
	var info [16]uint64 // room for siginfo_t; its content is not used
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, idTypePid, uintptr(pid),
			uintptr(unsafe.Pointer(&info)), syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}

// ownGroup makes the child the leader of a new process group, so that it can
// be ended with everything it started, and no terminal signal reaches it.
func ownGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	return nil
}

// killGroup must only be called while the leader is not reaped: later its id
// may belong to someone else.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// kill ends the group unless it is gone. The supervisor reaps only after the
// leader has exited, so a signal sent here can at worst meet a group that the
// supervisor has just emptied.
func (p *Process) kill() { p.signal(syscall.SIGKILL) }

func (p *Process) terminate() { p.signal(syscall.SIGTERM) }

func (p *Process) signal(sig syscall.Signal) {
	select {
	case <-p.exited:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

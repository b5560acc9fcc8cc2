//go:build !darwin && !linux

package stdio

import "os/exec"

func ownGroup(*exec.Cmd) error { return ErrUnsupported }

func awaitExit(int) {}

func killGroup(int) {}

func (p *Process) kill() { _ = p.cmd.Process.Kill() }

func (p *Process) terminate() {}

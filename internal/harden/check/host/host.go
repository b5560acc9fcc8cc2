// Package host has the rules for the machine that the gateway runs on: modes of
// files, the account, the kernel, the service, what listens.
//
// [Observe] reads the machine once, [Rules] judge what it read. What could not
// be read is missing, and the rules about it cannot tell. There is only Linux:
// elsewhere the rules do not apply.
package host

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// Machine is a host as of a moment.
type Machine struct {
	System string `json:"system"` // "linux"; others are not judged

	Files     []File            `json:"files"`     // that belong to the gateway
	Processes []Process         `json:"processes"` // of the gateway
	Kernel    map[string]string `json:"kernel"`    // settings by name, such as "kernel.yama.ptrace_scope"
	Swaps     *[]Swap           `json:"swaps"`
	Units     []Unit            `json:"units"` // of systemd, for the gateway
	Listeners *[]Listener       `json:"listeners"`
	Docker    *File             `json:"docker"`  // socket of a container engine
	Restart   bool              `json:"restart"` // installed updates wait for one

	Unread []string `json:"unread"` // what could not be read of the gateway's files and processes
}

// What a file is for the gateway.
const (
	DataFolder    = "data folder"
	Configuration = "configuration"
	PrivateKey    = "private key"
	Environment   = "environment"
)

// File is a file or folder.
type File struct {
	Path string      `json:"path"`
	What string      `json:"what"`
	Mode fs.FileMode `json:"mode"` // permissions
	UID  int         `json:"uid"`
}

// Process is one that runs the gateway.
type Process struct {
	PID       int    `json:"pid"`
	UID       int    `json:"uid"`
	CoreLimit string `json:"core_limit"` // soft limit of the size of core files, as /proc says it
}

// Swap is a device or file that memory is written to.
type Swap struct {
	Name      string `json:"name"`
	Encrypted bool   `json:"encrypted"` // or kept in memory
}

// Unit is a service of systemd.
type Unit struct {
	Path    string            `json:"path"`
	Service map[string]string `json:"service"` // the last value of each directive of [Service]
}

// Listener is a TCP socket that waits for connections.
type Listener struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
}

// found collects what is wrong.
type found []rule.Finding

func (f *found) add(file, pointer, format string, a ...any) {
	*f = append(*f, rule.Finding{File: file, Pointer: pointer, Message: fmt.Sprintf(format, a...)})
}

// look makes a check of a machine. missing says why the check cannot tell, or
// does not apply; with findings it does not matter.
func look(missing func(*Machine) error, f func(m *Machine, out *found)) func(context.Context, *Machine) ([]rule.Finding, error) {
	return func(_ context.Context, m *Machine) ([]rule.Finding, error) {
		if m.System != "linux" {
			return nil, fmt.Errorf("%s is not looked at, only Linux: %w", m.System, rule.ErrNotApplicable)
		}
		var out found
		f(m, &out)
		if err := missing(m); err != nil && len(out) == 0 {
			return nil, err
		}
		return out, nil
	}
}

func nothing(*Machine) error { return nil }

// has cannot tell about files that could not be read, and does not apply where
// there is no such file.
func has(what string) func(*Machine) error {
	return func(m *Machine) error {
		for _, f := range m.Files {
			if f.What == what {
				return unread(m)
			}
		}
		if err := unread(m); err != nil {
			return err
		}
		return fmt.Errorf("there is no %s: %w", what, rule.ErrNotApplicable)
	}
}

func unread(m *Machine) error {
	if len(m.Unread) > 0 {
		return fmt.Errorf("could not be read: %s", m.Unread[0])
	}
	return nil
}

// kernel cannot tell about a setting that could not be read.
func kernel(name string) func(*Machine) error {
	return func(m *Machine) error {
		if _, ok := m.Kernel[name]; !ok {
			return fmt.Errorf("%s could not be read", name)
		}
		return nil
	}
}

func running(m *Machine) error {
	if len(m.Processes) == 0 {
		if err := unread(m); err != nil {
			return err
		}
		return fmt.Errorf("no gateway runs here: %w", rule.ErrNotApplicable)
	}
	return nil
}

func units(m *Machine) error {
	if len(m.Units) == 0 {
		return fmt.Errorf("there is no systemd unit of the gateway: %w", rule.ErrNotApplicable)
	}
	return nil
}

// Package hook gets new values of secrets from a program that the operator
// names: its standard output is the value, and nothing else.
//
// The program is run by its arguments, never by a shell. Of the environment it
// gets PATH, the variables that the operator lists, and which entry is meant. It
// has a time limit, after which it and what it started are killed. What it
// writes to standard error is dropped: it may hold the value.
package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Limits of a hook.
const (
	MaxValue       = 64 << 10 // bytes of its output
	DefaultTimeout = time.Minute
	MaxTimeout     = 10 * time.Minute
	waitDelay      = 2 * time.Second // for a child that holds the output open
)

// Hook is a program that gives values.
type Hook struct {
	Command []string // the program, by its absolute path, and its arguments
	Env     []string // names of variables that it gets beside PATH
	Timeout time.Duration
	Lookup  func(string) (string, bool) // the environment of this process
}

// Validate checks what an operator wrote.
func (h Hook) Validate() error {
	switch {
	case len(h.Command) == 0:
		return errors.New("hook: want a program and its arguments")
	case !filepath.IsAbs(h.Command[0]):
		return errors.New("hook: want the absolute path of a program")
	case h.Timeout < time.Second || h.Timeout > MaxTimeout:
		return fmt.Errorf("hook_timeout: want between 1s and %s", MaxTimeout)
	}
	return nil
}

// Value runs the program for an entry and returns the value that it gave, which
// is the caller's to clear.
func (h Hook) Value(ctx context.Context, entry, provider string) ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...) //nolint:gosec // the operator's own program
	cmd.Env = h.environment(entry, provider)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	out := &bounded{}
	defer out.wipe()
	cmd.Stdout = out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the hook did not end within %s", h.Timeout)
	case errors.As(err, &exit):
		return nil, fmt.Errorf("the hook ended with %s", exit.ProcessState)
	case out.full:
		return nil, fmt.Errorf("the hook gave more than %d bytes", MaxValue)
	case err != nil:
		return nil, errors.New("the hook could not be run")
	}
	return Parse(out.b)
}

// environment is what the program gets.
func (h Hook) environment(entry, provider string) []string {
	out := []string{"PORTCULLIS_ENTRY=" + entry, "PORTCULLIS_PROVIDER=" + provider}
	for _, name := range append([]string{"PATH"}, h.Env...) {
		if v, ok := h.Lookup(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// Parse takes the value out of what a program wrote: one line of visible ASCII.
// More than that is a message rather than a key.
func Parse(out []byte) ([]byte, error) {
	line := bytes.TrimSuffix(bytes.TrimSuffix(out, []byte("\n")), []byte("\r"))
	if len(line) == 0 {
		return nil, errors.New("the hook gave no value")
	}
	if len(line) > MaxValue {
		return nil, fmt.Errorf("the hook gave more than %d bytes", MaxValue)
	}
	for _, c := range line {
		if c <= ' ' || c > '~' {
			return nil, errors.New("the hook gave something else than one line of visible ASCII")
		}
	}
	return bytes.Clone(line), nil
}

// bounded keeps the output up to a limit; beyond it, the program gets an error.
type bounded struct {
	b    []byte
	full bool
}

func (o *bounded) Write(p []byte) (int, error) {
	if len(o.b)+len(p) > MaxValue+2 {
		o.full = true
		return 0, errors.New("too much output")
	}
	if cap(o.b) == 0 {
		o.b = make([]byte, 0, MaxValue+2) // never moved: no copy is left behind
	}
	o.b = append(o.b, p...)
	return len(p), nil
}

func (o *bounded) wipe() { clear(o.b[:cap(o.b)]) }

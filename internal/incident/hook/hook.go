// Package hook runs what an operator has for a bad day and the gateway cannot
// do itself: a program, or a webhook, that stops servers or turns a switch.
//
// A program is run by its arguments, never by a shell. Of the environment it
// gets PATH and the variables that the operator lists; what it is about stands
// on its standard input, as JSON. It has a time limit, after which it and what
// it started are killed. Nothing of what it is about is ever an argument.
package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Limits of a hook.
const (
	DefaultTimeout = time.Minute
	MaxTimeout     = 10 * time.Minute
	maxOutput      = 4 << 10 // bytes of what it says that are kept
	waitDelay      = 2 * time.Second
)

// About is what a hook is told, as JSON.
type About struct {
	Hook     string    `json:"hook"`
	Incident string    `json:"incident"`
	Title    string    `json:"title"`
	Severity string    `json:"severity"`
	Phase    string    `json:"phase"`
	Subjects []string  `json:"subjects"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// Hook is one of them.
type Hook struct {
	Name        string
	Command     []string
	Env         []string
	Lookup      func(string) (string, bool)                  // the environment of this process
	Post        func(ctx context.Context, body []byte) error // in place of a command: signs and sends
	Where       string                                       // it posts to, for people
	Timeout     time.Duration
	Destructive bool
}

// Plan says what the hook would do.
func (h *Hook) Plan() string {
	if h.Post != nil {
		return fmt.Sprintf("post the incident to %s, signed, within %s", h.Where, h.Timeout)
	}
	return fmt.Sprintf("run %q within %s", h.Command, h.Timeout)
}

// Run runs the hook and returns what it said, in one line.
func (h *Hook) Run(ctx context.Context, about About) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	about.Hook = h.Name
	body, err := json.Marshal(about)
	if err != nil {
		return "", fmt.Errorf("hook %q: %w", h.Name, err)
	}
	if h.Post != nil {
		if err := h.Post(ctx, body); err != nil {
			return "", fmt.Errorf("hook %q: %w", h.Name, err)
		}
		return "posted to " + h.Where, nil
	}
	cmd := exec.CommandContext(ctx, h.Command[0], h.Command[1:]...) //nolint:gosec // the operator's own program
	cmd.Env = h.environment(about)
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(body)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	out := new(tail)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	said := out.line()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return said, fmt.Errorf("hook %q: did not end within %s", h.Name, h.Timeout)
	case errors.As(err, &exit):
		return said, fmt.Errorf("hook %q: ended with %s: %s", h.Name, exit.ProcessState, said)
	case err != nil:
		return said, fmt.Errorf("hook %q: could not be run", h.Name)
	}
	return strings.TrimSpace("it ended well: " + said), nil
}

func (h *Hook) environment(about About) []string {
	out := []string{"PORTCULLIS_HOOK=" + h.Name, "PORTCULLIS_INCIDENT=" + about.Incident}
	for _, name := range append([]string{"PATH"}, h.Env...) {
		if v, ok := h.Lookup(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// tail keeps the end of what was written. Both outputs of a program may share
// one: exec copies them one after the other then.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if over := len(t.b) - maxOutput; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

// line is the last line that says something.
func (t *tail) line() string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(t.b), "�")), "\n")
	text := strings.TrimSpace(lines[len(lines)-1])
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, text)
}

package stdio

import (
	"fmt"
	"strings"
	"time"
)

// Config says how a server is run.
type Config struct {
	Command    []string                          `toml:"command"` // program and arguments
	Dir        string                            `toml:"dir"`     // working folder; "" = the gateway's
	Env        map[string]string                 `toml:"env"`     // variables set for the child
	Secrets    func() (map[string]string, error) // further variables of Env, read at each start; nil = none
	PassEnv    []string                          `toml:"pass_env"`    // variables of the gateway passed on, if set
	Grace      time.Duration                     `toml:"grace"`       // wait after closing stdin, and again after SIGTERM
	MaxMessage int                               `toml:"max_message"` // longest line from the child, bytes
	WriteLimit time.Duration                     `toml:"write_limit"` // longest time the child may take to read a message
	Stderr     LogLimit                          `toml:"stderr"`      // what of stderr, and of stray lines on stdout, is logged
	MaxStray   int                               `toml:"max_stray"`   // lines on stdout that are not JSON before the child is ended
}

// LogLimit bounds what a child can write to the log.
type LogLimit struct {
	LineBytes int `toml:"line_bytes"` // longer lines are cut
	PerMinute int `toml:"per_minute"` // lines a minute; the rest is counted
}

// Default returns the defaults; Command has none.
func Default() Config {
	return Config{
		Grace:      5 * time.Second,
		MaxMessage: 16 << 20,
		WriteLimit: 10 * time.Second,
		Stderr:     LogLimit{LineBytes: 1024, PerMinute: 120},
		MaxStray:   1000,
	}
}

// Validate reports the first field that cannot be used.
func (c Config) Validate() error {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return fmt.Errorf("command: want a program and its arguments")
	}
	for i, arg := range c.Command {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("command[%d]: %q: NUL byte", i, arg)
		}
	}
	for name, value := range c.Env {
		if !validName(name) {
			return fmt.Errorf("env: %q: not a variable name", name)
		}
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("env.%s: NUL byte in the value", name)
		}
	}
	for i, name := range c.PassEnv {
		if !validName(name) {
			return fmt.Errorf("pass_env[%d]: %q: not a variable name", i, name)
		}
	}
	switch {
	case c.Grace <= 0:
		return fmt.Errorf("grace: %v: want a positive duration", c.Grace)
	case c.MaxMessage < 1024:
		return fmt.Errorf("max_message: %d: want at least 1024 bytes", c.MaxMessage)
	case c.WriteLimit <= 0:
		return fmt.Errorf("write_limit: %v: want a positive duration", c.WriteLimit)
	case c.Stderr.LineBytes < 16:
		return fmt.Errorf("stderr.line_bytes: %d: want at least 16", c.Stderr.LineBytes)
	case c.Stderr.PerMinute < 0:
		return fmt.Errorf("stderr.per_minute: %d: want 0 or more", c.Stderr.PerMinute)
	case c.MaxStray < 0:
		return fmt.Errorf("max_stray: %d: want 0 or more", c.MaxStray)
	}
	return nil
}

func validName(name string) bool {
	return name != "" && !strings.ContainsAny(name, "=\x00")
}

// basics are the variables every child gets when the gateway has them: without
// them programs are not found or cannot write their scratch files.
func basics() []string { return []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"} }

// environ builds the child's whole environment from what look finds. A name in
// Env wins over the same name passed on, a secret over both. Without one of its
// secrets no child starts.
func (c Config) environ(look func(string) (string, bool)) ([]string, error) {
	var env []string
	seen := make(map[string]bool)
	add := func(name, value string) {
		if !seen[name] {
			seen[name] = true
			env = append(env, name+"="+value)
		}
	}
	if c.Secrets != nil {
		secrets, err := c.Secrets()
		if err != nil {
			return nil, fmt.Errorf("reading the environment of the command: %w", err)
		}
		for name, value := range secrets {
			if strings.ContainsRune(value, 0) {
				return nil, fmt.Errorf("env.%s: NUL byte in the secret", name)
			}
			add(name, value)
		}
	}
	for name, value := range c.Env {
		add(name, value)
	}
	for _, list := range [][]string{basics(), c.PassEnv} {
		for _, name := range list {
			if value, ok := look(name); ok {
				add(name, value)
			}
		}
	}
	return env, nil
}

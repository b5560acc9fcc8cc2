package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, name string) *Tree {
	t.Helper()
	tr, err := Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func paths(tr *Tree) string {
	var out []string
	for _, f := range tr.Files() {
		out = append(out, f.Path)
	}
	return strings.Join(out, " ")
}

func TestFoldersOfOthersAreNotEntered(t *testing.T) {
	dir := folder(t, map[string]string{
		"b/c.yaml": "x", "a.txt": "y", ".git/config": "[core]", "node_modules/x/a.js": "1", "b/vendor/v.go": "1", ".env": "A=1",
	})
	tr := open(t, dir)
	if got := paths(tr); got != ".env a.txt b/c.yaml" {
		t.Errorf("files %s", got)
	}
	if got := tr.Left(); !slices.Equal(got, []Left{{Path: "b/vendor", Why: "not entered"}, {Path: "node_modules", Why: "not entered"}}) {
		t.Errorf("left %+v", got)
	}
	if data, err := tr.Read(".git/config"); err != nil || string(data) != "[core]" {
		t.Errorf("a file that is not listed: %q, %v", data, err)
	}
	if got := tr.Under("b"); !slices.Equal(got, []string{"b/c.yaml"}) {
		t.Errorf("under b: %q", got)
	}
	if _, ok := tr.File("b/c.yaml"); !ok {
		t.Error("b/c.yaml is not there")
	}
	if _, ok := tr.File("b"); ok {
		t.Error("a folder is a file")
	}
}

func TestOneFileIsATree(t *testing.T) {
	dir := folder(t, map[string]string{"compose.yaml": "services: {}", ".env": "A=1"})
	tr := open(t, filepath.Join(dir, "compose.yaml"))
	if !tr.Single() || paths(tr) != "compose.yaml" {
		t.Errorf("files %s", paths(tr))
	}
	if data, err := tr.Read(".env"); err != nil || string(data) != "A=1" {
		t.Errorf("what stands beside it: %q, %v", data, err)
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A file is read once, however many ask for it at the same time.
func TestReadsOnce(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("f%d", i)] = "text"
	}
	tr := open(t, folder(t, files))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, f := range tr.Files() {
				if _, err := tr.Read(f.Path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if tr.Reads() != 20 {
		t.Errorf("%d reads of 20 files", tr.Reads())
	}
}

func TestWhatIsNotRead(t *testing.T) {
	dir := folder(t, map[string]string{"big": strings.Repeat("x", MaxFile+1), "image.png": "\x89PNG\x00\x00", "a/x": "x"})
	secret := folder(t, map[string]string{"secret": "s"})
	for link, to := range map[string]string{"out": filepath.Join(secret, "secret"), "in": "a/x", "up": secret} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	tr := open(t, dir)
	if got := paths(tr); got != "a/x big image.png" {
		t.Errorf("files %s", got)
	}
	for p, want := range map[string]error{
		"big": ErrTooLarge, "image.png": ErrBinary, "out": ErrLink, "in": ErrLink, "a": ErrOther, "absent": fs.ErrNotExist,
		"../x": fs.ErrInvalid, "/etc/passwd": fs.ErrInvalid,
	} {
		if data, err := tr.Read(p); !errors.Is(err, want) || data != nil {
			t.Errorf("%s: %q, %v, want %v", p, data, err, want)
		}
	}
	for range 2 {
		if data, err := tr.ReadLarge("big"); err != nil || len(data) != MaxFile+1 {
			t.Errorf("large: %d bytes, %v", len(data), err)
		}
		if data, err := tr.ReadLarge("a/x"); err != nil || len(data) == 0 {
			t.Errorf("small: %q, %v", data, err)
		}
		if _, err := tr.ReadLarge("out"); !errors.Is(err, ErrLink) {
			t.Errorf("a link: %v", err)
		}
	}
	if tr.Reads() > 3 { // the image too
		t.Errorf("%d reads", tr.Reads())
	}
	if data, err := tr.Read("up/secret"); err == nil {
		t.Errorf("a file outside: %q", data)
	}
}

func TestWith(t *testing.T) {
	tr := open(t, folder(t, map[string]string{"a": "1", "b": "2"}))
	next := tr.With(map[string][]byte{"b": []byte("22"), "c": []byte("3")})
	for p, want := range map[string]string{"a": "1", "b": "22", "c": "3"} {
		if data, err := next.Read(p); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", p, data, err)
		}
	}
	if paths(next) != "a b c" || paths(tr) != "a b" {
		t.Errorf("files %s, before %s", paths(next), paths(tr))
	}
	if data, _ := tr.Read("b"); string(data) != "2" {
		t.Errorf("the tree itself changed: %q", data)
	}
}

func TestPositions(t *testing.T) {
	text := []byte("ab\ncd\n")
	for offset, want := range map[int][2]int{0: {1, 1}, 1: {1, 2}, 2: {1, 3}, 3: {2, 1}, 5: {2, 3}, 6: {3, 1}, 99: {3, 1}, -1: {1, 1}} {
		if l, c := Position(text, offset); [2]int{l, c} != want {
			t.Errorf("%d: %d:%d, want %v", offset, l, c, want)
		}
	}
	for line, want := range map[int]int{1: 0, 2: 3, 3: 6, 4: 6, 0: 0} {
		if got := Offset(text, line); got != want {
			t.Errorf("line %d: %d, want %d", line, got, want)
		}
	}
}

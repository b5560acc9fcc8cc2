package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

func ref(path string) source.Ref {
	return source.Ref{Source: "file", Path: strings.TrimPrefix(path, "/")}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// openDir returns a folder that everybody may enter, as mounts are.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFetch(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	path := filepath.Join(dir, "key")
	s := New(Config{})
	for text, want := range map[string]string{"v": "v", "v\n": "v", "v\r\n": "v", "v\n\n": "v\n", " v ": " v "} {
		write(t, path, text, 0o600)
		if got, err := s.Fetch(t.Context(), ref(path)); err != nil || got.Text != want || got.Poll <= 0 {
			t.Errorf("%q: %q %v", text, got.Text, err)
		}
	}
	if _, err := s.Fetch(t.Context(), ref(filepath.Join(dir, "none"))); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := s.Fetch(t.Context(), ref(dir)); !errors.Is(err, errKind) {
		t.Errorf("folder: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), ref(pipe)); !errors.Is(err, errKind) {
		t.Errorf("pipe: %v", err)
	}
	write(t, path, strings.Repeat("x", source.MaxBytes+1), 0o600)
	if _, err := s.Fetch(t.Context(), ref(path)); !errors.Is(err, errLarge) {
		t.Errorf("large: %v", err)
	}
	if _, err := s.Fetch(t.Context(), source.Ref{Path: "x", Version: "1"}); !errors.Is(err, source.ErrNoVersion) {
		t.Errorf("version: %v", err)
	}
}

func TestWorldReadable(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	path := filepath.Join(dir, "key")
	write(t, path, "canary", 0o644)
	_, err := New(Config{}).Fetch(t.Context(), ref(path))
	if !errors.Is(err, errOpen) || strings.Contains(err.Error(), "canary") {
		t.Errorf("a file that everybody can read: %v", err)
	}
	if got, err := New(Config{InsecureWorldReadable: true}).Fetch(t.Context(), ref(path)); err != nil || got.Text != "canary" {
		t.Errorf("accepted by the configuration: %q %v", got.Text, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := New(Config{}).Fetch(t.Context(), ref(path)); err != nil || got.Text != "canary" {
		t.Errorf("in a folder that is closed to others: %q %v", got.Text, err)
	}
	link := filepath.Join(openDir(t), "link") // the mode of a link's own folder says nothing
	open := filepath.Join(openDir(t), "open")
	write(t, open, "canary", 0o644)
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{}).Fetch(t.Context(), ref(link)); !errors.Is(err, errOpen) {
		t.Errorf("a link to a file that everybody can read: %v", err)
	}
}

// TestMountedVolume swaps a volume as the kubelet does: files are links through
// ..data, which is renamed over.
func TestMountedVolume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(Config{})
	swap := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "token"), text, 0o600)
		next := filepath.Join(dir, "..data_tmp")
		if err := errors.Join(os.Symlink(name, next), os.Rename(next, filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	swap("..1", "one")
	if err := os.Symlink("..data/token", filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"one", "two"} {
		if i > 0 {
			swap("..2", want)
		}
		if got, err := s.Fetch(t.Context(), ref(filepath.Join(dir, "token"))); err != nil || got.Text != want {
			t.Errorf("%q %v, want %q", got.Text, err, want)
		}
	}
}

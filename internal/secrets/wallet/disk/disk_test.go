package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
)

// spy notes the calls in their order.
type spy struct {
	disk.OS
	calls *[]string
}

func (s spy) note(c string) { *s.calls = append(*s.calls, c) }

func (s spy) Create(name string) (disk.File, error) {
	s.note("create " + filepath.Base(name))
	f, err := s.OS.Create(name)
	return spyFile{f, s}, err
}

func (s spy) Rename(from, to string) error {
	s.note("rename " + filepath.Base(from) + " " + filepath.Base(to))
	return s.OS.Rename(from, to)
}

func (s spy) Remove(name string) error {
	s.note("remove " + filepath.Base(name))
	return s.OS.Remove(name)
}

func (s spy) SyncDir(dir string) error {
	s.note("syncdir")
	return s.OS.SyncDir(dir)
}

type spyFile struct {
	disk.File
	s spy
}

func (f spyFile) Write(p []byte) (int, error) { f.s.note("write"); return f.File.Write(p) }
func (f spyFile) Sync() error                 { f.s.note("sync"); return f.File.Sync() }
func (f spyFile) Close() error                { f.s.note("close"); return f.File.Close() }

// The order is what makes a replacement survive: content before name, name
// before the answer.
func TestOrderOfReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	var calls []string
	for _, content := range []string{"one", "two"} {
		calls = nil
		if err := os.WriteFile(path+".tmp", []byte("left by a dead process"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := disk.Replace(spy{calls: &calls}, path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		want := []string{"remove w.tmp", "create w.tmp", "write", "sync", "close", "rename w.tmp w", "syncdir"}
		if !slices.Equal(calls, want) {
			t.Errorf("calls %q, want %q", calls, want)
		}
		if b, err := disk.Read(path, 100); err != nil || string(b) != content {
			t.Errorf("%q, %v", b, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(p, []byte("12345"), mode), os.Chmod(p, mode)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(write("good", 0o600), link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		write("group", 0o640): "open to others", write("world", 0o604): "open to others", write("big", 0o400): "more than 4 bytes",
		dir: "no regular file", link: "opening", filepath.Join(dir, "none"): "opening",
	} {
		if b, err := disk.Read(path, 4); err == nil || b != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, want)
		}
	}
	if _, err := disk.ReadAny(write("world2", 0o644), 4); err == nil {
		t.Error("a file over the limit")
	}
	if b, err := disk.ReadAny(write("world3", 0o644), 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if err := disk.Write(disk.OS{}, write("there", 0o600), nil); err == nil {
		t.Error("wrote over a file")
	}
	if err := disk.Write(disk.OS{}, link, nil); err == nil {
		t.Error("wrote through a link")
	}
}

func TestLockIsForOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	var all sync.WaitGroup
	var inside atomic.Int32
	for range 8 {
		all.Go(func() {
			for range 50 {
				unlock, err := disk.Lock(path)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two inside")
				}
				inside.Add(-1)
				if err := unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

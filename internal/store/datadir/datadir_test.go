package datadir

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = d.Close() }) // some tests close it themselves
	return d
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestOpenMakesPrivateFolders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data")
	d := open(t, path)
	for _, p := range []string{d.Path(), d.AuditDir(), d.SpoolDir(), filepath.Dir(d.Path())} {
		if m := mode(t, p); m != 0o700 {
			t.Errorf("%s has mode %04o, want 0700", p, m)
		}
	}
	for got, want := range map[string]string{d.DB(): "portcullis.db", d.AdminSocket(): "admin.sock", d.AuditDir(): "audit", d.SpoolDir(): "spool"} {
		if filepath.Base(got) != want || filepath.Dir(got) != d.Path() {
			t.Errorf("got %q, want %q in the folder", got, want)
		}
	}
}

func TestOpenClosesAnOpenFolder(t *testing.T) {
	path := t.TempDir()
	for _, m := range []fs.FileMode{0o755, 0o770, 0o701, 0o777} {
		if err := os.Chmod(path, m); err != nil {
			t.Fatal(err)
		}
		d := open(t, path)
		if got := mode(t, d.Path()); got != 0o700 {
			t.Errorf("mode %04o became %04o, want 0700", m, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil {
		t.Error("a file was opened as a data folder")
	}
	// A link planted where audit/ belongs would send the log elsewhere.
	planted := filepath.Join(dir, "planted")
	if err := os.Mkdir(planted, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(planted, "audit")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(planted); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("audit/ as a link: got %v", err)
	}
	if _, err := Open(filepath.Join(dir, "loop")); err != nil {
		t.Errorf("a plain new folder: %v", err)
	}
	if os.Geteuid() == 0 {
		alien := filepath.Join(dir, "alien")
		if err := errors.Join(os.Mkdir(alien, 0o700), os.Chown(alien, 12345, 12345)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(alien); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
			t.Errorf("a folder of somebody else: got %v", err)
		}
	}
}

func TestOpenThroughLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(target, 0o755), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	d := open(t, link)
	if filepath.Base(d.Path()) != "target" || mode(t, target) != 0o700 {
		t.Errorf("path %q, mode %04o: want the link's target, closed", d.Path(), mode(t, target))
	}
}

func TestLock(t *testing.T) {
	path := t.TempDir()
	a, b := open(t, path), open(t, path)
	if err := a.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := a.Lock(); err == nil {
		t.Error("the same Dir locked twice")
	}
	err := b.Lock()
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Fatalf("second lock: %v, want a LockedError with our pid", err)
	}
	if want := "another portcullis (pid " + strconv.Itoa(os.Getpid()) + ") is using"; !strings.HasPrefix(locked.Error(), want) {
		t.Errorf("got %q, want it to start with %q", locked, want)
	}
	if !a.Locked() || b.Locked() {
		t.Error("Locked is wrong about who holds it")
	}
	if err := errors.Join(a.Unlock(), a.Unlock()); err != nil {
		t.Fatal(err)
	}
	if err := b.Lock(); err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	if m := mode(t, filepath.Join(path, "lock")); m != 0o600 {
		t.Errorf("lock file has mode %04o", m)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Lock(); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

const childEnv = "DATADIR_TEST_LOCK"

// TestLockEndsWithProcess kills a process that holds the lock: it must not
// stay behind. The child is this test binary.
func TestLockEndsWithProcess(t *testing.T) {
	if path := os.Getenv(childEnv); path != "" {
		d, err := Open(path)
		if err == nil {
			err = d.Lock()
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("locked\n")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until killed
		return
	}
	path := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockEndsWithProcess$")
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("locked\n"))
	if _, err := io.ReadFull(stdout, line); err != nil || string(line) != "locked\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	d := open(t, path)
	var locked *LockedError
	if err := d.Lock(); !errors.As(err, &locked) || locked.PID != cmd.Process.Pid {
		t.Errorf("lock of a living process: %v, want its pid %d", err, cmd.Process.Pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if err := d.Lock(); err != nil {
		t.Errorf("lock after the process was killed: %v", err)
	}
}

func TestRootKey(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	key, err := d.RootKey()
	if err != nil || len(key) != 32 {
		t.Fatalf("RootKey: %d bytes, %v", len(key), err)
	}
	again, err := open(t, path).RootKey()
	if err != nil || !bytes.Equal(key, again) {
		t.Fatalf("another key the second time: %v", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "root.key.") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
	file := filepath.Join(path, "root.key")
	if m := mode(t, file); m != 0o600 {
		t.Errorf("root.key has mode %04o", m)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RootKey(); err != nil || mode(t, file) != 0o600 {
		t.Errorf("an open root.key: %v, mode %04o", err, mode(t, file))
	}
	other, err := open(t, t.TempDir()).RootKey()
	if err != nil || bytes.Equal(key, other) {
		t.Errorf("two folders share a key: %v", err)
	}
}

func TestRootKeyRace(t *testing.T) {
	path := t.TempDir()
	var wg sync.WaitGroup
	keys := make([][]byte, 20)
	for i := range keys {
		d := open(t, path)
		wg.Go(func() {
			key, err := d.RootKey()
			if err != nil {
				t.Errorf("RootKey: %v", err)
			}
			keys[i] = key
		})
	}
	wg.Wait()
	for _, k := range keys {
		if !bytes.Equal(k, keys[0]) {
			t.Fatal("processes that start together got different keys")
		}
	}
}

func TestDamagedRootKeyIsNeverReplaced(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": {}, "short": make([]byte, 31), "long": bytes.Repeat([]byte{1}, 33), "zeros": make([]byte, 32),
	} {
		path := t.TempDir()
		d := open(t, path)
		file := filepath.Join(path, "root.key")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.RootKey(); !errors.Is(err, ErrRootKey) {
			t.Errorf("%s: got %v, want ErrRootKey", name, err)
		}
		if _, err := d.Derive("x", 32); !errors.Is(err, ErrRootKey) {
			t.Errorf("%s: Derive: got %v, want ErrRootKey", name, err)
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, content) {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
	path := t.TempDir()
	d := open(t, path)
	if err := os.Symlink("/dev/zero", filepath.Join(path, "root.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.RootKey(); !errors.Is(err, ErrRootKey) {
		t.Errorf("a link: got %v, want ErrRootKey", err)
	}
}

func TestDerive(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	key := bytes.Repeat([]byte{0x0b}, 32)
	if err := os.WriteFile(filepath.Join(path, "root.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := d.Derive("apikey/pepper/v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	// Computed with another implementation of RFC 5869: a change of the
	// derivation would invalidate every stored key.
	if got, want := hex.EncodeToString(a), "0969110b84c4c03c99c735f5feafb4f6e52ca7e5e839b6ff3003bcb29f7f712d"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	b, err := d.Derive("apikey/pepper/v2", 32)
	if err != nil || bytes.Equal(a, b) {
		t.Errorf("two purposes share a key: %v", err)
	}
	if long, err := d.Derive("apikey/pepper/v1", 64); err != nil || len(long) != 64 {
		t.Errorf("64 bytes: %d, %v", len(long), err)
	}
	for _, bad := range []struct {
		purpose string
		n       int
	}{{"", 32}, {"x", 15}, {"x", -1}, {"x", 255*32 + 1}} {
		if _, err := d.Derive(bad.purpose, bad.n); err == nil {
			t.Errorf("Derive(%q, %d) succeeded", bad.purpose, bad.n)
		}
	}
}

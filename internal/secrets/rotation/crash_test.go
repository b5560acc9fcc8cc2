package rotation_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis/internal/secrets/probe"
	"github.com/portcullis-dev/portcullis/internal/secrets/rotation"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
	"github.com/portcullis-dev/portcullis/test/provider"
)

// deadly is the file system of the machine, which kills the process at one of
// its steps.
type deadly struct {
	disk.OS
	left *int
}

func (d deadly) step(half func()) {
	if *d.left--; *d.left == 0 {
		half()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal arrives
	}
}

func (d deadly) Create(name string) (disk.File, error) {
	d.step(func() {})
	f, err := d.OS.Create(name)
	return deadlyFile{f, d}, err
}

func (d deadly) Rename(from, to string) error {
	d.step(func() {})
	return d.OS.Rename(from, to)
}

func (d deadly) Remove(name string) error {
	d.step(func() {})
	return d.OS.Remove(name)
}

func (d deadly) SyncDir(dir string) error {
	d.step(func() {})
	return d.OS.SyncDir(dir)
}

type deadlyFile struct {
	disk.File
	d deadly
}

func (f deadlyFile) Write(p []byte) (int, error) {
	f.d.step(func() { _, _ = f.File.Write(p[:len(p)/2]) })
	return f.File.Write(p)
}

func (f deadlyFile) Sync() error {
	f.d.step(func() {})
	return f.File.Sync()
}

func (f deadlyFile) Close() error {
	f.d.step(func() {})
	return f.File.Close()
}

const (
	stepsOfAChange = 7
	changes        = 3 // stage, promote, purge
)

// TestKilledRotation kills a process with SIGKILL at each write of a rotation:
// stage, promote, purge. Afterwards the wallet opens, the entry has a value that
// the provider takes, and whoever comes next brings the rotation to its end.
func TestKilledRotation(t *testing.T) {
	if path := os.Getenv("ROTATION_CRASH_WALLET"); path != "" {
		crash(t, path)
		return
	}
	t.Parallel()
	fake := provider.New()
	fake.Set("old", provider.Valid)
	fake.Set("new", provider.Valid)
	s := httptest.NewServer(fake)
	defer s.Close()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	finished := map[string]int{}
	for kill := 1; kill <= changes*stepsOfAChange; kill++ {
		path := filepath.Join(t.TempDir(), wallet.FileName)
		o := wallet.Options{Recorder: &journal{}}
		must(t, wallet.Create(t.Context(), path, wallet.AgeRecipients{Recipients: []age.Recipient{id.Recipient()}}, o))
		w, err := wallet.Open(t.Context(), path, wallet.AgeIdentities{id}, o)
		must(t, err)
		must(t, w.Put(t.Context(), wallet.New{Name: "k", Provider: "openai"}, []byte("old")))
		w.Close()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledRotation$")
		cmd.Env = append(os.Environ(), "ROTATION_CRASH_WALLET="+path, "ROTATION_CRASH_AT="+strconv.Itoa(kill), "ROTATION_CRASH_KEY="+id.String(), "ROTATION_CRASH_URL="+s.URL)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: the process was not killed: %v\n%s", kill, err, out)
		}
		finished[resume(t, kill, path, id, s.URL)]++
	}
	t.Log(finished)
	for _, want := range []string{"not begun", "staged", "promoted", "purged"} {
		if finished[want] == 0 {
			t.Errorf("no process died with the rotation %s: %v", want, finished)
		}
	}
}

// resume looks at what a dead process left, and goes on. It returns how far it
// was.
func resume(t *testing.T, kill int, path string, id age.Identity, url string) string {
	t.Helper()
	w, err := wallet.Open(t.Context(), path, wallet.AgeIdentities{id}, wallet.Options{Recorder: &journal{}})
	must(t, err)
	defer w.Close()
	if _, err := w.Verify(); err != nil {
		t.Fatalf("step %d: %v", kill, err)
	}
	e, err := w.Entry("k")
	must(t, err)
	v, _, err := w.Get(t.Context(), "k")
	must(t, err)
	was := "not begun"
	switch {
	case e.Version == 1 && e.Pending == 0 && v.Reveal() == "old":
	case e.Version == 1 && e.Pending == 2 && e.Automatic && v.Reveal() == "old":
		was = "staged"
	case e.Version == 2 && e.Pending == 0 && e.Previous == 1 && v.Reveal() == "new":
		was = "promoted"
	case e.Version == 2 && e.Pending == 0 && e.Previous == 0 && v.Reveal() == "new":
		was = "purged"
	default:
		t.Fatalf("step %d: a state in between: %+v", kill, e)
	}
	check, err := probe.New(probe.Config{Kind: "openai", URL: url})
	must(t, err)
	rot := rotation.Rotator{Wallet: w, Recorder: &journal{}}
	plan := rotation.Plan{Name: "k", Check: check, Overlap: time.Hour, Automatic: true}
	switch was {
	case "not begun":
		_, err = rot.Rotate(t.Context(), plan, []byte("new"))
	case "staged":
		_, err = rot.Finish(t.Context(), plan)
	}
	must(t, err)
	if v, _, err := w.Get(t.Context(), "k"); err != nil || v.Reveal() != "new" {
		t.Errorf("step %d: the rotation did not come to its end: %v", kill, err)
	}
	return was
}

// crash is the process that gets killed.
func crash(t *testing.T, path string) {
	left, err := strconv.Atoi(os.Getenv("ROTATION_CRASH_AT"))
	must(t, err)
	id, err := age.ParseX25519Identity(os.Getenv("ROTATION_CRASH_KEY"))
	must(t, err)
	w, err := wallet.Open(context.Background(), path, wallet.AgeIdentities{id}, wallet.Options{Recorder: &journal{}, FS: deadly{left: &left}})
	must(t, err)
	check, err := probe.New(probe.Config{Kind: "openai", URL: os.Getenv("ROTATION_CRASH_URL")})
	must(t, err)
	rot := rotation.Rotator{Wallet: w, Recorder: &journal{}}
	_, err = rot.Rotate(context.Background(), rotation.Plan{Name: "k", Check: check, Overlap: time.Hour, Automatic: true}, []byte("new"))
	must(t, err)
	must(t, w.Purge(context.Background(), "k"))
}

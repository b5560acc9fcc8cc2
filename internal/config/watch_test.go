package config_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-dev/portcullis/internal/config"
)

// watched runs a Watcher over a file and collects what it reports.
type watched struct {
	t       *testing.T
	changes chan string // environment of each configuration handed on
	errs    chan error
	reload  chan struct{}
}

func watch(t *testing.T, path string, setup func(*config.Watcher)) *watched {
	t.Helper()
	w := &watched{t: t, changes: make(chan string, 100), errs: make(chan error, 100), reload: make(chan struct{})}
	watcher := config.Watcher{
		Path: path, Getenv: env(), Reload: w.reload, Debounce: 5 * time.Millisecond, Poll: time.Hour,
		OnChange: func(c *config.Config, s *config.Source) {
			if s.Path != path {
				t.Errorf("source is %q", s.Path)
			}
			w.changes <- c.Server.Environment
		},
		OnError: func(err error) { w.errs <- err },
	}
	if setup != nil {
		setup(&watcher)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		watcher.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
	return w
}

// change waits until the configuration of that environment is handed on.
func (w *watched) change(want string) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case got := <-w.changes:
			if got == want {
				return
			}
			w.t.Fatalf("handed on %q, want %q", got, want)
		case <-w.errs: // a half-written file may be seen on the way
		case <-deadline:
			w.t.Fatalf("%q was never handed on", want)
		}
	}
}

// refusal waits for an error with that text; nothing may be handed on.
func (w *watched) refusal(want string) error {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case got := <-w.changes:
			w.t.Fatalf("handed on %q", got)
		case err := <-w.errs:
			if strings.Contains(err.Error(), want) {
				return err
			}
		case <-deadline:
			w.t.Fatalf("no error with %q", want)
		}
	}
}

func named(environment string) string { return "[server]\nenvironment = \"" + environment + "\"\n" }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestWatcherFollowsWritesAndRenames(t *testing.T) {
	path := filepath.Join(t.TempDir(), config.FileName)
	write(t, path, named("one"))
	w := watch(t, path, nil)
	w.change("one")

	write(t, path, named("two"))
	w.change("two")

	write(t, path+".tmp", named("three"))
	rename(t, path+".tmp", path)
	w.change("three")

	write(t, path, "[server]\nenvironment = 3\n")
	w.refusal("portcullis.toml:2: server.environment: want text, not an integer")
	write(t, path, "\n")
	w.refusal("is empty")
	write(t, path, named("four"))
	w.change("four")
}

func TestWatcherOutlivesDeletion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", config.FileName)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, named("one"))
	w := watch(t, path, func(w *config.Watcher) { w.Poll = 10 * time.Millisecond })
	w.change("one")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := w.refusal("no such file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	write(t, path, named("two"))
	w.change("two")

	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	w.refusal("no such file")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, named("three"))
	w.change("three")
}

// TestWatcherFollowsTheSwapOfAFolder does what Kubernetes does to update a
// mounted ConfigMap: the file links to ..data/portcullis.toml, and ..data is a
// link that is replaced by another.
func TestWatcherFollowsTheSwapOfAFolder(t *testing.T) {
	dir := t.TempDir()
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(dir, "..v_"+v), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "..v_"+v, config.FileName), named(v))
	}
	link("..v_one", "..data")
	link("..data/"+config.FileName, config.FileName)
	w := watch(t, filepath.Join(dir, config.FileName), nil)
	w.change("one")

	link("..v_two", "..data_tmp")
	rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	if err := os.RemoveAll(filepath.Join(dir, "..v_one")); err != nil {
		t.Fatal(err)
	}
	w.change("two")
}

func TestWatcherFollowsALinkIntoAnotherFolder(t *testing.T) {
	target := filepath.Join(t.TempDir(), "real.toml")
	path := filepath.Join(t.TempDir(), config.FileName)
	write(t, target, named("one"))
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	w := watch(t, path, nil)
	w.change("one")
	write(t, target+".tmp", named("two"))
	rename(t, target+".tmp", target)
	w.change("two")
}

func TestWatcherHandsOnOnlyWhatIsNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), config.FileName)
	write(t, path, named("one"))
	_, source, err := config.Load(path, env())
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, path, func(w *config.Watcher) {
		w.Since, w.Poll = source, time.Millisecond
	})
	write(t, path, named("one")) // the same content, so the next report is "two"
	write(t, path, named("two"))
	w.change("two")

	w.reload <- struct{}{} // asked for, the same content is handed on again
	w.change("two")

	write(t, path, "zz = 1\n")
	w.refusal("zz: unknown key")
	w.reload <- struct{}{}
	w.refusal("zz: unknown key")

	// Polled a few times more, the same mistake is not reported again: the
	// next thing heard is the repair.
	write(t, path, named("three"))
	w.change("three")
}

func TestWatcherReportsAMistakeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), config.FileName)
	write(t, path, "zz = 1\n")
	w := watch(t, path, func(w *config.Watcher) { w.Poll = time.Millisecond })
	w.refusal("zz: unknown key")
	// Each of these passes through the loop that also polls.
	for range 5 {
		w.reload <- struct{}{}
		w.refusal("zz: unknown key")
	}
	if n := len(w.errs); n > 0 {
		t.Errorf("%d more reports of the same mistake", n)
	}
}

package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watcher follows a configuration file. It hands on a new configuration only
// when all of it is valid; until then the last good one stays in force.
//
// It watches folders, not the file: editors replace a file by renaming another
// over it, and Kubernetes swaps a symbolic link beside it. A look at the
// content now and then covers file systems that report nothing.
type Watcher struct {
	Path   string
	Getenv func(string) (string, bool)
	Since  *Source // what is in force; nil hands on the first content too

	OnChange func(*Config, *Source) // called with each new valid configuration
	OnError  func(error)            // called once for each invalid content or failing read

	Reload   <-chan struct{} // asks for a look now, also at unchanged content; for SIGHUP
	Debounce time.Duration   // quiet time after an event; 0 = 100 ms
	Poll     time.Duration   // time between looks without an event; 0 = 30 s
}

const (
	defaultDebounce = 100 * time.Millisecond
	defaultPoll     = 30 * time.Second
)

var errEmptied = errors.New("configuration file is empty: the running configuration is kept")

// Run follows the file until ctx ends. The callbacks run on its goroutine, one
// at a time, none after it has returned. Where the system cannot report
// changes OnError says so once, and the file is polled.
func (w Watcher) Run(ctx context.Context) {
	run := watching{Watcher: w, seen: digest{}}
	if w.Since != nil {
		run.seen = w.Since.digest
	}
	if run.Debounce <= 0 {
		run.Debounce = defaultDebounce
	}
	if run.Poll <= 0 {
		run.Poll = defaultPoll
	}
	var err error
	if run.notify, err = fsnotify.NewWatcher(); err != nil {
		w.OnError(fmt.Errorf("watching the configuration, polling instead: %w", err))
		run.notify = &fsnotify.Watcher{} // nil channels: never ready
	} else {
		defer run.notify.Close()
	}
	run.loop(ctx)
}

type digest [sha256.Size]byte

type watching struct {
	Watcher
	notify  *fsnotify.Watcher
	target  string // file behind Path when it is a symbolic link
	seen    digest // content that was handed on or refused last
	failure string // text of the last failing read, "" after a good one
}

func (w *watching) loop(ctx context.Context) {
	poll := time.NewTicker(w.Poll)
	defer poll.Stop()
	quiet := time.NewTimer(0) // the first look happens at once
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.notify.Events:
			if w.concerns(e.Name) {
				quiet.Reset(w.Debounce)
			}
		case <-w.notify.Errors:
			// An overflow of the event queue: something may have been missed.
			quiet.Reset(w.Debounce)
		case <-quiet.C:
			w.look(false)
		case <-poll.C:
			w.look(false)
		case <-w.Reload:
			w.look(true)
		}
	}
}

// concerns tells the file from its neighbours, so that a busy folder does not
// put the look off for ever.
func (w *watching) concerns(name string) bool {
	name = filepath.Clean(name)
	return name == filepath.Clean(w.Path) || name == w.target || filepath.Base(name) == "..data" ||
		name == filepath.Dir(w.Path) || name == filepath.Dir(w.target)
}

// follow watches the folders of the file and of what it links to. A folder
// may have been replaced since, so it is done before each look; watching one
// twice is harmless.
func (w *watching) follow() {
	w.target = ""
	if target, err := filepath.EvalSymlinks(w.Path); err == nil {
		w.target = target
	}
	for _, file := range []string{w.Path, w.target} {
		if file != "" && w.notify.Events != nil {
			// A folder that is not there is no news: reading says so.
			_ = w.notify.Add(filepath.Dir(file))
		}
	}
}

// look reads the file and reports what is new.
func (w *watching) look(forced bool) {
	w.follow()
	data, warnings, err := read(w.Path)
	if err != nil {
		if forced || err.Error() != w.failure {
			w.failure = err.Error()
			w.OnError(err)
		}
		return
	}
	recovered := w.failure != ""
	w.failure = ""
	sum := digest(sha256.Sum256(data))
	if sum == w.seen && !forced && !recovered {
		return
	}
	unchanged := sum == w.seen && !forced
	w.seen = sum
	// Between the truncation and the write of an editor the file is empty, and
	// an empty file is a valid configuration without routes.
	if len(bytes.TrimSpace(data)) == 0 {
		w.OnError(errEmptied)
		return
	}
	cfg, source, err := complete(w.Path, data, w.Getenv)
	switch {
	case err != nil:
		w.OnError(err)
	case !unchanged:
		source.Warnings = append(warnings, source.Warnings...)
		w.OnChange(cfg, source)
	}
}

package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

const (
	sealedMode = 0o400
	openMode   = 0o600
	dirMode    = 0o700
)

// file is a segment open for appending.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// disk is what the journal writes to; tests put failing ones in its place.
type disk interface {
	// create opens a new, empty file of that name for appending.
	create(name string) (file, error)
	// append opens an existing file for appending.
	append(name string) (file, error)
	// seal makes a file read-only.
	seal(name string) error
	// syncDir makes created names durable.
	syncDir() error
	// probe tries whether writing and syncing work.
	probe() error
}

// folder is the disk of a real journal: one directory.
type folder string

func (d folder) path(name string) string { return filepath.Join(string(d), name) }

func (d folder) create(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, openMode)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		return nil, errors.Join(fmt.Errorf("segment %q exists already", name), err, f.Close())
	}
	return f, nil
}

func (d folder) append(name string) (file, error) {
	return os.OpenFile(d.path(name), os.O_APPEND|os.O_WRONLY, openMode)
}

func (d folder) seal(name string) error { return os.Chmod(d.path(name), sealedMode) }

func (d folder) syncDir() error {
	if runtime.GOOS == "windows" { // directories cannot be synced there
		return nil
	}
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// probe writes as much as a busy moment would, so that a disk with a few bytes
// left does not count as healthy.
func (d folder) probe() error {
	path := d.path("probe.tmp")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, openMode)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 256<<10))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
}

// Package durable writes small files that are there whole, the old one or the
// new one, whenever the process or the machine dies.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes content to path, with the rights of a file that only its
// owner reads. When it returns nil the content survives the loss of power. Two
// callers must not replace one file at a time.
func Replace(path string, content []byte) error {
	tmp, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes the names in a folder survive the loss of power.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

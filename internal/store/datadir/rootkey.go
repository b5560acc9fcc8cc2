package datadir

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	rootKeyLen              = 32
	privateFile fs.FileMode = 0o600
)

// ErrRootKey says that root.key is there and is not a key: short, long, empty
// or zero. Restore it from a backup. Only if nothing was ever derived from it
// (a crash in the first start) may it be removed.
var ErrRootKey = errors.New("root key file is damaged")

// RootKey returns the folder's root key, and makes it if there is no file.
// Several processes may ask at once: all get the same key.
func (d *Dir) RootKey() ([]byte, error) {
	key, err := d.readRootKey()
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := d.makeRootKey(); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making root key: %w", err)
	}
	return d.readRootKey()
}

// Derive returns n bytes for one purpose: HKDF-SHA256 of the root key with the
// purpose as info. A purpose names use and version: "apikey/pepper/v1".
func (d *Dir) Derive(purpose string, n int) ([]byte, error) {
	if purpose == "" || n < 16 {
		return nil, fmt.Errorf("deriving key: purpose %q and %d bytes: want a purpose and at least 16", purpose, n)
	}
	root, err := d.RootKey()
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, root, nil, "portcullis/"+purpose, n)
	if err != nil {
		return nil, fmt.Errorf("deriving key for %q: %w", purpose, err)
	}
	return key, nil
}

func (d *Dir) readRootKey() ([]byte, error) {
	full := filepath.Join(d.path, rootKeyName)
	info, err := d.root.Lstat(rootKeyName)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %q is not a regular file", ErrRootKey, full)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := d.root.Chmod(rootKeyName, privateFile); err != nil {
			return nil, fmt.Errorf("root key is open to others and cannot be closed: %w", err)
		}
	}
	f, err := d.root.Open(rootKeyName)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	key, err := io.ReadAll(io.LimitReader(f, rootKeyLen+1))
	if err != nil {
		return nil, fmt.Errorf("reading root key: %w", err)
	}
	if len(key) != rootKeyLen {
		return nil, fmt.Errorf("%w: %q holds %d bytes, want %d; restore it from a backup", ErrRootKey, full, len(key), rootKeyLen)
	}
	if [rootKeyLen]byte(key) == [rootKeyLen]byte{} {
		return nil, fmt.Errorf("%w: %q holds only zeros; restore it from a backup", ErrRootKey, full)
	}
	return key, nil
}

// makeRootKey writes a key under a name of its own, makes it durable, and only
// then gives it its name, which fails if somebody else was faster: nobody ever
// reads half a key, not even after a crash.
func (d *Dir) makeRootKey() (err error) {
	var key [rootKeyLen]byte
	var suffix [8]byte
	_, _ = rand.Read(key[:])
	_, _ = rand.Read(suffix[:])
	temp := rootKeyName + "." + hex.EncodeToString(suffix[:])
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, privateFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.root.Remove(temp)) }()
	_, err = f.Write(key[:])
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := d.root.Link(temp, rootKeyName); err != nil {
		return err
	}
	return d.syncDir()
}

func (d *Dir) syncDir() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

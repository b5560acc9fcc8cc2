// Package archive keeps copies of class files of the audit log elsewhere: in a
// directory, such as a mounted share, or in a bucket that speaks S3.
package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/portcullis-dev/portcullis/internal/audit/durable"
)

// Directory is an archive in a folder.
type Directory struct{ Path string }

// Put implements retention.Archive. What is there under another content is
// not replaced.
func (d Directory) Put(_ context.Context, name, path string, size int64, sum string) (string, error) {
	to := filepath.Join(d.Path, filepath.FromSlash(name))
	got, err := digest(to)
	switch {
	case err == nil && got == sum:
		return to, nil
	case err == nil:
		return "", fmt.Errorf("%q holds something else already: move it away", to)
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if _, err := os.Stat(d.Path); err != nil { // a share that is not mounted is not made anew
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", err
	}
	if err := copySynced(to+".tmp", path, size); err != nil {
		return "", err
	}
	if got, err = digest(to + ".tmp"); err != nil || got != sum {
		return "", errors.Join(fmt.Errorf("%q reads back as something else", to+".tmp"), err)
	}
	if err := os.Rename(to+".tmp", to); err != nil {
		return "", err
	}
	return to, durable.SyncDir(filepath.Dir(to))
}

func copySynced(to, from string, size int64) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes, want %d", n, size)
	}
	return errors.Join(err, out.Sync(), out.Close())
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Package rotate gives security.log a new file when it is large or old.
package rotate

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
)

const (
	rotatedPrefix = "security-"
	rotatedLayout = "20060102T150405.000Z"
	suffix        = ".log"
)

// File is a file that security.log was.
type File struct {
	Path string
	At   time.Time // when it was rotated
}

// Files returns the rotated files of security.log in the audit
// directory dir, oldest first.
func Files(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []File
	for _, e := range entries {
		stem, isLog := strings.CutSuffix(e.Name(), suffix)
		stamp, isRotated := strings.CutPrefix(stem, rotatedPrefix)
		if !isLog || !isRotated || !e.Type().IsRegular() {
			continue
		}
		if at, err := time.Parse(rotatedLayout, stamp); err == nil {
			all = append(all, File{filepath.Join(dir, e.Name()), at})
		}
	}
	return all, nil
}

// Rotate renames the file at path away if it has size bytes or its first event
// is of that age.
func Rotate(path string, size int64, age time.Duration) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() == 0 || (info.Size() < size && time.Since(firstEvent(path)) < age) {
		return nil
	}
	for at := time.Now().UTC(); ; at = at.Add(time.Millisecond) {
		to := filepath.Join(filepath.Dir(path), rotatedPrefix+at.Format(rotatedLayout)+suffix)
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, to)
		} else if err != nil {
			return fmt.Errorf("rotating: %w", err)
		}
	}
}

// firstEvent returns the time of the first event in a file, or now if that
// cannot be told.
func firstEvent(path string) time.Time {
	f, err := os.Open(path)
	if err != nil {
		return time.Now()
	}
	defer func() { _ = f.Close() }() // it was only read
	line, err := bufio.NewReaderSize(f, 64<<10).ReadSlice('\n')
	if err != nil {
		return time.Now()
	}
	e, err := auditlog.ParseEntry(line[:len(line)-1])
	if err != nil {
		return time.Now()
	}
	return e.Time
}

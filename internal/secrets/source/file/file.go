// Package file reads secrets from files, such as those that Docker, Kubernetes
// and systemd mount: secret://file/run/secrets/github is the file
// /run/secrets/github. A file that changes, or a symbolic link that leads
// elsewhere (as Kubernetes swaps a whole volume by its ..data link), is read
// again within seconds.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Config says which files may be read.
type Config struct {
	// InsecureWorldReadable accepts files that every user of the machine can
	// read.
	InsecureWorldReadable bool
}

// Source reads files. It is a [source.Source].
type Source struct{ cfg Config }

var _ source.Source = (*Source)(nil)

// New returns a source.
func New(cfg Config) *Source { return &Source{cfg} }

// poll is how often a file is looked at: files are near, and a look finds what
// file systems report nothing about.
const poll = 2 * time.Second

// Errors for people.
var (
	errKind  = errors.New("is not a regular file")
	errOpen  = errors.New("every user of the machine can read it: run chmod o-r on it, close its folder to others, or set secrets.file.insecure_world_readable")
	errLarge = fmt.Errorf("is larger than %d bytes", source.MaxBytes)
)

// Fetch reads the file. One line break at its end is left out: editors and
// echo put it there.
func (s *Source) Fetch(_ context.Context, ref source.Ref) (source.Secret, error) {
	if ref.Version != "" {
		return source.Secret{}, source.ErrNoVersion
	}
	text, err := s.read("/" + ref.Path)
	if err != nil {
		return source.Secret{}, err
	}
	return source.Secret{Text: text, Poll: poll}, nil
}

func (s *Source) read(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", failure(err)
	}
	// A named pipe would block the open itself, so the kind is asked first.
	if info, err := os.Stat(real); err != nil {
		return "", failure(err)
	} else if !info.Mode().IsRegular() {
		return "", errKind
	}
	f, err := os.Open(real)
	if err != nil {
		return "", failure(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", failure(err)
	case !info.Mode().IsRegular():
		return "", errKind
	case info.Mode().Perm()&0o004 != 0 && !s.cfg.InsecureWorldReadable && !closed(filepath.Dir(real)):
		return "", errOpen
	}
	data, err := io.ReadAll(io.LimitReader(f, source.MaxBytes+1))
	switch {
	case err != nil:
		return "", failure(err)
	case len(data) > source.MaxBytes:
		return "", errLarge
	}
	text := strings.TrimSuffix(string(data), "\n")
	return strings.TrimSuffix(text, "\r"), nil
}

// closed reports whether a folder, or one around it, lets no other user in: the
// mode of a file in it says nothing then.
func closed(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			return true
		}
		up := filepath.Dir(dir)
		if err != nil || up == dir {
			return false
		}
		dir = up
	}
}

// failure drops the path, which the reference names already, and keeps the
// cause.
func failure(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no such file: %w", source.ErrNotFound)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("file: %w", source.ErrDenied)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("reading the file: %w", pe.Err)
	}
	return fmt.Errorf("reading the file: %w", err)
}

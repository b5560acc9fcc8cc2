// Package file writes events into a file of their own, one per line, for an
// agent that ships files or for an archive. The file is for its owner only and
// is renamed when it is full; what was written is on the disk before it counts
// as sent.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
)

// Config says which file.
type Config struct {
	Path    string
	MaxSize int64 // it is renamed before it grows beyond
	Keep    int   // how many renamed files are kept: PATH.1 is the youngest
	Encoder sink.Encoder
}

// header is what encoders have whose form begins with a line of its own.
type header interface {
	AppendHeader(dst []byte) []byte
}

// Sender writes one file.
type Sender struct {
	cfg  Config
	file *os.File
	size int64
}

var _ sink.Sender = (*Sender)(nil)

// New returns a sender. It opens the file when it has something to write.
func New(c Config) (*Sender, error) { return &Sender{cfg: c}, nil }

// Append appends the line of an event.
func (s *Sender) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	start := len(dst)
	dst, err := s.cfg.Encoder.Append(dst, e)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '\n'), nil
}

// Send writes a batch, in one file or over several, and syncs.
func (s *Sender) Send(_ context.Context, items []sink.Item) error {
	if err := s.open(); err != nil {
		return wrong(err)
	}
	before := s.size
	var out []byte
	for _, i := range items {
		if full := s.size + int64(len(out)); full > 0 && full+int64(len(i.Data)) > s.cfg.MaxSize {
			if err := s.write(out, before); err != nil {
				return wrong(err)
			}
			if err := s.rotate(); err != nil {
				return wrong(err)
			}
			out, before = out[:0], s.size
		}
		out = append(out, i.Data...)
	}
	return wrong(s.write(out, before))
}

// wrong tells a mistake of the settings from a disk that may do better later.
func wrong(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
		return &sink.Error{Fault: sink.Misconfigured, Err: err}
	}
	return err
}

var errNotRegular = errors.New("is no regular file")

// open opens the file, again if somebody took it away.
func (s *Sender) open() error {
	if s.file != nil {
		is, err := os.Stat(s.cfg.Path)
		mine, merr := s.file.Stat()
		if err == nil && merr == nil && os.SameFile(is, mine) {
			return nil
		}
		_ = s.Close() // it is gone
	}
	// Not through a link that somebody else could have put there.
	if is, err := os.Lstat(s.cfg.Path); err == nil && !is.Mode().IsRegular() {
		return fmt.Errorf("%q %w", s.cfg.Path, errNotRegular)
	}
	f, err := os.OpenFile(s.cfg.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := wholeLines(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.file, s.size = f, size
	if h, ok := s.cfg.Encoder.(header); ok && size == 0 {
		return s.write(append(h.AppendHeader(nil), '\n'), 0)
	}
	return nil
}

// wholeLines cuts half a line off the end of the file, which a crash leaves:
// its event comes again. It returns what is left.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 4096)
	for at := end; at > 0; {
		from := max(0, at-int64(len(buf)))
		n, err := f.ReadAt(buf[:at-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				whole := from + int64(i) + 1
				if whole == end {
					return end, nil
				}
				return whole, f.Truncate(whole)
			}
		}
		at = from
	}
	return 0, f.Truncate(0)
}

// write writes and syncs. What is half written is cut off again, so that no
// line is ever torn.
func (s *Sender) write(out []byte, before int64) error {
	if len(out) == 0 {
		return nil
	}
	_, err := s.file.Write(out)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return errors.Join(err, s.file.Truncate(before))
	}
	s.size = before + int64(len(out))
	return nil
}

// rotate renames the file to PATH.1, and those before it one further.
func (s *Sender) rotate() error {
	if err := s.Close(); err != nil {
		return err
	}
	for i := s.cfg.Keep; i >= 0; i-- {
		name := s.name(i)
		if i == s.cfg.Keep {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		if err := os.Rename(name, s.name(i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := syncFolder(filepath.Dir(s.cfg.Path)); err != nil {
		return err
	}
	return s.open()
}

func (s *Sender) name(i int) string {
	if i == 0 {
		return s.cfg.Path
	}
	return s.cfg.Path + "." + strconv.Itoa(i)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close closes the file.
func (s *Sender) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.size = nil, 0
	return err
}

// Package deadletter keeps the events that a server refused, one JSON object
// per line, in a file with a cap. The oldest are kept: once the file is full,
// further ones are only counted, and stand in the journal.
package deadletter

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// MaxSize is how large a file may grow.
const MaxSize = 16 << 20

// maxLine bounds one letter when a file is read.
const maxLine = 4 << 20

// ErrFull is returned by Add once the cap is reached.
var ErrFull = errors.New("the dead letter file is full")

// Letter is one event that was refused.
type Letter struct {
	Time   time.Time       `json:"time"` // when it was laid aside
	Seq    uint64          `json:"seq"`  // its number in the journal
	Reason string          `json:"reason"`
	Entry  json.RawMessage `json:"entry"` // as it stands in the journal
}

// File is the dead letters of one sink. It is safe for concurrent use.
type File struct {
	path string
	max  int64

	mu    sync.Mutex
	known bool
	size  int64
	count int
}

// Open returns the file NAME.jsonl in dir, which need not exist yet.
func Open(dir, name string) *File {
	return &File{path: filepath.Join(dir, name+".jsonl"), max: MaxSize}
}

// Count returns how many letters there are.
func (f *File) Count() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count, f.look()
}

// look learns what an earlier process left. Half a line at the end, which a
// crash leaves, is cut off: the cursor had not moved behind that event.
func (f *File) look() error {
	if f.known {
		return nil
	}
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f.known = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	count, whole := 0, int64(0)
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadSlice('\n')
		whole += int64(len(line))
		switch {
		case err == nil:
			count++
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !errors.Is(err, io.EOF):
			return errors.Join(fmt.Errorf("reading dead letters: %w", err), file.Close())
		}
		break
	}
	whole, err = wholeLines(file, whole)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	f.known, f.size, f.count = true, whole, count
	return nil
}

// wholeLines returns the length of file without half a line at its end.
func wholeLines(file *os.File, size int64) (int64, error) {
	buf := make([]byte, 4096)
	for size > 0 {
		from := max(0, size-int64(len(buf)))
		n, err := file.ReadAt(buf[:size-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				return from + int64(i) + 1, nil
			}
		}
		size = from
	}
	return 0, nil
}

// Add lays one letter aside, durably.
func (f *File) Add(l Letter) error {
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding a dead letter: %w", err)
	}
	line = append(line, '\n')
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.look(); err != nil {
		return err
	}
	if f.size+int64(len(line)) > f.max {
		return ErrFull
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("writing a dead letter: %w", err)
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("writing a dead letter: %w", err)
	}
	n, err := file.Write(line)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		f.known = f.known && n == 0 // the next look cuts what is half written
		return fmt.Errorf("writing a dead letter: %w", err)
	}
	f.size += int64(len(line))
	f.count++
	return nil
}

// Retry gives the letters to send, the oldest first. Those for which it
// returns nil are removed; for the others it returns what is kept instead,
// usually the letter with another reason. At the first error, or when ctx ends,
// the rest stays as it is. Adding waits for the end of it.
func (f *File) Retry(ctx context.Context, send func(Letter) (*Letter, error)) (gone, kept int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.look(); err != nil || f.count == 0 {
		return 0, 0, err
	}
	in, err := os.Open(f.path)
	if err != nil {
		return 0, 0, fmt.Errorf("reading dead letters: %w", err)
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.OpenFile(f.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, 0, fmt.Errorf("writing dead letters: %w", err)
	}
	var size int64
	gone, kept, size, sendErr, err := pass(ctx, in, out, send)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(f.path+".new", f.path)
	}
	if err != nil {
		return 0, 0, errors.Join(fmt.Errorf("writing dead letters: %w", err), sendErr)
	}
	f.size, f.count = size, kept
	return gone, kept, sendErr
}

// pass moves letters from in to out, but for those that send accepts.
func pass(ctx context.Context, in io.Reader, out io.Writer, send func(Letter) (*Letter, error)) (gone, kept int, size int64, sendErr, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for lines.Scan() {
		line := lines.Bytes()
		var l Letter
		if sendErr == nil && json.Unmarshal(line, &l) == nil {
			if sendErr = ctx.Err(); sendErr == nil {
				var keep *Letter
				if keep, sendErr = send(l); sendErr == nil {
					if keep == nil {
						gone++
						continue
					}
					if line, err = json.Marshal(keep); err != nil {
						return gone, kept, size, sendErr, err
					}
				}
			}
		}
		n, err := out.Write(append(slices.Clip(line), '\n'))
		if err != nil {
			return gone, kept, size, sendErr, err
		}
		size += int64(n)
		kept++
	}
	return gone, kept, size, sendErr, lines.Err()
}

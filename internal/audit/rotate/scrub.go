package rotate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
)

// currentName is the file that is written to.
const currentName = "security.log"

// scrubTries is how often a file is read again because it was still written to.
const scrubTries = 5

// Scrub changes events in security.log and what that was before. change reports
// whether it changed one. It is a copy of what the journal has: nothing proves
// its bytes. The file in use is renamed away first, so that nobody writes to
// what is changed. It returns how many lines are different.
func Scrub(dir string, change func(*portcullis.Event) bool) (int, error) {
	if err := Rotate(filepath.Join(dir, currentName), 1, 0); err != nil {
		return 0, err
	}
	files, err := Files(dir)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, f := range files {
		n, err := scrubFile(f.Path, change)
		if total += n; err != nil {
			return total, fmt.Errorf("taking a person out of %s: %w", filepath.Base(f.Path), err)
		}
	}
	return total, nil
}

func scrubFile(path string, change func(*portcullis.Event) bool) (int, error) {
	for range scrubTries {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil // retention removed it
		}
		if err != nil {
			return 0, err
		}
		n, text, err := scrubbed(path, change)
		if err != nil || n == 0 {
			return 0, err
		}
		now, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		if now.Size() != info.Size() {
			continue // a write that had begun before it was renamed
		}
		if err := durable.Replace(path, text); err != nil {
			return 0, err
		}
		return n, os.Chtimes(path, info.ModTime(), info.ModTime()) // its age decides how long it is kept
	}
	return 0, errors.New("it is still written to")
}

// scrubbed returns a file with changed lines. Lines that are no events stay.
func scrubbed(path string, change func(*portcullis.Event) bool) (n int, out []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if e, perr := auditlog.ParseEntry(bytes.TrimSuffix(line, []byte("\n"))); perr == nil && change(&e) {
			line = append(auditlog.AppendEntry(nil, &e), '\n')
			n++
		}
		out = append(out, line...)
		switch {
		case errors.Is(err, io.EOF):
			return n, out, nil
		case err != nil:
			return n, out, err
		}
	}
}

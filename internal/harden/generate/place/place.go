// Package place puts generated files into a folder without losing what people
// changed there.
//
// Beside the files it keeps a record of what it wrote ([RecordName]): a file that
// is no longer as it was written was edited, and is left alone unless the
// caller insists. Nothing is half-written: each file is replaced in one step.
package place

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
)

// RecordName is the file that remembers what was written.
const RecordName = "portcullis.generated.json"

// MaxBytes is the size above which a file that is there is not compared, but
// taken as edited.
const MaxBytes = 4 << 20

// State is what will happen to a file.
type State string

// The states.
const (
	New     State = "new"     // it is not there
	Same    State = "same"    // it is there as it should be
	Changed State = "changed" // it is as it was written, and is now another
	Edited  State = "edited"  // somebody changed it, or made it
)

// File is one file that is wanted.
type File struct {
	Path string // relative, with slashes
	Mode fs.FileMode
	Data []byte
}

// Change is what is to happen to one file.
type Change struct {
	File
	State State
	Diff  []byte // unified, from what is there to what is wanted; nil where they are equal
}

// record is the content of the record file.
type record struct {
	Version int               `json:"version"`
	Files   map[string]string `json:"files"` // path: SHA-256 of what was written
}

// Plan compares a folder, which need not be there, with what is wanted. Nothing
// is written. A path that leaves the folder or that leads through a symbolic
// link is an error.
func Plan(dir string, want []File) ([]Change, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		var out []Change
		for _, f := range want {
			out = append(out, Change{f, New, diff.Diff("/dev/null", nil, f.Path, f.Data)})
		}
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", dir, err)
	}
	defer root.Close()
	rec, err := load(root)
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, f := range want {
		c, err := compare(root, rec, f)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func compare(root *os.Root, rec record, f File) (Change, error) {
	info, err := root.Lstat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Change{f, New, diff.Diff("/dev/null", nil, f.Path, f.Data)}, nil
	}
	if err != nil {
		return Change{}, fmt.Errorf("looking at %q: %w", f.Path, err)
	}
	if !info.Mode().IsRegular() {
		return Change{}, fmt.Errorf("%q is there and is no regular file: move it out of the way", f.Path)
	}
	if info.Size() > MaxBytes {
		return Change{f, Edited, fmt.Appendf(nil, "%s is too large to compare\n", f.Path)}, nil
	}
	have, err := root.ReadFile(f.Path)
	if err != nil {
		return Change{}, fmt.Errorf("reading %q: %w", f.Path, err)
	}
	c := Change{f, Edited, diff.Diff(f.Path, have, f.Path, f.Data)}
	switch {
	case bytes.Equal(have, f.Data):
		c.State = Same
	case rec.Files[f.Path] == sum(have):
		c.State = Changed
	}
	return c, nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// load reads the record. One that cannot be read is an error: without it every
// file would look edited.
func load(root *os.Root) (record, error) {
	rec := record{Version: 1, Files: map[string]string{}}
	text, err := root.ReadFile(RecordName)
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	if err == nil && rec.Version != 1 {
		err = fmt.Errorf("version %d is not known", rec.Version)
	}
	if err != nil {
		return rec, fmt.Errorf("reading %s: %w (remove it, and files that differ count as edited)", RecordName, err)
	}
	if rec.Files == nil {
		rec.Files = map[string]string{}
	}
	return rec, nil
}

// Apply carries out a plan and returns the paths that it wrote. Files that were
// edited are written only if force is set.
func Apply(dir string, plan []Change, force bool) (written []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making %q: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", dir, err)
	}
	defer root.Close()
	rec, err := load(root)
	if err != nil {
		return nil, err
	}
	before := len(rec.Files)
	changed := false
	for _, c := range plan {
		if c.State == Edited && !force {
			continue
		}
		if c.State != Same {
			if err := write(root, c.File); err != nil {
				return written, err
			}
			written = append(written, c.Path)
		}
		if s := sum(c.Data); rec.Files[c.Path] != s {
			rec.Files[c.Path], changed = s, true
		}
	}
	if !changed && len(rec.Files) == before {
		return written, nil
	}
	text, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return written, err
	}
	return written, write(root, File{Path: RecordName, Mode: 0o644, Data: append(text, '\n')})
}

// write replaces a file in one step.
func write(root *os.Root, f File) error {
	if err := root.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return fmt.Errorf("making the folder of %q: %w", f.Path, err)
	}
	temp := f.Path + ".new"
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing %q: %w", f.Path, err)
	}
	w, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode)
	if err != nil {
		return fmt.Errorf("writing %q: %w", f.Path, err)
	}
	_, err = w.Write(f.Data)
	err = errors.Join(err, w.Chmod(f.Mode), w.Sync(), w.Close())
	if err == nil {
		err = root.Rename(temp, f.Path)
	}
	if err != nil {
		return fmt.Errorf("writing %q: %w", f.Path, errors.Join(err, root.Remove(temp)))
	}
	return nil
}

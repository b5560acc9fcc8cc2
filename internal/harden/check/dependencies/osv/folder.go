package osv

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/dependencies/lockfile"
)

// Bounds of a folder of databases. That of npm has some 200,000 entries.
const (
	maxEntry   = 16 << 20 // bytes of one entry
	maxEntries = 2_000_000
	maxUnzip   = 8 << 30 // bytes of all entries of an archive, unpacked
)

// Folder is a folder of databases as OSV publishes them: ECOSYSTEM/all.zip, or
// ECOSYSTEM/*.json. It needs no network.
type Folder struct{ root *os.Root }

// OpenFolder opens a folder. Close it when it is no longer used.
func OpenFolder(name string) (*Folder, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, fmt.Errorf("opening the database of vulnerabilities: %w", err)
	}
	return &Folder{root}, nil
}

// Close lets go of the folder.
func (f *Folder) Close() error {
	if err := f.root.Close(); err != nil {
		return fmt.Errorf("closing the database of vulnerabilities: %w", err)
	}
	return nil
}

var errNoDatabase = errors.New("the database has no folder for it")

// Entries reads the databases of the ecosystems of some packages.
func (f *Folder) Entries(ctx context.Context, of []Query) (map[lockfile.Ecosystem][]*Entry, error) {
	names := map[lockfile.Ecosystem]map[string]bool{}
	for _, q := range of {
		if names[q.Ecosystem] == nil {
			names[q.Ecosystem] = map[string]bool{}
		}
		names[q.Ecosystem][canonical(q.Ecosystem, q.Name)] = true
	}
	out := map[lockfile.Ecosystem][]*Entry{}
	var errs []error
	for eco, wanted := range names {
		w := &want{eco: eco, names: wanted}
		if err := f.read(ctx, string(eco), w); err != nil {
			errs = append(errs, fmt.Errorf("vulnerabilities of %s: %w", eco, err))
		}
		slices.SortFunc(w.found, func(a, b *Entry) int { return cmp.Compare(a.ID, b.ID) })
		out[eco] = w.found
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return out, errors.Join(errs...)
}

func (f *Folder) read(ctx context.Context, eco string, w *want) error {
	dir, err := fs.ReadDir(f.root.FS(), eco)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoDatabase
	}
	if err != nil {
		return err
	}
	file, err := f.open(path.Join(eco, "all.zip"))
	if err == nil {
		defer file.Close()
		return unzip(ctx, file, w)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	n := 0
	for _, d := range dir {
		if err := ctx.Err(); err != nil {
			return err
		}
		if path.Ext(d.Name()) != ".json" || d.IsDir() {
			continue
		}
		n++
		file, err := f.open(path.Join(eco, d.Name()))
		if err != nil {
			return err
		}
		err = w.take(d.Name(), file)
		_ = file.Close() // it was only read
		if err != nil {
			return err
		}
	}
	if n == 0 {
		return errNoDatabase
	}
	return nil
}

// open opens a file that is one: a pipe would never end.
func (f *Folder) open(name string) (*os.File, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is no regular file", shown(name))
	}
	return f.root.Open(name)
}

func unzip(ctx context.Context, file *os.File, w *want) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(file, info.Size())
	if err != nil {
		return fmt.Errorf("all.zip: %w", err)
	}
	if len(z.File) > maxEntries {
		return fmt.Errorf("all.zip: holds %d entries, at most %d are read", len(z.File), maxEntries)
	}
	w.room = maxUnzip
	n := 0
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if path.Ext(f.Name) != ".json" {
			continue
		}
		n++
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("all.zip: %s: %w", shown(f.Name), err)
		}
		err = w.take(f.Name, r)
		_ = r.Close() // what went wrong is told by reading to the end
		if err != nil {
			return fmt.Errorf("all.zip: %w", err)
		}
	}
	if n == 0 {
		return errNoDatabase
	}
	return nil
}

func shown(name string) string { return fmt.Sprintf("%.80q", name) }

// want picks the entries about some packages.
type want struct {
	eco   lockfile.Ecosystem
	names map[string]bool
	found []*Entry
	room  int64 // bytes that may still be unpacked, 0 without a bound
	buf   bytes.Buffer
}

// take reads an entry and keeps it if it is about one of the packages. Most are
// not: these are only looked through, not decoded.
func (w *want) take(name string, r io.Reader) error {
	w.buf.Reset()
	n, err := io.Copy(&w.buf, io.LimitReader(r, maxEntry+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", shown(name), err)
	case n > maxEntry:
		return fmt.Errorf("%s: is larger than %d bytes", shown(name), maxEntry)
	}
	if w.room != 0 {
		if w.room -= n; w.room <= 0 {
			return fmt.Errorf("is larger than %d bytes, unpacked", int64(maxUnzip))
		}
	}
	if !w.mentions(w.buf.Bytes()) {
		return nil
	}
	e, err := decode(w.buf.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", shown(name), err)
	}
	w.found = append(w.found, e)
	return nil
}

// mentions reports whether any text that stands behind "name": is a package that
// is wanted, or could be one written with escapes.
func (w *want) mentions(data []byte) bool {
	for {
		i := bytes.Index(data, []byte(`name"`))
		if i < 0 {
			return false
		}
		data = bytes.TrimLeft(data[i+len(`name"`):], " \t\r\n")
		if len(data) == 0 || data[0] != ':' {
			continue
		}
		data = bytes.TrimLeft(data[1:], " \t\r\n")
		if len(data) == 0 || data[0] != '"' {
			continue
		}
		end := bytes.IndexByte(data[1:], '"')
		if end < 0 {
			return true // broken, which decoding will say
		}
		text := data[1 : 1+end]
		if bytes.IndexByte(text, '\\') >= 0 || w.names[canonical(w.eco, string(text))] {
			return true
		}
	}
}

func decode(data []byte) (*Entry, error) {
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("is no entry of OSV: %w", err)
	}
	if e.ID == "" || len(e.ID) > 128 || strings.ContainsFunc(e.ID, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, errors.New("is no entry of OSV: it has no id")
	}
	return &e, nil
}

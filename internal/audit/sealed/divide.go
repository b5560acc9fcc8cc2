package sealed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
)

// frameSize is how many bytes of lines make a frame.
const frameSize = 256 << 10

// Options say how a segment is divided.
type Options struct {
	Compression string // Zstd or None
	// The age of the segment is counted from its newest event, but not from
	// before NotBefore nor after NotAfter: event times come from a clock that
	// may have been wrong.
	NotBefore, NotAfter time.Time
	// Step is called before each step that changes the disk; an error ends the
	// division there, as a crash would. Nil does nothing.
	Step func(name string) error
}

func (o Options) step(name string) error {
	if o.Step == nil {
		return nil
	}
	return o.Step(name)
}

// Divide writes the sealed form of the ended segment at path, whose first
// record has the number first, into the audit directory dir, reads it back and
// compares it with the segment. The segment stays. Whatever an earlier try left
// is written again. A *[auditlog.CorruptError] or [auditlog.ErrTorn] says that
// the segment is damaged: it is not divided.
func Divide(ctx context.Context, dir, path string, first uint64, o Options) (_ *Manifest, err error) {
	m := &Manifest{Version: version, First: first, Compression: o.Compression}
	scan, err := count(ctx, path)
	if err != nil {
		return nil, err
	}
	m.Last, m.Size = first+scan.records-1, scan.size
	if err := o.step("write"); err != nil {
		return nil, err
	}
	d := &divider{dir: dir, m: m, files: map[class.Class]*writer{}}
	defer func() { err = errors.Join(err, d.abandon()) }()
	if err := d.split(ctx, path); err != nil {
		return nil, err
	}
	if err := o.step("finish"); err != nil {
		return nil, err
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	m.AgeFrom = m.Newest
	if m.AgeFrom.Before(o.NotBefore) {
		m.AgeFrom = o.NotBefore
	}
	if m.AgeFrom.After(o.NotAfter) {
		m.AgeFrom = o.NotAfter
	}
	if err := Compare(ctx, dir, path, m); err != nil {
		return nil, fmt.Errorf("reading back: %w", err)
	}
	if err := o.step("manifest"); err != nil {
		return nil, err
	}
	return m, m.Save(dir)
}

type counted struct {
	records uint64
	size    int64
}

// count reads a segment once to find damage before anything is written.
func count(ctx context.Context, path string) (counted, error) {
	var c counted
	err := eachLine(ctx, path, func(_, next int64, _ []byte) error {
		c.records++
		c.size = next
		return nil
	})
	if err == nil && c.records == 0 {
		err = errors.New("the segment is empty")
	}
	return c, err
}

// eachLine calls f for each entry of a segment with the offsets before and
// behind its line.
func eachLine(ctx context.Context, path string, f func(at, next int64, entry []byte) error) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	r := auditlog.NewReader(file, filepath.Base(path), 0, 0)
	for {
		at := r.Offset()
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(at, r.Offset(), entry)
		}
		if err == nil && r.Lines()&0xfff == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

type divider struct {
	dir   string
	m     *Manifest
	files map[class.Class]*writer
	runs  []byte
	run   run
	enc   *zstd.Encoder
}

func (d *divider) split(ctx context.Context, path string) error {
	if d.m.Compression == Zstd {
		var err error
		if d.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true)); err != nil {
			return err
		}
	}
	seq := d.m.First
	err := eachLine(ctx, path, func(at, _ int64, entry []byte) error {
		c := class.Audit
		if e, err := auditlog.ParseEntry(entry); err == nil { // else it is kept longest
			c = class.Of(e.Type)
			d.see(e.Time)
		}
		if c != d.run.class {
			d.runs = appendRun(d.runs, d.run)
			d.run = run{class: c}
		}
		d.run.n++
		w, err := d.file(c)
		if err == nil {
			err = w.add(seq, at, entry)
		}
		seq++
		return err
	})
	d.m.Runs = string(appendRun(d.runs, d.run))
	return err
}

func (d *divider) see(t time.Time) {
	if d.m.Oldest.IsZero() || t.Before(d.m.Oldest) {
		d.m.Oldest = t
	}
	if t.After(d.m.Newest) {
		d.m.Newest = t
	}
}

func (d *divider) file(c class.Class) (*writer, error) {
	if w := d.files[c]; w != nil {
		return w, nil
	}
	path := d.m.Path(d.dir, c)
	for _, folder := range []string{Dir(d.dir), filepath.Dir(path)} {
		if err := os.MkdirAll(folder, dirMode); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writer{f: f, path: path, enc: d.enc, sum: sha256.New(), file: File{Class: c}}
	d.files[c] = w
	return w, nil
}

// finish gives the class files their names, durably.
func (d *divider) finish() error {
	for _, c := range class.All() {
		w := d.files[c]
		if w == nil {
			continue
		}
		if err := w.finish(); err != nil {
			return fmt.Errorf("class %s: %w", c, err)
		}
		d.m.Files = append(d.m.Files, w.file)
	}
	return durable.SyncDir(Dir(d.dir))
}

// abandon closes what was not finished; the next try overwrites it.
func (d *divider) abandon() error {
	var errs []error
	for _, w := range d.files {
		if w.f != nil {
			errs = append(errs, w.f.Close())
		}
	}
	if d.enc != nil {
		errs = append(errs, d.enc.Close())
	}
	return errors.Join(errs...)
}

// writer writes one class file.
type writer struct {
	f     *os.File
	path  string
	enc   *zstd.Encoder // nil: not compressed
	sum   hash.Hash
	file  File
	raw   []byte // lines of the frame
	first uint64 // number of its first record
	out   []byte
}

func (w *writer) add(seq uint64, offset int64, entry []byte) error {
	if len(w.raw) == 0 {
		w.first = seq
	}
	w.raw = strconv.AppendUint(w.raw, seq, 10)
	w.raw = strconv.AppendInt(append(w.raw, ' '), offset, 10)
	w.raw = auditlog.AppendLine(append(w.raw, ' '), entry)
	w.file.Records++
	if len(w.raw) >= frameSize {
		return w.flush()
	}
	return nil
}

func (w *writer) flush() error {
	if len(w.raw) == 0 {
		return nil
	}
	out := w.raw
	if w.enc != nil {
		w.out = w.enc.EncodeAll(w.raw, w.out[:0])
		out = w.out
	}
	if _, err := io.MultiWriter(w.f, w.sum).Write(out); err != nil {
		return err
	}
	w.file.Frames = append(w.file.Frames, Frame{w.first, uint64(w.file.Bytes)})
	w.file.Bytes += int64(len(out))
	w.raw = w.raw[:0]
	return nil
}

func (w *writer) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	w.file.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	f := w.f
	w.f = nil
	if err := errors.Join(f.Chmod(fileMode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(w.path+".tmp", w.path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(w.path))
}

// Compare reads a segment and its sealed form side by side and returns an
// error at the first difference, or if a class file is not the one that the
// manifest names.
func Compare(ctx context.Context, dir, path string, m *Manifest) error {
	for i := range m.Files {
		if err := CheckSum(dir, m, &m.Files[i]); err != nil {
			return err
		}
	}
	r := newReader(dir, m, m.First)
	defer func() { _ = r.Close() }() // it was only read
	seq := m.First
	err := eachLine(ctx, path, func(at, next int64, entry []byte) error {
		got, err := r.Next()
		if err != nil {
			return err
		}
		if got.Seq != seq || got.Offset != at || got.Next != next || !bytes.Equal(got.Entry, entry) {
			return fmt.Errorf("record %d differs", seq)
		}
		seq++
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than %d records", seq-m.First)
	}
	return nil
}

// CheckSum returns an error if a class file is not the one that the manifest
// names.
func CheckSum(dir string, m *Manifest, f *File) (err error) {
	file, err := os.Open(m.Path(dir, f.Class))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return err
	}
	if n != f.Bytes || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("class file %s/%s is not the one that was written", f.Class, m.Name())
	}
	return nil
}

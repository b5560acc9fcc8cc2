package offline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// ExportOptions say what [Export] trusts.
type ExportOptions struct {
	Key note.Verifier // the key of the log
}

// Export writes the log in the audit folder dir to the folder out as
// c2sp.org/tlog-tiles describe it, so that tools of others can read it:
// checkpoint, tile/<level>/… and the entry bundles tile/entries/…. The journal
// has the entries in another form, so bundles are made here. Each bundle is
// compared with its tile before it is written; full ones that are in out
// already are kept. Records that retention removed have no bundle.
//
// It returns the checkpoint that was exported.
func Export(ctx context.Context, dir, out string, opts ExportOptions) (auditlog.Checkpoint, error) {
	data, err := readFile(filepath.Join(dir, auditlog.CheckpointFile), maxNote)
	if err != nil {
		return auditlog.Checkpoint{}, err
	}
	c, err := auditlog.OpenCheckpoint(data, opts.Key)
	if err != nil {
		return auditlog.Checkpoint{}, err
	}
	e := &exporter{dir: dir, out: out, head: c}
	e.tree = newTree(auditlog.Tiles(dir), c, &e.found)
	e.leaves = newLeaves(e.tree)
	if err := e.tiles(ctx); err != nil {
		return c, err
	}
	if err := e.bundles(ctx); err != nil {
		return c, err
	}
	if list := e.found.sorted(); len(list) > 0 {
		return c, fmt.Errorf("the log is not whole: %v", list[0])
	}
	return c, writeNew(filepath.Join(out, auditlog.CheckpointFile), data)
}

type exporter struct {
	dir, out string
	head     auditlog.Checkpoint
	found    findings
	tree     *tree
	leaves   *leaves
}

// tiles copies the tiles of the tree.
func (e *exporter) tiles(ctx context.Context) error {
	for level := 0; e.tree.count(level) > 0; level++ {
		for n := uint64(0); n*tileWidth < e.tree.count(level); n++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			t := tlog.Tile{H: auditlog.TileHeight, L: level, N: int64(n), W: int(min(tileWidth, e.tree.count(level)-n*tileWidth))}
			to := filepath.Join(e.out, filepath.FromSlash(auditlog.TilePath(t)))
			if there(to, t.W) {
				continue
			}
			data, err := auditlog.Tiles(e.dir).ReadTile(t, nil)
			if err != nil {
				return err
			}
			if err := writeNew(to, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// there reports whether a full tile or bundle is in its place already.
func there(path string, width int) bool {
	_, err := os.Stat(path)
	return err == nil && width == tileWidth
}

// bundles makes the entry bundles.
func (e *exporter) bundles(ctx context.Context) error {
	parts, err := listParts(e.dir)
	if err != nil {
		return err
	}
	b := &bundle{e: e}
	for _, p := range parts {
		if p.divided() {
			err = e.divided(ctx, p, b)
		} else {
			err = e.segment(ctx, p, b)
		}
		if err != nil {
			return err
		}
	}
	return b.finish()
}

func (e *exporter) segment(ctx context.Context, p *part, b *bundle) (err error) {
	f, err := openPart(e.dir, p.files[0], nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := auditlog.NewReader(f, p.files[0], 0, 0)
	for seq := p.first; seq < e.head.Size; seq++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		entry, err := r.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, auditlog.ErrTorn):
			return nil
		case err != nil:
			var corrupt *auditlog.CorruptError
			if !errors.As(err, &corrupt) {
				return err
			}
			err = b.add(seq, auditlog.DamagedLeaf(seq))
		default:
			err = b.add(seq, auditlog.Leaf(entry))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// divided merges the class files of a segment.
func (e *exporter) divided(ctx context.Context, p *part, b *bundle) (err error) {
	type source struct {
		name  string
		r     *auditlog.Reader
		seq   uint64
		entry []byte
		done  bool
	}
	var sources []*source
	next := func(s *source) error {
		line, _, err := s.r.Line()
		if errors.Is(err, io.EOF) {
			s.done = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %q: %w", s.name, err)
		}
		s.seq, s.entry, err = parseDivided(line)
		return err
	}
	for _, name := range p.files {
		f, err := openPart(e.dir, name, nil)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		s := &source{name: name, r: auditlog.NewReader(f, name, 0, 0)}
		if err := next(s); err != nil {
			return err
		}
		sources = append(sources, s)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var first *source
		for _, s := range sources {
			if !s.done && (first == nil || s.seq < first.seq) {
				first = s
			}
		}
		if first == nil || first.seq >= e.head.Size {
			return nil
		}
		if err := b.add(first.seq, auditlog.Leaf(first.entry)); err != nil {
			return err
		}
		if err := next(first); err != nil {
			return err
		}
	}
}

// bundle gathers the leaves of one entry bundle.
type bundle struct {
	e     *exporter
	n     uint64 // number of the bundle
	count int
	data  []byte
}

// add adds the leaf of a record, after comparing it with the tree. A record
// that is there twice, because its segment is just being divided, is passed over.
func (b *bundle) add(seq uint64, leaf []byte) error {
	next := b.n*tileWidth + uint64(b.count)
	if seq < next {
		return nil
	}
	want, ok := b.e.leaves.hash(seq)
	if !ok || tlog.RecordHash(leaf) != want {
		return fmt.Errorf("record %d is not the one that was signed: 'portcullis audit verify' tells more", seq)
	}
	if seq != next { // some are gone: their bundles cannot be made
		b.n, b.count, b.data = seq/tileWidth, int(seq%tileWidth), b.data[:0]
		if b.count != 0 {
			b.count = -1
		}
	}
	if b.count < 0 {
		if seq%tileWidth == tileWidth-1 {
			b.n, b.count = b.n+1, 0
		}
		return nil
	}
	b.data = binary.BigEndian.AppendUint16(b.data, uint16(len(leaf)))
	b.data = append(b.data, leaf...)
	if b.count++; b.count == tileWidth {
		if err := b.finish(); err != nil {
			return err
		}
		b.n, b.count, b.data = b.n+1, 0, b.data[:0]
	}
	return nil
}

// finish writes the bundle.
func (b *bundle) finish() error {
	if b.count <= 0 || b.count < tileWidth && b.n*tileWidth+uint64(b.count) != b.e.head.Size {
		return nil
	}
	to := filepath.Join(b.e.out, filepath.FromSlash(auditlog.TilePath(tlog.Tile{H: auditlog.TileHeight, L: -1, N: int64(b.n), W: b.count})))
	if there(to, b.count) {
		return nil
	}
	return writeNew(to, b.data)
}

// writeNew writes a file that is there whole or not at all.
func writeNew(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // an export is for others to read
		return err
	}
	if err := os.WriteFile(path+".new", data, 0o644); err != nil { //nolint:gosec // an export is for others to read
		return err
	}
	return os.Rename(path+".new", path)
}

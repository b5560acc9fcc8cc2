package tlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/durable"
)

const (
	tileWidth = 1 << auditlog.TileHeight
	tileBytes = tileWidth * tlog.HashSize
	tileMode  = 0o400
	// syncers is how many tiles are synced at a time: the file system makes one
	// journal write of many.
	syncers = 16
	// maxOpen is how many tiles are written before they are synced.
	maxOpen = 256
)

// tree is the right edge of the tree, from which everything to come is made.
// Full tiles are written as they fill up.
type tree struct {
	dir     string
	size    uint64
	edge    [][]byte        // by level: the hashes of the tile that is not full
	written []*os.File      // tiles that are not synced yet
	folders map[string]bool // folders with new names
	stale   []string        // folders of partial tiles that are full now
}

// openTree reads the edge under a checkpoint and compares it with the root.
func openTree(dir string, head auditlog.Checkpoint) (*tree, error) {
	t := &tree{dir: dir, size: head.Size, folders: map[string]bool{}}
	for level := 0; head.Size>>(auditlog.TileHeight*level) > 0; level++ {
		n := head.Size >> (auditlog.TileHeight * level)
		var edge []byte
		if w := int(n % tileWidth); w > 0 {
			data, err := auditlog.Tiles(dir).ReadTiles([]tlog.Tile{{H: auditlog.TileHeight, L: level, N: int64(n / tileWidth), W: w}})
			if err != nil {
				return nil, refuse("%v", err)
			}
			edge = data[0]
		}
		t.edge = append(t.edge, edge)
	}
	root, err := t.root()
	if err == nil && root != head.Root {
		err = refuse("the tiles do not give the root hash of the %d records that were signed", head.Size)
	}
	return t, err
}

// add adds one leaf hash.
func (t *tree) add(h auditlog.Hash) error {
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, make([]byte, 0, tileBytes))
		}
		t.edge[level] = append(t.edge[level], h[:]...)
		if level == 0 {
			t.size++
		}
		if len(t.edge[level]) < tileBytes {
			return nil
		}
		full := tlog.Tile{H: auditlog.TileHeight, L: level, N: int64(t.size>>(auditlog.TileHeight*(level+1))) - 1, W: tileWidth}
		if err := t.write(full, t.edge[level]); err != nil {
			return err
		}
		t.stale = append(t.stale, t.path(full)+".p")
		h = auditlog.TileHash(t.edge[level])
		t.edge[level] = t.edge[level][:0]
	}
}

func (t *tree) path(tile tlog.Tile) string {
	return filepath.Join(t.dir, filepath.FromSlash(auditlog.TilePath(tile)))
}

// write puts a tile into its place. It is durable after the next sync.
func (t *tree) write(tile tlog.Tile, data []byte) error {
	path := t.path(tile)
	folder := filepath.Dir(path)
	if !t.folders[folder] {
		if err := os.MkdirAll(folder, dirMode); err != nil {
			return err
		}
		t.folders[folder] = true
	}
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, tileMode)
	if err != nil {
		return err
	}
	t.written = append(t.written, f)
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	if len(t.written) >= maxOpen {
		return t.sync()
	}
	return nil
}

// flush writes the tiles of the edge and makes all tiles durable.
func (t *tree) flush() error {
	for level, edge := range t.edge {
		w := len(edge) / tlog.HashSize
		if w == 0 {
			continue
		}
		n := int64(t.size >> (auditlog.TileHeight * (level + 1)))
		if err := t.write(tlog.Tile{H: auditlog.TileHeight, L: level, N: n, W: w}, edge); err != nil {
			return err
		}
	}
	if err := t.sync(); err != nil {
		return err
	}
	for folder := range t.folders {
		// A new folder is a new name in the one above it.
		for ; folder != t.dir; folder = filepath.Dir(folder) {
			if err := durable.SyncDir(folder); err != nil {
				return err
			}
		}
	}
	clear(t.folders)
	return durable.SyncDir(t.dir)
}

// sync makes written tiles durable.
func (t *tree) sync() error {
	errs := make([]error, len(t.written))
	var working sync.WaitGroup
	for from := range min(syncers, len(t.written)) {
		working.Go(func() {
			for i := from; i < len(t.written); i += syncers {
				errs[i] = errors.Join(t.written[i].Sync(), t.written[i].Close())
			}
		})
	}
	working.Wait()
	t.written = t.written[:0]
	return errors.Join(errs...)
}

// close gives up what is not synced.
func (t *tree) close() {
	for _, f := range t.written {
		_ = f.Close() // its tile is written again
	}
	t.written = nil
}

// tidy removes partial tiles that are full now. One that stays does no harm.
func (t *tree) tidy() {
	for _, folder := range t.stale {
		_ = os.RemoveAll(folder)
	}
	t.stale = t.stale[:0]
}

// root returns the root hash.
func (t *tree) root() (auditlog.Hash, error) {
	return tlog.TreeHash(int64(t.size), tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			tile := tlog.TileForIndex(auditlog.TileHeight, index)
			if tile.L >= len(t.edge) || len(t.edge[tile.L]) < tile.W*tlog.HashSize {
				return nil, fmt.Errorf("level %d of the tree is too short", tile.L)
			}
			h, err := tlog.HashFromTile(tile, bytes.Clone(t.edge[tile.L][:tile.W*tlog.HashSize]), index)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	}))
}

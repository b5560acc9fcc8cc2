package auditlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Names in the audit folder. The folder is the prefix of a
// c2sp.org/tlog-tiles log.
const (
	CheckpointFile = "checkpoint"     // the newest checkpoint
	KeyFile        = "checkpoint.pub" // the key that it is signed with, as text
	KeptFolder     = "checkpoints"    // earlier checkpoints, named by their size
	TileFolder     = "tile"           // the hashes of the tree
	JournalFolder  = "journal"        // the records
)

// KeptName returns the name of the file in [KeptFolder] that a checkpoint of
// that many records is kept in.
func KeptName(size uint64) string {
	digits := strconv.FormatUint(size, 10)
	return strings.Repeat("0", max(0, 20-len(digits))) + digits
}

// TileHeight is the height of a tile: it holds 2^8 hashes.
const TileHeight = 8

const (
	tileWidth = 1 << TileHeight
	tileBytes = tileWidth * tlog.HashSize
)

// TilePath returns where a tile is below the prefix of the log. Level -1 is
// that of entry bundles.
func TilePath(t tlog.Tile) string {
	t.H = TileHeight
	path := strings.TrimPrefix(t.Path(), "tile/8/")
	if entries, ok := strings.CutPrefix(path, "data/"); ok {
		path = "entries/" + entries
	}
	return TileFolder + "/" + path
}

// Tiles reads the tiles of the log in an audit folder. It implements
// [tlog.TileReader].
type Tiles string

var _ tlog.TileReader = Tiles("")

// Height returns the height of the tiles.
func (Tiles) Height() int { return TileHeight }

// SaveTiles does nothing: the tiles are where they belong.
func (Tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles returns tiles. Of a partial tile that was removed because it is
// full now it returns the beginning of the full one.
func (d Tiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := d.ReadTile(t, nil)
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}

// Hashes returns a reader of the tree under c: what it returns is proven to be
// in that tree.
func (d Tiles) Hashes(c Checkpoint) tlog.HashReader { return tlog.TileHashReader(c.tree(), d) }

// ReadTile reads one tile into buf, which it grows if needed.
func (d Tiles) ReadTile(t tlog.Tile, buf []byte) ([]byte, error) {
	data, err := readFile(filepath.Join(string(d), filepath.FromSlash(TilePath(t))), tileBytes, buf)
	if errors.Is(err, fs.ErrNotExist) && t.W < tileWidth {
		full := t
		full.W = tileWidth
		data, err = readFile(filepath.Join(string(d), filepath.FromSlash(TilePath(full))), tileBytes, buf)
		if err == nil && len(data) == tileBytes {
			data = data[:t.W*tlog.HashSize]
		}
	}
	if err != nil {
		return nil, err
	}
	if len(data) != t.W*tlog.HashSize {
		return nil, fmt.Errorf("tile %q has %d bytes, want %d", TilePath(t), len(data), t.W*tlog.HashSize)
	}
	return data, nil
}

// readFile reads a file of at most limit bytes into buf.
func readFile(path string, limit int, buf []byte) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if cap(buf) < limit+1 {
		buf = make([]byte, limit+1)
	}
	n, err := io.ReadFull(f, buf[:limit+1])
	switch {
	case err == nil:
		return nil, fmt.Errorf("%q is longer than %d bytes", filepath.Base(path), limit)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return buf[:n], nil
	}
	return nil, err
}

// hashAt returns hash number i of a tile.
func hashAt(tile []byte, i int) (h Hash) {
	copy(h[:], tile[i*tlog.HashSize:])
	return h
}

// TileHash returns the hash of a full tile, which stands in the tile above it.
// It overwrites data.
func TileHash(data []byte) Hash {
	for n := tileWidth; n > 1; n /= 2 {
		for i := range n / 2 {
			h := tlog.NodeHash(hashAt(data, 2*i), hashAt(data, 2*i+1))
			copy(data[i*tlog.HashSize:], h[:])
		}
	}
	return hashAt(data, 0)
}

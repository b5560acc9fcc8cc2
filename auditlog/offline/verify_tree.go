package offline

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// tree is the tree under a checkpoint. It keeps the hashes of level 2 and up,
// one for 65,536 records, which the checkpoint vouches for; tiles of the two
// levels below are checked against them when they are read.
type tree struct {
	tiles auditlog.Tiles
	head  auditlog.Checkpoint
	found *findings
	upper map[int][]byte // levels 2 and up, whole
	edge  [2][]byte      // the partial tiles of levels 0 and 1
	sound bool           // the edges give the signed root
}

// count returns how many hashes a level has.
func (t *tree) count(level int) uint64 { return t.head.Size >> (auditlog.TileHeight * level) }

// newTree reads the upper levels and the edges and compares them with the
// checkpoint. What does not fit is told to found.
func newTree(tiles auditlog.Tiles, head auditlog.Checkpoint, found *findings) *tree {
	t := &tree{tiles: tiles, head: head, found: found, upper: map[int][]byte{}}
	for level := range t.edge {
		if w := int(t.count(level) % tileWidth); w > 0 {
			t.edge[level] = t.load(tlog.Tile{H: auditlog.TileHeight, L: level, N: int64(t.count(level) / tileWidth), W: w})
		}
	}
	for level := 2; t.count(level) > 0; level++ {
		for n := uint64(0); n < t.count(level); n += tileWidth {
			w := int(min(tileWidth, t.count(level)-n))
			t.upper[level] = append(t.upper[level], t.load(tlog.Tile{H: auditlog.TileHeight, L: level, N: int64(n / tileWidth), W: w})...)
		}
		if level == 2 {
			continue
		}
		for i := range int(t.count(level)) {
			below := bytes.Clone(t.upper[level-1][i*tileBytes : (i+1)*tileBytes])
			if auditlog.TileHash(below) != hashAt(t.upper[level], i) {
				t.misfit(tlog.Tile{H: auditlog.TileHeight, L: level - 1, N: int64(i), W: tileWidth})
			}
		}
	}
	root, err := tlog.TreeHash(int64(head.Size), tlog.HashReaderFunc(t.hashes))
	t.sound = err == nil && root == head.Root
	if !t.sound {
		found.add(Problem{Kind: ProblemTile, File: auditlog.TileFolder, Text: "the newest tiles do not give the root hash of the checkpoint"})
	}
	return t
}

// load reads a tile. One that cannot be read is told, and is all zeroes.
func (t *tree) load(at tlog.Tile) []byte {
	data, err := t.tiles.ReadTile(at, nil)
	if err != nil {
		t.unreadable(at, err)
		return make([]byte, at.W*tlog.HashSize)
	}
	return data
}

func (t *tree) unreadable(at tlog.Tile, err error) {
	text := "cannot be read: " + err.Error()
	if errors.Is(err, fs.ErrNotExist) {
		text = "is not there"
	}
	t.found.addOnce(Problem{Kind: ProblemTile, File: auditlog.TilePath(at), Text: text})
}

func (t *tree) misfit(at tlog.Tile) {
	t.found.addOnce(Problem{Kind: ProblemTile, File: auditlog.TilePath(at), Text: "does not hash to what the tile above it says"})
}

// hashes returns hashes of the right edge of the tree, for its root.
func (t *tree) hashes(indexes []int64) ([]auditlog.Hash, error) {
	out := make([]auditlog.Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(auditlog.TileHeight, index)
		data := t.upper[tile.L]
		from := int(tile.N) * tileBytes
		if tile.L < len(t.edge) {
			data, from = t.edge[tile.L], 0
		}
		if from+tile.W*tlog.HashSize > len(data) {
			return nil, errors.New("a tile of the edge is too short")
		}
		h, err := tlog.HashFromTile(tile, data[from:from+tile.W*tlog.HashSize], index)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

// leaves reads the tiles of level 0 one by one for one goroutine.
type leaves struct {
	t      *tree
	parent int64 // which tile of level 1 is in above; -1: none
	above  []byte
	at     [2]int64 // which tiles are in data
	data   [2][]byte
	turn   int
	sum    []byte
}

func newLeaves(t *tree) *leaves {
	return &leaves{t: t, parent: -1, at: [2]int64{-1, -1}, sum: make([]byte, tileBytes)}
}

// hash returns the leaf hash of a record below the size of the tree, and false
// if its tile cannot be read.
func (l *leaves) hash(seq uint64) (auditlog.Hash, bool) {
	data := l.tile(int64(seq / tileWidth))
	if data == nil {
		return auditlog.Hash{}, false
	}
	return hashAt(data, int(seq%tileWidth)), true
}

// tile returns a tile of level 0, checked against those above it; nil if it
// cannot be read.
func (l *leaves) tile(n int64) []byte {
	if uint64(n) == l.t.count(1) {
		return l.t.edge[0]
	}
	for i, at := range l.at {
		if at == n {
			return l.data[i]
		}
	}
	l.turn = 1 - l.turn
	tile := tlog.Tile{H: auditlog.TileHeight, L: 0, N: n, W: tileWidth}
	data, err := l.t.tiles.ReadTile(tile, l.data[l.turn])
	if err != nil {
		l.t.unreadable(tile, err)
		l.at[l.turn] = -1
		return nil
	}
	l.at[l.turn], l.data[l.turn] = n, data
	copy(l.sum, data)
	if above := l.level1(n / tileWidth); above != nil && auditlog.TileHash(l.sum) != hashAt(above, int(n%tileWidth)) {
		l.t.misfit(tile)
	}
	return data
}

// level1 returns a tile of level 1, checked against level 2.
func (l *leaves) level1(n int64) []byte {
	if uint64(n) == l.t.count(2) {
		return l.t.edge[1]
	}
	if l.parent == n {
		return l.above
	}
	tile := tlog.Tile{H: auditlog.TileHeight, L: 1, N: n, W: tileWidth}
	data, err := l.t.tiles.ReadTile(tile, nil)
	l.parent, l.above = n, data
	if err != nil {
		l.t.unreadable(tile, err)
		l.above = nil
		return nil
	}
	if auditlog.TileHash(bytes.Clone(data)) != hashAt(l.t.upper[2], int(n)) {
		l.t.misfit(tile)
	}
	return data
}

// check checks the tiles of records that are not read themselves.
func (l *leaves) check(from, to uint64) {
	for n := from / tileWidth; n*tileWidth < min(to, l.t.head.Size); n++ {
		l.tile(int64(n))
	}
}

// partialTiles checks the partial tiles of earlier checkpoints that are still
// there: each must be the beginning of its tile.
func (v *verifier) partialTiles() error {
	l := newLeaves(v.tree)
	root := filepath.Join(v.dir, auditlog.TileFolder)
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it was removed meanwhile, or there is none
		case err != nil:
			return err
		case d.IsDir() && file == filepath.Join(root, "entries"):
			return filepath.SkipDir
		case !d.IsDir() || !strings.HasSuffix(file, ".p"):
			return nil
		}
		files, err := os.ReadDir(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		rel, err := filepath.Rel(v.dir, file)
		if err != nil {
			return err
		}
		for _, f := range files {
			v.partialTile(l, path.Join(filepath.ToSlash(rel), f.Name()))
		}
		return filepath.SkipDir
	})
}

func (v *verifier) partialTile(l *leaves, name string) {
	at, ok := parseTilePath(name)
	if !ok {
		return // a file that is being written
	}
	if uint64(at.N)*tileWidth+uint64(at.W) > v.tree.count(at.L) {
		return // the checkpoint does not speak of it
	}
	got, err := readFile(filepath.Join(v.dir, filepath.FromSlash(name)), tileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var want []byte
	switch at.L {
	case 0:
		want = l.tile(at.N)
	case 1:
		want = l.level1(at.N)
	default:
		want = v.tree.upper[at.L][int(at.N)*tileBytes:]
	}
	size := at.W * tlog.HashSize
	if err != nil || len(want) < size || !bytes.Equal(got, want[:size]) {
		v.found.addOnce(Problem{Kind: ProblemTile, File: name, Text: "is not the beginning of its tile"})
	}
}

// parseTilePath reads the path of a tile of hashes.
func parseTilePath(name string) (tlog.Tile, bool) {
	rest, ok := strings.CutPrefix(name, auditlog.TileFolder+"/")
	if !ok {
		return tlog.Tile{}, false
	}
	level, _, _ := strings.Cut(rest, "/")
	if n, err := strconv.Atoi(level); err != nil || n > 63 {
		return tlog.Tile{}, false
	}
	t, err := tlog.ParseTilePath("tile/8/" + rest)
	return t, err == nil && t.L >= 0 && auditlog.TilePath(t) == name
}

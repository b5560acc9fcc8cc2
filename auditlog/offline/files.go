package offline

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
)

const (
	tileWidth = 1 << auditlog.TileHeight
	tileBytes = tileWidth * tlog.HashSize
	maxSize   = 1 << 60  // the largest number of records that is believed
	maxNote   = 64 << 10 // the longest checkpoint that is read, in bytes
)

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%q is longer than %d bytes", filepath.Base(path), limit)
	}
	return data, err
}

// hashAt returns hash number i of a tile.
func hashAt(tile []byte, i int) (h auditlog.Hash) {
	copy(h[:], tile[i*tlog.HashSize:])
	return h
}

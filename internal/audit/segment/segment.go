// Package segment knows the files of the audit journal by name: which there are,
// and which are written no more.
package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	// Folder is where segments are, below the audit folder.
	Folder = "journal"
	// Suffix ends their names.
	Suffix = ".log"

	digits = 20
)

// Name returns the name of the segment whose first record has the number first.
func Name(first uint64) string { return fmt.Sprintf("%0*d%s", digits, first, Suffix) }

// Path returns its path in the audit directory dir, as long as it is not
// divided.
func Path(dir string, first uint64) string { return filepath.Join(dir, Folder, Name(first)) }

// List returns the first sequence numbers of the segments in the audit
// directory dir that are not divided, ascending. A folder that does not exist
// has none.
func List(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(filepath.Join(dir, Folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var firsts []uint64
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), Suffix)
		if !ok || len(stem) != digits {
			continue
		}
		first, err := strconv.ParseUint(stem, 10, 64)
		if err == nil && Name(first) == e.Name() {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// Sealed reports whether the segment at path is written no more.
func Sealed(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return info.Mode().Perm()&0o200 == 0, nil
}

// Ended returns the first numbers of the segments in the audit directory dir
// that are written no more and not divided yet, ascending. The newest segment
// is never among them: the next start may look for its end.
func Ended(dir string) ([]uint64, error) {
	firsts, err := List(dir)
	if err != nil || len(firsts) == 0 {
		return nil, err
	}
	var ended []uint64
	for _, first := range firsts[:len(firsts)-1] {
		sealed, err := Sealed(Path(dir, first))
		if err != nil {
			return nil, err
		}
		if sealed {
			ended = append(ended, first)
		}
	}
	return ended, nil
}

package retention

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

const (
	cursorFolder   = "cursors" // see package feed
	securityCursor = "security.cursor"
)

// Consumer is a part of the gateway that reads the journal, and how far it is.
type Consumer struct {
	Name      string
	Seq       uint64 // of the first record that it may still need
	Essential bool
}

// consumers returns those that have a cursor, and the essential ones, ordered
// by name. A cursor that cannot be read counts as one at the very start.
func consumers(dir string, needed []Essential) ([]Consumer, error) {
	var essential []string
	for _, e := range needed {
		if exists(filepath.Join(dir, e.Folder)) {
			essential = append(essential, e.Name)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, cursorFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasSuffix(e.Name(), ".new") && !strings.HasSuffix(e.Name(), ".tmp") {
			names = append(names, e.Name())
		}
	}
	for _, name := range essential {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []Consumer
	for _, name := range names {
		all = append(all, Consumer{
			Name: name, Seq: position(filepath.Join(dir, cursorFolder, name)), Essential: slices.Contains(essential, name),
		})
	}
	if path := filepath.Join(dir, securityCursor); exists(path) {
		all = append(all, Consumer{Name: "security.log", Seq: position(path)})
	}
	return all, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func position(path string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	var c journal.Cursor
	if c.UnmarshalText([]byte(strings.TrimSpace(string(text)))) != nil {
		return 0
	}
	return c.Seq
}

// waiting returns the name of a consumer that has not read the records before
// end, or "". Those that are not essential count only if patient.
func waiting(all []Consumer, end uint64, patient bool) string {
	for _, c := range all {
		if c.Seq < end && (c.Essential || patient) {
			return c.Name
		}
	}
	return ""
}

func isCorrupt(err error) bool {
	var corrupt *auditlog.CorruptError
	return errors.As(err, &corrupt) || errors.Is(err, auditlog.ErrTorn)
}

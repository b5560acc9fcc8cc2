package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// maxDamage is how many damaged lines Open reports one by one.
const maxDamage = 16

// recover makes the journal ready to write: it checks the segments that were
// not sealed, moves torn tails aside and opens the last segment, or a new one
// if the last is sealed or damaged. It returns the damage it found.
func (j *Journal) recover() ([]*auditlog.CorruptError, error) {
	dir := filepath.Join(j.dir, segment.Folder)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	for _, d := range []string{j.dir, dir} {
		if err := os.Chmod(d, dirMode); err != nil {
			return nil, err
		}
	}
	firsts, err := segment.List(j.dir)
	if err != nil {
		return nil, err
	}
	var damage []*auditlog.CorruptError
	for i, first := range firsts {
		last := i == len(firsts)-1
		sealed, err := segment.Sealed(filepath.Join(dir, segment.Name(first)))
		if err != nil {
			return nil, err
		}
		if sealed && !last { // its end was synced before it was sealed
			continue
		}
		found, err := j.adopt(first, sealed, last)
		if err != nil {
			return nil, err
		}
		damage = append(damage, found...)
	}
	if j.seg.file == nil {
		divided, err := sealed.List(j.dir)
		if err != nil {
			return nil, err
		}
		if n := len(divided); n > 0 { // no number is given twice, whatever happened to the last segment
			j.seg.next = max(j.seg.next, divided[n-1].Last+1)
		}
		if err := j.begin(j.seg.next); err != nil {
			return nil, err
		}
	}
	return damage[:min(len(damage), maxDamage)], j.disk.syncDir()
}

func (j *Journal) begin(first uint64) error {
	f, err := j.disk.create(segment.Name(first))
	if err != nil {
		return err
	}
	j.seg = openSegment{file: f, first: first, next: first, born: time.Now()}
	return nil
}

// adopt checks a segment that an earlier process wrote. The last one becomes
// the segment in use if it is whole and open; every other is sealed.
func (j *Journal) adopt(first uint64, sealed, last bool) ([]*auditlog.CorruptError, error) {
	name := segment.Name(first)
	scan, err := scanSegment(filepath.Join(j.dir, segment.Folder, name), name)
	if err != nil {
		return nil, err
	}
	if scan.torn && !sealed {
		if err := j.moveTornTail(name, scan.size); err != nil {
			return nil, err
		}
	}
	for _, d := range scan.damage[:min(len(scan.damage), maxDamage)] {
		j.log.Error("audit journal is damaged", "segment", d.Segment, "offset", d.Offset, "line", d.Line, "error", d.Err)
	}
	if len(scan.damage) > maxDamage {
		j.log.Error("audit journal is damaged in more lines", "segment", name, "lines", len(scan.damage))
	}
	next := first + uint64(scan.lines)
	j.seg = openSegment{first: first, next: next, size: scan.size, born: scan.born}
	switch {
	case last && !sealed && len(scan.damage) == 0:
		j.seg.file, err = j.disk.append(name)
		return nil, err
	case scan.lines == 0 && last:
		return nil, fmt.Errorf("segment %q is sealed and empty", name)
	case !sealed:
		err = j.disk.seal(name)
	}
	return scan.damage, err
}

// scan is what is known of a segment that was read from start to end.
type scan struct {
	lines  int64
	size   int64 // of the whole lines
	torn   bool
	born   time.Time // of the first record
	damage []*auditlog.CorruptError
}

func scanSegment(path, name string) (s scan, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := auditlog.NewReader(f, name, 0, 0)
	s.born = time.Now()
	for {
		entry, err := r.Next()
		s.lines, s.size = r.Lines(), r.Offset()
		var corrupt *auditlog.CorruptError
		switch {
		case err == nil:
			if s.lines == 1 {
				if e, err := auditlog.ParseEntry(entry); err == nil && e.Time.Before(s.born) {
					s.born = e.Time
				}
			}
		case errors.As(err, &corrupt):
			s.damage = append(s.damage, corrupt)
		case errors.Is(err, io.EOF):
			return s, nil
		case errors.Is(err, auditlog.ErrTorn):
			s.torn = true
			return s, nil
		default:
			return s, err
		}
	}
}

// moveTornTail copies what is behind size into a .torn file and cuts it off.
func (j *Journal) moveTornTail(name string, size int64) error {
	dir := filepath.Join(j.dir, segment.Folder)
	aside := fmt.Sprintf("%s-%d.torn", strings.TrimSuffix(name, segment.Suffix), size)
	n, err := moveTail(filepath.Join(dir, name), filepath.Join(dir, aside), size)
	if err != nil {
		return fmt.Errorf("moving torn line aside: %w", err)
	}
	j.log.Warn("audit journal ended in half a line, which was never acknowledged; it was moved aside",
		slog.String("segment", name), slog.Int64("offset", size), slog.Int64("bytes", n), slog.String("file", aside))
	return nil
}

func moveTail(path, aside string, size int64) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return 0, err
	}
	// A second crash at the same place overwrites the first one's rest.
	to, err := os.OpenFile(aside, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, openMode)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(to, f)
	if err := errors.Join(err, to.Sync(), to.Close()); err != nil {
		return n, err
	}
	return n, errors.Join(f.Truncate(size), f.Sync())
}

package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// DividedFolder holds segments that were divided by class of retention: one
// folder per class, in it FIRST-LAST.log or FIRST-LAST.log.zst.
const DividedFolder = "sealed"

const (
	segmentSuffix = ".log"
	segmentDigits = 20
	// maxDivided is how many records of a divided segment are kept account of.
	maxDivided = 1 << 32
	// maxFrame is how much memory decompression may take.
	maxFrame = 64 << 20
)

// parseNumber reads a number of a file name, in all its digits.
func parseNumber(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && len(s) == segmentDigits && auditlog.KeptName(n) == s
}

func listSegments(dir string) ([]*part, error) {
	entries, err := os.ReadDir(filepath.Join(dir, auditlog.JournalFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var parts []*part // ascending: ReadDir sorts, and names have all digits
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		first, valid := parseNumber(digits)
		if !ok || !valid || first > maxSize {
			continue
		}
		parts = append(parts, &part{first: first, files: []string{path.Join(auditlog.JournalFolder, e.Name())}, size: sizeOf(e)})
	}
	return parts, nil
}

func sizeOf(e fs.DirEntry) int64 {
	info, err := e.Info()
	if err != nil {
		return 0 // it counts for the progress only
	}
	return info.Size()
}

// listDivided lists the divided segments of which a class is still there.
func listDivided(dir string) ([]*part, error) {
	classes, err := os.ReadDir(filepath.Join(dir, DividedFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	byRange := map[span]*part{}
	var parts []*part
	for _, class := range classes {
		if !class.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, DividedFolder, class.Name()))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			stem, ok := strings.CutSuffix(strings.TrimSuffix(f.Name(), ".zst"), segmentSuffix)
			from, to, _ := strings.Cut(stem, "-")
			first, ok1 := parseNumber(from)
			last, ok2 := parseNumber(to)
			if !ok || !ok1 || !ok2 || last < first || last > maxSize || last-first >= maxDivided {
				continue
			}
			p := byRange[span{first, last}]
			if p == nil {
				p = &part{first: first, last: last, next: last + 1}
				byRange[span{first, last}] = p
				parts = append(parts, p)
			}
			p.files = append(p.files, path.Join(DividedFolder, class.Name(), f.Name()))
			p.size += sizeOf(f)
		}
	}
	return parts, nil
}

// classes reads the class files of a divided segment. Their records have
// numbers of their own; which numbers are in no file is counted.
func (c *comparer) classes(ctx context.Context, p *part) error {
	seen := make([]uint64, (p.last-p.first)/64+1)
	files := p.files
	defer func() { p.files = files }()
	for _, name := range files {
		p.files = []string{name}
		if err := c.classFile(ctx, p, seen); err != nil {
			return err
		}
	}
	for seq := p.first; seq <= p.last; seq++ {
		i := seq - p.first
		if seen[i/64]&(1<<(i%64)) != 0 {
			continue
		}
		if p.absent == 0 {
			p.lacking = span{seq, seq}
		}
		if p.lacking.to == seq {
			p.lacking.to = seq + 1
		}
		p.absent++
	}
	if c.l != nil && p.absent > 0 {
		c.l.check(p.first, p.last+1)
	}
	return nil
}

// classFile reads the one class file in p.files. What cannot be read is told;
// its records count as absent.
func (c *comparer) classFile(ctx context.Context, p *part, seen []uint64) (err error) {
	name := p.files[0]
	f, err := openPart(c.v.dir, name, c.progress)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := auditlog.NewReader(f, name, 0, 0)
	next := p.first
	for line := int64(1); ; line++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, at, err := r.Line()
		if errors.Is(err, io.EOF) {
			c.flush()
			return nil
		}
		if err != nil {
			c.flush()
			c.v.found.add(Problem{Kind: ProblemDamaged, File: name, Line: line, Text: fmt.Sprintf("cannot be read from here on: %v", err)})
			return nil
		}
		seq, entry, err := parseDivided(text)
		if err == nil && (seq < next || seq > p.last) {
			err = fmt.Errorf("record %d does not belong here", seq)
		}
		if err != nil {
			c.flush()
			c.v.found.add(Problem{Kind: ProblemDamaged, File: name, Line: line, Offset: at, Text: err.Error()})
			continue
		}
		next = seq + 1
		seen[(seq-p.first)/64] |= 1 << ((seq - p.first) % 64)
		c.divided(p, entry, seq, line, at)
	}
}

// divided compares one record of a class file with its leaf.
func (c *comparer) divided(p *part, entry []byte, seq uint64, line, at int64) {
	covered := c.l != nil && seq < c.v.head.Size
	if covered {
		p.checked++
		want, known := c.l.hash(seq)
		if auditlog.StandsIn(entry) || known && c.h.LeafHash(entry) != want {
			c.changed(p.files[0], seq, line, at, "is not the record that was signed")
			return
		}
	}
	c.flush()
	p.note(entry, seq, covered)
}

// openPart opens a file of the journal, which may be compressed. told hears how
// much of the file is read.
func openPart(dir, name string, told func(int64)) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	counted := &counter{f, told}
	if !strings.HasSuffix(name, ".zst") {
		return counted, nil
	}
	d, err := zstd.NewReader(counted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &unpacked{d, f}, nil
}

// unpacked is a compressed file.
type unpacked struct {
	*zstd.Decoder
	f io.Closer
}

func (u *unpacked) Close() error {
	u.Decoder.Close()
	return u.f.Close()
}

// counter tells how much was read.
type counter struct {
	io.ReadCloser
	told func(int64)
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	if c.told != nil {
		c.told(int64(n))
	}
	return n, err
}

// parseDivided reads a line of a class file: the number of the record, where
// its line began in the segment, and the line as it was.
func parseDivided(line []byte) (seq uint64, entry []byte, err error) {
	number, rest, ok1 := bytes.Cut(line, []byte{' '})
	offset, rest, ok2 := bytes.Cut(rest, []byte{' '})
	if !ok1 || !ok2 {
		return 0, nil, errors.New("no number in front of the line")
	}
	if seq, err = strconv.ParseUint(string(number), 10, 64); err != nil || strconv.FormatUint(seq, 10) != string(number) {
		return 0, nil, errors.New("the number of the record is not decimal")
	}
	if _, err := strconv.ParseUint(string(offset), 10, 63); err != nil {
		return 0, nil, errors.New("the offset of the record is not decimal")
	}
	entry, err = auditlog.ParseLine(rest)
	return seq, entry, err
}

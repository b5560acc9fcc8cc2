package evidence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/bundle"
)

// Kind is the kind of bundles of evidence.
const Kind = "evidence"

// Names in an archive. The proof comes before the records, the records in
// parts and in order.
const (
	CheckpointName = "audit/checkpoint"
	KeyName        = "audit/checkpoint.pub"
	RangeName      = "audit/range.json"
	RecordsPrefix  = "audit/records-" // number of the part, .txt
	UncoveredName  = "audit/uncovered.txt"
)

// File is a file of an archive.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Report says what an archive was proven to hold.
type Report struct {
	Seal      bundle.Seal `json:"seal"`
	Origin    string      `json:"origin"`    // of the log
	LogSize   uint64      `json:"log_size"`  // how many records the checkpoint covers
	First     uint64      `json:"first"`     // number of the first record of the slice
	Records   uint64      `json:"records"`   // that are in the slice and proven
	Removed   uint64      `json:"removed"`   // of the slice that retention had removed: their hashes are proven
	Uncovered uint64      `json:"uncovered"` // behind the checkpoint: signed with the archive, not by the log
	Files     []File      `json:"files"`
}

// Verify checks an archive: every byte of it, its signature, the checkpoint,
// and that the slice of the log is whole and in the log. key is that of the log,
// which must come from elsewhere than from the archive. The error wraps
// [bundle.ErrTampered] if anything is wrong. An archive that is encrypted is decrypted
// first.
func Verify(r io.Reader, key note.Verifier) (*Report, error) {
	v := verifier{key: key}
	s, err := bundle.Read(r, Kind, key, v.visit)
	if err != nil {
		return nil, err
	}
	v.report.Seal = s
	if v.check == nil {
		return nil, wrong("there is no proof of records in it")
	}
	if err := v.check.done(v.head); err != nil {
		return nil, wrong("%v", err)
	}
	return &v.report, nil
}

func wrong(format string, a ...any) error {
	return fmt.Errorf("%w: %s", bundle.ErrTampered, fmt.Sprintf(format, a...))
}

type verifier struct {
	key    note.Verifier
	head   auditlog.Checkpoint
	check  *check
	parts  int
	report Report
}

const maxSmall = 1 << 20

func (v *verifier) visit(name string, size int64, r io.Reader) error {
	v.report.Files = append(v.report.Files, File{name, size})
	switch {
	case name == CheckpointName:
		data, err := small(r)
		if err != nil {
			return err
		}
		if v.head, err = auditlog.OpenCheckpoint(data, v.key); err != nil {
			return wrong("%v", err)
		}
		v.report.Origin, v.report.LogSize = v.head.Origin, v.head.Size
	case name == RangeName:
		return v.begin(r)
	case strings.HasPrefix(name, RecordsPrefix):
		if name != RecordsName(v.parts) || v.check == nil {
			return wrong("its parts are not in order")
		}
		v.parts++
		return v.records(r)
	case name == UncoveredName:
		return lines(r, func([]byte) error { v.report.Uncovered++; return nil })
	}
	return nil
}

// RecordsName is the name of a part of the records.
func RecordsName(part int) string { return fmt.Sprintf("%s%05d.txt", RecordsPrefix, part) }

func small(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = wrong("it is too long")
	}
	return data, err
}

func (v *verifier) begin(r io.Reader) error {
	data, err := small(r)
	if err != nil {
		return err
	}
	var p Range
	if err := json.Unmarshal(data, &p); err != nil {
		return wrong("%v", err)
	}
	if v.head.Note == nil || v.check != nil {
		return wrong("the checkpoint does not come before the proof, or there are two")
	}
	v.report.First = p.First
	if v.check, err = newCheck(p, v.head); err != nil {
		return wrong("%v", err)
	}
	return nil
}

// records reads lines: the number of the record, a space, and the entry as it
// is in the journal. A record that retention removed has its hash behind a "-".
func (v *verifier) records(r io.Reader) error {
	return lines(r, func(line []byte) error {
		number, rest, ok := bytes.Cut(line, []byte(" "))
		seq, err := strconv.ParseUint(string(number), 10, 64)
		if !ok || err != nil || seq != v.check.tree.next {
			return wrong("record %q is not in its place", number)
		}
		leaf := auditlog.Hash{}
		if hash, gone := bytes.CutPrefix(rest, []byte("-")); gone {
			if leaf, err = tlog.ParseHash(string(hash)); err != nil {
				return wrong("record %d: %v", seq, err)
			}
			v.report.Removed++
		} else {
			leaf = auditlog.LeafHash(rest)
			v.report.Records++
		}
		if err := v.check.leaf(leaf); err != nil {
			return wrong("%v", err)
		}
		return nil
	})
}

// lines calls f with each line, without its end.
func lines(r io.Reader, f func([]byte) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for {
		part, err := br.ReadSlice('\n')
		long = append(long, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(long) > auditlog.MaxLine+64 {
				return wrong("a line is too long")
			}
			continue
		case errors.Is(err, io.EOF) && len(long) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return wrong("the last line has no end")
		case err != nil:
			return err
		}
		if err := f(long[:len(long)-1]); err != nil {
			return err
		}
		long = long[:0]
	}
}

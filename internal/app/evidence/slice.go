package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/auditlog/evidence"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// partBytes is how much of the records stands in one file of the archive, and
// so how much memory a slice of any length takes.
const partBytes = 4 << 20

// slice writes the part of the audit log from a time on, with its proof.
type slice struct {
	dir      string
	head     auditlog.Checkpoint
	out      *bundle.Writer
	open     func(*portcullis.Event) // nil: personal data stays sealed
	progress func(done, all int64)

	records, refused, opened parts
	uncovered                parts
	next                     uint64 // number of the record that comes next
	first                    uint64
	found                    Counts
}

// Counts say what is in an archive.
type Counts struct {
	First     uint64 `json:"first_record"`
	Records   uint64 `json:"records"`
	Removed   uint64 `json:"removed"`
	Uncovered uint64 `json:"uncovered"`
	Refused   uint64 `json:"refused" doc:"Records of calls that ended with 401, 403 or 5xx"`
}

// parts are files of one kind, written as they get full.
type parts struct {
	name func(part int) string
	n    int
	buf  bytes.Buffer
}

func (p *parts) flush(out *bundle.Writer) error {
	if p.buf.Len() == 0 {
		return nil
	}
	err := out.AddBytes(p.name(p.n), p.buf.Bytes())
	p.n++
	p.buf.Reset()
	return err
}

func (p *parts) full(out *bundle.Writer) error {
	if p.buf.Len() < partBytes {
		return nil
	}
	return p.flush(out)
}

func numbered(prefix, suffix string) func(int) string {
	return func(part int) string { return fmt.Sprintf("%s-%05d%s", prefix, part, suffix) }
}

// write writes the slice. What was written after the checkpoint comes too,
// proven by the signature of the archive only.
func (s *slice) write(ctx context.Context, since time.Time) (Counts, error) {
	s.records.name = evidence.RecordsName
	s.refused.name, s.opened.name = numbered("audit/refused", ".jsonl"), numbered("personal/opened", ".jsonl")
	s.uncovered.name = func(int) string { return evidence.UncoveredName }
	from, first, err := begin(ctx, s.dir, since)
	if err != nil {
		return s.found, err
	}
	s.first = min(first, s.head.Size)
	s.next, s.found.First = s.first, s.first
	r, err := evidence.ProveRange(s.dir, s.head, s.first, s.head.Size-s.first)
	if err != nil {
		return s.found, err
	}
	proof, err := json.Marshal(r)
	if err != nil {
		return s.found, fmt.Errorf("writing the proof: %w", err)
	}
	if err := errors.Join(s.out.AddBytes(evidence.CheckpointName, s.head.Note), s.out.AddBytes(evidence.RangeName, append(proof, '\n'))); err != nil {
		return s.found, err
	}
	end, err := journal.End(s.dir)
	if err != nil {
		return s.found, err
	}
	if err := s.read(ctx, from, max(end.Seq, s.head.Size)); err != nil {
		return s.found, err
	}
	if err := s.gone(s.head.Size); err != nil {
		return s.found, err
	}
	return s.found, errors.Join(s.records.flush(s.out), s.uncovered.flush(s.out), s.refused.flush(s.out), s.opened.flush(s.out))
}

func (s *slice) read(ctx context.Context, from journal.Cursor, end uint64) error {
	for line, err := range journal.All(s.dir, from) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !journal.IsDamage(err) && !journal.IsExpired(err):
			return err
		case err != nil || line.Seq < s.next:
			continue // its leaf is taken from the tree
		case line.Seq >= end:
			return nil
		}
		if err := s.gone(min(line.Seq, s.head.Size)); err != nil {
			return err
		}
		if err := s.record(line); err != nil {
			return err
		}
		s.progress(int64(line.Seq-s.first), int64(end-s.first)) //nolint:gosec // numbers of records
	}
	return nil
}

// record writes one record, and what it says of refused calls.
func (s *slice) record(line journal.Line) error {
	to := &s.records
	if line.Seq >= s.head.Size {
		to = &s.uncovered
		if to.buf.Len() > partBytes { // a log that nobody signs: what is proven is preserved
			return nil
		}
		s.found.Uncovered++
	} else {
		s.found.Records++
		s.next = line.Seq + 1
	}
	fmt.Fprintf(&to.buf, "%d %s\n", line.Seq, line.Entry)
	if to == &s.records {
		if err := to.full(s.out); err != nil {
			return err
		}
	}
	e, err := auditlog.ParseEntry(line.Entry)
	if err != nil {
		return nil //nolint:nilerr // it is preserved as it is
	}
	if refusedCall(&e) {
		s.found.Refused++
		s.refused.buf.Write(line.Entry)
		s.refused.buf.WriteByte('\n')
	}
	if s.open != nil {
		s.open(&e)
		s.opened.buf.Write(auditlog.AppendEntry(nil, &e))
		s.opened.buf.WriteByte('\n')
	}
	return errors.Join(s.refused.full(s.out), s.opened.full(s.out))
}

// refusedCall reports whether an event tells of a call that ended with 401, 403
// or 5xx.
func refusedCall(e *portcullis.Event) bool {
	i := slices.IndexFunc(e.Details, func(a slog.Attr) bool { return a.Key == "status" })
	if i < 0 {
		return e.Type == portcullis.EventAuthFailure || e.Type == portcullis.EventInvalidAPIKey || e.Type == portcullis.EventAuthzDenied
	}
	var status int64
	switch v := e.Details[i].Value.Resolve(); v.Kind() {
	case slog.KindInt64:
		status = v.Int64()
	case slog.KindFloat64:
		status = int64(v.Float64())
	case slog.KindUint64:
		status = int64(v.Uint64()) //nolint:gosec // a status, or no matter
	default:
		return false
	}
	return status == 401 || status == 403 || status >= 500
}

// goneAtOnce is how many hashes are read at a time.
const goneAtOnce = 4096

// gone writes the hashes of records that are not there any more, up to a number.
func (s *slice) gone(to uint64) error {
	for s.next < to {
		n := min(to-s.next, goneAtOnce)
		indexes := make([]int64, n)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, int64(s.next)+int64(i)) //nolint:gosec // below the size of a tree
		}
		hashes, err := auditlog.Tiles(s.dir).Hashes(s.head).ReadHashes(indexes)
		if err != nil {
			return fmt.Errorf("reading hashes of removed records: %w", err)
		}
		for i, h := range hashes {
			fmt.Fprintf(&s.records.buf, "%d -%s\n", s.next+uint64(i), h)
		}
		s.next += n
		s.found.Removed += n
		if err := s.records.full(s.out); err != nil {
			return err
		}
	}
	return nil
}

// begin finds the first record that is not before a time, and where to read
// from. Segments that begin and end before it are not read.
func begin(ctx context.Context, dir string, since time.Time) (journal.Cursor, uint64, error) {
	var from journal.Cursor
	starts, err := segments(dir)
	if err != nil {
		return from, 0, err
	}
	for _, first := range slices.Backward(starts) {
		at := journal.Cursor{Segment: first, Seq: first}
		before, err := startsBefore(dir, at, since)
		if err != nil {
			return from, 0, err
		}
		if before {
			from = at
			break
		}
	}
	last := from.Seq
	for line, err := range journal.All(dir, from) {
		switch {
		case ctx.Err() != nil:
			return from, 0, ctx.Err()
		case journal.IsDamage(err), journal.IsExpired(err):
			continue
		case err != nil:
			return from, 0, err
		}
		last = line.Seq + 1
		if e, err := auditlog.ParseEntry(line.Entry); err == nil && !e.Time.Before(since) {
			return line.At, line.Seq, nil
		}
		from = line.Next
	}
	return from, last, nil
}

// startsBefore reports whether the first record of a segment is before a time.
func startsBefore(dir string, at journal.Cursor, since time.Time) (bool, error) {
	r := journal.NewReader(dir, at)
	defer func() { _ = r.Close() }() // it was only read
	line, err := r.Next()
	if err != nil {
		return false, nil //nolint:nilerr // a segment without a record that can be read is read from before it
	}
	e, err := auditlog.ParseEntry(line.Entry)
	return err == nil && e.Time.Before(since), nil
}

// segments lists the numbers that whole segments begin with.
func segments(dir string) ([]uint64, error) {
	files, err := os.ReadDir(filepath.Join(dir, auditlog.JournalFolder))
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	var out []uint64
	for _, f := range files {
		digits, ok := strings.CutSuffix(f.Name(), ".log")
		if first, err := strconv.ParseUint(digits, 10, 64); ok && err == nil {
			out = append(out, first)
		}
	}
	slices.Sort(out)
	return out, nil
}

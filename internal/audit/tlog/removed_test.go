package tlog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
)

// bigEvent is an event with an entry of many details that hold text.
func bigEvent(text string) portcullis.Event {
	e := portcullis.Event{Type: portcullis.EventCallStarted, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending}
	for i := 0; len(text) > 0; i++ {
		n := min(len(text), 4000)
		e.Details = append(e.Details, slog.String(fmt.Sprint("part", i), text[:n]))
		text = text[n:]
	}
	return e
}

func removedDetails(first, last uint64, class string, records uint64) []slog.Attr {
	return []slog.Attr{
		slog.Uint64("first", first), slog.Uint64("last", last), slog.String("class", class), slog.Uint64("records", records),
	}
}

// divide replaces the oldest segment by class files, as retention does: every
// third record is of class security, the others of class access.
func (b *bench) divide(compress bool) (first, last uint64) {
	b.t.Helper()
	name := readFiles(b.t, b.dir).segments()[0]
	data, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	if first, err = strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".log"), 10, 64); err != nil {
		b.t.Fatal(err)
	}
	classes := map[string][]byte{}
	offset := 0
	for i, line := range lines(data) {
		class := []string{"security", "access", "access"}[i%3]
		classes[class] = append(fmt.Appendf(classes[class], "%d %d ", first+uint64(i), offset), line...)
		offset += len(line)
		last = first + uint64(i)
	}
	b.remove(name)
	for class, text := range classes {
		file := b.classFile(first, last, class)
		if compress {
			enc, err := zstd.NewWriter(nil)
			if err != nil {
				b.t.Fatal(err)
			}
			half := bytes.IndexByte(text[len(text)/2:], '\n') + len(text)/2 + 1
			text = enc.EncodeAll(text[half:], enc.EncodeAll(text[:half], nil)) // two frames
			file += ".zst"
		}
		files{file: text}.become(b.t, b.dir, nil)
	}
	return first, last
}

func (b *bench) classFile(first, last uint64, class string) string {
	return fmt.Sprintf("sealed/%s/%s-%s.log", class, auditlog.KeptName(first), auditlog.KeptName(last))
}

// removed records that retention removed a class of a segment.
func (b *bench) removed(details ...slog.Attr) {
	b.t.Helper()
	e := &portcullis.Event{Type: "AUDIT_SEGMENT_REMOVED", Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Details: details}
	if err := b.journal.Record(context.Background(), e); err != nil {
		b.t.Fatal(err)
	}
	b.n++
}

func (b *bench) wantKinds(opts offline.VerifyOptions, kinds ...string) *offline.Report {
	b.t.Helper()
	r := b.verify(opts)
	var got []string
	for _, p := range r.Problems {
		got = append(got, p.Kind)
	}
	if !slices.Equal(got, kinds) {
		b.t.Fatalf("problems %v, want %v", r.Problems, kinds)
	}
	return r
}

func TestDividedSegments(t *testing.T) {
	for _, compress := range []bool{false, true} {
		b := newBench(t)
		b.write(4000, 700)
		b.cover()
		b.divide(compress)
		b.divide(compress)
		b.wantOK(4000, 0)
		// Sealed segments are exported like others.
		if c, err := offline.Export(t.Context(), b.dir, t.TempDir(), offline.ExportOptions{Key: b.key.Verifier()}); err != nil || c.Size != 4000 {
			t.Errorf("exported %d records, %v", c.Size, err)
		}
		all := readFiles(t, b.dir)
		for _, name := range all.names("sealed/") {
			for _, at := range []int{0, 30, len(all[name]) / 2, len(all[name]) - 3} {
				b.flip(name, at)
				if r := b.verify(offline.VerifyOptions{}); r.OK() {
					t.Errorf("byte %d of %s changed: not found", at, name)
				}
				b.flip(name, at)
			}
			b.remove(name)
			b.wantKinds(offline.VerifyOptions{}, offline.ProblemMissing)
			all.become(t, b.dir, nil)
		}
		b.wantOK(4000, 0)
	}
}

func TestRemovedRecordsNeedASignedRecord(t *testing.T) {
	b := newBench(t)
	b.write(3000, 700)
	b.cover()
	first, last := b.divide(false)
	access, security := b.classFile(first, last, "access"), b.classFile(first, last, "security")
	whole := readFiles(t, b.dir)
	n := uint64(len(lines(whole[access])))

	b.removed(removedDetails(first, last, "access", n)...)
	b.remove(access)
	r := b.wantKinds(offline.VerifyOptions{}, offline.ProblemMissing)
	if !strings.Contains(r.Problems[0].Text, "no checkpoint covers yet") {
		t.Errorf("text %q", r.Problems[0].Text)
	}
	b.cover()
	if r := b.wantKinds(offline.VerifyOptions{}); r.Removed != n || r.Checked+r.Removed != r.Size {
		t.Errorf("removed %d, checked %d of %d", r.Removed, r.Checked, r.Size)
	}
	// The record speaks of one class only.
	b.remove(security)
	b.wantKinds(offline.VerifyOptions{}, offline.ProblemMissing)
	files{access: whole[access]}.become(t, b.dir, nil)
	b.wantKinds(offline.VerifyOptions{}, offline.ProblemMissing)
	b.remove(access)
	b.removed(removedDetails(first, last, "security", last-first+1-n)...)
	b.cover()
	if r := b.wantKinds(offline.VerifyOptions{}); r.Removed != last-first+1 {
		t.Errorf("removed %d", r.Removed)
	}
	// Its hashes stay.
	b.flip("tile/0/000", 5)
	b.wantKinds(offline.VerifyOptions{}, offline.ProblemTile)
}

func TestRemovedBeforeOutlivesTheRecordsOfIt(t *testing.T) {
	b := newBench(t)
	b.write(4500, 700)
	names := readFiles(t, b.dir).segments()
	end, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(names[2]), ".log"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	b.removed(append(removedDetails(5, end-1, "audit", 9), slog.Uint64("removed_before", end))...)
	b.cover()
	b.remove(names[0])
	b.remove(names[1])
	if r := b.wantKinds(offline.VerifyOptions{}); r.Removed != end {
		t.Errorf("removed %d, want %d", r.Removed, end)
	}
	b.remove(names[2])
	b.wantKinds(offline.VerifyOptions{}, offline.ProblemMissing)
}

func TestARecordCannotRemoveWhatComesBehindIt(t *testing.T) {
	b := newBench(t)
	b.removed(append(removedDetails(0, 1<<40, "access", 1<<40), slog.Uint64("removed_before", 1<<40))...)
	b.write(3000, 700)
	b.cover()
	b.remove(readFiles(t, b.dir).segments()[1])
	b.wantKinds(offline.VerifyOptions{}, offline.ProblemMissing)
}

func TestSince(t *testing.T) {
	b := newBench(t)
	b.write(3500, 700)
	b.cover()
	names := readFiles(t, b.dir).segments()
	since := offline.VerifyOptions{Since: time.Now().Add(time.Hour)}
	r := b.wantKinds(since)
	if r.Trusted == 0 || r.Checked == 0 || r.Trusted+r.Checked != 3500 {
		t.Errorf("trusted %d, checked %d", r.Trusted, r.Checked)
	}
	b.flip(names[0], 1000)
	b.wantKinds(since)
	if b.verify(offline.VerifyOptions{}).OK() {
		t.Error("a change in an old segment was not found")
	}
	b.flip("tile/0/000", 1)
	b.wantKinds(since, offline.ProblemTile)
	b.flip("tile/0/000", 1)
	b.flip(names[len(names)-1], 1000)
	if b.verify(since).OK() {
		t.Error("a change in a new segment was not found")
	}
}

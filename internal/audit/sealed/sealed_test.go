package sealed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
)

// segment writes a segment of n records and returns its path.
func segment(t testing.TB, n int) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	types := []portcullis.EventType{portcullis.EventCallStarted, portcullis.EventCallFinished, portcullis.EventAuthFailure, portcullis.EventCallStarted, portcullis.EventConfigChanged}
	var text []byte
	for i := range n {
		e := portcullis.Event{
			ID: fmt.Sprintf("01997d3e-7d5b-7cc3-98c4-%012x", i*7919), Time: time.Unix(1_790_000_000, 0).Add(time.Duration(i) * time.Second),
			Type: types[i%len(types)], Severity: "INFO", Outcome: "success", Resource: "tool:read_file", Action: "tools/call",
			Actor: portcullis.Actor{ID: fmt.Sprint("key:", i%17), KeyID: "9f8e7d6c"}, Route: "files", RequestID: fmt.Sprintf("01997d3e-0000-7cc3-98c4-%012x", i*104729),
		}
		text = auditlog.AppendRecord(text, &e)
	}
	path = filepath.Join(dir, "00000000000000000100.log")
	if err := os.WriteFile(path, text, 0o400); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

const first = 100

func divided(t testing.TB, n int, compression string) (string, *Manifest) {
	t.Helper()
	dir, path := segment(t, n)
	m, err := Divide(t.Context(), dir, path, first, Options{Compression: compression, NotAfter: time.Unix(2_000_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return dir, m
}

// read returns which records are there, and the errors.
func read(t *testing.T, dir string, from uint64) (seqs []uint64, missing []*MissingError, damage []error) {
	t.Helper()
	all, err := List(dir)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	r, err := Open(dir, all[0], from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for range 100_000 {
		rec, err := r.Next()
		var gone *MissingError
		var corrupt *auditlog.CorruptError
		switch {
		case errors.Is(err, io.EOF):
			return seqs, missing, damage
		case errors.As(err, &gone):
			missing = append(missing, gone)
		case errors.As(err, &corrupt):
			damage = append(damage, err)
		case err != nil:
			t.Fatal(err)
		default:
			if n := len(seqs); n > 0 && rec.Seq <= seqs[n-1] {
				t.Fatalf("record %d behind %d", rec.Seq, seqs[n-1])
			}
			seqs = append(seqs, rec.Seq)
		}
	}
	t.Fatal("reading does not end")
	return nil, nil, nil
}

func TestBeginsAnywhere(t *testing.T) {
	dir, m := divided(t, 9000, Zstd)
	if f := m.File(class.Access); len(f.Frames) < 3 {
		t.Fatalf("%d frames: too few for this test", len(f.Frames))
	}
	for _, from := range []uint64{0, 100, 101, 3333, 9098, 9099, 9100, 1 << 40} {
		seqs, missing, damage := read(t, dir, from)
		want := 9100 - min(max(from, 100), 9100)
		if uint64(len(seqs)) != want || missing != nil || damage != nil {
			t.Errorf("from %d: %d records, %v, %v; want %d", from, len(seqs), missing, damage, want)
		}
	}
}

func TestRemovedIsNotLost(t *testing.T) {
	dir, m := divided(t, 10, None)
	m.File(class.Security).Removed = &Removal{At: time.Unix(0, 0), Event: "e"}
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.Path(dir, class.Security)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.Path(dir, class.Audit)); err != nil { // nobody said so
		t.Fatal(err)
	}
	seqs, missing, damage := read(t, dir, first)
	if fmt.Sprint(seqs) != "[100 101 103 105 106 108]" || damage != nil || len(missing) != 4 {
		t.Fatalf("%v, %v, %v", seqs, missing, damage)
	}
	for i, want := range []MissingError{{From: 102, To: 103, Removed: true}, {From: 104, To: 105}, {From: 107, To: 108, Removed: true}, {From: 109, To: 110}} {
		if got := *missing[i]; got.From != want.From || got.To != want.To || got.Removed != want.Removed || got.Offset == 0 {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestDamageCostsOneFrame(t *testing.T) {
	dir, m := divided(t, 9000, Zstd)
	f := m.File(class.Access)
	path := m.Path(dir, class.Access)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[f.Frames[1][1]+uint64(len(text))/20] ^= 1
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckSum(dir, m, f); err == nil {
		t.Error("the checksum is still right")
	}
	seqs, missing, damage := read(t, dir, first)
	lost := 9000 - len(seqs)
	told := uint64(0)
	for _, e := range missing {
		told += e.To - e.From
		if e.Removed || e.From < f.Frames[1][0] || e.To > f.Frames[2][0] {
			t.Fatalf("%+v outside the frame", e)
		}
	}
	if len(damage) != 1 || lost == 0 || uint64(lost) != told {
		t.Errorf("%d records lost, %d told, %v", lost, told, damage)
	}
}

func TestDamagedSegmentsStay(t *testing.T) {
	for what, harm := range map[string]func([]byte) []byte{
		"a bit":     func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"torn":      func(b []byte) []byte { return b[:len(b)-5] },
		"nothing":   func([]byte) []byte { return nil },
		"long line": func(b []byte) []byte { return append(b, bytes.Repeat([]byte{'x'}, 2<<20)...) },
	} {
		dir, path := segment(t, 10)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(path), os.WriteFile(path, harm(text), 0o400)); err != nil {
			t.Fatal(err)
		}
		if _, err := Divide(t.Context(), dir, path, first, Options{Compression: Zstd}); err == nil {
			t.Errorf("%s: divided", what)
		}
		if all, err := List(dir); err != nil || len(all) != 0 {
			t.Errorf("%s: manifests %v, %v", what, all, err)
		}
	}
}

func TestManifestRefusals(t *testing.T) {
	_, m := divided(t, 10, Zstd)
	good, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseManifest(good); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"version": {`"version":1`, `"version":2`}, "range": {`"last":109`, `"last":99`}, "count": {`"last":109`, `"last":110`},
		"unknown member": {`"version":1`, `"version":1,"extra":1`}, "compression": {`"zstd"`, `"lzma"`},
		"class": {`"class":"audit"`, `"class":"all"`}, "twice": {`"class":"audit"`, `"class":"access"`},
		"runs": {`"runs":"a2`, `"runs":"a3`}, "zero run": {`"runs":"a2`, `"runs":"a02`}, "no runs": {`"runs":"a2`, `"nothing":"a2`},
		"frames": {`"frames":[[`, `"frames":[[1,7],[`}, "behind": {`"version":1`, `"version":1}{"version":1`},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Fatalf("%s: nothing changed", what)
		}
		if _, err := ParseManifest([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// FuzzManifest: what is accepted stays what it is when it is written again.
func FuzzManifest(f *testing.F) {
	_, m := divided(f, 10, Zstd)
	good, err := json.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"first":0,"last":0,"files":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Skip() // a year beyond what JSON can say
		}
		m2, err := ParseManifest(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if third, err := json.Marshal(m2); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%s\n%s", again, third)
		}
	})
}

// FuzzLine: a line that is accepted holds the entry whose checksum it bears.
func FuzzLine(f *testing.F) {
	f.Add(append([]byte("7 1234 "), auditlog.AppendLine(nil, []byte(`{"id":"x"}`))...))
	f.Add([]byte("7 -1 00000000 {}\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		rec, err := parseLine(line)
		if err != nil {
			return
		}
		if entry, err := auditlog.ParseLine(auditlog.AppendLine(nil, rec.Entry)); err != nil || !bytes.Equal(entry, rec.Entry) || rec.Next <= rec.Offset {
			t.Fatalf("%q: %+v, %v", line, rec, err)
		}
	})
}

func FuzzRuns(f *testing.F) {
	f.Add("a2s1a3u1", uint64(7))
	f.Fuzz(func(t *testing.T, s string, total uint64) {
		runs, err := parseRuns(s, total)
		if err != nil {
			return
		}
		var out []byte
		for _, r := range runs {
			out = appendRun(out, r)
		}
		if string(out) != s {
			t.Fatalf("%q became %q", s, out)
		}
	})
}

func BenchmarkDivide(b *testing.B) {
	dir, path := segment(b, 20_000)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	var m *Manifest
	for b.Loop() {
		if m, err = Divide(b.Context(), dir, path, first, Options{Compression: Zstd}); err != nil {
			b.Fatal(err)
		}
	}
	packed := int64(0)
	for _, f := range m.Files {
		packed += f.Bytes
	}
	b.ReportMetric(float64(info.Size())/float64(packed), "ratio")
}

func BenchmarkRead(b *testing.B) {
	dir, m := divided(b, 20_000, Zstd)
	b.SetBytes(m.Size)
	for b.Loop() {
		r := newReader(dir, m, first)
		for {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

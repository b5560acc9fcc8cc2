package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
)

// written returns a directory whose journal holds the ids, and its segment.
func written(t *testing.T, ids ...string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	cfg := Default()
	cfg.SecurityLog = false
	j := openTest(t, dir, cfg, Options{})
	for _, id := range ids {
		mustRecord(t, j, call(id))
	}
	closeTest(t, j)
	return dir, filepath.Join(dir, segment.Folder, segment.Name(0))
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTornTailIsMovedAside(t *testing.T) {
	for _, tail := range []string{"x", "deadbeef {\"id\":", strings.Repeat("\x00", 5000)} {
		dir, path := written(t, "a", "b")
		whole := readFile(t, path)
		writeFile(t, path, append(bytes.Clone(whole), tail...))
		var out logged
		j := openTest(t, dir, Default(), Options{Log: out.logger()})
		mustRecord(t, j, call("c"))
		closeTest(t, j)
		if got := contents(t, dir); strings.Join(got, "") != "abc" {
			t.Errorf("tail %.10q: journal holds %q", tail, got)
		}
		aside, err := filepath.Glob(filepath.Join(dir, segment.Folder, "*.torn"))
		if err != nil || len(aside) != 1 || string(readFile(t, aside[0])) != tail {
			t.Errorf("tail %.10q: aside is %q", tail, aside)
		}
		if !strings.Contains(out.String(), "moved aside") {
			t.Errorf("not logged: %s", out.String())
		}
	}
}

// TestDamageIsReportedAndKept flips a byte in the middle: Open says so in the
// log and in the journal, leaves the segment as it is and goes on in a new one.
func TestDamageIsReportedAndKept(t *testing.T) {
	dir, path := written(t, "a", "b", "c")
	damaged := readFile(t, path)
	damaged[len(damaged)/2] ^= 1
	writeFile(t, path, damaged)
	var out logged
	j := openTest(t, dir, Default(), Options{Log: out.logger()})
	mustRecord(t, j, call("d"))
	closeTest(t, j)
	if !bytes.Equal(readFile(t, path), damaged) {
		t.Error("the damaged segment was changed")
	}
	wantMode(t, path, sealedMode)
	if !strings.Contains(out.String(), "audit journal is damaged") || !strings.Contains(out.String(), "line=2") {
		t.Errorf("not logged: %s", out.String())
	}
	var got []string
	for line, err := range All(dir, Cursor{}) {
		var corrupt *auditlog.CorruptError
		if errors.As(err, &corrupt) {
			got = append(got, "damage")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		e, err := auditlog.ParseEntry(line.Entry)
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == EventLogDamaged {
			got = append(got, "event")
		} else {
			got = append(got, e.ID)
		}
	}
	if s := strings.Join(got, " "); s != "a damage c event d" {
		t.Errorf("journal reads %q", s)
	}
	security := string(readFile(t, filepath.Join(dir, securityName)))
	if !strings.Contains(security, `"type":"AUDIT_LOG_DAMAGED","severity":"CRITICAL"`) {
		t.Errorf("security.log holds %q", security)
	}
	// The next start has nothing new to report.
	out = logged{}
	j = openTest(t, dir, Default(), Options{Log: out.logger()})
	closeTest(t, j)
	if strings.Contains(out.String(), "damaged") {
		t.Errorf("reported again: %s", out.String())
	}
}

// TestTornSegmentBeforeLast: power was lost between the start of a segment and
// the sync of the one before.
func TestTornSegmentBeforeLast(t *testing.T) {
	dir, path := written(t, "a", "b", "c")
	whole := readFile(t, path)
	writeFile(t, path, whole[:len(whole)-5])
	next := auditlog.AppendLine(nil, []byte(`{"id":"d","time":"2026-11-22T06:15:19.123Z","type":"T","severity":"INFO","outcome":"success"}`))
	writeFile(t, filepath.Join(dir, segment.Folder, segment.Name(3)), next)
	j := openTest(t, dir, Default(), Options{})
	closeTest(t, j)
	wantMode(t, path, sealedMode)
	var gap *GapError
	n := 0
	for _, err := range All(dir, Cursor{}) {
		switch {
		case err == nil:
			n++
		case !errors.As(err, &gap):
			t.Fatal(err)
		}
	}
	if n != 3 || gap == nil || gap.From != 2 || gap.To != 3 {
		t.Errorf("%d records, gap %v; want 3 and record 2 missing", n, gap)
	}
}

func TestSealedLastSegmentIsLeftAlone(t *testing.T) {
	dir, path := written(t, "a", "b")
	if err := os.Chmod(path, sealedMode); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, path)
	j := openTest(t, dir, Default(), Options{})
	mustRecord(t, j, call("c"))
	closeTest(t, j)
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("sealed segment was written")
	}
	if got := strings.Join(contents(t, dir), ""); got != "abc" {
		t.Errorf("journal holds %q", got)
	}
}

func TestOpenWithoutDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	writeFile(t, path, nil)
	if _, err := Open(path, Default(), Options{}); err == nil || !strings.Contains(err.Error(), "opening audit journal") {
		t.Errorf("Open of a file: %v", err)
	}
}

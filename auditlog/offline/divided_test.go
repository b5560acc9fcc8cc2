package offline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/auditlog"
)

func TestWithout(t *testing.T) {
	for _, c := range []struct {
		s    span
		gone []span
		want []span
	}{
		{span{0, 10}, nil, []span{{0, 10}}},
		{span{0, 10}, []span{{0, 10}}, nil},
		{span{2, 8}, []span{{0, 100}}, nil},
		{span{0, 10}, []span{{2, 4}, {6, 8}}, []span{{0, 2}, {4, 6}, {8, 10}}},
		{span{0, 10}, []span{{0, 3}, {0, 5}, {4, 6}}, []span{{6, 10}}},
		{span{5, 10}, []span{{0, 5}, {10, 20}}, []span{{5, 10}}},
		{span{5, 5}, []span{{0, 9}}, nil},
	} {
		if got := without(c.s, c.gone); !slices.Equal(got, c.want) {
			t.Errorf("%v without %v: %v, want %v", c.s, c.gone, got, c.want)
		}
	}
}

// TestBeingDivided: class files beside their segment may not be all of them, and
// are not asked.
func TestBeingDivided(t *testing.T) {
	dir := t.TempDir()
	names := func(first, last uint64) string {
		return fmt.Sprintf("%s-%s.log", auditlog.KeptName(first), auditlog.KeptName(last))
	}
	for _, name := range []string{
		"journal/" + auditlog.KeptName(10) + ".log", "journal/" + auditlog.KeptName(20) + ".log",
		"sealed/access/" + names(0, 9), "sealed/audit/" + names(0, 9) + ".zst", "sealed/access/" + names(10, 19),
		"sealed/access/" + names(5, 4), "sealed/access/1-2.log", "sealed/access/" + names(30, 39) + ".tmp",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := listParts(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range parts {
		got = append(got, fmt.Sprint(p.first, p.divided(), len(p.files)))
	}
	if want := []string{"0 true 2", "10 false 1", "20 false 1"}; !slices.Equal(got, want) {
		t.Errorf("parts %v, want %v", got, want)
	}
}

func FuzzParseDivided(f *testing.F) {
	line := auditlog.AppendLine([]byte("12 3456 "), []byte(`{"id":"1"}`))
	f.Add(line)
	f.Add([]byte("012 1 00000000 {}\n"))
	f.Add([]byte("1 -1 00000000 {}\n"))
	f.Add([]byte(" \n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		seq, entry, err := parseDivided(line)
		if err != nil {
			return
		}
		if len(entry) == 0 || len(entry) >= len(line) || line[0] == '0' && seq != 0 {
			t.Errorf("record %d, entry %q of %q", seq, entry, line)
		}
	})
}

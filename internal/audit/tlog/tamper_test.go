package tlog

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// files is a log folder in memory: names and contents.
type files map[string][]byte

func readFiles(t testing.TB, dir string) files {
	t.Helper()
	all := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(rel)] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// become writes what differs from now.
func (f files) become(t testing.TB, dir string, now files) {
	t.Helper()
	for name := range now {
		if _, ok := f[name]; !ok {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, data := range f {
		if old, ok := now[name]; ok && bytes.Equal(old, data) {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(path)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (f files) names(prefix string) []string {
	var out []string
	for name := range f {
		if strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (f files) segments() []string { return f.names("journal/") }

// needed are the tiles without which the tree is not whole.
func (f files) needed() []string {
	var out []string
	newest := map[string]string{}
	for _, name := range f.names("tile/") {
		folder, width, partial := strings.Cut(name, ".p/")
		if !partial {
			out = append(out, name)
		} else if old := newest[folder]; len(width) > len(old) || len(width) == len(old) && width > old {
			newest[folder] = width
		}
	}
	for folder, width := range newest {
		out = append(out, folder+".p/"+width)
	}
	slices.Sort(out)
	return out
}

func lines(data []byte) [][]byte {
	return slices.Collect(bytes.Lines(data))
}

// tampering is one way to change a log. It returns what it did, "" for nothing.
type tampering func(r *rand.Rand, f files) string

func pick(r *rand.Rand, names []string) string { return names[r.IntN(len(names))] }

// anyFile picks a file of the log, each kind as often.
func anyFile(r *rand.Rand, f files) string {
	switch r.IntN(6) {
	case 0:
		return "checkpoint"
	case 1:
		return "checkpoint.pub"
	case 2:
		return pick(r, f.names("checkpoints/"))
	case 3:
		return pick(r, f.names("tile/"))
	default:
		return pick(r, f.segments())
	}
}

func flipByte(r *rand.Rand, f files) string {
	name := anyFile(r, f)
	data := bytes.Clone(f[name])
	i := r.IntN(len(data))
	data[i] ^= byte(1 + r.IntN(255))
	f[name] = data
	return fmt.Sprintf("changed byte %d of %s", i, name)
}

func dropBytes(r *rand.Rand, f files) string {
	name := anyFile(r, f)
	i := r.IntN(len(f[name]))
	n := 1 + r.IntN(min(40, len(f[name])-i))
	f[name] = slices.Concat(f[name][:i], f[name][i+n:])
	return fmt.Sprintf("dropped %d bytes at %d of %s", n, i, name)
}

func putBytes(r *rand.Rand, f files) string {
	name := anyFile(r, f)
	i := r.IntN(len(f[name])) // not behind the end: there half a line is no tampering
	f[name] = slices.Concat(f[name][:i], []byte("inserted")[:1+r.IntN(8)], f[name][i:])
	return fmt.Sprintf("put bytes in at %d of %s", i, name)
}

func cutFile(r *rand.Rand, f files) string {
	name := anyFile(r, f)
	n := r.IntN(len(f[name]))
	f[name] = bytes.Clone(f[name][:n])
	return fmt.Sprintf("cut %s to %d bytes", name, n)
}

func dropFile(r *rand.Rand, f files) string {
	names := append(append(f.segments(), f.needed()...), "checkpoint", "checkpoint")
	name := pick(r, names)
	delete(f, name)
	return "removed " + name
}

func swapFiles(r *rand.Rand, f files) string {
	for _, names := range [][]string{f.segments(), f.needed()} {
		a, b := pick(r, names), pick(r, names)
		if r.IntN(2) == 0 || bytes.Equal(f[a], f[b]) {
			continue
		}
		f[a], f[b] = f[b], f[a]
		return fmt.Sprintf("swapped %s and %s", a, b)
	}
	return ""
}

// editRecord changes an entry and makes its checksum right again.
func editRecord(r *rand.Rand, f files) string {
	name := pick(r, f.segments())
	ls := lines(f[name])
	i := r.IntN(len(ls))
	entry, err := auditlog.ParseLine(ls[i])
	if err != nil {
		return ""
	}
	changed := bytes.Replace(entry, []byte("CALL_STARTED"), []byte("CALL_REFUSED"), 1)
	if r.IntN(2) == 0 {
		changed = bytes.Clone(entry)
		changed[r.IntN(len(changed))] ^= 1
	}
	if bytes.Equal(changed, entry) || bytes.ContainsRune(changed, '\n') {
		return ""
	}
	ls[i] = auditlog.AppendLine(nil, changed)
	f[name] = bytes.Join(ls, nil)
	return fmt.Sprintf("changed line %d of %s with its checksum", i+1, name)
}

func dropRecords(r *rand.Rand, f files) string {
	name := pick(r, f.segments())
	ls := lines(f[name])
	i := r.IntN(len(ls))
	n := 1 + r.IntN(min(len(ls)-i, 300))
	f[name] = bytes.Join(slices.Delete(ls, i, i+n), nil)
	return fmt.Sprintf("removed %d records at line %d of %s", n, i+1, name)
}

func putRecord(r *rand.Rand, f files) string {
	name, from := pick(r, f.segments()), pick(r, f.segments())
	ls, others := lines(f[name]), lines(f[from])
	i, j := r.IntN(len(ls)), r.IntN(len(others))
	f[name] = bytes.Join(slices.Insert(ls, i, others[j]), nil)
	return fmt.Sprintf("copied line %d of %s before line %d of %s", j+1, from, i+1, name)
}

func swapRecords(r *rand.Rand, f files) string {
	a, b := pick(r, f.segments()), pick(r, f.segments())
	la, lb := lines(f[a]), lines(f[b])
	if a == b {
		lb = la
	}
	i, j := r.IntN(len(la)), r.IntN(len(lb))
	if a == b && i == j {
		return ""
	}
	la[i], lb[j] = lb[j], la[i]
	f[a], f[b] = bytes.Join(la, nil), bytes.Join(lb, nil)
	return fmt.Sprintf("swapped line %d of %s and line %d of %s", i+1, a, j+1, b)
}

func renameSegment(r *rand.Rand, f files) string {
	name := pick(r, f.segments())
	to := "journal/" + auditlog.KeptName(uint64(r.IntN(5000))) + ".log"
	if _, ok := f[to]; ok {
		return ""
	}
	f[to] = f[name]
	delete(f, name)
	return "renamed " + name + " to " + to
}

// forge is somebody who knows the format: a record is changed, or records are
// taken out, and every checksum and every tile made new. What is missing is the
// key: the signature stays the old one, or is made by another key.
func forge(t *testing.T) tampering {
	return func(r *rand.Rand, f files) string {
		before := maps.Clone(f)
		how := "removed the last segment"
		if names := f.segments(); r.IntN(4) == 0 && len(names) > 1 {
			delete(f, names[len(names)-1])
		} else if how = editRecord(r, f); how == "" {
			return ""
		}
		dir := t.TempDir()
		own := testKey(t, "example.com/log", 9)
		for _, name := range f.segments() {
			files{name: f[name]}.become(t, dir, nil)
		}
		rebuild(t, dir, own)
		made := readFiles(t, dir)
		for _, name := range f.names("tile/") {
			delete(f, name)
		}
		for _, name := range made.names("tile/") {
			f[name] = made[name]
		}
		switch r.IntN(4) {
		case 0: // the old checkpoint
			how += ", made the tiles new"
		case 1: // the new text under the old signature
			_, signature, _ := bytes.Cut(before["checkpoint"], []byte("\n\n"))
			text, _, _ := bytes.Cut(made["checkpoint"], []byte("\n\n"))
			f["checkpoint"] = slices.Concat(text, []byte("\n\n"), signature)
			how += ", made the tiles and the text of the checkpoint new"
		case 2: // signed by another key
			f["checkpoint"] = made["checkpoint"]
			how += ", made the tiles new and signed with another key"
		case 3: // and that key put in place of the log's, kept checkpoints gone
			f["checkpoint"], f["checkpoint.pub"] = made["checkpoint"], made["checkpoint.pub"]
			for _, name := range f.names("checkpoints/") {
				delete(f, name)
			}
			how += ", made all new with another key"
		}
		return how
	}
}

// rebuild makes the log of a journal folder.
func rebuild(t testing.TB, dir string, key *Key) {
	t.Helper()
	l, err := Open(dir, key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for line, err := range journal.All(dir, journal.Cursor{}) {
		if err != nil {
			continue
		}
		if err := l.Add(auditlog.LeafHash(line.Entry)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Commit(true); err != nil {
		t.Fatal(err)
	}
}

// rollBack puts an older copy of the folder in its place; somebody may forget the
// checkpoints that were kept since.
func rollBack(older files) tampering {
	return func(r *rand.Rand, f files) string {
		keepKept := r.IntN(2) == 0
		for _, name := range slices.Collect(maps.Keys(f)) {
			if _, ok := older[name]; !ok && !(keepKept && strings.HasPrefix(name, "checkpoints/")) {
				delete(f, name)
			}
		}
		maps.Copy(f, older)
		return fmt.Sprintf("rolled the folder back (its kept checkpoints stay: %t)", keepKept)
	}
}

// coverUp removes the oldest segment and has a record say that retention did.
func coverUp(_ *rand.Rand, f files) string {
	names := f.segments()
	n := len(lines(f[names[0]]))
	delete(f, names[0])
	e := portcullis.Event{
		ID: "x", Type: "AUDIT_SEGMENT_REMOVED", Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Details: removedDetails(0, uint64(n-1), "access", uint64(n)),
	}
	last := names[len(names)-1]
	f[last] = auditlog.AppendRecord(bytes.Clone(f[last]), &e)
	return "removed the oldest segment and wrote that retention did"
}

// TestEveryTamperingIsFound tries 1000 times to change a log unseen.
func TestEveryTamperingIsFound(t *testing.T) {
	b := newBench(t)
	b.write(500, 700)
	b.cover()
	older := readFiles(t, b.dir)
	b.write(1300, 700)
	b.cover()
	b.write(1200, 700)
	b.cover()
	b.close()
	b.wantOK(3000, 0)
	whole := readFiles(t, b.dir)
	delete(whole, "cursors/tiles")
	delete(older, "cursors/tiles")
	if n := len(whole.segments()); n < 3 {
		t.Fatalf("only %d segments", n)
	}
	kept := map[string][]byte{"kept elsewhere": whole["checkpoint"]}
	ways := []tampering{
		flipByte, flipByte, flipByte, dropBytes, putBytes, cutFile, dropFile, swapFiles, editRecord, editRecord,
		dropRecords, putRecord, swapRecords, renameSegment, forge(t), rollBack(older), coverUp,
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for n := 0; n < 1000; {
		f := maps.Clone(whole)
		how := ways[n%len(ways)](r, f)
		if how == "" {
			continue
		}
		n++
		f.become(t, b.dir, whole)
		report, err := offline.Verify(context.Background(), b.dir, offline.VerifyOptions{Key: b.key.Verifier(), Kept: kept})
		if err != nil {
			t.Errorf("%s: %v", how, err)
		} else if report.OK() {
			t.Errorf("not found: %s", how)
		}
		whole.become(t, b.dir, f)
	}
	b.wantOK(3000, 0)
}

package audit

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/retention"
	"github.com/portcullis-dev/portcullis/internal/audit/sealed"
)

func verify(t *testing.T, dir string) *offline.Report {
	t.Helper()
	r, err := offline.Verify(t.Context(), dir, offline.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantSound(t *testing.T, dir, when string) *offline.Report {
	t.Helper()
	r := verify(t, dir)
	if !r.OK() {
		t.Fatalf("%s: %v", when, r.Problems)
	}
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLife is eight years of a log, with kills, holds and an erasure.
func TestLife(t *testing.T) {
	folder := t.TempDir()
	dir := filepath.Join(folder, "data", "audit")
	must(t, os.Mkdir(filepath.Join(folder, "archive"), 0o700))
	ahead := time.Duration(0)
	for range 8 { // about a year, killed at any moment
		killed(t, folder, ahead)
		if _, err := os.Stat(filepath.Join(dir, "checkpoint")); ahead == 0 && errors.Is(err, os.ErrNotExist) {
			continue // before the log began: it has nothing to prove, and no year has passed
		}
		wantSound(t, dir, "killed after "+ahead.String())
		ahead += 50 * day
	}
	run := func(do func(g *gateway)) {
		t.Helper()
		g, err := start(folder, ahead)
		must(t, err)
		do(g)
		must(t, g.close())
		if r := wantSound(t, dir, "after "+ahead.String()); r.Uncovered != 0 {
			t.Fatalf("%d records of a gateway that has stopped are not covered", r.Uncovered)
		}
	}
	var hold retention.Hold
	run(func(g *gateway) {
		must(t, g.busy(4000))
		must(t, g.pass())
		var err error
		hold, err = g.keeper.Hold(t.Context(), retention.Hold{Reason: "a case", Class: class.Access}, portcullis.Actor{ID: "counsel"})
		must(t, err)
	})
	wantArchived(t, folder)
	before := filesOf(t, dir, class.Access)
	if len(before) == 0 {
		t.Fatal("no file of class access is there to be held")
	}
	ahead += 100 * day
	run(func(g *gateway) {
		must(t, g.pass())
		for _, f := range before {
			if _, err := os.Stat(f); err != nil {
				t.Errorf("a file that is held: %v", err)
			}
		}
		_, err := g.keeper.Lift(t.Context(), hold.ID, "closed", portcullis.Actor{ID: "counsel"})
		must(t, err)
		must(t, g.busy(8000))
		must(t, g.pass())
		must(t, g.pass())
		for _, f := range before {
			if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is not held any more and still there: %v", f, err)
			}
		}
		// Everything else works over what is divided and partly gone.
		wantProof(t, g, dir)
		wantFound(t, g, "person-7", "")
		name := g.book.Name("person-7")
		had, err := g.book.Erase(t.Context(), "person-7")
		if !had || err != nil {
			t.Fatalf("erasing: %t, %v", had, err)
		}
		wantFound(t, g, "person-7", name)
	})
	if _, err := offline.Export(t.Context(), dir, t.TempDir(), offline.ExportOptions{Key: ownKey(t, dir)}); err != nil {
		t.Errorf("exporting the tree: %v", err)
	}
	tamper(t, dir)
	for range 8 { // until the events of the first removals are gone themselves
		ahead += 365 * day
		run(func(g *gateway) {
			must(t, g.busy(3000))
			for range 4 {
				must(t, g.pass())
			}
		})
	}
	gone, err := sealed.RemovedBefore(dir)
	must(t, err)
	if gone == 0 {
		t.Error("nothing was removed whole")
	}
	r := wantSound(t, dir, "in the end")
	t.Logf("%d records, %d removed, nothing is left before %d", r.Size, r.Removed, gone)
}

func killed(t *testing.T, folder string, ahead time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envFolder+"="+folder, envAhead+"="+ahead.String())
	var out bytes.Buffer
	cmd.Stderr = &out
	must(t, cmd.Start())
	timer := time.AfterFunc(time.Duration(300+rand.IntN(700))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() >= 0 {
		t.Fatalf("the gateway ended by itself: %v: %s", err, &out)
	}
	if strings.Contains(out.String(), "refused") {
		t.Fatalf("the log was refused: %s", &out)
	}
}

// filesOf returns the files of a class.
func filesOf(t *testing.T, dir string, c class.Class) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sealed.Dir(dir), string(c), "*.log.zst"))
	must(t, err)
	return files
}

func wantArchived(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "data", "audit", "sealed", "*", "*.log.zst"))
	must(t, err)
	if len(files) == 0 {
		t.Fatal("nothing is divided")
	}
	for _, f := range files {
		copied := filepath.Join(folder, "archive", filepath.Base(filepath.Dir(f)), filepath.Base(f))
		want, err := os.ReadFile(f)
		must(t, err)
		got, err := os.ReadFile(copied)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s is not archived: %v", f, err)
		}
	}
}

// wantProof proves a record of a divided segment.
func wantProof(t *testing.T, g *gateway, dir string) {
	t.Helper()
	all, err := sealed.List(dir)
	must(t, err)
	last := all[len(all)-1]
	for line, err := range journal.All(dir, journal.Cursor{Segment: last.First, Seq: last.First}) {
		if err != nil {
			continue
		}
		p, err := auditlog.Prove(dir, g.tree.Log().Head(), line.Seq, line.Entry)
		must(t, err)
		if _, err := p.Verify(ownKey(t, dir)); err != nil {
			t.Fatalf("record %d: %v", line.Seq, err)
		}
		return
	}
	t.Fatal("the divided segment has no record")
}

// wantFound searches with a new index for a person who is named, or erased.
func wantFound(t *testing.T, g *gateway, person, erased string) {
	t.Helper()
	named, actor := erased == "", person
	if !named {
		if actor = erased; g.book.Name(person) == erased {
			t.Errorf("%s still leads to the records of before", person)
		}
	}
	x := g.index()
	must(t, x.Rebuild(t.Context(), nil))
	r, err := x.Search(t.Context(), index.Query{Actor: actor, Limit: 1000})
	must(t, err)
	must(t, x.Close())
	if len(r.Events) == 0 {
		t.Fatalf("%s is not found", actor)
	}
	for _, f := range r.Events {
		if got := f.Event.Actor; (got.ID == person) != named || got.IP.IsValid() != named || (got.UserAgent == "") == named {
			t.Fatalf("record %d shows %+v, named %t", f.Seq, got, named)
		}
	}
	// The tail shows the same.
	n := 0
	opts := journal.TailOptions{Last: -1, Filter: journal.Filter{Actor: actor}, Open: func(e *portcullis.Event) { must(t, g.book.Open(t.Context(), e)) }}
	must(t, journal.Tail(t.Context(), g.dir.AuditDir(), opts, func(_ journal.Line, e portcullis.Event) error {
		if n++; !named && (e.Actor.ID != "" || e.Actor.IP.IsValid()) {
			return errors.New("an erased person is shown")
		}
		return nil
	}))
	if n < len(r.Events) {
		t.Errorf("the tail shows %d events, the search %d", n, len(r.Events))
	}
}

// tamper changes one file after another: each change is found, but for those of
// files that prove nothing.
func tamper(t *testing.T, dir string) {
	t.Helper()
	for _, c := range []struct {
		files string
		found bool
	}{
		{"sealed/*/*.log.zst", true},
		{"journal/*.log", true},
		{"checkpoint", true},
		{"checkpoint.pub", true},
		{"checkpoints/*", true},
		{"tile/0/*", true},
		{"tile/1/*", true},
		{"sealed/*.json", false}, // found by those who read by them
		{"cursors/*", false},
	} {
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(c.files)))
		must(t, err)
		files = slices.DeleteFunc(files, func(f string) bool { info, err := os.Stat(f); return err != nil || info.IsDir() || info.Size() == 0 })
		if len(files) == 0 {
			t.Logf("no files %s", c.files)
			continue
		}
		for range 3 {
			name := files[rand.IntN(len(files))]
			whole, err := os.ReadFile(name)
			must(t, err)
			changed := bytes.Clone(whole)
			changed[rand.IntN(len(changed))] ^= 1 << rand.IntN(8)
			replace(t, name, changed)
			if r := verify(t, dir); r.OK() == c.found {
				t.Errorf("a bit of %s changed: %v", name, r.Problems)
			}
			must(t, os.Remove(name))
			if r := verify(t, dir); r.OK() == c.found && !strings.Contains(name, "/checkpoints/") { // another copy of what was signed is no loss
				t.Errorf("%s removed: %v", name, r.Problems)
			}
			replace(t, name, whole)
		}
	}
	wantSound(t, dir, "put back")
}

func replace(t *testing.T, name string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(name+".put", data, 0o400))
	must(t, os.Rename(name+".put", name))
}

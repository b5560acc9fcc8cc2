package journal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// crashDir is the environment variable that turns the test binary into the
// process that is killed.
const crashDir = "PORTCULLIS_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := recordForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// recordForEver records under 16 goroutines and prints each acknowledged id.
func recordForEver(dir string) error {
	cfg := Default()
	cfg.SegmentBytes = 1 << 20
	j, err := Open(dir, cfg, Options{})
	if err != nil {
		return err
	}
	errs := make(chan error)
	for i := range 16 {
		go func() {
			for n := 0; ; n++ {
				e := call(obs.NewID())
				if (n+i)%50 == 0 {
					e = refusal(e.ID)
				}
				if err := j.Record(context.Background(), &e); err != nil {
					errs <- err
					return
				}
				if _, err := os.Stdout.WriteString(e.ID + "\n"); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

// TestKilled kills a recording process 50 times. After each, every record that
// was acknowledged is in the journal and nothing keeps it from being read.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	var acknowledged []string
	var from Cursor // where the journal ended after the round before
	torn, seed := 0, uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 50 {
		ids := killed(t, dir, 1+rng.IntN(400))
		acknowledged = append(acknowledged, ids...)
		from = wantRecorded(t, dir, from, ids)
		if endsInHalfLine(t, dir) {
			torn++
		}
		if round%10 == 9 { // as a start after the crash does
			closeTest(t, openTest(t, dir, Default(), Options{}))
		}
	}
	t.Logf("%d acknowledged records, the journal ended in half a line %d times", len(acknowledged), torn)
	wantRecorded(t, dir, Cursor{}, acknowledged)
	wantSecurityLog(t, dir)
}

// killed runs the recording process and kills it once it has acknowledged n
// records; it goes on until the signal meets it. It returns what was
// acknowledged.
func killed(t *testing.T, dir string, n int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // an id that was not printed whole does not count
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		ids = append(ids, strings.TrimSuffix(line, "\n"))
		if len(ids) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(ids) < n {
		t.Fatalf("the process ended by itself after %d records", len(ids))
	}
	return ids
}

// wantRecorded fails unless the journal is readable from a cursor on and holds
// the ids. It returns where the journal ends.
func wantRecorded(t *testing.T, dir string, from Cursor, ids []string) Cursor {
	t.Helper()
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	for line, err := range All(dir, from) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := auditlog.ParseEntry(line.Entry)
		if err != nil {
			t.Fatal(err)
		}
		delete(missing, e.ID)
		from = line.Next
	}
	if len(missing) > 0 {
		t.Fatalf("%d of %d acknowledged records are missing", len(missing), len(ids))
	}
	return from
}

func endsInHalfLine(t *testing.T, dir string) bool {
	t.Helper()
	dir = filepath.Join(dir, segment.Folder)
	firsts, err := segment.List(filepath.Dir(dir))
	if err != nil || len(firsts) == 0 {
		t.Fatalf("segments %v, %v", firsts, err)
	}
	name := segment.Name(firsts[len(firsts)-1])
	scan, err := scanSegment(filepath.Join(dir, name), name)
	if err != nil || len(scan.damage) > 0 {
		t.Fatalf("%v, damage %v", err, scan.damage)
	}
	return scan.torn
}

// wantSecurityLog fails unless security.log holds each security event of the
// journal once, in order, although its writer was killed too.
func wantSecurityLog(t *testing.T, dir string) {
	t.Helper()
	closeTest(t, openTest(t, dir, Default(), Options{}))
	if got, want := securityIDs(t, dir), securityInJournal(t, dir); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("security.log has %d events, the journal %d, or in other order", len(got), len(want))
	}
}

func BenchmarkRecord(b *testing.B) {
	for _, mode := range []string{Grouped, Strict} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", mode, callers), func(b *testing.B) {
				cfg := Default()
				cfg.Durability = mode
				j := openTest(b, b.TempDir(), cfg, Options{Environment: "production", Service: "portcullis"})
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for c := range callers {
					wg.Go(func() {
						e := call("")
						for i := c; i < b.N; i += callers {
							e.ID, e.Time = "", time.Time{}
							if err := j.Record(context.Background(), &e); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
				closeTest(b, j)
			})
		}
	}
}

func BenchmarkOpen64MiB(b *testing.B) {
	dir := b.TempDir()
	j := openTest(b, dir, Default(), Options{})
	e := call("019aa9c1-7d5b-7cc3-98c4-dc0c0c073990")
	for j.seg.size < 63<<20 {
		mustRecord(b, j, e)
	}
	closeTest(b, j)
	for b.Loop() {
		closeTest(b, openTest(b, dir, Default(), Options{}))
	}
}

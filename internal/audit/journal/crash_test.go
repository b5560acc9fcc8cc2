package journal

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

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
	acknowledged := make(map[string]bool)
	torn, seed := 0, uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for round := range 50 {
		for _, id := range killed(t, dir, 1+rng.IntN(400), rng.IntN(300)) {
			acknowledged[id] = true
		}
		total = len(acknowledged)
		if round%10 == 9 { // as a start after the crash would
			j := openTest(t, dir, Default(), Options{})
			closeTest(t, j)
		}
		missing := make(map[string]bool, total)
		for id := range acknowledged {
			missing[id] = true
		}
		torn += missingAfterCrash(t, dir, missing)
		if len(missing) > 0 {
			t.Fatalf("round %d: %d of %d acknowledged records are missing", round, len(missing), total)
		}
	}
	t.Logf("%d acknowledged records, %d segments ended in half a line", total, torn)
	wantSecurityLog(t, dir)
}

// killed runs the recording process and kills it once it has acknowledged n
// records and then spun for a moment. It returns what was acknowledged.
func killed(t *testing.T, dir string, n, spin int) []string {
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
		if len(ids) == n+spin {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(ids) < n+spin {
		t.Fatalf("the process ended by itself after %d records", len(ids))
	}
	return ids
}

// missingAfterCrash deletes the ids of the journal from missing. It returns 1
// if the journal ends in half a line.
func missingAfterCrash(t *testing.T, dir string, missing map[string]bool) int {
	t.Helper()
	for _, id := range contents(t, dir) {
		delete(missing, id)
	}
	firsts, err := segments(dir + "/" + segmentDir)
	if err != nil || len(firsts) == 0 {
		t.Fatalf("segments %v, %v", firsts, err)
	}
	name := segmentName(firsts[len(firsts)-1])
	scan, err := scanSegment(dir+"/"+segmentDir+"/"+name, name)
	if err != nil || len(scan.damage) > 0 {
		t.Fatalf("%v, damage %v", err, scan.damage)
	}
	if scan.torn {
		return 1
	}
	return 0
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

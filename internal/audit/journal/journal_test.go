package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/segment"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

var _ Observer = (*obs.JournalMetrics)(nil)

func openTest(t testing.TB, dir string, cfg Config, opts Options) *Journal {
	t.Helper()
	j, err := Open(dir, cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func closeTest(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func mustRecord(t testing.TB, j *Journal, e portcullis.Event) portcullis.Event {
	t.Helper()
	if err := j.Record(context.Background(), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func call(id string) portcullis.Event {
	return portcullis.Event{
		ID: id, Type: portcullis.EventCallFinished, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess,
		Actor: portcullis.Actor{ID: "alice", Method: "api_key", KeyID: "0f5c0f2ed8a54c0bb1a5a7b3f1d2e3c4",
			IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "node"},
		Route: "files", Resource: "tool:read_file", Action: "tools/call", RequestID: "019aa9c1-7d5b-7cc3-98c4-dc0c0c073990",
		Details: []slog.Attr{slog.Int("status", 200), slog.Int("bytes", 512), slog.Float64("duration_ms", 1.25)},
	}
}

// refusal is a security event that belongs in security.log.
func refusal(id string) portcullis.Event {
	e := call(id)
	e.Type, e.Severity, e.Outcome = portcullis.EventAuthFailure, portcullis.SeverityWarn, portcullis.OutcomeFailure
	return e
}

// contents returns the ids in a journal, in order, and fails on damage.
func contents(t testing.TB, dir string) []string {
	t.Helper()
	var ids []string
	seq := uint64(0)
	for line, err := range All(dir, Cursor{}) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Seq != seq {
			t.Fatalf("record %d has number %d", seq, line.Seq)
		}
		seq++
		e, err := auditlog.ParseEntry(line.Entry)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func TestRecordFillsIn(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir, Default(), Options{Environment: "production", Service: "portcullis"})
	e := mustRecord(t, j, portcullis.Event{Type: portcullis.EventGatewayStarted})
	if e.RequestID != "" {
		t.Errorf("request id %q out of nothing", e.RequestID)
	}
	ofCall := obs.WithRequestID(t.Context(), "call-1")
	for given, want := range map[string]string{"": "call-1", "its-own": "its-own"} {
		e := portcullis.Event{Type: portcullis.EventSessionOpened, RequestID: given}
		if err := j.Record(ofCall, &e); err != nil || e.RequestID != want {
			t.Errorf("request id %q of an event with %q, %v", e.RequestID, given, err)
		}
	}
	closeTest(t, j)
	if len(e.ID) != 36 || e.ID[14] != '7' || e.Time.IsZero() || e.Environment != "production" || e.Service != "portcullis" {
		t.Errorf("not filled in: %+v", e)
	}
	if got := contents(t, dir); len(got) != 3 || got[0] != e.ID {
		t.Errorf("journal holds %q, want %q", got, e.ID)
	}
}

// TestWrittenBeforeReturn: in both modes the record is readable by others when
// Record returns.
func TestWrittenBeforeReturn(t *testing.T) {
	for _, mode := range []string{Grouped, Strict} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			cfg := Default()
			cfg.Durability = mode
			j := openTest(t, dir, cfg, Options{})
			for i := range 20 {
				id := fmt.Sprint(i)
				mustRecord(t, j, call(id))
				if got := contents(t, dir); len(got) != i+1 || got[i] != id {
					t.Fatalf("after record %d the journal holds %q", i, got)
				}
			}
			closeTest(t, j)
		})
	}
}

func TestConcurrentRecords(t *testing.T) {
	for _, mode := range []string{Grouped, Strict} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			cfg := Default()
			cfg.Durability, cfg.SegmentBytes, cfg.MaxPending = mode, 1<<20, 64<<10
			j := openTest(t, dir, cfg, Options{})
			const callers, each = 32, 100
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					for i := range each {
						e := call(fmt.Sprintf("%d-%d", c, i))
						if i%10 == 0 {
							e = refusal(e.ID)
						}
						mustRecord(t, j, e)
					}
				})
			}
			wg.Wait()
			closeTest(t, j)
			next := make(map[string]int)
			ids := contents(t, dir)
			for _, id := range ids {
				caller, n, _ := strings.Cut(id, "-")
				if fmt.Sprint(next[caller]) != n {
					t.Fatalf("caller %s: record %s, want %d", caller, n, next[caller])
				}
				next[caller]++
			}
			if len(ids) != callers*each {
				t.Errorf("%d records, want %d", len(ids), callers*each)
			}
			if firsts, _ := segment.List(dir); len(firsts) < 2 {
				t.Errorf("%d segments, want rotation", len(firsts))
			}
		})
	}
}

func TestModesAndSealing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	cfg := Default()
	cfg.SegmentBytes = 1 << 20
	j := openTest(t, dir, cfg, Options{})
	big := call("big")
	for i := range 300 {
		big.Details = append(big.Details, slog.String(fmt.Sprint(i), strings.Repeat("x", 4000)))
		if len(big.Details) >= 100 {
			big.Details = big.Details[:3]
		}
		big.ID = fmt.Sprint(i)
		mustRecord(t, j, big)
	}
	closeTest(t, j)
	firsts, err := segment.List(dir)
	if err != nil || len(firsts) < 3 {
		t.Fatalf("segments %v, %v", firsts, err)
	}
	for i, first := range firsts {
		want := fs.FileMode(sealedMode)
		if i == len(firsts)-1 {
			want = openMode
		}
		wantMode(t, filepath.Join(dir, segment.Folder, segment.Name(first)), want)
	}
	wantMode(t, dir, dirMode)
	wantMode(t, filepath.Join(dir, segment.Folder), dirMode)
	if got := len(contents(t, dir)); got != 300 {
		t.Errorf("%d records, want 300", got)
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != want {
		t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
	}
}

func TestReopenGoesOn(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for run := range 4 {
		j := openTest(t, dir, Default(), Options{})
		for i := range 3 {
			want = append(want, mustRecord(t, j, call(fmt.Sprintf("%d-%d", run, i))).ID)
		}
		closeTest(t, j)
	}
	if got := contents(t, dir); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("journal holds %q, want %q", got, want)
	}
	if firsts, _ := segment.List(dir); len(firsts) != 1 {
		t.Errorf("%d segments, want one", len(firsts))
	}
}

func TestRecordAfterClose(t *testing.T) {
	cfg := Default()
	cfg.OnFailure = Allow
	j := openTest(t, t.TempDir(), cfg, Options{})
	closeTest(t, j)
	closeTest(t, j)
	e := call("late")
	if err := j.Record(context.Background(), &e); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
}

func TestCloseWaitsForRecords(t *testing.T) {
	dir := t.TempDir()
	j := openTest(t, dir, Default(), Options{})
	var ok atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				e := call("")
				if err := j.Record(context.Background(), &e); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
				ok.Add(1)
			}
		})
	}
	await(t, func() bool { return ok.Load() >= 100 })
	closeTest(t, j)
	wg.Wait()
	if got := int64(len(contents(t, dir))); got != ok.Load() {
		t.Errorf("%d records, %d were acknowledged", got, ok.Load())
	}
}

func TestOverlongEventIsRefused(t *testing.T) {
	j := openTest(t, t.TempDir(), Default(), Options{})
	defer closeTest(t, j)
	e := call("")
	for i := range 300 {
		e.Details = append(e.Details, slog.String(fmt.Sprint(i), strings.Repeat("x", 4096)))
	}
	if err := j.Record(context.Background(), &e); err == nil || !strings.Contains(err.Error(), "at most 1048576 fit") {
		t.Errorf("event over the limit: %v", err)
	}
	if err := j.Healthy(); err != nil {
		t.Error(err)
	}
}

func TestConfigValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		``:                     func(*Config) {},
		`durability: "maybe"`:  func(c *Config) { c.Durability = "maybe" },
		`on_failure: ""`:       func(c *Config) { c.OnFailure = "" },
		`segment_bytes: 1:`:    func(c *Config) { c.SegmentBytes = 1 },
		`segment_age: "1s"`:    func(c *Config) { c.SegmentAge = time.Second },
		`max_pending_bytes: 0`: func(c *Config) { c.MaxPending = 0 },
	} {
		c := Default()
		change(&c)
		err := c.Validate()
		if (err == nil) != (want == "") || (err != nil && !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, openErr := Open(t.TempDir(), c, Options{}); want != "" && openErr == nil {
			t.Errorf("Open accepts %q", want)
		}
	}
}

// logged collects log lines.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

package detection

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
)

// house is a data folder in which parts come and go.
type house struct {
	t   *testing.T
	env part.Env
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := datadir.Open(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(dir.AuditDir(), journal.Default(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return &house{t, part.Env{Dir: dir, Journal: j, Log: slog.New(slog.DiscardHandler)}}
}

func (h *house) start(text string) (*Part, func()) {
	h.t.Helper()
	h.env.Metrics = obs.NewMetrics(obs.Build{})
	made, err := New(h.env)
	if err != nil {
		h.t.Fatal(err)
	}
	p := made.(*Part)
	cfg, _, err := config.Parse("a.toml", []byte("[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \"http://127.0.0.1:1/mcp\"\n"+text), os.LookupEnv)
	if err != nil {
		h.t.Fatal(err)
	}
	use, err := p.Next(h.t.Context(), cfg, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	use()
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	return p, func() { cancel(); <-done }
}

// scan records calls of many tools.
func (h *house) scan(who string, calls int) {
	h.t.Helper()
	for i := range calls {
		e := portcullis.Event{
			Time: time.Now(), Type: portcullis.EventCallFinished, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Route: "mcp",
			Resource: fmt.Sprint("tool:t", i), Actor: portcullis.Actor{ID: who, KeyID: "k-" + who, IP: netip.MustParseAddr("203.0.113.9")},
			Details: []slog.Attr{slog.Int("status", 200), slog.Int("duration_us", 900)},
		}
		if err := h.env.Journal.Record(h.t.Context(), &e); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) anomalies() (n int) {
	h.t.Helper()
	for line, err := range journal.All(h.env.Dir.AuditDir(), journal.Cursor{}) {
		if err != nil {
			h.t.Fatal(err)
		}
		if bytes.Contains(line.Entry, []byte(`"ANOMALY_DETECTED"`)) {
			n++
		}
	}
	return n
}

func (h *house) until(what string, done func() bool) {
	h.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			h.t.Fatalf("never: %s", what)
		}
	}
}

// TestFollowsOverRestarts: what was judged is not told again after a restart,
// what came meanwhile is judged, and who is forgotten is in no file.
func TestFollowsOverRestarts(t *testing.T) {
	h := newHouse(t)
	_, stop := h.start("")
	h.scan("ann-of-the-office", 40)
	h.until("scanning is told", func() bool { return h.anomalies() == 1 })
	stop()
	file := filepath.Join(h.env.Dir.Path(), folder, fileName)
	if raw, err := os.ReadFile(file); err != nil || !bytes.Contains(raw, []byte("ann-of-the-office")) {
		t.Fatal("nothing was saved", err)
	}

	h.scan("bob", 40)
	p, stop := h.start("")
	h.until("the other one is told", func() bool { return len(p.Anomalies(10)) == 2 })
	if n := h.anomalies(); n != 2 {
		t.Errorf("%d anomalies: the first was told again", n)
	}
	if len(p.Baselines("ann-of-the-office")) == 0 || len(p.Baselines("bob")) == 0 || p.Status().Incidents != 2 {
		t.Errorf("%+v", p.Status())
	}
	if err := os.WriteFile(file+damaged, []byte("ann-of-the-office"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"ann-of-the-office", "k-ann-of-the-office", "nobody"} {
		if err := p.Forget(who); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(file)
	if _, gone := os.Stat(file + damaged); err != nil || bytes.Contains(raw, []byte("ann-of")) || !bytes.Contains(raw, []byte("bob")) || !os.IsNotExist(gone) {
		t.Errorf("files still name who was forgotten: %v", err)
	}
	for _, a := range p.Anomalies(10) {
		if a.Subject == "ann-of-the-office" {
			t.Errorf("%+v", a)
		}
	}
	stop()
	if raw, err := os.ReadFile(file); err != nil || bytes.Contains(raw, []byte("ann-of")) {
		t.Errorf("the end wrote the name again: %v", err)
	}
}

// TestDamagedFile: a state that cannot be read is put aside, and detection goes
// on; switched off it only keeps its place.
func TestDamagedFile(t *testing.T) {
	h := newHouse(t)
	file := filepath.Join(h.env.Dir.Path(), folder, fileName)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stop := h.start("[detect.anomaly]\nenabled = false\n")
	h.scan("ann", 60)
	stop()
	if h.anomalies() != 0 {
		t.Error("detection that is off tells")
	}
	if raw, err := os.ReadFile(file + damaged); err != nil || string(raw) != "rubbish" {
		t.Errorf("the damaged file: %q, %v", raw, err)
	}
}

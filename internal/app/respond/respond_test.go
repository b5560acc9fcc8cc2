package respond

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
)

const rule = `
[[route]]
name = "mcp"
path = "/mcp"
upstream = "http://127.0.0.1:1/mcp"

[[incident.response]]
name = "guessing"
actions = ["block"]
`

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
	db, err := sqlite.Open(t.Context(), filepath.Join(dir.Path(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(dir.AuditDir(), journal.Default(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pins, err := toolpin.NewBook(t.Context(), nil, j, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return &house{t, part.Env{Dir: dir, DB: db, Journal: j, Log: slog.New(slog.DiscardHandler), Getenv: os.LookupEnv, Pins: pins}}
}

// start runs the part until the returned function is called.
func (h *house) start() (*Part, func()) {
	h.t.Helper()
	h.env.Metrics = obs.NewMetrics(obs.Build{})
	made, err := New(h.env)
	if err != nil {
		h.t.Fatal(err)
	}
	p := made.(*Part)
	cfg, _, err := config.Parse("a.toml", []byte(rule), os.LookupEnv)
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

func (h *house) record(e portcullis.Event) {
	h.t.Helper()
	e.Severity, e.Outcome = portcullis.SeverityWarn, portcullis.OutcomeFailure
	if err := h.env.Journal.Record(h.t.Context(), &e); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) count(kind portcullis.EventType) (n int) {
	h.t.Helper()
	for line, err := range journal.All(h.env.Dir.AuditDir(), journal.Cursor{}) {
		if err != nil {
			h.t.Fatal(err)
		}
		if want := `"type":"` + string(kind) + `"`; strings.Contains(string(line.Entry), want) {
			n++
		}
	}
	return n
}

func (h *house) until(what string, done func() bool) {
	h.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
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

// TestSixFailuresAndRapidRequests is the guide's example over a restart: what
// is remembered is made again from the journal, and nothing is done twice.
func TestSixFailuresAndRapidRequests(t *testing.T) {
	h := newHouse(t)
	thief := netip.MustParseAddr("203.0.113.9")
	from := portcullis.Actor{IP: thief}
	p, stop := h.start()
	for range 6 {
		h.record(portcullis.Event{Type: portcullis.EventInvalidAPIKey, Actor: from})
	}
	h.until("six failures are 60", func() bool { return p.Risk("", thief) == 60 })
	if len(p.held.Active()) != 0 || h.count(portcullis.EventIncidentOpened) != 0 {
		t.Error("60 fires")
	}
	stop()

	p, stop = h.start()
	h.until("the score is there again after a restart", func() bool { return p.Risk("", thief) == 60 })
	h.record(portcullis.Event{Type: portcullis.EventAnomalyDetected, Actor: from, Details: []slog.Attr{slog.String("pattern", "RAPID_REQUESTS")}})
	h.until("85 is contained", func() bool { return len(p.held.Active()) == 1 })
	c := p.held.Active()[0]
	if c.Subject.String() != "ip:203.0.113.9" || p.Risk("", thief) != 85 || p.Risk("user:alice", netip.MustParseAddr("10.0.0.1")) != 0 {
		t.Errorf("%+v, risk %d", c, p.Risk("", thief))
	}
	h.until("what was done is stored", func() bool { _, ok, err := h.env.DB.GetSetting(t.Context(), settingDone); return ok && err == nil })
	stop()

	p, stop = h.start()
	if len(p.held.Active()) != 1 || p.cases.Count() != 1 {
		t.Errorf("after a restart %d are contained, %d incidents are open", len(p.held.Active()), p.cases.Count())
	}
	if _, err := p.held.Release(t.Context(), c.ID, "false alarm", portcullis.Actor{ID: "local:root"}); err != nil {
		t.Fatal(err)
	}
	stop()

	p, stop = h.start() // reads the same events again, and has nothing to do about them
	defer stop()
	h.until("the score is there again", func() bool { return p.Risk("", thief) == 85 })
	h.record(portcullis.Event{Type: portcullis.EventInvalidAPIKey, Actor: portcullis.Actor{IP: netip.MustParseAddr("198.51.100.1")}})
	h.until("the next event was read", func() bool { return p.Risk("", netip.MustParseAddr("198.51.100.1")) == 20 })
	if n := h.count(portcullis.EventIncidentOpened); len(p.held.Active()) != 0 || n != 1 {
		t.Errorf("%d are contained again, %d incidents were opened", len(p.held.Active()), n)
	}
}

// TestLoginLiftsAStepUp: the journal tells of the login.
func TestLoginLiftsAStepUp(t *testing.T) {
	h := newHouse(t)
	p, stop := h.start()
	defer stop()
	who := portcullis.Principal{ID: "user:alice", Method: "basic", KeyID: "old"}
	call := func() error { return p.Container().CheckContained(t.Context(), &portcullis.Conn{}, who) }
	stepUp(t, p)
	if call() == nil {
		t.Fatal("the old session passes")
	}
	who.KeyID = "new"
	e := portcullis.Event{Type: portcullis.EventSessionOpened, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomeSuccess, Resource: "session:new", Details: []slog.Attr{slog.String("subject", "user:alice")}, Time: time.Now().Add(time.Second)}
	if err := h.env.Journal.Record(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	h.until("the new session passes", func() bool { return call() == nil })
}

func stepUp(t *testing.T, p *Part) {
	t.Helper()
	_, err := p.held.Contain(t.Context(), containment.Containment{
		Subject: containment.Subject{Kind: containment.KindPrincipal, ID: "user:alice"}, Measure: containment.StepUp,
		Reason: "odd", Until: time.Now().Add(time.Hour),
	}, portcullis.Actor{ID: "local:root"})
	if err != nil {
		t.Fatal(err)
	}
}

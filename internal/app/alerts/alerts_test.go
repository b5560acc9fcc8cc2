package alerts

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// receiver is a webhook that remembers.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  []string
	away bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil || r.away {
			http.Error(w, "closed for alice", http.StatusServiceUnavailable)
			return
		}
		r.got = append(r.got, string(body))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) set(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// count counts messages that hold all of the texts.
func (r *receiver) count(texts ...string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
next:
	for _, m := range r.got {
		for _, text := range texts {
			if !strings.Contains(m, text) {
				continue next
			}
		}
		n++
	}
	return n
}

// secrets gives each reference as a secret.
type secrets struct{}

func (secrets) Secret(string) (inject.Secret, error) { return fixed{}, nil }

type fixed struct{}

func (fixed) Get() (string, uint64, error) { return "0123456789abcdef0123456789abcdef", 1, nil }

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
		if err := errors.Join(j.Close(context.Background()), dir.Close()); err != nil {
			t.Error(err)
		}
	})
	return &house{t, part.Env{Dir: dir, Journal: j, Log: slog.New(slog.DiscardHandler)}}
}

func (h *house) start(url string) (*Part, func()) {
	h.t.Helper()
	h.env.Metrics = obs.NewMetrics(obs.Build{})
	made, err := New(h.env)
	if err != nil {
		h.t.Fatal(err)
	}
	p := made.(*Part)
	h.use(p, url)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	return p, func() { cancel(); <-done }
}

func (h *house) use(p *Part, url string) {
	h.t.Helper()
	text := "[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \"http://127.0.0.1:1/mcp\"\n"
	if url != "" {
		text += "[detect.alerts]\nsettle = \"0s\"\n[[detect.alerts.channel]]\nname = \"soc\"\ntype = \"webhook\"\nurl = \"" + url + "\"\nsecret = \"secret://env/X\"\n"
	}
	cfg, _, err := config.Parse("a.toml", []byte(text), os.LookupEnv)
	if err != nil {
		h.t.Fatal(err)
	}
	use, err := p.Next(h.t.Context(), cfg, secrets{})
	if err != nil {
		h.t.Fatal(err)
	}
	use()
}

func (h *house) record(kind portcullis.EventType, resource string) {
	h.t.Helper()
	e := portcullis.Event{Type: kind, Severity: portcullis.SeverityError, Outcome: portcullis.OutcomeFailure, Resource: resource}
	if err := h.env.Journal.Record(h.t.Context(), &e); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) until(what string, done func() bool) {
	h.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			h.t.Fatalf("never: %s", what)
		}
	}
}

// TestRestartInTheMiddle: what began before, while the receiver was away, and
// what ended while no gateway ran, arrives.
func TestRestartInTheMiddle(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	_, stop := h.start(r.URL)
	h.record(portcullis.EventSinkFailing, "sink:a")
	h.until("the first alert", func() bool { return r.count("trigger", "sink:a") == 1 })
	r.set(true)
	h.record(portcullis.EventToolChanged, "tool:b")
	stop()
	h.record(portcullis.EventSinkRecovered, "sink:a") // nobody listens
	h.record(portcullis.EventSinkMissed, "sink:c")
	r.set(false)
	p, stop := h.start(r.URL)
	defer stop()
	h.until("what was missed", func() bool {
		return r.count("trigger", "tool:b") == 1 && r.count("resolve", "sink:a") == 1 && r.count("trigger", "sink:c") == 1
	})
	if r.count("trigger", "sink:a") != 1 {
		t.Error("told twice")
	}
	open := 0
	for _, v := range p.List(true) {
		if v.State == "open" {
			open++
		}
	}
	if open != 2 {
		t.Errorf("%+v", p.List(true))
	}
}

// TestWithoutChannels: who adds the first channel is not told of what came
// before, also not of what came while there was none for a time.
func TestWithoutChannels(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	h.record(portcullis.EventToolChanged, "tool:early")
	p, stop := h.start(r.URL)
	h.record(portcullis.EventToolChanged, "tool:one")
	h.until("the first", func() bool { return r.count("tool:one") == 1 })
	h.use(p, "")
	cursor := filepath.Join(h.env.Dir.AuditDir(), feed.Folder, feedName)
	h.until("the place in the journal is forgotten", func() bool { _, err := os.Stat(cursor); return err != nil })
	h.record(portcullis.EventToolChanged, "tool:meanwhile")
	stop()
	_, stop = h.start(r.URL)
	defer stop()
	h.record(portcullis.EventSinkMissed, "sink:late")
	h.until("the last", func() bool { return r.count("sink:late") == 1 })
	if r.count("tool:early")+r.count("tool:meanwhile") != 0 {
		t.Errorf("%q", r.got)
	}
}

func TestDamagedStateIsPutAside(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	file := filepath.Join(h.env.Dir.Path(), "alerts", "state")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, stop := h.start(r.URL)
	h.record(portcullis.EventToolChanged, "tool:one")
	h.until("an alert", func() bool { return r.count("tool:one") == 1 })
	stop()
	if _, err := os.Stat(file + ".damaged"); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestOperations: what people do is stored at once, without a process that
// runs.
func TestOperations(t *testing.T) {
	h, r := newHouse(t), newReceiver(t)
	h.env.Metrics = obs.NewMetrics(obs.Build{})
	made, err := New(h.env)
	if err != nil {
		t.Fatal(err)
	}
	p := made.(*Part)
	h.use(p, r.URL)
	by := portcullis.Actor{ID: "local:root"}
	s, err := p.AddSilence(t.Context(), alert.Silence{Type: "TOOL_CHANGED", Reason: "load test", Until: time.Now().Add(time.Hour)}, by)
	if err != nil {
		t.Fatal(err)
	}
	r.set(true)
	got, err := p.Test(t.Context(), "soc")
	if err != nil || len(got) != 1 || got[0].Sent || got[0].Error != "answered 503: closed for alice" {
		t.Errorf("%+v, %v", got, err)
	}
	h.env.Metrics = obs.NewMetrics(obs.Build{})
	again, err := New(h.env)
	if err != nil {
		t.Fatal(err)
	}
	if list := again.(*Part).Silences(); len(list) != 1 || list[0].ID != s.ID {
		t.Errorf("%+v", list)
	}
	if _, err := again.(*Part).RemoveSilence(t.Context(), s.ID, by); err != nil {
		t.Error(err)
	}
}

func (fixed) Refresh(context.Context, uint64) (bool, error) { return false, nil }

package splunk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/sinktest"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/splunk"
)

const token = "11111111-2222-3333-4444-555555555555"

// envelope is one event as the collector gets it.
type envelope struct {
	Time       json.Number     `json:"time"`
	Host       string          `json:"host"`
	Source     string          `json:"source"`
	SourceType string          `json:"sourcetype"`
	Index      string          `json:"index"`
	Event      json.RawMessage `json:"event"`
}

// collector is a HEC with indexer acknowledgement, or without.
type collector struct {
	*httptest.Server
	acks    bool
	fault   func(*collector, http.ResponseWriter, *http.Request) bool // true = it has answered
	indexed func([]envelope)

	mu      sync.Mutex
	next    int64
	waiting map[string]map[int64][]envelope // by channel
	rng     *rand.Rand
}

func newCollector(t *testing.T, acks bool) *collector {
	c := &collector{acks: acks, waiting: map[string]map[int64][]envelope{}, rng: rand.New(rand.NewPCG(1, 2))}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/collector/event", c.event)
	mux.HandleFunc("POST /services/collector/ack", c.ack)
	c.Server = httptest.NewTLSServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) refuse(w http.ResponseWriter, status, code int, text string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"text":%q,"code":%d}`, text, code)
}

func (c *collector) known(w http.ResponseWriter, r *http.Request) (channel string, ok bool) {
	if r.Header.Get("Authorization") != "Splunk "+token {
		c.refuse(w, http.StatusForbidden, 4, "Invalid token")
		return "", false
	}
	channel = r.Header.Get("X-Splunk-Request-Channel")
	if c.acks && len(channel) != 36 {
		c.refuse(w, http.StatusBadRequest, 10, "Data channel is missing")
		return "", false
	}
	return channel, true
}

func (c *collector) event(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil && c.fault(c, w, r) {
		return
	}
	channel, ok := c.known(w, r)
	if !ok {
		return
	}
	var events []envelope
	for d := json.NewDecoder(r.Body); ; {
		var e envelope
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(e.Event) == 0 {
			c.refuse(w, http.StatusBadRequest, 6, "Invalid data format")
			return
		}
		if bytes.Contains(e.Event, []byte("poison")) {
			c.refuse(w, http.StatusBadRequest, 6, "Invalid data format")
			return
		}
		if e.Index == "nowhere" {
			c.refuse(w, http.StatusBadRequest, 7, "Incorrect index")
			return
		}
		events = append(events, e)
	}
	if !c.acks {
		c.indexed(events)
		fmt.Fprint(w, `{"text":"Success","code":0}`)
		return
	}
	c.next++
	if c.waiting[channel] == nil {
		c.waiting[channel] = map[int64][]envelope{}
	}
	c.waiting[channel][c.next] = events
	fmt.Fprintf(w, `{"text":"Success","code":0,"ackId":%d}`, c.next)
}

// ack says what is indexed. A batch is so at the latest when it is asked for.
func (c *collector) ack(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	channel, ok := c.known(w, r)
	if !ok {
		return
	}
	var q struct{ Acks []int64 }
	if json.NewDecoder(r.Body).Decode(&q) != nil {
		c.refuse(w, http.StatusBadRequest, 6, "Invalid data format")
		return
	}
	out := map[string]bool{}
	for _, id := range q.Acks {
		events, ok := c.waiting[channel][id]
		if ok {
			c.indexed(events)
			delete(c.waiting[channel], id) // it says so once
		}
		out[strconv.FormatInt(id, 10)] = ok
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"acks": out})
}

func newSender(t *testing.T, c *collector, index string) *splunk.Sender {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(c.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	encoder, _ := format.ByName("json", format.Info{})
	s, err := splunk.New(splunk.Config{
		URL: c.URL, Token: func() (string, error) { return token, nil }, Host: "gw", Source: "mcp-server", SourceType: "security", Index: index,
		Encoder: encoder, TLS: trust(ca),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func number(t *testing.T, e envelope) int {
	t.Helper()
	var is struct{ Resource string }
	if err := json.Unmarshal(e.Event, &is); err != nil {
		t.Errorf("event %s: %v", e.Event, err)
	}
	n, err := strconv.Atoi(is.Resource)
	if err != nil {
		return -1
	}
	return n
}

func items(t *testing.T, s sink.Sender, resources ...string) []sink.Item {
	t.Helper()
	var out []sink.Item
	for _, r := range resources {
		e := &portcullis.Event{
			ID: "id", Time: time.Date(2026, 11, 22, 6, 15, 19, 123e6, time.UTC), Type: portcullis.EventAuthzDenied, Resource: r,
			Details: []slog.Attr{slog.String("note", "\"quoted\"\n")},
		}
		data, err := s.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sink.Item{Event: e, Data: data})
	}
	return out
}

func TestEnvelope(t *testing.T) {
	c := newCollector(t, true)
	var got []envelope
	c.indexed = func(e []envelope) { got = append(got, e...) }
	s := newSender(t, c, "security")
	if err := s.Send(t.Context(), items(t, s, "1", "2")); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("%d events", len(got))
	}
	e := got[0]
	if e.Time != "1795328119.123" || e.Host != "gw" || e.Source != "mcp-server" || e.SourceType != "security" || e.Index != "security" || number(t, e) != 1 {
		t.Errorf("%+v", e)
	}
	cef, _ := format.ByName("cef", format.Info{})
	text, err := splunk.New(splunk.Config{URL: c.URL, Encoder: cef})
	if err != nil {
		t.Fatal(err)
	}
	var env envelope
	var line string
	if err := errors.Join(json.Unmarshal(items(t, text, "1")[0].Data, &env), json.Unmarshal(env.Event, &line)); err != nil || !strings.HasPrefix(line, "CEF:0|") {
		t.Errorf("%s, %v", env.Event, err)
	}
}

// TestFaults: what each answer of a collector means.
func TestFaults(t *testing.T) {
	c := newCollector(t, true)
	c.indexed = func([]envelope) {}
	s, nowhere := newSender(t, c, "security"), newSender(t, c, "nowhere")
	for name, tt := range map[string]struct {
		s     *splunk.Sender
		items []sink.Item
		fault func(*collector, http.ResponseWriter, *http.Request) bool
		want  sink.Fault
	}{
		"poison":      {s, items(t, s, "poison"), nil, sink.Refused},
		"index":       {nowhere, items(t, nowhere, "1"), nil, sink.Misconfigured},
		"token":       {s, items(t, s, "1"), respond(http.StatusForbidden, `{"text":"Invalid token `+token+`","code":4}`), sink.Misconfigured},
		"path":        {s, items(t, s, "1"), respond(http.StatusNotFound, ""), sink.Misconfigured},
		"busy":        {s, items(t, s, "1"), respond(http.StatusServiceUnavailable, `{"text":"Server is busy","code":9}`), sink.Away},
		"too many":    {s, items(t, s, "1"), respond(http.StatusTooManyRequests, ""), sink.Away},
		"other site":  {s, items(t, s, "1"), respond(http.StatusOK, "<html>Welcome</html>"), sink.Misconfigured},
		"too large":   {s, items(t, s, "1"), respond(http.StatusRequestEntityTooLarge, ""), sink.Refused},
		"odd success": {s, items(t, s, "1"), respond(http.StatusOK, `{"text":"no","code":8}`), sink.Away},
	} {
		c.mu.Lock()
		c.fault = tt.fault
		c.mu.Unlock()
		err := tt.s.Send(t.Context(), tt.items)
		var e *sink.Error
		if !errors.As(err, &e) || e.Fault != tt.want {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if text := sink.Explain(err); strings.Contains(text, token) || strings.Contains(text, c.URL) {
			t.Errorf("%s: the error tells too much: %s", name, text)
		}
	}
}

func respond(status int, body string) func(*collector, http.ResponseWriter, *http.Request) bool {
	return func(_ *collector, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

// TestLostAcknowledgement: a collector that was restarted knows nothing of the
// batch. Time runs out, and the batch is not done.
func TestLostAcknowledgement(t *testing.T) {
	c := newCollector(t, true)
	c.indexed = func([]envelope) { t.Error("indexed") }
	c.fault = func(c *collector, w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, `{"text":"Success","code":0,"ackId":77}`)
		return true
	}
	s := newSender(t, c, "security")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Send(ctx, items(t, s, "1")); err == nil {
		t.Error("a batch counts as sent that was never acknowledged")
	}
}

// TestEndures: 100 000 events while the collector is down, slow, busy, loses
// what it took and cuts connections, and the gateway restarts.
func TestEndures(t *testing.T) {
	total := 100_000
	if testing.Short() {
		total = 5_000
	}
	c := newCollector(t, true)
	var o sinktest.Order
	c.indexed = func(events []envelope) {
		for _, e := range events {
			if n := number(t, e); n >= 0 { // else it is about the sink
				o.Take(n)
			}
		}
	}
	begin := time.Now()
	c.fault = func(c *collector, w http.ResponseWriter, r *http.Request) bool {
		if time.Since(begin) < 500*time.Millisecond { // down at first
			panic(http.ErrAbortHandler)
		}
		switch c.rng.IntN(14) {
		case 0:
			c.refuse(w, http.StatusServiceUnavailable, 9, "Server is busy")
		case 1:
			c.refuse(w, http.StatusInternalServerError, 8, "Internal server error")
		case 2:
			c.refuse(w, http.StatusForbidden, 4, "Invalid token")
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			time.Sleep(30 * time.Millisecond)
			return false
		case 5: // taken, and lost before it was indexed
			fmt.Fprint(w, `{"text":"Success","code":0,"ackId":999999}`)
		case 6: // taken, and the answer is cut off
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"text":`)
		case 7:
			if r.ContentLength < 50_000 {
				return false
			}
			c.refuse(w, http.StatusRequestEntityTooLarge, 27, "Content too large")
		default:
			return false
		}
		return true
	}
	sinktest.Endure(t, &o, total, func() sink.Spec {
		return sink.Spec{
			Name: "splunk", Kind: "splunk", Sender: newSender(t, c, "security"), Pace: sinktest.Fast(), Timeout: 400 * time.Millisecond,
			Batch: sink.Batch{Events: 2000, Wait: 20 * time.Millisecond},
		}
	})
}

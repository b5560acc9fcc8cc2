package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// double is a channel that remembers what it took.
type double struct {
	mu     sync.Mutex
	got    []alert.Message
	counts map[string]int
	fail   error
	tries  int
}

func (d *double) Takes(alert.Kind) bool { return true }

func (d *double) Close() error { return nil }

func (d *double) Send(_ context.Context, m *alert.Message) (alert.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries++
	if d.fail != nil {
		return alert.Receipt{}, d.fail
	}
	d.got = append(d.got, *m)
	return alert.Receipt{Code: 202, Said: "ok"}, nil
}

func (d *double) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

// told lists what came, as "kind severity summary".
func (d *double) told() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []string{}
	for _, m := range d.got {
		out = append(out, string(m.Kind)+" "+string(m.Severity)+" "+m.Summary)
	}
	return out
}

func (d *double) kinds() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []string{}
	for _, m := range d.got {
		out = append(out, string(m.Kind))
	}
	return strings.Join(out, " ")
}

// counter is a double that counts.
type counter struct{ double }

func (c *counter) Count(_ context.Context, n map[string]int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	if c.fail != nil {
		return c.fail
	}
	for k, v := range n {
		c.counts[k] += v
	}
	return nil
}

// journal records what the engine tells.
type journal struct {
	mu     sync.Mutex
	events []portcullis.Event
	fail   error
}

func (j *journal) Record(_ context.Context, e *portcullis.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	j.events = append(j.events, *e)
	return nil
}

func (j *journal) count(t portcullis.EventType) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.events {
		if j.events[i].Type == t {
			n++
		}
	}
	return n
}

// desk is an engine at work.
type desk struct {
	*alert.Engine
	t    *testing.T
	j    *journal
	seq  uint64
	stop func()
}

func settings(specs ...alert.Spec) alert.Config {
	return alert.Config{
		Channels: specs, Types: alert.Defaults(), GroupBy: alert.DefaultGroupBy(), GroupWindow: alert.DefaultGroupWindow,
		Settle: alert.DefaultSettle, Forget: alert.DefaultForget, GiveUp: alert.DefaultGiveUp, Source: "gw",
	}
}

func spec(name string, ch alert.Channel) alert.Spec {
	return alert.Spec{Name: name, Kind: "double", Channel: ch, MinSeverity: portcullis.SeverityWarn, PerHour: 30, Timeout: time.Second}
}

func start(t *testing.T, o alert.Options, c alert.Config) *desk {
	t.Helper()
	d := &desk{t: t, j: &journal{}}
	o.Record = d.j
	var err error
	if d.Engine, err = alert.New(o); err != nil {
		t.Fatal(err)
	}
	d.Use(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { d.Run(ctx); close(done) }()
	d.stop = func() { cancel(); <-done }
	return d
}

func (d *desk) see(e portcullis.Event) {
	e.ID, e.Time = fmt.Sprintf("event-%d", d.seq), time.Now()
	d.Observe(d.seq, &e)
	d.seq++
}

func anomaly(id, state, metric string, severity portcullis.Severity) portcullis.Event {
	return portcullis.Event{
		Type: portcullis.EventAnomalyDetected, Severity: severity, Route: "files", Resource: "tool:read", Reason: metric,
		Actor: portcullis.Actor{Subject: "5ubject", Sealed: "c2VhbGVk"},
		Details: []slog.Attr{
			slog.String("anomaly_id", id), slog.String("state", state), slog.String("metric", metric),
			slog.Float64("value", 900), slog.Float64("mean", 100.5), slog.Float64("sd", 20.25), slog.Float64("z", 39.4812),
		},
	}
}

func settled(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAnAnomalyIsToldAndResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slack := &double{}
		d := start(t, alert.Options{}, settings(spec("team", slack)))
		defer d.stop()
		d.see(anomaly("a1", "opened", "bytes_out", portcullis.SeverityWarn))
		settled(time.Second)
		d.see(anomaly("a1", "updated", "bytes_out", portcullis.SeverityWarn)) // tells nothing new
		settled(time.Second)
		d.see(anomaly("a1", "updated", "bytes_out", portcullis.SeverityCritical)) // grew worse
		settled(time.Minute)
		d.see(anomaly("a1", "closed", "bytes_out", portcullis.SeverityInfo))
		settled(time.Second)
		if got := slack.kinds(); got != "trigger trigger" {
			t.Errorf("before it is settled: %s", got)
		}
		settled(time.Minute)
		want := []string{"trigger WARN Anomaly detected in bytes_out", "trigger CRITICAL Anomaly detected in bytes_out", "resolve CRITICAL Anomaly detected in bytes_out"}
		if got := slack.told(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		m := slack.got[0]
		if m.ID == "" || slack.got[2].ID != m.ID || m.Stats == nil || m.Stats.Expected() != "100.50 ± 20.25" || m.Subject != "sealed:5ubject" || m.Route != "files" {
			t.Errorf("%+v", m)
		}
		if n := d.j.count(alert.EventSent); n != 1 {
			t.Errorf("%d ALERT_SENT", n)
		}
	})
}

// TestAStormIsFewMessages: 10 000 anomalies of all kinds are a bounded number
// of messages, and all are counted.
func TestAStormIsFewMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slack, count := &double{}, &counter{double{counts: map[string]int{}}}
		d := start(t, alert.Options{}, settings(spec("team", slack), spec("statsd", count)))
		defer d.stop()
		for i := range 10_000 {
			e := anomaly(fmt.Sprint("a", i), "opened", fmt.Sprint("metric", i%100), portcullis.SeverityWarn)
			e.Route = fmt.Sprint("route", i%7)
			d.see(e)
			if i%10 == 0 {
				settled(time.Second / 2)
			}
		}
		d.see(anomaly("worst", "opened", "denial_rate", portcullis.SeverityCritical))
		settled(time.Hour)
		triggers, digests, critical := 0, 0, 0
		for _, m := range slack.got {
			switch m.Kind {
			case alert.Trigger:
				triggers++
				if m.Severity == portcullis.SeverityCritical {
					critical++
				}
			case alert.Digest:
				digests += m.Count
				if len(m.Details) == 0 || len(m.Details) > 20 {
					t.Errorf("a digest of %d lines", len(m.Details))
				}
			}
		}
		if triggers > 120 || triggers < 30 || digests == 0 || critical != 1 {
			t.Errorf("%d triggers, %d critical, %d in digests", triggers, critical, digests)
		}
		sum := 0
		for _, n := range count.counts {
			sum += n
		}
		if sum != 10_001 || count.tries > 1000 {
			t.Errorf("counted %d in %d datagrams", sum, count.tries)
		}
		if raw, _, err := d.Snapshot(); err != nil || len(raw) > 8<<20 {
			t.Errorf("a state of %d bytes, %v", len(raw), err)
		}
		if n := d.j.count(alert.EventSent); n != triggers {
			t.Errorf("%d ALERT_SENT for %d alerts", n, triggers)
		}
	})
}

// TestFlapping: what ends and begins again within the time to settle is one
// alert.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slack := &double{}
		d := start(t, alert.Options{}, settings(spec("team", slack)))
		defer d.stop()
		for range 500 {
			d.see(portcullis.Event{Type: portcullis.EventSinkFailing, Severity: portcullis.SeverityWarn, Resource: "sink:splunk"})
			settled(5 * time.Second)
			d.see(portcullis.Event{Type: portcullis.EventSinkRecovered, Severity: portcullis.SeverityInfo, Resource: "sink:splunk"})
			settled(5 * time.Second)
		}
		settled(time.Minute)
		if got := slack.kinds(); got != "trigger resolve" {
			t.Errorf("%s", got)
		}
		for range 500 { // slower than it settles
			d.see(portcullis.Event{Type: portcullis.EventSinkFailing, Severity: portcullis.SeverityWarn, Resource: "sink:splunk"})
			settled(time.Minute)
			d.see(portcullis.Event{Type: portcullis.EventSinkRecovered, Severity: portcullis.SeverityInfo, Resource: "sink:splunk"})
			settled(time.Minute)
		}
		if got := strings.Count(slack.kinds(), "trigger"); got > 1+30+17*30 || got < 100 {
			t.Errorf("%d triggers in 17 hours", got)
		}
	})
}

// TestRestart: an engine that goes on with the state of another, and hears the
// last records again, loses nothing and tells nothing twice.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pager := &double{}
		d := start(t, alert.Options{}, settings(spec("pager", pager)))
		d.see(anomaly("a1", "opened", "latency", portcullis.SeverityCritical))
		settled(time.Second)
		pager.set(errors.New("connection refused"))
		second := anomaly("a2", "opened", "call_rate", portcullis.SeverityCritical)
		d.see(second)
		settled(time.Second)
		d.stop()
		raw, _, err := d.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		pager.set(nil)
		again := start(t, alert.Options{State: raw}, settings(spec("pager", pager)))
		defer again.stop()
		second.ID, second.Time = "event-1", time.Now().Add(-time.Second)
		again.Observe(1, &second) // its place in the journal was stored before
		again.seq = 2
		settled(time.Second)
		again.see(anomaly("a1", "closed", "latency", portcullis.SeverityInfo))
		again.see(anomaly("a2", "closed", "call_rate", portcullis.SeverityInfo))
		settled(time.Minute)
		want := []string{
			"trigger CRITICAL Anomaly detected in latency", "trigger CRITICAL Anomaly detected in call_rate",
			"resolve CRITICAL Anomaly detected in latency", "resolve CRITICAL Anomaly detected in call_rate",
		}
		if got := pager.told(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		// Without any state, the same event makes the same id: the pager joins them.
		other := &double{}
		fresh := start(t, alert.Options{}, settings(spec("pager", other)))
		defer fresh.stop()
		fresh.Observe(1, &second)
		settled(time.Second)
		if len(other.got) != 1 || other.got[0].ID != pager.got[1].ID {
			t.Errorf("%+v", other.got)
		}
	})
}

func TestDamagedState(t *testing.T) {
	for _, raw := range []string{"{", `{"version":9}`, `{"version":1,"alerts":[null]}`, `{"version":1,"alerts":[{"id":"x"}]}`} {
		e, err := alert.New(alert.Options{State: []byte(raw)})
		if err == nil || e == nil || len(e.List(true)) != 0 {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TestEscalation: a critical alert that nobody acknowledges goes to the next
// channel, and to the one after that.
func TestEscalation(t *testing.T) {
	for acked, want := range map[bool]string{false: "trigger trigger", true: "trigger acknowledge"} {
		synctest.Test(t, func(t *testing.T) {
			first, second, third := &double{}, &double{}, &double{}
			c := settings(spec("one", first), spec("two", second), spec("three", third))
			c.Rules = []alert.Rule{{Channels: []string{"one"}, Escalate: []string{"two", "one", "three"}, After: 15 * time.Minute}}
			d := start(t, alert.Options{}, c)
			defer d.stop()
			d.see(anomaly("a1", "opened", "latency", portcullis.SeverityCritical))
			settled(10 * time.Minute)
			if second.kinds() != "" || first.kinds() != "trigger" {
				t.Fatalf("%q %q", first.kinds(), second.kinds())
			}
			if acked {
				id := d.List(false)[0].ID
				for range 2 { // once is enough
					if v, err := d.Ack(t.Context(), id[:6], portcullis.Actor{ID: "user:alice"}); err != nil || v.State != "acknowledged" || v.AckedBy != "user:alice" {
						t.Fatalf("%+v, %v", v, err)
					}
				}
			}
			settled(2 * time.Hour)
			if got := first.kinds(); got != want {
				t.Errorf("acknowledged %t: %q", acked, got)
			}
			if acked != (second.kinds() == "") || acked != (third.kinds() == "") || d.j.count(alert.EventAcknowledged) > 1 {
				t.Errorf("acknowledged %t: %q, %q", acked, second.kinds(), third.kinds())
			}
			if !acked && (!second.got[0].Escalated || !strings.HasPrefix(second.got[0].Title(), "Not acknowledged: ")) {
				t.Errorf("%+v", second.got[0])
			}
		})
	}
}

// TestDeadChannel: a channel that is away is told later, and of itself only
// now and then; one alert does not hold up others.
func TestDeadChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pager := &double{fail: &alert.Failure{Err: errors.New("answered 503"), Said: "key s3cret of alice"}}
		d := start(t, alert.Options{}, settings(spec("pager", pager)))
		defer d.stop()
		d.see(anomaly("a1", "opened", "latency", portcullis.SeverityCritical))
		settled(3 * time.Hour)
		if n := d.j.count(alert.EventFailed); n < 1 || n > 4 {
			t.Errorf("%d ALERT_FAILED in 3 hours", n)
		}
		if pager.tries < 5 || pager.tries > 120 {
			t.Errorf("%d tries", pager.tries)
		}
		if text := fmt.Sprint(d.j.events, d.Channels(), d.List(true)); strings.Contains(text, "s3cret") || !strings.Contains(text, "answered 503") {
			t.Error(text)
		}
		for i := range d.j.events { // no alerts about alerts
			d.see(d.j.events[i])
		}
		if open, waiting := d.Stats(); open != 1 || waiting != 1 {
			t.Errorf("%d open, %d waiting", open, waiting)
		}
		pager.set(nil)
		d.see(anomaly("a1", "closed", "latency", portcullis.SeverityInfo))
		settled(10 * time.Minute)
		if got := pager.kinds(); got != "trigger resolve" {
			t.Errorf("when it is back: %q", got)
		}
	})
}

func TestRefusedIsGivenUpAndTooLateToo(t *testing.T) {
	for name, f := range map[string]*alert.Failure{
		"refused": {Fault: alert.Refused, Err: errors.New("answered 400")},
		"away":    {Err: errors.New("answered 500")},
	} {
		synctest.Test(t, func(t *testing.T) {
			pager := &double{fail: f}
			d := start(t, alert.Options{}, settings(spec("pager", pager)))
			defer d.stop()
			d.see(anomaly("a1", "opened", "latency", portcullis.SeverityCritical))
			settled(25 * time.Hour)
			if v := d.List(true); len(v) != 1 || v[0].Channels[0].State != "given_up" || v[0].Channels[0].Error != f.Err.Error() {
				t.Errorf("%s: %+v", name, v)
			}
			if f.Fault == alert.Refused && pager.tries != 1 {
				t.Errorf("%s: %d tries", name, pager.tries)
			}
			pager.set(nil)
			d.see(anomaly("b", "opened", "call_rate", portcullis.SeverityCritical))
			settled(10 * time.Minute)
			if got := pager.kinds(); got != "trigger" {
				t.Errorf("%s: the next: %q", name, got)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pager := &double{fail: &alert.Failure{Err: errors.New("answered 429"), After: 20 * time.Minute}}
		d := start(t, alert.Options{}, settings(spec("pager", pager)))
		defer d.stop()
		d.see(anomaly("a1", "opened", "latency", portcullis.SeverityCritical))
		settled(19 * time.Minute)
		if pager.tries != 1 {
			t.Errorf("%d tries although it asked to wait", pager.tries)
		}
		pager.set(nil)
		settled(2 * time.Minute)
		if pager.kinds() != "trigger" {
			t.Errorf("%q", pager.kinds())
		}
	})
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slack := &double{}
		d := start(t, alert.Options{}, settings(spec("team", slack)))
		defer d.stop()
		alice := portcullis.Actor{ID: "user:alice"}
		for _, bad := range []alert.Silence{
			{Reason: "x", Until: time.Now().Add(time.Hour)}, {Type: "X", Until: time.Now().Add(time.Hour)},
			{Type: "X", Reason: "x", Until: time.Now()}, {Type: "X", Reason: "x", Until: time.Now().Add(365 * 24 * time.Hour)},
			{Type: "X\nY", Reason: "x", Until: time.Now().Add(time.Hour)},
		} {
			if _, err := d.AddSilence(t.Context(), bad, alice); !errors.Is(err, alert.ErrInvalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		d.j.fail = errors.New("disk full")
		good := alert.Silence{Route: "files", Metric: "latency", Reason: "load test", Until: time.Now().Add(time.Hour)}
		if _, err := d.AddSilence(t.Context(), good, alice); err == nil || len(d.Silences()) != 0 {
			t.Error("silenced without a record")
		}
		d.j.fail = nil
		made, err := d.AddSilence(t.Context(), good, alice)
		if err != nil || made.By != alice.ID || d.j.count(alert.EventSilenced) != 1 {
			t.Fatalf("%+v, %v", made, err)
		}
		d.see(anomaly("a1", "opened", "latency", portcullis.SeverityCritical))
		d.see(anomaly("a2", "opened", "call_rate", portcullis.SeverityWarn)) // another metric
		settled(30 * time.Minute)
		if got := slack.told(); len(got) != 1 || !strings.Contains(got[0], "call_rate") || d.List(false)[1].State != "silenced" {
			t.Errorf("%q, %+v", got, d.List(false))
		}
		settled(time.Hour) // it goes on when the silence ends
		if got := slack.told(); len(got) != 2 || len(d.Silences()) != 0 {
			t.Errorf("%q", got)
		}
		if _, err := d.RemoveSilence(t.Context(), made.ID, alice); !errors.Is(err, alert.ErrNotFound) {
			t.Error(err)
		}
		if _, err := d.Ack(t.Context(), "abc", alice); !errors.Is(err, alert.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pager, team, soc := &double{}, &double{}, &double{}
		c := settings(spec("pager", pager), spec("team", team), spec("soc", soc))
		c.Channels[0].MinSeverity = portcullis.SeverityCritical
		c.Rules = []alert.Rule{
			{Severity: portcullis.SeverityCritical, Channels: []string{"pager"}, Continue: true},
			{Principals: []string{"user:mallory"}, Channels: []string{"soc"}},
			{Types: []portcullis.EventType{portcullis.EventSinkFailing}}, // nobody
			{Metrics: []string{"latency"}, Routes: []string{"files"}, Channels: []string{"team"}},
		}
		d := start(t, alert.Options{Open: func(e *portcullis.Event) {
			if e.Actor.Subject == "5ubject" && e.ID == "event-1" {
				e.Actor.ID = "user:mallory"
			}
		}}, c)
		defer d.stop()
		d.see(anomaly("a0", "opened", "latency", portcullis.SeverityWarn))
		d.see(anomaly("a1", "opened", "new_tool", portcullis.SeverityCritical))
		d.see(portcullis.Event{Type: portcullis.EventSinkFailing, Severity: portcullis.SeverityError, Resource: "sink:x"})
		d.see(anomaly("a3", "opened", "call_rate", portcullis.SeverityWarn)) // no rule: all that take warnings
		d.see(anomaly("a4", "opened", "off_hours", portcullis.SeverityInfo)) // too little for any
		settled(time.Minute)
		for name, want := range map[string]struct {
			d *double
			n int
		}{"pager": {pager, 1}, "team": {team, 2}, "soc": {soc, 2}} {
			if got := want.d.told(); len(got) != want.n {
				t.Errorf("%s: %q", name, got)
			}
		}
		if text := fmt.Sprint(soc.got); strings.Contains(text, "mallory") {
			t.Error("a channel that may not name persons does:", text)
		}
	})
}

// TestPersons: only channels that may are told who it was.
func TestPersons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open, closed := &double{}, &double{}
		c := settings(spec("closed", closed), spec("open", open))
		c.Channels[1].Personal = true
		d := start(t, alert.Options{Open: func(e *portcullis.Event) {
			if e.Actor.Sealed != "" {
				e.Actor = portcullis.Actor{ID: "user:mallory"}
			}
		}}, c)
		defer d.stop()
		e := anomaly("a1", "opened", "latency", portcullis.SeverityWarn)
		e.Details = append(e.Details, slog.String("by", "user:mallory"), slog.String("owner", "user:mallory"))
		d.see(e)
		plain := anomaly("a2", "opened", "call_rate", portcullis.SeverityWarn)
		plain.Actor = portcullis.Actor{ID: "user:mallory"} // a log in which nothing is sealed
		d.see(plain)
		settled(time.Minute)
		if len(open.got) != 2 || open.got[0].Subject != "user:mallory" {
			t.Errorf("%+v", open.got)
		}
		if raw, err := json.Marshal(closed.got); err != nil || len(closed.got) != 2 || strings.Contains(string(raw), "mallory") || !strings.Contains(string(raw), "sealed:5ubject") {
			t.Errorf("%s, %v", raw, err)
		}
	})
}

func TestTextsAreCleaned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slack := &double{}
		d := start(t, alert.Options{Mask: func(s string) string { return strings.ReplaceAll(s, "mcp_secret", "[masked]") }}, settings(spec("team", slack)))
		defer d.stop()
		e := anomaly("a1", "opened", "x\r\nmcp_secret\u202e"+strings.Repeat("y", 1000), portcullis.SeverityWarn)
		e.Route, e.Details = "r\x00mcp_secret", append(e.Details, slog.String("why", "mcp_secret\n\n"))
		d.see(e)
		settled(time.Minute)
		raw, err := json.Marshal(slack.got)
		if err != nil || len(slack.got) != 1 || strings.Contains(string(raw), "mcp_secret") || strings.ContainsAny(slack.got[0].Summary, "\r\n\u202e") || len(slack.got[0].Summary) > 1000 {
			t.Errorf("%s, %v", raw, err)
		}
	})
}

func TestEndsOfOtherEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slack := &double{}
		d := start(t, alert.Options{}, settings(spec("team", slack)))
		defer d.stop()
		incident := func(kind portcullis.EventType) portcullis.Event {
			return portcullis.Event{Type: kind, Severity: portcullis.SeverityCritical, Reason: "guessing", Resource: "incident:i1", Details: []slog.Attr{slog.String("dedup_key", "i1")}}
		}
		action := portcullis.Event{Type: portcullis.EventIncidentAction, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeSuccess, Details: []slog.Attr{slog.String("incident", "i1")}}
		d.see(incident(portcullis.EventIncidentOpened))
		d.see(action)
		failed := portcullis.Event{Type: portcullis.EventSecretRotationFailed, Severity: portcullis.SeverityError, Resource: "secret:wallet/x"}
		d.see(failed)
		failed.Type = portcullis.EventSecretRotationDue
		failed.Severity = portcullis.SeverityWarn
		d.see(failed)
		d.see(portcullis.Event{Type: portcullis.EventToolChanged, Severity: portcullis.SeverityError, Route: "files", Details: []slog.Attr{slog.String("tool", "read")}})
		d.see(portcullis.Event{Type: "AUDIT_LOG_DAMAGED", Severity: portcullis.SeverityCritical})
		d.see(portcullis.Event{Type: portcullis.EventCallFinished, Severity: portcullis.SeverityInfo})
		settled(time.Minute)
		if got := slack.kinds(); got != strings.TrimSpace(strings.Repeat("trigger ", 5)) {
			t.Fatalf("%q", slack.told())
		}
		d.see(incident(portcullis.EventIncidentClosed))
		d.see(action) // a release behind the end
		d.see(portcullis.Event{Type: portcullis.EventSecretRotated, Severity: portcullis.SeverityInfo, Resource: "secret:wallet/x"})
		d.see(portcullis.Event{Type: portcullis.EventToolApproved, Severity: portcullis.SeverityInfo, Route: "files", Resource: "tool:read"})
		settled(time.Minute)
		if got := strings.Count(slack.kinds(), "resolve"); got != 4 {
			t.Errorf("%d resolved: %q", got, slack.told())
		}
		settled(25 * time.Hour) // what has no end is forgotten
		if open, waiting := d.Stats(); open != 0 || waiting != 0 {
			t.Errorf("%d open, %d waiting", open, waiting)
		}
		settled(2 * time.Hour)
		if n := len(d.List(true)); n != 0 {
			t.Errorf("%d are remembered", n)
		}
	})
}

func TestTest(t *testing.T) {
	good, bad := &double{}, &double{fail: &alert.Failure{Err: errors.New("answered 403"), Said: "invalid_token"}}
	e, err := alert.New(alert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e.Use(settings(spec("bad", bad), spec("good", good)))
	got, err := e.Test(t.Context(), "")
	if err != nil || len(got) != 2 || got[0].Sent || got[0].Error != "answered 403: invalid_token" || !got[1].Sent || got[1].Code != 202 {
		t.Errorf("%+v, %v", got, err)
	}
	if m := good.got[0]; m.Kind != alert.Test || !strings.HasPrefix(m.Title(), "TEST: ") || len(e.List(true)) != 0 {
		t.Errorf("%+v", m)
	}
	if _, err := e.Test(t.Context(), "none"); !errors.Is(err, alert.ErrNotFound) {
		t.Error(err)
	}
}

func FuzzObserve(f *testing.F) {
	f.Add("ANOMALY_DETECTED", "a1", "opened", "latency", "files", 3.5)
	f.Add("ANOMALY_DETECTED", "a2", "opened", "", "files", math.Inf(1))
	f.Add("SINK_FAILING", "", "closed", "x\r\n", "", -1.0)
	f.Fuzz(func(t *testing.T, kind, id, state, metric, route string, value float64) {
		e, err := alert.New(alert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		e.Use(settings(spec("team", &double{})))
		ev := anomaly(id, state, metric, portcullis.SeverityWarn)
		ev.Type, ev.Route = portcullis.EventType(kind), route
		ev.Details = append([]slog.Attr{slog.Float64("z", value), slog.Float64("value", value), slog.Float64("sd", value)}, ev.Details...)
		e.Observe(0, &ev)
		raw, _, err := e.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		again, err := alert.New(alert.Options{State: raw})
		if err != nil || len(again.List(true)) != len(e.List(true)) || len(e.List(true)) > 1 {
			t.Fatalf("%v: %s", err, raw)
		}
		if strings.HasPrefix(kind, "ALERT_") && len(e.List(true)) != 0 {
			t.Fatal("an alert about an alert")
		}
	})
}

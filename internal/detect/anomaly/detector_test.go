package anomaly

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/sample"
)

// monday is the first hour of a Monday.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// world plays calls to a detector.
type world struct {
	t   testing.TB
	d   *Detector
	rng *rand.Rand
	got []Anomaly
}

func newWorld(t testing.TB, cfg Config) *world {
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, d: New(cfg), rng: rand.New(rand.NewPCG(21, 22))}
}

func at(day, hour int) time.Time { return monday.Add(time.Duration(day*24+hour) * time.Hour) }

func (w *world) play(s Sample) {
	w.got = append(w.got, w.d.Observe(&s)...)
}

func call(who string, when time.Time) Sample {
	return Sample{
		At: when.UnixMilli(), Principal: who, Key: "k-" + who, Route: "r", Tool: "echo", Address: netip.MustParseAddr("192.0.2.7"), Country: "DE",
		Proven: true, Served: true, Micros: 50_000, Bytes: 2_000,
	}
}

// habit lets callers work from 9 to 17 h on working days.
func (w *world) habit(days int, callers ...string) {
	for day := range days {
		for hour := 9; hour < 17 && day%7 < 5; hour++ {
			for i := range 20 {
				for _, who := range callers {
					w.play(call(who, at(day, hour).Add(time.Duration(i*170)*time.Second)))
				}
			}
		}
	}
}

func (w *world) opened() []Anomaly {
	var out []Anomaly
	for _, a := range w.got {
		if a.State == Opened {
			out = append(out, a)
		}
	}
	return out
}

func TestUsualDaysAreQuiet(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(21, "ann", "bob", "cid")
	if got := w.opened(); len(got) > 0 {
		t.Errorf("three quiet weeks made %d incidents, first %+v", len(got), got[0])
	}
}

func TestTenTimesAsMany(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(14, "ann", "bob")
	for i := range 200 {
		w.play(call("ann", at(14, 10).Add(time.Duration(i)*15*time.Second)))
	}
	got := w.opened()
	if len(got) != 1 {
		t.Fatalf("%d incidents, want one: %+v", len(got), got)
	}
	a := got[0]
	if a.Kind != "principal" || a.Subject != "ann" || a.Metric != "call_rate" || a.Z <= 3 || a.Baseline != "hour_of_day" || a.Samples < 24 {
		t.Errorf("%+v", a)
	}
	if a.Mean < 15 || a.Mean > 25 || a.SD <= 0 || a.Value <= a.Mean+3*a.SD/2 {
		t.Errorf("value %g, mean %g ± %g: cannot be explained", a.Value, a.Mean, a.SD)
	}
	last := w.got[len(w.got)-1]
	if last.Severity != portcullis.SeverityCritical || last.ID != a.ID {
		t.Errorf("it did not become critical as it grew: %+v", last)
	}
	if len(w.got) > 6 {
		t.Errorf("one incident was told %d times", len(w.got))
	}
	w.got = nil
	w.play(call("bob", at(14, 15)))
	if end := w.got[len(w.got)-1]; end.State != Closed || end.ID != a.ID {
		t.Errorf("its end: %+v", w.got)
	}
}

func TestOneAddressIsNotOneCaller(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(14, "ann", "bob")
	for i := range 200 {
		w.play(call("ann", at(14, 10).Add(time.Duration(i)*15*time.Second)))
	}
	for i := range 200 {
		w.play(call("bob", at(14, 11).Add(time.Duration(i)*15*time.Second)))
	}
	subjects := map[string]bool{}
	for _, a := range w.opened() {
		subjects[a.Subject] = true
	}
	if !subjects["ann"] || !subjects["bob"] {
		t.Errorf("two callers behind one address are one incident: %v", subjects)
	}
}

func TestStrangersAreCountedForTheirAddressOnly(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(14, "ann")
	before := w.d.Stats().Subjects
	for i := range 500 {
		w.play(Sample{At: at(14, 3).Add(time.Duration(i) * time.Second).UnixMilli(), Principal: fmt.Sprint("ann", i), Key: fmt.Sprint(i), Tool: fmt.Sprint(i), Route: "r", Denied: true, Address: netip.MustParseAddr("203.0.113.5")})
	}
	after := w.d.Stats().Subjects
	if after[Principal] != before[Principal] || after[Key] != before[Key] || after[Tool] != before[Tool] {
		t.Errorf("strangers made subjects: %v, before %v", after, before)
	}
	got := w.opened()
	if !slices.ContainsFunc(got, func(a Anomaly) bool {
		return a.Kind == "address" && a.Subject == "203.0.113.5" && a.Pattern == "SCANNING"
	}) {
		t.Errorf("the address that guesses was not told: %+v", got)
	}
}

func TestAddressesOfOneNetworkAreOne(t *testing.T) {
	w := newWorld(t, Default())
	for i := range 300 {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 8: byte(i), 15: byte(i >> 4)})
		w.play(Sample{At: at(0, 3).Add(time.Duration(i) * time.Second).UnixMilli(), Route: "r", Denied: true, Address: a})
	}
	if n := w.d.Stats().Subjects[Address]; n != 1 {
		t.Errorf("%d subjects of one /64", n)
	}
}

func TestRapidRequests(t *testing.T) {
	w := newWorld(t, Default())
	for i := range 1000 {
		w.play(call("new", at(0, 10).Add(time.Duration(i)*20*time.Millisecond)))
	}
	got := w.opened()
	if len(got) != 1 || got[0].Pattern != "RAPID_REQUESTS" || got[0].Subject != "new" || got[0].Least != 300 {
		t.Fatalf("%+v", got)
	}
	if last := w.got[len(w.got)-1]; last.Severity != portcullis.SeverityCritical {
		t.Errorf("three times the bound is not critical: %+v", last)
	}
}

// TestBothPatternsAreTold: risk adds them up, so the second is told although it
// joins the incident of the first; and what goes on is told again, or who was
// held back for a while would be free behind it.
func TestBothPatternsAreTold(t *testing.T) {
	w := newWorld(t, Default())
	burst := func(from time.Time) map[string]int {
		w.got = nil
		for i := range 1000 {
			s := call("eve", from.Add(time.Duration(i)*20*time.Millisecond))
			s.Tool = fmt.Sprint("tool_", i%60)
			w.play(s)
		}
		told := map[string]int{}
		for _, a := range w.got {
			told[a.Pattern]++
		}
		return told
	}
	if told := burst(at(0, 10)); told["RAPID_REQUESTS"] == 0 || told["SCANNING"] == 0 || len(w.got) > 4 {
		t.Errorf("told %v", told)
	}
	if told := burst(at(0, 10).Add(5 * time.Minute)); len(told) != 0 {
		t.Errorf("told again too soon: %v", told)
	}
	if told := burst(at(0, 10).Add(31 * time.Minute)); told["RAPID_REQUESTS"] != 1 || told["SCANNING"] != 1 {
		t.Errorf("what goes on half an hour later: %v", told)
	}
}

func TestScanning(t *testing.T) {
	w := newWorld(t, Default())
	for i := range 40 {
		s := call("eve", at(0, 10).Add(time.Duration(i)*time.Second))
		s.Tool = fmt.Sprint("tool_", i)
		w.play(s)
	}
	if got := w.opened(); len(got) != 1 || got[0].Pattern != "SCANNING" || got[0].Metric != "scanning" {
		t.Errorf("%+v", got)
	}
}

func TestExcluded(t *testing.T) {
	cfg := Default()
	cfg.Exclude = []string{"robot"}
	w := newWorld(t, cfg)
	for i := range 1000 {
		w.play(call("robot", at(0, 10).Add(time.Duration(i)*20*time.Millisecond)))
	}
	if len(w.got) != 0 || w.d.Stats().Subjects[Principal] != 0 {
		t.Errorf("an excluded caller was judged: %+v", w.got)
	}
}

func TestNewCountry(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(28, "ann", "bob", "cid", "dan", "eva", "fay")
	s := call("ann", at(28, 9))
	s.Country = "KP"
	w.play(s)
	if got := w.opened(); len(got) != 1 || got[0].Metric != "new_country" || got[0].Z < 3 {
		t.Errorf("%+v", got)
	}
	w.play(s)
	if got := w.opened(); len(got) != 1 {
		t.Errorf("told twice: %+v", got)
	}
}

func TestOffHours(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(15, "ann", "bob")
	for i := range 40 {
		w.play(call("ann", at(15, 2).Add(time.Duration(i)*time.Minute)))
	}
	got := w.opened()
	if len(got) != 1 || got[0].Subject != "ann" {
		t.Errorf("%+v", got)
	}
}

func TestClock(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(3, "ann")
	w.play(call("ann", at(4000, 0))) // one event of a clock gone wild
	for i := range 40 {
		w.play(call("ann", at(3, 9).Add(time.Duration(i)*time.Minute)))
	}
	if now := w.d.Now(); now.After(at(4, 0)) {
		t.Errorf("after a wild event and 40 sane ones it is %v", now)
	}
	if late := w.d.Stats().Late; late == 0 || late > astray {
		t.Errorf("%d events were left out", late)
	}
	w.habit(10, "ann") // and from the beginning again: nothing may panic
}

func TestOutOfOrderIsTheSame(t *testing.T) {
	counts := func(swap bool) View {
		w := newWorld(t, Default())
		for i := range 400 {
			s := call("ann", at(0, 9).Add(time.Duration(i/2*2)*time.Minute))
			if swap && i%2 == 1 {
				s.At -= 30_000
			}
			w.play(s)
		}
		return w.d.Subjects("ann")[0]
	}
	a, b := counts(false), counts(true)
	if a.Metrics[0].Samples != b.Metrics[0].Samples {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestEvictsTheLeastRecentlySeen(t *testing.T) {
	cfg := Default()
	cfg.MaxSubjects = 100
	w := newWorld(t, cfg)
	w.play(call("old", at(0, 0)))
	for i := range 99 {
		w.play(call(fmt.Sprint("p", i), at(0, 1)))
	}
	w.play(call("old", at(0, 2)))
	w.play(call("new", at(0, 2)))
	if len(w.d.Subjects("old")) != 1 || len(w.d.Subjects("p0")) != 0 || w.d.Stats().Subjects[Principal] != 100 {
		t.Errorf("%+v", w.d.Stats())
	}
}

func TestReplayIsTheSame(t *testing.T) {
	run := func() []Anomaly {
		w := newWorld(t, Default())
		w.habit(14, "ann", "bob")
		for i := range 300 {
			w.play(call("ann", at(14, 10).Add(time.Duration(i)*10*time.Second)))
		}
		w.play(call("bob", at(16, 10)))
		return w.got
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) || len(a) == 0 {
		t.Errorf("two replays differ:\n%+v\n%+v", a, b)
	}
}

func TestEventTellsWhy(t *testing.T) {
	a := Anomaly{
		ID: "1", State: Opened, Kind: "principal", Subject: "ann", Metric: "call_rate", Severity: portcullis.SeverityWarn,
		Value: 120, Mean: 20, SD: 5, Z: 20, Window: time.Hour, Address: "2001:db8::/64", Principal: "ann", Tool: "echo", Also: []string{"key k", "address 192.0.2.7", "tool echo"}, Pattern: "SCANNING",
	}
	e := a.Event()
	has := map[string]string{}
	for _, d := range e.Details {
		has[d.Key] = d.Value.String()
	}
	for k, want := range map[string]string{"metric": "call_rate", "value": "120", "mean": "20", "sd": "5", "z": "20", "window": "1h0m0s", "subject_kind": "principal", "subject": "", "also": "[tool echo]", "also_callers": "2", "pattern": "SCANNING", "state": "opened"} {
		if has[k] != want {
			t.Errorf("%s = %q, want %q", k, has[k], want)
		}
	}
	if text := string(auditlog.AppendEntry(nil, &portcullis.Event{Details: e.Details})); strings.Contains(text, "ann") || strings.Contains(text, "192.0.2.7") || strings.Contains(text, "2001:db8") {
		t.Errorf("details name a person, where nothing is sealed: %s", text)
	}
	if e.Type != portcullis.EventAnomalyDetected || e.Resource != "tool:echo" || e.Actor.IP.String() != "2001:db8::" || !e.Security() {
		t.Errorf("%+v", e)
	}
	if _, ok := sample.FromEvent(e); ok {
		t.Error("detection listens to itself")
	}
}

func TestValidateRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"warm_up":      func(c *Config) { c.WarmUp = -1 },
		"min_samples":  func(c *Config) { c.MinSamples = 1 },
		"z_warning":    func(c *Config) { c.ZWarning = 0 },
		"z_critical":   func(c *Config) { c.ZCritical = 2 },
		"false alarms": func(c *Config) { c.FalseAlarms = -1 },
		"floor":        func(c *Config) { c.Floors.Rate = 0 },
		"quiet":        func(c *Config) { c.Quiet = 0 },
		"adopt":        func(c *Config) { c.AdoptAfter = 0 },
		"hours":        func(c *Config) { c.Hours.To = c.Hours.From },
		"subjects":     func(c *Config) { c.MaxSubjects = 1 },
		"patterns":     func(c *Config) { c.Patterns.RapidWindow = 0 },
	} {
		c := Default()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

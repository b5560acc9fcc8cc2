package response

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
)

// world stands for the books and the journal.
type world struct {
	incidents map[string]int
	active    []containment.Containment
	auto      int
	spared    map[string]bool
	fail      error
	events    []portcullis.Event
}

func newWorld() *world { return &world{incidents: map[string]int{}, spared: map[string]bool{}} }

func (w *world) Notice(_ context.Context, i casebook.Incident, _ ...slog.Attr) (casebook.Incident, bool, error) {
	w.incidents[i.Key]++
	i.ID = "i-" + i.Key
	return i, w.incidents[i.Key] == 1, nil
}

func (w *world) Contain(_ context.Context, c containment.Containment, _ portcullis.Actor) (containment.Containment, error) {
	if w.fail != nil {
		return c, w.fail
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	w.active, w.auto = append(w.active, c), w.auto+1
	return c, nil
}

func (w *world) Active() []containment.Containment { return w.active }

func (w *world) AutoSince(context.Context, time.Time) (int, error) { return w.auto, nil }

func (w *world) Spared(s containment.Subject) bool { return w.spared[s.String()] }

func (w *world) Record(_ context.Context, e *portcullis.Event) error {
	w.events = append(w.events, *e)
	return nil
}

func (w *world) contained() string {
	var out []string
	for _, c := range w.active {
		out = append(out, fmt.Sprintf("%s %s %s", c.Measure, c.Subject, c.Until.Sub(c.At)))
	}
	return strings.Join(out, ", ")
}

func (w *world) told() string {
	var out []string
	for _, e := range w.events {
		who := e.Actor.ID
		if e.Actor.IP.IsValid() {
			who = "ip:" + e.Actor.IP.String()
		}
		out = append(out, who+" "+e.Reason)
	}
	return strings.Join(out, ", ")
}

func address(t *testing.T, text string) containment.Subject {
	t.Helper()
	s, err := containment.ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatRulesDo(t *testing.T) {
	block := Rule{Name: "b", Score: 80, On: OnAny, Actions: []Action{Alert, Block}, For: time.Hour, PerHour: 60}
	with := func(change func(*Rule)) []Rule {
		r := block
		change(&r)
		return []Rule{r}
	}
	for _, c := range []struct {
		name      string
		rules     []Rule
		subject   string
		score     int
		tool      string
		incidents int
		contained string
		told      string
	}{
		{"above", []Rule{block}, "ip:203.0.113.9", 85, "", 1, "block ip:203.0.113.9 1h0m0s", ""},
		{"not above", []Rule{block}, "ip:203.0.113.9", 80, "", 0, "", ""},
		{"no rules", nil, "ip:203.0.113.9", 100, "", 0, "", ""},
		{"alert only", with(func(r *Rule) { r.Actions = []Action{Alert} }), "user:bob", 85, "", 1, "", ""},
		{"no action at all", with(func(r *Rule) { r.Actions = nil }), "user:bob", 85, "", 1, "", ""},
		{"about addresses", with(func(r *Rule) { r.On = OnAddress }), "user:bob", 85, "", 0, "", ""},
		{"about principals", with(func(r *Rule) { r.On = OnPrincipal }), "user:bob", 85, "", 1, "block user:bob 1h0m0s", ""},
		{"throttle", with(func(r *Rule) { r.Actions = []Action{Throttle} }), "user:bob", 85, "", 1, "throttle user:bob 1h0m0s", ""},
		{"step-up", with(func(r *Rule) { r.Actions = []Action{StepUp} }), "user:bob", 85, "", 1, "step_up user:bob 1h0m0s", ""},
		{"step-up of an address", with(func(r *Rule) { r.Actions = []Action{StepUp} }), "ip:203.0.113.9", 85, "", 1, "", ""},
		{"tool", with(func(r *Rule) { r.Actions = []Action{Quarantine} }), "user:bob", 85, "wipe", 1, "block tool:files/wipe 1h0m0s", ""},
		{"no tool", with(func(r *Rule) { r.Actions = []Action{Quarantine} }), "user:bob", 85, "", 1, "", ""},
		{"dry run", with(func(r *Rule) { r.DryRun = true }), "user:bob", 85, "", 1, "", "user:bob dry_run"},
		{"never a principal", []Rule{block}, "user:alice", 100, "", 1, "", "user:alice never"},
		{"never an address", []Rule{block}, "ip:10.1.2.3", 100, "", 1, "", "ip:10.1.2.3 never"},
		{"never a network with one in it", []Rule{block}, "ip:2001:db8::/64", 100, "", 1, "", "ip:2001:db8:: never"},
		{"two rules", []Rule{block, {Name: "c", Score: 50, On: OnAny, Actions: []Action{Throttle}, For: time.Minute, PerHour: 1}}, "user:bob", 85, "", 2, "block user:bob 1h0m0s, throttle user:bob 1m0s", ""},
		{"a person let go", []Rule{block}, "user:spared", 85, "", 1, "", "user:spared released"},
	} {
		w := newWorld()
		w.spared["user:spared"] = true
		e := New(w, w, w, nil)
		e.Use(Config{Rules: c.rules, MaxPerHour: 9, Never: Never{
			Principals: map[string]bool{"user:alice": true}, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::7/128")},
		}})
		f := Finding{Subject: address(t, c.subject), Score: c.score, Route: "files", Tool: c.tool}
		for range 3 { // once is enough
			if err := e.Respond(t.Context(), f); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if len(w.incidents) != c.incidents || w.contained() != c.contained || w.told() != c.told {
			t.Errorf("%s: %d incidents, contained %q, told %q; want %d, %q, %q", c.name, len(w.incidents), w.contained(), w.told(), c.incidents, c.contained, c.told)
		}
		for _, x := range w.active {
			if !x.Auto || x.Incident == "" || !strings.Contains(x.Reason, "rule") {
				t.Errorf("%s: %+v", c.name, x)
			}
		}
	}
}

// TestAnAttackerLocksOutOnlySoMany: behind the cap incidents are opened and
// nobody is contained, which is critical and told once for each.
func TestAnAttackerLocksOutOnlySoMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := New(w, w, w, nil)
		e.Use(Config{MaxPerHour: 5, Rules: []Rule{{Name: "b", Score: 80, On: OnAny, Actions: []Action{Block}, For: time.Hour}}})
		for range 3 {
			for i := range 20 {
				if err := e.Respond(t.Context(), Finding{Subject: address(t, fmt.Sprint("user:", i)), Score: 90}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(w.active) != 5 || len(w.incidents) != 20 || len(w.events) != 15 {
			t.Errorf("%d contained, %d incidents, told %d times", len(w.active), len(w.incidents), len(w.events))
		}
		for _, ev := range w.events {
			if ev.Type != portcullis.EventIncidentAction || ev.Outcome != portcullis.OutcomeFailure || ev.Severity != portcullis.SeverityCritical || ev.Reason != "limit" || ev.RiskScore != 90 {
				t.Errorf("%+v", ev)
			}
		}
	})
}

func TestItActsAgainWhenItsDeedIsOver(t *testing.T) {
	w := newWorld()
	e := New(w, w, w, nil)
	e.Use(Config{MaxPerHour: 5, Rules: []Rule{{Name: "b", Score: 80, On: OnAny, Actions: []Action{Block}, For: time.Hour}}})
	f := Finding{Subject: address(t, "user:bob"), Score: 90}
	for range 2 {
		if err := e.Respond(t.Context(), f); err != nil || len(w.active) != 1 {
			t.Fatal(w.contained(), err)
		}
		w.active = nil
	}
	if w.auto != 2 {
		t.Errorf("%d containments", w.auto)
	}
}

func TestWhatFailsIsTold(t *testing.T) {
	w := newWorld()
	w.fail = errors.New("database gone")
	e := New(w, w, w, nil)
	e.Use(Config{MaxPerHour: 5, Rules: []Rule{{Name: "b", Score: 80, On: OnAny, Actions: []Action{Block}, For: time.Hour}}})
	if err := e.Respond(t.Context(), Finding{Subject: address(t, "user:bob"), Score: 90}); !errors.Is(err, w.fail) || w.told() != "user:bob failed" {
		t.Errorf("%v, told %q", err, w.told())
	}
}

package taint_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/metatool"
	"github.com/portcullis-dev/portcullis/internal/authz/taint"
)

// memory is a store that can be made to fail, and a recorder.
type memory struct {
	mu     sync.Mutex
	marks  map[string]map[taint.Label]taint.Mark
	fail   bool
	writes int
	events []portcullis.Event
}

var errDown = errors.New("store is down")

func newMemory() *memory { return &memory{marks: map[string]map[taint.Label]taint.Mark{}} }

func (m *memory) down() error {
	if m.fail {
		return errDown
	}
	return nil
}

func (m *memory) Taints(_ context.Context, principal string, now time.Time) ([]taint.Mark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []taint.Mark
	for _, mark := range m.marks[principal] {
		if mark.Live(now) {
			out = append(out, mark)
		}
	}
	return out, m.down()
}

func (m *memory) SaveTaint(_ context.Context, mark taint.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errDown
	}
	m.writes++
	if m.marks[mark.Principal] == nil {
		m.marks[mark.Principal] = map[taint.Label]taint.Mark{}
	}
	m.marks[mark.Principal][mark.Label] = mark
	return nil
}

func (m *memory) DropTaints(_ context.Context, principal string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errDown
	}
	delete(m.marks, principal)
	return nil
}

func (m *memory) ListTaints(_ context.Context, now time.Time, _ int) (out []taint.Mark, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, of := range m.marks {
		for _, mark := range of {
			if mark.Live(now) {
				out = append(out, mark)
			}
		}
	}
	return out, m.down()
}

func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errDown
	}
	m.events = append(m.events, *e)
	return nil
}

// clock is a time that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func config(rule taint.Rule, action taint.Action) taint.Config {
	return taint.Config{
		Confidential: []string{"read_*", "file:///hr/*"}, Untrusted: []string{"fetch_*", "both_*"}, Outbound: []string{"send_*", "https://*"},
		Rule: rule, Action: action, Window: time.Hour,
	}
}

func guard(t interface {
	Helper()
	Fatal(...any)
}, l *taint.Ledger, route string, c taint.Config) *taint.Guard {
	t.Helper()
	g, err := taint.NewGuard(l, route, c, []metatool.Tool{{Tool: "call_tool", Name: "/name"}}, held{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// held stands for approvals: nobody agrees.
type held struct{}

var errHeld = errors.New("waits for a word")

func (held) Name() string { return "approval" }

func (held) Inspect(context.Context, portcullis.Principal, *portcullis.Message) (*portcullis.Message, error) {
	return nil, errHeld
}

func caller(id string) portcullis.Principal { return portcullis.Principal{ID: id} }

func callOf(name string) *portcullis.Message {
	m := &portcullis.Message{Shape: portcullis.ShapeRequest, Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name}}
	if strings.Contains(name, "://") {
		m.Method, m.Target.Kind = "resources/read", portcullis.TargetResource
	}
	return m
}

func result() *portcullis.Message {
	return &portcullis.Message{Direction: portcullis.ToClient, Shape: portcullis.ShapeResult}
}

func refused(t *testing.T, err error) *portcullis.Error {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindForbidden || e.Reason != "tainted" {
		t.Fatalf("err = %v, want a refusal as tainted", err)
	}
	return e
}

func TestRules(t *testing.T) {
	for _, row := range []struct {
		rule taint.Rule
		read []string
		use  string
		want bool // refused
	}{
		{taint.RuleConfidential, nil, "send_mail", false},
		{taint.RuleConfidential, []string{"fetch_page"}, "send_mail", false},
		{taint.RuleConfidential, []string{"list_files"}, "send_mail", false},
		{taint.RuleConfidential, []string{"read_file"}, "send_mail", true},
		{taint.RuleConfidential, []string{"file:///hr/pay"}, "send_mail", true},
		{taint.RuleConfidential, []string{"read_file"}, "https://example.com/?q=1", true},
		{taint.RuleConfidential, []string{"read_file"}, "read_file", false},
		{taint.RuleTrifecta, []string{"read_file"}, "send_mail", false},
		{taint.RuleTrifecta, []string{"fetch_page"}, "send_mail", false},
		{taint.RuleTrifecta, []string{"fetch_page", "read_file"}, "send_mail", true},
		{taint.RuleTrifecta, []string{"read_file", "fetch_page"}, "fetch_page", false},
	} {
		g := guard(t, taint.NewLedger(newMemory(), newMemory(), 0, newClock().read), "files", config(row.rule, taint.Block))
		for _, name := range row.read {
			if err := g.Deliver(t.Context(), caller("alice"), callOf(name), result()); err != nil {
				t.Fatal(err)
			}
		}
		_, err := g.Inspect(t.Context(), caller("alice"), callOf(row.use))
		if (err != nil) != row.want {
			t.Errorf("%s after %v: %s refused = %v", row.rule, row.read, row.use, err)
		}
		if _, err := g.Inspect(t.Context(), caller("bob"), callOf(row.use)); err != nil {
			t.Errorf("another caller is refused %s: %v", row.use, err)
		}
	}
}

func TestRefusalTellsTheLogAndNotTheCaller(t *testing.T) {
	l := taint.NewLedger(newMemory(), newMemory(), 0, newClock().read)
	files, mail := guard(t, l, "files", config(taint.RuleConfidential, taint.Block)), guard(t, l, "mail", config(taint.RuleConfidential, taint.Block))
	if err := files.Deliver(t.Context(), caller("alice"), callOf("read_s3cret"), result()); err != nil {
		t.Fatal(err)
	}
	_, err := mail.Inspect(t.Context(), caller("alice"), callOf("send_mail"))
	e := refused(t, err)
	facts := fmt.Sprint(e.Facts)
	if e.Event != portcullis.EventAuthzDenied || !strings.Contains(facts, "confidential") || !strings.Contains(facts, "files") {
		t.Errorf("event %s, facts %s", e.Event, facts)
	}
	if strings.Contains(facts+e.Public+e.Detail, "s3cret") || strings.Contains(e.Public, "files") || len(e.Data) > 0 {
		t.Errorf("the refusal tells too much: %q %q %s", e.Public, e.Detail, facts)
	}
}

func TestWhatMarks(t *testing.T) {
	message := func(shape portcullis.Shape, method string) *portcullis.Message {
		return &portcullis.Message{Direction: portcullis.ToClient, Shape: shape, Method: method}
	}
	stream := &portcullis.Message{Shape: portcullis.ShapeStream}
	listen := &portcullis.Message{Shape: portcullis.ShapeRequest, Method: "subscriptions/listen"}
	task := &portcullis.Message{Shape: portcullis.ShapeRequest, Method: "tasks/result", TaskID: "t1"}
	list := &portcullis.Message{Shape: portcullis.ShapeRequest, Method: "tools/list"}
	all := []taint.Label{taint.Confidential, taint.Untrusted}
	for name, row := range map[string]struct {
		call, reply *portcullis.Message
		want        []taint.Label
	}{
		"result":                    {callOf("read_a"), result(), all[:1]},
		"stream begins":             {callOf("read_a"), nil, all[:1]},
		"progress on the way":       {callOf("fetch_a"), message(portcullis.ShapeNotification, "notifications/progress"), all[1:]},
		"error of a reader":         {callOf("read_a"), message(portcullis.ShapeError, ""), nil},
		"error of the untrusted":    {callOf("fetch_a"), message(portcullis.ShapeError, ""), all[1:]},
		"unlabelled":                {callOf("other"), result(), nil},
		"outbound":                  {callOf("send_a"), result(), nil},
		"list":                      {list, result(), nil},
		"list as a stream":          {list, nil, nil},
		"task":                      {task, result(), all},
		"stream opened":             {stream, nil, nil},
		"result resumed for":        {stream, result(), all},
		"request of the server":     {stream, message(portcullis.ShapeRequest, "sampling/createMessage"), all},
		"log message":               {stream, message(portcullis.ShapeNotification, "notifications/message"), all},
		"list changed":              {stream, message(portcullis.ShapeNotification, "notifications/tools/list_changed"), nil},
		"resource updated":          {listen, message(portcullis.ShapeNotification, "notifications/resources/updated"), nil},
		"log message to a listener": {listen, message(portcullis.ShapeNotification, "notifications/message"), all},
	} {
		l := taint.NewLedger(newMemory(), newMemory(), 0, newClock().read)
		g := guard(t, l, "files", config(taint.RuleConfidential, taint.Block))
		if err := g.Deliver(t.Context(), caller("alice"), row.call, row.reply); err != nil {
			t.Fatal(err)
		}
		b, err := l.Of(t.Context(), "alice")
		var got []taint.Label
		for _, m := range []taint.Mark{b.Confidential, b.Untrusted} {
			if m.Label != 0 {
				got = append(got, m.Label)
			}
		}
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%s marks %v, want %v (%v)", name, got, row.want, err)
		}
	}
}

func TestToolsInsideTools(t *testing.T) {
	inside := func(name string) *portcullis.Message {
		m := callOf("call_tool")
		m.Arguments = []byte(`{"name":"` + name + `"}`)
		return m
	}
	g := guard(t, taint.NewLedger(newMemory(), newMemory(), 0, newClock().read), "files", config(taint.RuleConfidential, taint.Block))
	if err := g.Deliver(t.Context(), caller("alice"), inside("list_files"), result()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Inspect(t.Context(), caller("alice"), inside("send_mail")); err != nil {
		t.Fatalf("an unmarked caller: %v", err)
	}
	if err := g.Deliver(t.Context(), caller("alice"), inside("read_file"), result()); err != nil {
		t.Fatal(err)
	}
	_, err := g.Inspect(t.Context(), caller("alice"), inside("send_mail"))
	refused(t, err)
	if _, err := g.Inspect(t.Context(), caller("alice"), inside("list_files")); err != nil {
		t.Error(err)
	}
}

func TestActions(t *testing.T) {
	l := taint.NewLedger(newMemory(), newMemory(), 0, newClock().read)
	alert, approve := guard(t, l, "a", config(taint.RuleConfidential, taint.Alert)), guard(t, l, "b", config(taint.RuleConfidential, taint.Approve))
	if m, err := approve.Inspect(t.Context(), caller("alice"), callOf("send_mail")); err != nil || len(m.Notes) > 0 {
		t.Fatalf("an unmarked caller: %v", err)
	}
	if err := alert.Deliver(t.Context(), caller("alice"), callOf("read_a"), result()); err != nil {
		t.Fatal(err)
	}
	m, err := alert.Inspect(t.Context(), caller("alice"), callOf("send_mail"))
	if err != nil || len(m.Notes) != 1 || m.Notes[0].Reason != "tainted" || m.Notes[0].Type != portcullis.EventContentFlagged {
		t.Errorf("alert: %v", err)
	}
	if _, err := approve.Inspect(t.Context(), caller("alice"), callOf("send_mail")); !errors.Is(err, errHeld) {
		t.Errorf("approve: %v, want the approver's word", err)
	}
	_, err = approve.Inspect(t.Context(), caller("alice"), callOf("https://example.com/")) // people approve tools only
	refused(t, err)
	if _, err := taint.NewGuard(l, "c", config(taint.RuleConfidential, taint.Approve), nil, nil); err == nil {
		t.Error("approve without an approver")
	}
}

func TestStoreDownRefuses(t *testing.T) {
	store := newMemory()
	l := taint.NewLedger(store, store, 0, newClock().read)
	g := guard(t, l, "files", config(taint.RuleConfidential, taint.Block))
	store.fail = true
	var e *portcullis.Error
	if _, err := g.Inspect(t.Context(), caller("alice"), callOf("send_mail")); !errors.As(err, &e) || e.Kind != portcullis.KindUnavailable {
		t.Errorf("an unknown caller, store down: %v", err)
	}
	if err := g.Deliver(t.Context(), caller("alice"), callOf("read_a"), result()); !errors.As(err, &e) || e.Kind != portcullis.KindUnavailable {
		t.Errorf("a reply that cannot mark: %v", err)
	}
	store.fail = false
	if _, err := g.Inspect(t.Context(), caller("alice"), callOf("send_mail")); err != nil {
		t.Errorf("a caller who got nothing: %v", err)
	}
	if err := g.Deliver(t.Context(), caller("alice"), callOf("read_a"), result()); err != nil {
		t.Fatal(err)
	}
	store.fail = true
	_, err := g.Inspect(t.Context(), caller("alice"), callOf("send_mail"))
	refused(t, err)
	if _, err := l.Lift(t.Context(), "alice", "", portcullis.Actor{ID: "op"}); err == nil {
		t.Error("lifted without a record")
	}
	_, err = g.Inspect(t.Context(), caller("alice"), callOf("send_mail"))
	refused(t, err)
}

func TestLift(t *testing.T) {
	store := newMemory()
	l := taint.NewLedger(store, store, 0, newClock().read)
	g := guard(t, l, "files", config(taint.RuleConfidential, taint.Block))
	if got, err := l.Lift(t.Context(), "alice", "", portcullis.Actor{ID: "op"}); err != nil || got != nil || len(store.events) > 0 {
		t.Errorf("lifting nothing = %v, %v", got, err)
	}
	for _, name := range []string{"read_a", "fetch_a"} {
		if err := g.Deliver(t.Context(), caller("alice"), callOf(name), result()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.Lift(t.Context(), "alice", "ticket", portcullis.Actor{ID: "op"})
	if err != nil || len(got) != 2 || len(store.events) != 1 || store.events[0].Type != portcullis.EventTaintLifted || store.events[0].Actor.ID != "op" {
		t.Fatalf("Lift = %v, %v, events %v", got, err, store.events)
	}
	if _, err := g.Inspect(t.Context(), caller("alice"), callOf("send_mail")); err != nil {
		t.Errorf("after the lift: %v", err)
	}
	if err := g.Deliver(t.Context(), caller("alice"), callOf("read_a"), result()); err != nil {
		t.Fatal(err)
	}
	_, err = g.Inspect(t.Context(), caller("alice"), callOf("send_mail"))
	refused(t, err)
}

func TestFewWrites(t *testing.T) {
	store, c := newMemory(), newClock()
	g := guard(t, taint.NewLedger(store, store, 0, c.read), "files", config(taint.RuleConfidential, taint.Block))
	for range 3600 { // an hour of reading, once a second
		if err := g.Deliver(t.Context(), caller("alice"), callOf("read_a"), result()); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Second)
	}
	if store.writes > 11 {
		t.Errorf("%d writes in one window, want at most 11", store.writes)
	}
}

// TestNeverForgottenInTheWindow drives ledgers with random readers, times,
// restarts and failures, against a model that knows who was sent what when.
func TestNeverForgottenInTheWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store, c := newMemory(), newClock()
		rule := rapid.SampledFrom([]taint.Rule{taint.RuleConfidential, taint.RuleTrifecta}).Draw(rt, "rule")
		var guards map[string]*taint.Guard
		windows := map[string]time.Duration{"a": time.Hour, "b": 10 * time.Minute}
		start := func() { // with room for so few callers that entries are dropped
			l := taint.NewLedger(store, store, 1, c.read)
			guards = map[string]*taint.Guard{}
			for route, w := range windows {
				cfg := config(rule, taint.Block)
				cfg.Window = w
				guards[route] = guard(rt, l, route, cfg)
			}
		}
		start()
		type key struct {
			who   string
			label taint.Label
		}
		must, may := map[key]time.Time{}, map[key]time.Time{} // until when it must count, and may
		whos := rapid.Custom(func(rt *rapid.T) string { return fmt.Sprint("caller", rapid.IntRange(0, 200).Draw(rt, "n")) })
		few := rapid.OneOf(rapid.SampledFrom([]string{"alice", "bob"}), whos)
		routes := rapid.SampledFrom([]string{"a", "b"})
		rt.Repeat(map[string]func(*rapid.T){
			"read": func(rt *rapid.T) {
				who, route, name := few.Draw(rt, "who"), routes.Draw(rt, "route"), rapid.SampledFrom([]string{"read_a", "fetch_a", "other"}).Draw(rt, "tool")
				var reply *portcullis.Message
				if rapid.Bool().Draw(rt, "whole") {
					reply = result()
				}
				if err := guards[route].Deliver(t.Context(), caller(who), callOf(name), reply); err != nil {
					if !store.fail {
						rt.Fatal(err)
					}
					return // nothing was sent
				}
				k := key{who, map[string]taint.Label{"read_a": taint.Confidential, "fetch_a": taint.Untrusted}[name]}
				if k.label == 0 {
					return
				}
				if end := c.read().Add(windows[route]); end.After(must[k]) {
					must[k] = end
				}
				if end := c.read().Add(windows[route] * 11 / 10); end.After(may[k]) {
					may[k] = end
				}
			},
			"send": func(rt *rapid.T) {
				who, now := few.Draw(rt, "who"), c.read()
				_, err := guards[routes.Draw(rt, "route")].Inspect(t.Context(), caller(who), callOf("send_a"))
				conf, untr := key{who, taint.Confidential}, key{who, taint.Untrusted}
				banned, maybe := now.Before(must[conf]), now.Before(may[conf])
				if rule == taint.RuleTrifecta {
					banned, maybe = banned && now.Before(must[untr]), maybe && now.Before(may[untr])
				}
				if banned && err == nil {
					rt.Fatalf("%s sent what it may not", who)
				}
				if !maybe && err != nil && !store.fail {
					rt.Fatalf("%s is held back for nothing: %v", who, err)
				}
			},
			"time passes": func(rt *rapid.T) {
				c.pass(time.Duration(rapid.IntRange(1, 1500).Draw(rt, "seconds")) * time.Second)
			},
			"restart":    func(*rapid.T) { start() },
			"store down": func(*rapid.T) { store.fail = true },
			"store up":   func(*rapid.T) { store.fail = false },
		})
	})
}

// TestConcurrentReadersAndSenders: whoever was sent something is held back from
// then on, whatever others do at the same time.
func TestConcurrentReadersAndSenders(t *testing.T) {
	store := newMemory()
	const workers = 8
	// Room for fewer callers than there are, so that entries are dropped, but for
	// as many in one part of the book as there are workers: none is turned away.
	g := guard(t, taint.NewLedger(store, store, 64*workers/2, newClock().read), "files", config(taint.RuleConfidential, taint.Block))
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := range 900 {
				who := caller(fmt.Sprint("caller", i))
				_, _ = g.Inspect(t.Context(), who, callOf("send_a")) // fills the entry, before or after it was marked
				if worker%2 == 0 {
					continue
				}
				if err := g.Deliver(t.Context(), who, callOf("read_a"), result()); err != nil {
					t.Error(err)
				}
				if _, err := g.Inspect(t.Context(), who, callOf("send_a")); err == nil {
					t.Errorf("%s sent after it had read", who.ID)
				}
			}
		})
	}
	all.Wait()
}

func TestValidate(t *testing.T) {
	if err := taint.Default().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*taint.Config){
		"confidential[0]": func(c *taint.Config) { c.Confidential = []string{""} },
		"untrusted[1]":    func(c *taint.Config) { c.Untrusted = []string{"a", ""} },
		"outbound[0]":     func(c *taint.Config) { c.Outbound = []string{strings.Repeat("x", 600)} },
		"rule":            func(c *taint.Config) { c.Rule = "most" },
		"action":          func(c *taint.Config) { c.Action = "" },
		"window":          func(c *taint.Config) { c.Window = time.Second },
	} {
		c := taint.Default()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want one on %s", err, want)
		}
	}
}

func BenchmarkOutboundCall(b *testing.B) {
	store := newMemory()
	g := guard(b, taint.NewLedger(store, store, 0, nil), "files", config(taint.RuleConfidential, taint.Block))
	m := callOf("send_mail")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Inspect(b.Context(), caller("alice"), m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeliverOfAMarkedCaller(b *testing.B) {
	store := newMemory()
	g := guard(b, taint.NewLedger(store, store, 0, nil), "files", config(taint.RuleConfidential, taint.Block))
	m, r := callOf("read_file"), result()
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Deliver(b.Context(), caller("alice"), m, r); err != nil {
			b.Fatal(err)
		}
	}
}

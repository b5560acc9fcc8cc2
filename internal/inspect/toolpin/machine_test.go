package toolpin_test

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
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// model is what the pins of one route ought to be, told again in few words.
type model struct {
	tools   map[string]*modelTool
	opened  bool
	settled bool
}

type modelTool struct {
	approved, seen string // texts
	state          string
}

func (m *model) list(list map[string]string, more bool) {
	for name, text := range list {
		p := m.tools[name]
		switch {
		case p == nil && !m.settled:
			m.tools[name] = &modelTool{approved: text, state: "trusted"}
		case p == nil:
			m.tools[name] = &modelTool{seen: text, state: "held"}
		case p.approved == text:
		case p.state == "trusted":
			p.seen, p.state = text, "held"
		default:
			p.seen = text
		}
	}
	m.opened = m.opened || len(list) > 0
	m.settled = m.settled || m.opened && !more
}

func (m *model) callable(name string) bool {
	p := m.tools[name]
	return p == nil && !m.opened || p != nil && p.state == "trusted"
}

// TestPinMachine: random lists, words of operators and restarts against the
// model. What is held is never seen and never callable, and a client never
// sees a version that is not the approved one.
func TestPinMachine(t *testing.T) {
	tools := []string{"alpha", "beta", "gamma", "delta"}
	texts := []string{"one", "two", "three"}
	rapid.Check(t, func(r *rapid.T) {
		d := newDesk(r)
		g := d.guard(r, "files")
		m := &model{tools: map[string]*modelTool{}}
		by := portcullis.Actor{ID: "bob"}
		tool, text := rapid.SampledFrom(tools), rapid.SampledFrom(texts)
		r.Repeat(map[string]func(*rapid.T){
			"list": func(r *rapid.T) {
				list := rapid.MapOf(tool, text).Draw(r, "list")
				more := rapid.Bool().Draw(r, "more")
				m.list(list, more)
				var entries []string
				for name, text := range list {
					entries = append(entries, entry(name, text))
				}
				slices.Sort(entries)
				reply := `{"tools":[` + strings.Join(entries, ",") + `]}`
				if more {
					reply = strings.TrimSuffix(reply, "}") + `,"nextCursor":"x"}`
				}
				seen := names(r, inspect(r, g, message(reply)))
				for name, text := range list {
					if p := m.tools[name]; slices.Contains(seen, name) != (p.state == "trusted" && p.approved == text) {
						r.Fatalf("%s with %q, %+v: the client sees %v", name, text, p, seen)
					}
				}
			},
			"approve": func(r *rapid.T) {
				name, want := tool.Draw(r, "tool"), text.Draw(r, "text")
				hash := hashOf(r, entry(name, want))
				_, err := d.Approve(context.Background(), toolpin.Verdict{Route: "files", Tool: name, Hash: hash[:rapid.IntRange(12, 64).Draw(r, "digits")], By: by})
				p := m.tools[name]
				switch {
				case p == nil:
					if !errors.Is(err, toolpin.ErrNotFound) {
						r.Fatalf("approving an unknown tool: %v", err)
					}
				case p.approved == "" && p.seen == "":
					if !errors.Is(err, toolpin.ErrNoVersion) {
						r.Fatalf("approving a tool without a version: %v", err)
					}
				case want == p.seen || want == p.approved:
					if err != nil {
						r.Fatalf("approving: %v", err)
					}
					*p = modelTool{approved: want, state: "trusted"}
				default:
					if !errors.Is(err, toolpin.ErrVersion) {
						r.Fatalf("approving another version: %v", err)
					}
				}
			},
			"quarantine": func(r *rapid.T) {
				name := tool.Draw(r, "tool")
				if _, err := d.Quarantine(context.Background(), toolpin.Verdict{Route: "files", Tool: name, Reason: "odd", By: by}); err != nil {
					r.Fatalf("quarantine: %v", err)
				}
				if m.tools[name] == nil {
					m.tools[name] = &modelTool{}
				}
				m.tools[name].state = "quarantined"
			},
			"restart": func(r *rapid.T) {
				d.reopen(r)
				g = d.guard(r, "files")
			},
			"": func(r *rapid.T) {
				views := map[string]toolpin.View{}
				held := 0
				for _, v := range d.List(toolpin.Filter{Route: "files"}) {
					views[v.Tool] = v
				}
				for _, name := range tools {
					if got, want := callable(g, name), m.callable(name); got != want {
						r.Fatalf("%s is callable: %t, want %t (%+v)", name, got, want, m.tools[name])
					}
					p := m.tools[name]
					if p == nil {
						continue
					}
					if views[name].State != p.state {
						r.Fatalf("%s is %s, want %s", name, views[name].State, p.state)
					}
					if p.state != "trusted" {
						held++
					}
				}
				if len(views) != len(m.tools) || d.Held()["files"] != held && len(m.tools) > 0 {
					r.Fatalf("%d tools and %v held, want %d and %d", len(views), d.Held(), len(m.tools), held)
				}
			},
		})
	})
}

func hashOf(t tester, raw string) string {
	t.Helper()
	text, err := toolpin.Canonical([]byte(raw))
	if err != nil {
		t.Fatalf("Canonical: %v", err)
	}
	parts, err := toolpin.Parts([]byte(`{"x":` + string(text) + `}`))
	if err != nil {
		t.Fatalf("Parts: %v", err)
	}
	return parts[0].Hash.String()
}

// TestListsAndCallsAtOnce: lists that change, calls, operators and lookers at
// the same time. Once a tool is held or in quarantine and nobody releases it,
// no call gets through.
func TestListsAndCallsAtOnce(t *testing.T) {
	d := newDesk(t)
	g := d.guard(t, "files")
	inspect(t, g, listOf(entry("a", "0"), entry("b", "0")))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 50 {
				inspect(t, g, listOf(entry("a", fmt.Sprint(n)), entry("b", "0"), entry(fmt.Sprintf("new%d-%d", i, n), "x")))
				if callable(g, fmt.Sprintf("new%d-%d", i, n)) {
					t.Error("a new tool can be called")
				}
			}
		})
		all.Go(func() {
			for range 200 {
				if !callable(g, "b") {
					t.Error("an honest tool is refused")
				}
				d.Held()
			}
		})
		all.Go(func() {
			for range 20 {
				for _, v := range d.List(toolpin.Filter{State: "held"}) {
					if v.Tool != "a" {
						continue
					}
					_, err := d.Approve(context.WithoutCancel(t.Context()), toolpin.Verdict{Route: "files", Tool: "a", Hash: v.Hash, By: portcullis.Actor{ID: "bob"}})
					if err != nil && !errors.Is(err, toolpin.ErrVersion) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	inspect(t, g, listOf(entry("a", "last")))
	if callable(g, "a") {
		t.Error("a changed tool can be called")
	}
}

func TestApprove(t *testing.T) {
	d := newDesk(t)
	g := d.guard(t, "files")
	by := portcullis.Actor{ID: "bob", Method: "api_key", KeyID: "k"}
	inspect(t, g, listOf(entry("read_file", "one")))
	inspect(t, g, listOf(entry("read_file", "two")))
	shown, err := d.Show(t.Context(), "files", "read_file")
	if err != nil || !strings.Contains(shown.Difference, "-  one\n+  two\n") || !strings.Contains(string(shown.SeenEntry), "two") || !strings.Contains(string(shown.ApprovedEntry), "one") {
		t.Fatalf("shown %+v, %v", shown, err)
	}
	inspect(t, g, listOf(entry("read_file", "three")))
	for _, hash := range []string{shown.Hash, "", "abc", strings.Repeat("0", 64)} {
		if _, err := d.Approve(t.Context(), toolpin.Verdict{Route: "files", Tool: "read_file", Hash: hash, By: by}); !errors.Is(err, toolpin.ErrVersion) || callable(g, "read_file") {
			t.Errorf("approving %q after another change: %v", hash, err)
		}
	}
	if len(d.log) != 0 {
		t.Errorf("refused approvals are recorded as some: %+v", d.log)
	}
	shown = d.List(toolpin.Filter{})[0]
	got, err := d.Approve(t.Context(), toolpin.Verdict{Route: "files", Tool: "read_file", Hash: shown.Hash[:12], Reason: "ticket 1", By: by})
	if err != nil || got.State != "trusted" || got.Approved != shown.Hash || got.DecidedBy != "bob" || got.Reason != "ticket 1" || got.Why != "" {
		t.Fatalf("approved %+v, %v", got, err)
	}
	if m := inspect(t, g, listOf(entry("read_file", "three"))); len(names(t, m)) != 1 || !callable(g, "read_file") {
		t.Error("an approved version does not pass")
	}
	if m := inspect(t, g, listOf(entry("read_file", "one"))); len(names(t, m)) != 0 || callable(g, "read_file") {
		t.Error("the version before passes still")
	}
	e := d.log[0]
	if len(d.log) != 1 || e.Type != portcullis.EventToolApproved || e.Actor != by || e.Resource != "tool:read_file" || e.Route != "files" || e.Reason != "ticket 1" {
		t.Errorf("events %+v", d.log)
	}
	if _, err := d.Show(t.Context(), "files", "other"); !errors.Is(err, toolpin.ErrNotFound) {
		t.Errorf("Show: %v", err)
	}
	if _, err := d.Show(t.Context(), "other", "read_file"); !errors.Is(err, toolpin.ErrNotFound) {
		t.Errorf("Show: %v", err)
	}
}

// TestConflict: what another process stored meanwhile is not overwritten.
func TestConflict(t *testing.T) {
	d := newDesk(t)
	g := d.guard(t, "files")
	inspect(t, g, listOf(entry("read_file", "one")))
	first := d.Book
	d.reopen(t)
	if _, err := d.Quarantine(t.Context(), toolpin.Verdict{Route: "files", Tool: "read_file", Reason: "odd"}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Quarantine(t.Context(), toolpin.Verdict{Route: "files", Tool: "read_file"}); !errors.Is(err, toolpin.ErrConflict) {
		t.Errorf("a second writer: %v", err)
	}
	if callable(g, "read_file") {
		t.Error("after a conflict the book does not know what is stored")
	}
}

func TestConfig(t *testing.T) {
	if err := toolpin.Default().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []toolpin.Config{{}, {Policy: "block", First: "trust"}, {Policy: "off", First: "trust", Unseen: "allow"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
		if _, err := newDesk(t).Guard("files", c); err == nil {
			t.Errorf("a guard of %+v", c)
		}
	}
}

func BenchmarkAuthorize(b *testing.B) {
	d := newDesk(b)
	g := d.guard(b, "files")
	var list []string
	for i := range 1000 {
		list = append(list, entry(fmt.Sprintf("tool%d", i), "x"))
	}
	inspect(b, g, listOf(list...))
	a := action("tool500")
	b.ReportAllocs()
	for b.Loop() {
		if got, err := g.Authorize(context.Background(), portcullis.Principal{}, a); err != nil || !got.Allowed() {
			b.Fatal(err)
		}
	}
}

func BenchmarkKnownList(b *testing.B) {
	d := newDesk(b)
	g := d.guard(b, "files")
	var list []string
	for i := range 100 {
		list = append(list, entry(fmt.Sprintf("tool%d", i), strings.Repeat("text ", 40)))
	}
	m := listOf(list...)
	inspect(b, g, m)
	d.now = d.now.Add(time.Hour)
	b.SetBytes(int64(len(m.Raw)))
	b.ReportAllocs()
	for b.Loop() {
		inspect(b, g, m)
	}
}

package agentcard_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/agentcard"
	"github.com/portcullis-dev/portcullis/internal/config/a2a"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

const agentCard = `{
 "name":"Planner","description":"Plans routes.","version":"1.2.0",
 "supportedInterfaces":[
  {"url":"https://agent.internal/a2a","protocolBinding":"JSONRPC","protocolVersion":"1.0"},
  {"url":"https://agent.internal/a2a","protocolBinding":"JSONRPC","protocolVersion":"0.3"},
  {"url":"agent.internal:443","protocolBinding":"GRPC","protocolVersion":"1.0"}],
 "provider":{"organization":"Example","url":"https://www.example.org"},"iconUrl":"https://agent.internal/icon.png",
 "capabilities":{"streaming":true,"pushNotifications":true,"extendedAgentCard":true},
 "securitySchemes":{"internal":{"apiKeySecurityScheme":{"location":"header","name":"X-Internal"}}},
 "securityRequirements":[{"schemes":{"internal":{}}}],
 "defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],
 "skills":[{"id":"plan","name":"Plan","description":"Plans.","tags":["maps"]},{"id":"draw","name":"Draw","description":"Draws.","tags":["maps"]}]
}`

// agent is an upstream in memory.
type agent struct {
	mu     sync.Mutex
	cards  map[string]string // by path
	head   http.Header
	status int
	err    error
	asked  []string
}

func newAgent(text string) *agent {
	return &agent{cards: map[string]string{agentcard.Path: text}, head: http.Header{}}
}

func (a *agent) show(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cards[agentcard.Path] = text
}

func (a *agent) set(change func(a *agent)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *agent) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

func (a *agent) RoundTrip(req *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, req.URL.String())
	if a.err != nil {
		return nil, a.err
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: a.head.Clone(), Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	text, ok := a.cards[req.URL.Path]
	switch {
	case a.status != 0:
		resp.StatusCode = a.status
	case !ok:
		resp.StatusCode = http.StatusNotFound
	case a.head.Get("Etag") != "" && req.Header.Get("If-None-Match") == a.head.Get("Etag"):
		resp.StatusCode, text = http.StatusNotModified, ""
	}
	resp.Body = io.NopCloser(strings.NewReader(text))
	return resp, nil
}

// journal is a recorder.
type journal struct {
	mu  sync.Mutex
	log []portcullis.Event
	err error
}

func (j *journal) Record(_ context.Context, e *portcullis.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.log = append(j.log, *e)
	}
	return j.err
}

func (j *journal) events() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, e := range j.log {
		out = append(out, strings.Join([]string{string(e.Type), e.Resource, e.Reason}, "/"))
	}
	return strings.Join(out, " ")
}

// stand is a keeper with what it needs.
type stand struct {
	t     *testing.T
	agent *agent
	log   *journal
	book  *toolpin.Book
	guard *toolpin.Guard
	o     agentcard.Options
	*agentcard.Keeper
}

func face() card.Face {
	return card.Face{
		URL: "https://gw.example.net/planner", Bindings: []string{card.JSONRPC}, Versions: []string{"1.0", "0.3"}, Streaming: true, Extended: true,
		Schemes:      map[string]card.Scheme{"apiKey": {Type: card.APIKey, In: "header", Name: "X-API-Key"}},
		Requirements: []card.Requirement{{"apiKey": nil}},
	}
}

func newStand(t *testing.T, text string, change func(*agentcard.Options)) *stand {
	t.Helper()
	s := &stand{t: t, agent: newAgent(text), log: &journal{}}
	var err error
	if s.book, err = toolpin.NewBook(t.Context(), nil, s.log, nil); err != nil {
		t.Fatal(err)
	}
	if s.guard, err = s.book.Agent("planner", toolpin.Default()); err != nil {
		t.Fatal(err)
	}
	s.o = agentcard.Options{
		Route: "planner", Upstream: "https://agent.internal/a2a", Transport: s.agent, Config: a2a.DefaultCard(), Face: face(), Pins: s.guard, Recorder: s.log,
	}
	if change != nil {
		change(&s.o)
	}
	s.open()
	return s
}

func (s *stand) open() {
	s.t.Helper()
	var err error
	if s.Keeper, err = agentcard.New(s.o); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) get(path string, fields ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	req := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

func (s *stand) card() *card.Card {
	s.t.Helper()
	w := s.get(agentcard.Path)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%d %s", w.Code, w.Body)
	}
	c, err := card.Parse(w.Body.Bytes(), card.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func TestServed(t *testing.T) {
	s := newStand(t, agentCard, nil)
	w := s.get("/planner" + agentcard.Path)
	for _, gone := range []string{"agent.internal", "X-Internal", "internal", "GRPC", "pushNotifications"} {
		if strings.Contains(w.Body.String(), gone) {
			t.Errorf("%s is left: %s", gone, w.Body)
		}
	}
	h := w.Header()
	if w.Code != http.StatusOK || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "public, max-age=300" || h.Get("Vary") != "A2A-Version" || h.Get("Etag") == "" {
		t.Error(w.Code, h)
	}
	c := s.card()
	if c.Form != card.Both || len(c.Interfaces) != 2 || c.Interfaces[0].URL != "https://gw.example.net/planner" || c.Provider == nil {
		t.Errorf("%+v", c)
	}
	forms := map[string]string{}
	for _, tt := range []struct {
		path, version string
		status        int
		form          card.Form
	}{
		{agentcard.Path, "", 200, card.Both},
		{agentcard.Path, "1.0", 200, card.V1},
		{agentcard.Path, "1.0.1", 200, card.V1},
		{agentcard.Path, "0.3", 200, card.V03},
		{agentcard.LegacyPath, "", 200, card.V03},
		{agentcard.LegacyPath, "1.0", 200, card.V1},
		{agentcard.Path, "2.0", 400, 0},
		{agentcard.Path, "1.00", 400, 0},
		{agentcard.Path, "1.0\r\nX: y", 400, 0},
	} {
		w := s.get(tt.path, "A2A-Version", tt.version)
		if w.Code != tt.status {
			t.Errorf("%s %q: %d", tt.path, tt.version, w.Code)
			continue
		}
		if w.Code == http.StatusBadRequest {
			if w.Header().Get("Etag") != "" || w.Header().Get("Cache-Control") != "no-store" {
				t.Error("a refusal may be kept", w.Header())
			}
			continue
		}
		c, err := card.Parse(w.Body.Bytes(), card.Options{})
		if err != nil || c.Form != tt.form {
			t.Errorf("%s %q: %s, %v", tt.path, tt.version, c.Form, err)
		}
		tag := w.Header().Get("Etag")
		if other, ok := forms[tag]; ok && other != w.Body.String() {
			t.Error("two documents of one tag")
		}
		forms[tag] = w.Body.String()
		again := s.get(tt.path, "A2A-Version", tt.version, "If-None-Match", `"x", W/`+tag)
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("Etag") != tag {
			t.Errorf("%s %q again: %d", tt.path, tt.version, again.Code)
		}
	}
	if len(forms) != 3 {
		t.Errorf("%d documents", len(forms))
	}
	if n := s.agent.count(); n != 1 {
		t.Errorf("the agent was asked %d times", n)
	}
	for method, want := range map[string]int{http.MethodHead: 200, http.MethodPost: 405, http.MethodOptions: 204} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, agentcard.Path, nil))
		if w.Code != want || method == http.MethodHead && w.Body.Len() != 0 {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	if s.log.events() != "" {
		t.Error(s.log.events())
	}
}

// TestOlderAgent is in front of an agent that speaks 0.3 only and has its card
// where it was.
func TestOlderAgent(t *testing.T) {
	s := newStand(t, "", nil)
	s.agent.cards = map[string]string{agentcard.LegacyPath: `{"name":"O","description":"","version":"1","protocolVersion":"0.3.0","url":"https://agent.internal/a2a",
		"capabilities":{},"defaultInputModes":[],"defaultOutputModes":[],"skills":[]}`}
	if c := s.card(); c.Form != card.V03 || c.Interfaces[0].URL != "https://gw.example.net/planner" {
		t.Errorf("%+v", c)
	}
	if want := []string{"https://agent.internal/.well-known/agent-card.json", "https://agent.internal/.well-known/agent.json"}; !slices.Equal(s.agent.asked, want) {
		t.Error(s.agent.asked)
	}
	if w := s.get(agentcard.Path, "A2A-Version", "1.0"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"protocolVersion":"0.3.0"`) {
		t.Error(w.Code, w.Body)
	}
	if w := s.get(agentcard.Path, "A2A-Version", "2.0"); w.Code != http.StatusBadRequest {
		t.Error(w.Code)
	}
}

// TestNotServed: what is refused is not shown, tells callers nothing, and leaves
// one event.
func TestNotServed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(a *agent)
		events string
	}{
		{"away", func(a *agent) { a.err = errors.New("connection refused: secret-host") }, ""},
		{"no card", func(a *agent) { a.cards = nil }, ""},
		{"error", func(a *agent) { a.status = 500 }, ""},
		{"not modified unasked", func(a *agent) { a.status = 304 }, ""},
		{"too large", func(a *agent) { a.show(strings.Repeat(" ", 300<<10) + agentCard) }, ""},
		{"compressed", func(a *agent) { a.head.Set("Content-Encoding", "gzip") }, ""},
		{"to another host", func(a *agent) { a.status = 302; a.head.Set("Location", "https://evil.example"+agentcard.Path) }, ""},
		{"to no TLS", func(a *agent) { a.status = 307; a.head.Set("Location", "http://agent.internal"+agentcard.Path) }, ""},
		{"to another port", func(a *agent) { a.status = 302; a.head.Set("Location", "https://agent.internal:8443/") }, ""},
		{"in circles", func(a *agent) { a.status = 302; a.head.Set("Location", agentcard.Path) }, ""},
		{"no JSON", func(a *agent) { a.show("<html>") }, "CARD_REFUSED/agent-card/malformed"},
		{"twice", func(a *agent) { a.show(strings.Replace(agentCard, `"name":`, `"name":"x","name":`, 1)) }, "CARD_REFUSED/agent-card/malformed"},
		{"bad URL", func(a *agent) {
			a.show(strings.Replace(agentCard, `https://agent.internal/a2a`, `https://u:p@evil.example/`, 1))
		}, "CARD_REFUSED/agent-card/malformed"},
		{"other binding", func(a *agent) { a.show(strings.ReplaceAll(agentCard, `"JSONRPC"`, `"HTTP+JSON"`)) }, "CARD_REFUSED/agent-card/nothing_served"},
		{"hidden text", func(a *agent) { a.show(strings.Replace(agentCard, "Plans routes.", "Plans\u200b\u200b routes.", 1)) },
			"CARD_CHANGED/agent-card/hidden_text CARD_REFUSED/agent-card/held"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, agentCard, nil)
				tt.change(s.agent)
				for range 3 {
					w := s.get(agentcard.Path)
					if w.Code != http.StatusBadGateway || strings.Contains(w.Body.String(), "secret-host") || w.Header().Get("Etag") != "" {
						t.Errorf("%d %s", w.Code, w.Body)
					}
					time.Sleep(2 * time.Second)
				}
				if got := s.log.events(); got != tt.events {
					t.Errorf("%q, want %q", got, tt.events)
				}
			})
		})
	}
}

// TestLastGoodStays runs a keeper through days of an agent.
func TestLastGoodStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, agentCard, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		synctest.Wait()
		first := s.get(agentcard.Path)
		if first.Code != http.StatusOK || s.agent.count() != 1 {
			t.Fatal(first.Code)
		}
		s.agent.set(func(a *agent) { a.err = errors.New("away") })
		time.Sleep(24 * time.Hour)
		if w := s.get(agentcard.Path); w.Body.String() != first.Body.String() {
			t.Error("the last good card is gone")
		}
		if n := s.agent.count(); n < 24*60/6 || n > 24*60/4 {
			t.Errorf("asked %d times a day", n)
		}
		s.agent.set(func(a *agent) { a.err = nil })
		s.agent.show("{")
		time.Sleep(6 * time.Minute)
		if w := s.get(agentcard.Path); w.Body.String() != first.Body.String() {
			t.Error("the last good card is gone")
		}
		s.agent.show(agentCard)
		s.agent.set(func(a *agent) { a.head.Set("Cache-Control", "max-age=86400"); a.head.Set("Etag", `"1"`) })
		time.Sleep(6 * time.Minute)
		before := s.agent.count()
		time.Sleep(24 * time.Hour)
		if n := s.agent.count() - before; n < 21 || n > 28 {
			t.Errorf("asked %d times a day by an agent that allows a day", n)
		}
		cancel()
		<-done
		if got := s.log.events(); got != "CARD_REFUSED/agent-card/malformed" {
			t.Error(got)
		}
	})
}

// TestOneQuestion: callers who come before the first card wait for one fetch.
func TestOneQuestion(t *testing.T) {
	s := newStand(t, agentCard, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if w := s.get(agentcard.Path); w.Code != http.StatusOK {
				t.Error(w.Code)
			}
		})
	}
	wg.Wait()
	if n := s.agent.count(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestHeld: what changes is held until an operator has read it.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, agentCard, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		defer func() { cancel(); <-done }()
		synctest.Wait()
		changed := strings.NewReplacer("Plans routes.", "Plans and pays.", "Draws.", "Draws and sends.", `"id":"plan"`, `"id":"plan"`).Replace(agentCard)
		s.agent.show(changed)
		time.Sleep(6 * time.Minute)
		c := s.card()
		if c.Description != "Plans routes." || len(c.Skills) != 1 || c.Skills[0].ID != "plan" {
			t.Errorf("%+v", c)
		}
		if got := s.log.events(); got != "CARD_CHANGED/agent-card/changed TOOL_CHANGED/skill:draw/changed" {
			t.Error(got)
		}
		skill := portcullis.Action{Target: portcullis.Target{Kind: portcullis.TargetSkill, Name: "draw"}}
		if d, err := s.guard.Skills("*").Authorize(ctx, portcullis.Principal{}, skill); err == nil || d.Effect == portcullis.Allow {
			t.Error("a held skill may be used")
		}
		for _, name := range []string{"plan", "*", "of-an-extended-card"} {
			skill.Target.Name = name
			if d, err := s.guard.Skills("*").Authorize(ctx, portcullis.Principal{}, skill); err != nil || d.Effect != portcullis.Allow {
				t.Errorf("%s: %v", name, err)
			}
		}
		v, err := s.book.Show(ctx, "planner", agentcard.Core)
		if err != nil || !strings.Contains(v.Difference, "Plans and pays.") {
			t.Fatal(v.Difference, err)
		}
		if _, err := s.book.Approve(ctx, toolpin.Verdict{Route: "planner", Tool: agentcard.Core, Hash: v.Hash}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second) // and not until the agent is asked again
		if c = s.card(); c.Description != "Plans and pays." || len(c.Skills) != 1 {
			t.Errorf("%+v", c)
		}
		if _, err := s.book.Quarantine(ctx, toolpin.Verdict{Route: "planner", Tool: agentcard.Core}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if w := s.get(agentcard.Path); w.Code != http.StatusBadGateway {
			t.Error("a card in quarantine is shown", w.Code)
		}
	})
}

// TestNotRecordedNotShown: a change that cannot be recorded changes nothing.
func TestNotRecordedNotShown(t *testing.T) {
	s := newStand(t, strings.Replace(agentCard, `"id":"draw"`, `"id":"Plan"`, 1), nil) // looks like another skill: held
	s.log.err = errors.New("disk full")
	if w := s.get(agentcard.Path); w.Code != http.StatusBadGateway {
		t.Error(w.Code)
	}
}

// TestBefore: a new table of routes begins with the card of the one before.
func TestBefore(t *testing.T) {
	s := newStand(t, agentCard, nil)
	first := s.get(agentcard.Path).Body.String()
	s.agent.err = errors.New("away")
	s.o.Before = s.Keeper
	s.open()
	if got := s.get(agentcard.Path).Body.String(); got != first {
		t.Error(got)
	}
	s.o.Before, s.o.Upstream = s.Keeper, "https://other.internal/"
	s.open()
	if w := s.get(agentcard.Path); w.Code != http.StatusBadGateway {
		t.Error("the card of another agent", w.Code)
	}
}

// TestSlowAgent: however many wait for an agent that hangs, it is asked once.
func TestSlowAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, agentCard, func(o *agentcard.Options) { o.Transport = hanging{} })
		began := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if w := s.get(agentcard.Path); w.Code != http.StatusBadGateway {
					t.Error(w.Code)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("callers waited %s", took)
		}
	})
}

// hanging never answers.
type hanging struct{}

func (hanging) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

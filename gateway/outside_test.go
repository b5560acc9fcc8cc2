package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/contain"
	"github.com/portcullis-dev/portcullis/internal/authn/anonymous"
)

// TestHiddenPaths: what lies below a hidden path stands in no record and in no
// line of the log.
func TestHiddenPaths(t *testing.T) {
	r := newRig(t, anyone, answering)
	own := func(hidden bool) *Table {
		table, err := Build(parse(t, oneRoute), Deps{Log: r.Gateway.log, Metrics: r.metrics, Recorder: r.journal, APIKeys: named(anyone), Switch: r.sw, Own: []Endpoint{{
			Name: "own", Path: "/own", Below: true, Hidden: hidden, Methods: []string{http.MethodPost}, Rate: "100/1m per address", MaxBody: 64,
			Auth:    []portcullis.Authenticator{anonymous.Authenticator{}},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
		}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	for _, hidden := range []bool{false, true} {
		r.Use(own(hidden))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/own/s3cret", strings.NewReader("{}"))
		req.RemoteAddr = "192.0.2.1:1"
		if w := r.do(req); w.Code != http.StatusTeapot {
			t.Fatalf("got %d", w.Code)
		}
		last := r.journal.events[len(r.journal.events)-1]
		if told := strings.Contains(last.Action, "s3cret"); told == hidden || !strings.HasPrefix(last.Action, "POST /own") || hidden && strings.Contains(r.log.String(), "s3cret") {
			t.Errorf("hidden %v: %q", hidden, last.Action)
		}
	}
}

// held holds one caller back.
type held struct{}

func (held) Name() string { return "held" }

func (held) CheckContained(_ context.Context, _ *portcullis.Conn, who portcullis.Principal) error {
	if who.ID == "mallory" {
		return &portcullis.Error{Kind: portcullis.KindForbidden, Reason: "contained"}
	}
	return nil
}

// TestOutsideOfCalls: what is sent to a caller outside of a call passes the
// guards of its route, and nothing passes where there is no route.
func TestOutsideOfCalls(t *testing.T) {
	r := newRig(t, anyone, answering)
	build := func(text string) *Table {
		table, err := Build(parse(t, text), Deps{Metrics: r.metrics, Recorder: r.journal, APIKeys: named(anyone), Switch: r.sw, Contain: contain.Guards{held{}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	r.Use(build(oneRoute + "\n[[route.inspect.results]]\ndetect = [\"pattern.canary\"]\naction = \"block\"\n[[inspect.patterns]]\nname = \"canary\"\nregex = 'CANARY'\n"))
	name := r.table.Load().order[0].name
	who, call := portcullis.Principal{ID: "ada"}, &portcullis.Message{Method: "tools/call"}
	message := func(text string) *portcullis.Message {
		raw := []byte(`{"text":"` + text + `"}`)
		return &portcullis.Message{Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Raw: raw, Params: raw}
	}
	if m, err := r.Outside(name).Review(t.Context(), who, call, message("hello")); err != nil || !strings.Contains(string(m.Raw), "hello") {
		t.Errorf("got %v", err)
	}
	if _, err := r.Outside(name).Review(t.Context(), who, call, message("a CANARY")); err == nil {
		t.Error("what a rule forbids passed")
	}
	if err := r.Outside(name).Welcome(t.Context(), who); err != nil {
		t.Error(err)
	}
	if err := r.Outside(name).Welcome(t.Context(), portcullis.Principal{ID: "mallory"}); err == nil {
		t.Error("who is contained is welcome")
	}
	for _, g := range []*Gateway{r.Gateway, New(r.Gateway.log)} {
		if _, err := g.Outside("nowhere").Review(t.Context(), who, call, message("hello")); err == nil {
			t.Error("passed without a route")
		}
		if err := g.Outside("nowhere").Welcome(t.Context(), who); err == nil {
			t.Error("welcome without a route")
		}
	}
}

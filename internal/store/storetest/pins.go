package storetest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// Pins checks a driver against the contract of toolpin.Store.
func Pins(t *testing.T, open func(t *testing.T) toolpin.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, toolpin.Store){
		"comes back":       testPinComesBack,
		"all or nothing":   testPinAllOrNothing,
		"one wins":         testPinOneWins,
		"versions are cut": testPinVersions,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func version(tool string, n byte) toolpin.Version {
	return toolpin.Version{Tool: tool, Hash: toolpin.Hash{n}, Text: []byte(`{"name":"` + tool + strings.Repeat("x", int(n)) + `"}`)}
}

func pin(tool string, revision int64) toolpin.Pin {
	return toolpin.Pin{
		Route: "files", Tool: tool, State: toolpin.Trusted, Approved: toolpin.Hash{1}, Revision: revision,
		FirstSeen: base(), ChangedAt: base(), DecidedBy: "bob", Note: "looked at it",
	}
}

func filesRoute() toolpin.Route { return toolpin.Route{Name: "files", Opened: base()} }

func savePins(t *testing.T, s toolpin.Store, pins []toolpin.Pin, versions ...toolpin.Version) {
	t.Helper()
	if err := s.SavePins(t.Context(), filesRoute(), pins, versions); err != nil {
		t.Fatalf("SavePins: %v", err)
	}
}

func loadPins(t *testing.T, s toolpin.Store) map[string]toolpin.Pin {
	t.Helper()
	_, pins, err := s.LoadPins(t.Context())
	if err != nil {
		t.Fatalf("LoadPins: %v", err)
	}
	out := map[string]toolpin.Pin{}
	for _, p := range pins {
		out[p.Route+"/"+p.Tool] = p
	}
	return out
}

func testPinComesBack(t *testing.T, s toolpin.Store) {
	if got := loadPins(t, s); len(got) != 0 {
		t.Fatalf("an empty store holds %v", got)
	}
	held := pin("b\u200b", 1)
	held.State, held.Seen, held.Why = toolpin.Held, toolpin.Hash{2}, []toolpin.Reason{toolpin.HiddenText, toolpin.Altered}
	savePins(t, s, []toolpin.Pin{pin("a", 1), held}, version("a", 1), version("b\u200b", 1), version("b\u200b", 2))
	got := loadPins(t, s)
	for _, want := range []toolpin.Pin{pin("a", 1), held} {
		have := got["files/"+want.Tool]
		if !have.FirstSeen.Equal(want.FirstSeen) || !have.ChangedAt.Equal(want.ChangedAt) {
			t.Errorf("times of %q: %v, %v", want.Tool, have.FirstSeen, have.ChangedAt)
		}
		have.FirstSeen, have.ChangedAt = want.FirstSeen, want.ChangedAt
		if !reflect.DeepEqual(have, want) {
			t.Errorf("got %+v\nwant %+v", have, want)
		}
	}
	settled := filesRoute()
	settled.Settled, settled.Opened = true, base().Add(time.Minute)
	if err := s.SavePins(t.Context(), settled, nil, nil); err != nil {
		t.Fatal(err)
	}
	routes, _, err := s.LoadPins(t.Context())
	if err != nil || len(routes) != 1 || !routes[0].Settled || !routes[0].Opened.Equal(settled.Opened) || routes[0].Name != "files" {
		t.Errorf("routes = %+v, %v", routes, err)
	}
	if text, err := s.PinnedText(t.Context(), "files", "a", toolpin.Hash{1}); err != nil || string(text) != string(version("a", 1).Text) {
		t.Errorf("text = %s, %v", text, err)
	}
	for _, other := range [][2]string{{"files", "c"}, {"other", "a"}} {
		if _, err := s.PinnedText(t.Context(), other[0], other[1], toolpin.Hash{1}); !errors.Is(err, toolpin.ErrNotFound) {
			t.Errorf("text of %v: %v", other, err)
		}
	}
}

func testPinAllOrNothing(t *testing.T, s toolpin.Store) {
	savePins(t, s, []toolpin.Pin{pin("a", 1)}, version("a", 1))
	settled := filesRoute()
	settled.Settled = true
	for name, bad := range map[string]toolpin.Pin{"there already": pin("a", 1), "too far": pin("a", 3), "not there": pin("z", 2)} {
		err := s.SavePins(t.Context(), settled, []toolpin.Pin{pin("b", 1), bad}, []toolpin.Version{version("b", 1)})
		if !errors.Is(err, toolpin.ErrConflict) {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
	}
	if got := loadPins(t, s); len(got) != 1 || got["files/a"].Revision != 1 {
		t.Errorf("after conflicts the store holds %v", got)
	}
	if routes, _, err := s.LoadPins(t.Context()); err != nil || routes[0].Settled {
		t.Errorf("a conflict changed the route: %+v, %v", routes, err)
	}
	if _, err := s.PinnedText(t.Context(), "files", "b", toolpin.Hash{1}); !errors.Is(err, toolpin.ErrNotFound) {
		t.Errorf("a conflict left a text: %v", err)
	}
}

func testPinOneWins(t *testing.T, s toolpin.Store) {
	savePins(t, s, []toolpin.Pin{pin("a", 1)}, version("a", 1))
	var won atomic.Int64
	var all sync.WaitGroup
	for range racers {
		all.Go(func() {
			switch err := s.SavePins(context.WithoutCancel(t.Context()), filesRoute(), []toolpin.Pin{pin("a", 2)}, nil); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, toolpin.ErrConflict):
				t.Errorf("SavePins: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("one pin was replaced %d times", won.Load())
	}
}

func testPinVersions(t *testing.T, s toolpin.Store) {
	held := pin("a", 1)
	held.Seen = toolpin.Hash{2}
	savePins(t, s, []toolpin.Pin{held, pin("b", 1)}, version("a", 1), version("a", 2), version("b", 1))
	next := pin("a", 2)
	next.Approved = toolpin.Hash{2}
	savePins(t, s, []toolpin.Pin{next})
	if _, err := s.PinnedText(t.Context(), "files", "a", toolpin.Hash{1}); !errors.Is(err, toolpin.ErrNotFound) {
		t.Errorf("a version that no pin names: %v", err)
	}
	for tool, n := range map[string]byte{"a": 2, "b": 1} {
		if text, err := s.PinnedText(t.Context(), "files", tool, toolpin.Hash{n}); err != nil || string(text) != string(version(tool, n).Text) {
			t.Errorf("text of %s = %s, %v", tool, text, err)
		}
	}
}

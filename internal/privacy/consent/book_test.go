package consent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// memory is a store and a recorder that can be made to fail.
type memory struct {
	kept       []Consent
	events     []portcullis.Event
	fail, mute error
}

func (m *memory) SaveConsents(_ context.Context, list ...Consent) error {
	if m.fail != nil {
		return m.fail
	}
	for _, c := range list {
		if i := slices.IndexFunc(m.kept, func(h Consent) bool { return h.ID == c.ID }); i >= 0 {
			m.kept[i] = c
		} else {
			m.kept = append(m.kept, c)
		}
	}
	return nil
}

func (m *memory) ActiveConsents(context.Context) (out []Consent, err error) {
	for _, c := range m.kept {
		if c.WithdrawnAt.IsZero() {
			out = append(out, c)
		}
	}
	return out, m.fail
}

func (m *memory) Consents(_ context.Context, who string) (out []Consent, err error) {
	for _, c := range m.kept {
		if c.Principal == who {
			out = append(out, c)
		}
	}
	return out, nil
}

func (m *memory) DropConsents(_ context.Context, who string) error {
	m.kept = slices.DeleteFunc(m.kept, func(c Consent) bool { return c.Principal == who })
	return m.fail
}

func (m *memory) Record(_ context.Context, e *portcullis.Event) error {
	if m.mute == nil {
		m.events = append(m.events, *e)
	}
	return m.mute
}

var root = portcullis.Actor{ID: "local:root", Method: "socket"}

func newBook(t *testing.T, m *memory, purposes ...Purpose) *Book {
	t.Helper()
	b, err := NewBook(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Use(purposes)
	return b
}

func grant(t *testing.T, b *Book, who, purpose string) Consent {
	t.Helper()
	c, err := b.Grant(t.Context(), Consent{Principal: who, Purpose: purpose}, root)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func state(b *Book, who, purpose string) State {
	s, _ := b.Check(who, purpose)
	return s
}

func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(memory)
		b := newBook(t, m, Purpose{Name: "news", Version: "1", Expires: time.Hour}, Purpose{Name: "other", Version: "1"})
		if state(b, "a", "news") != Missing || state(b, "a", "nothing") != Missing || state(b, "", "news") != Missing {
			t.Error("something is given before anybody agreed")
		}
		grant(t, b, "a", "news")
		if state(b, "a", "news") != Given || state(b, "a", "other") != Missing || state(b, "b", "news") != Missing {
			t.Error("a consent is to one purpose, of one principal")
		}
		time.Sleep(time.Hour)
		if state(b, "a", "news") != Expired {
			t.Error("not expired")
		}
		grant(t, b, "a", "news")
		if state(b, "a", "news") != Given || len(m.kept) != 2 || !m.kept[0].Replaced {
			t.Errorf("renewed: %+v", m.kept)
		}
		b.Use([]Purpose{{Name: "news", Version: "2"}})
		if state(b, "a", "news") != Outdated {
			t.Error("a consent to the old version counts")
		}
		b.Use([]Purpose{{Name: "news", Version: "2", AcceptOlder: true}})
		if state(b, "a", "news") != Given {
			t.Error("accept_older does not")
		}
		b.Use(nil)
		if state(b, "a", "news") != Missing {
			t.Error("a purpose that is not declared has consents")
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	b := newBook(t, new(memory), Purpose{Name: "news", Version: "1"})
	for _, c := range []struct {
		c    Consent
		want error
	}{
		{Consent{Principal: "a", Purpose: "other"}, ErrPurpose},
		{Consent{Principal: "a", Purpose: "news", Version: "2"}, ErrVersion},
		{Consent{Purpose: "news"}, ErrInvalid},
		{Consent{Principal: "a\n", Purpose: "news"}, ErrInvalid},
		{Consent{Principal: "a", Purpose: "news", Evidence: strings.Repeat("x", MaxEvidence+1)}, ErrInvalid},
	} {
		if _, err := b.Grant(t.Context(), c.c, root); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.c, err)
		}
	}
	if _, err := b.Withdraw(t.Context(), "a", "news", root); !errors.Is(err, ErrNotGiven) {
		t.Errorf("withdrawing nothing: %v", err)
	}
}

// TestFailures: what cannot be recorded or stored is not granted; what is
// withdrawn does not count whatever happens, and is tried again.
func TestFailures(t *testing.T) {
	m := new(memory)
	b := newBook(t, m, Purpose{Name: "news", Version: "1"})
	broken := errors.New("disk")
	for _, f := range []func(error){func(e error) { m.mute = e }, func(e error) { m.fail = e }} {
		f(broken)
		if _, err := b.Grant(t.Context(), Consent{Principal: "a", Purpose: "news"}, root); !errors.Is(err, broken) || state(b, "a", "news") == Given {
			t.Errorf("granted: %v", err)
		}
		f(nil)
	}
	grant(t, b, "a", "news")
	m.fail = broken
	if _, err := b.Withdraw(t.Context(), "a", "news", root); !errors.Is(err, broken) || state(b, "a", "news") == Given {
		t.Errorf("a withdrawal that was not stored: %v", err)
	}
	m.fail = nil
	if _, err := b.Withdraw(t.Context(), "a", "news", root); err != nil || m.kept[0].WithdrawnAt.IsZero() {
		t.Errorf("the next try: %v", err)
	}
	last := m.events[len(m.events)-1]
	if last.Type != portcullis.EventConsentWithdrawn || last.Actor.ID != "a" || last.Outcome != portcullis.OutcomeSuccess {
		t.Errorf("the log ends with %+v", last)
	}
}

// TestWatch: each stream ends once, for its own consents only, also if they are
// gone before it is watched.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, new(memory), Purpose{Name: "news", Version: "1"}, Purpose{Name: "x", Version: "1"})
		grant(t, b, "a", "news")
		grant(t, b, "b", "news")
		grant(t, b, "a", "x")
		var mu sync.Mutex
		ended := map[string]int{}
		watch := func(name, who string, purposes ...string) func() {
			return b.Watch(who, purposes, func() {
				mu.Lock()
				defer mu.Unlock()
				ended[name]++
			})
		}
		defer watch("a", "a", "news")()
		defer watch("both", "a", "x", "news")()
		defer watch("x", "a", "x")()
		defer watch("b", "b", "news")()
		watch("stopped", "a", "news")()
		if _, err := b.Withdraw(t.Context(), "a", "news", root); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		defer watch("late", "a", "news")()
		synctest.Wait()
		if len(ended) != 3 || ended["a"] != 1 || ended["both"] != 1 || ended["late"] != 1 {
			t.Errorf("ended: %v", ended)
		}
		if err := b.Forget(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if ended["b"] != 1 {
			t.Errorf("ended after b was forgotten: %v", ended)
		}
	})
}

// TestInspectReadsArguments: an answer of a tool that calls another is held back
// when the consent for that one is gone.
func TestInspectReadsArguments(t *testing.T) {
	m := new(memory)
	b, err := NewBook(t.Context(), m, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Use([]Purpose{{Name: "news", Version: "1"}})
	g := NewGuard(b, func(a portcullis.Action) []string {
		if string(a.Arguments) == `{"tool":"send"}` {
			return []string{"news"}
		}
		return nil
	}, []string{"news"})
	for arguments, want := range map[string]bool{`{"tool":"send"}`: false, `{"tool":"read"}`: true} {
		_, err := g.Inspect(t.Context(), portcullis.Principal{ID: "a"}, &portcullis.Message{
			Direction: portcullis.ToClient, Shape: portcullis.ShapeResult, Method: "tools/call",
			Target:  portcullis.Target{Kind: portcullis.TargetTool, Name: "any"},
			Request: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"any","arguments":` + arguments + `}}`),
		})
		if (err == nil) != want {
			t.Errorf("%s: %v", arguments, err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	m := new(memory)
	book, err := NewBook(b.Context(), m, m, nil)
	if err != nil {
		b.Fatal(err)
	}
	book.Use([]Purpose{{Name: "news", Version: "1"}})
	if _, err := book.Grant(b.Context(), Consent{Principal: "a", Purpose: "news"}, root); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := book.Check("a", "news"); s != Given {
			b.Fatal(s)
		}
	}
}

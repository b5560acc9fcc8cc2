package link

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSlowReader: who falls behind is cut; what is queued stays bounded.
func TestSlowReader(t *testing.T) {
	q := newQueue(100)
	if !q.push([]byte(strings.Repeat("x", 1000))) {
		t.Error("one message must fit, whatever its size")
	}
	if q.push([]byte("{}")) {
		t.Error("a full queue took a message")
	}
	b := NewBody(q, time.Hour).Until(t.Context(), func() {})
	if _, err := io.ReadAll(b); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading: %v", err)
	}
	if q.push([]byte("{}")) {
		t.Error("a cut queue took a message")
	}
	b.Close()
}

func TestBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1000)
		var closed atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		b := NewBody(q, 15*time.Second).Until(ctx, func() { closed.Add(1) })
		got := make(chan string)
		read := func() {
			buf := make([]byte, 64)
			n, err := b.Read(buf)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(buf[:n])
		}
		go read()
		time.Sleep(15 * time.Second) // of the bubble's clock
		if s := <-got; s != ":\n\n" {
			t.Errorf("after a silence: %q", s)
		}
		go read()
		synctest.Wait()
		q.push([]byte("{}"))
		if s := <-got; s != "event: message\ndata: {}\n\n" {
			t.Errorf("event %q", s)
		}
		go read()
		synctest.Wait()
		cancel()
		if s := <-got; s != io.ErrClosedPipe.Error() {
			t.Errorf("after the end of its context: %q", s)
		}
		b.Close()
		if closed.Load() != 1 {
			t.Errorf("closed %d times", closed.Load())
		}
	})
}

func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var expired atomic.Int32
		l := NewLease(5*time.Minute, func() { expired.Add(1) })
		for range 2 {
			if !l.Hold() {
				t.Fatal("not held")
			}
		}
		time.Sleep(time.Hour)
		l.Release()
		time.Sleep(time.Hour)
		if expired.Load() != 0 {
			t.Error("expired while held")
		}
		l.Release()
		time.Sleep(4 * time.Minute)
		if !l.Hold() {
			t.Error("expired early")
		}
		l.Release()
		time.Sleep(5*time.Minute + 1)
		if expired.Load() != 1 || l.Hold() {
			t.Errorf("expired %d times", expired.Load())
		}
		other := NewLease(time.Minute, func() { expired.Add(1) })
		other.End()
		time.Sleep(time.Hour)
		if expired.Load() != 1 || other.Hold() {
			t.Error("an ended lease expired or was held")
		}
	})
}

func TestBreaker(t *testing.T) {
	b := newBreaker(time.Second, 10*time.Second)
	now := time.Unix(1e9, 0)
	for i, want := range []time.Duration{0, 1, 2, 4, 8, 10, 10} {
		b.failed("alice", now)
		if got := b.pause("alice", now); got != want*time.Second {
			t.Errorf("failure %d: pause %v, want %vs", i+1, got, int(want))
		}
	}
	if got := b.pause("bob", now); got != 0 {
		t.Errorf("another principal waits %v", got)
	}
	if got := b.pause("alice", now.Add(9*time.Second)); got != time.Second {
		t.Errorf("later: %v", got)
	}
	b.failed("alice", now.Add(time.Minute)) // long ago: counted anew
	if got := b.pause("alice", now.Add(time.Minute)); got != 0 {
		t.Errorf("after a quiet minute: %v", got)
	}
	b.failed("", now)
	b.failed("", now)
	if got := b.pause("bob", now); got != time.Second {
		t.Errorf("a server that does not start: %v", got)
	}
	b.worked("")
	if got := b.pause("bob", now); got != 0 {
		t.Errorf("after a start: %v", got)
	}
	for i := range 2 * maxTroubled {
		b.failed(strings.Repeat("x", i%50)+string(rune('a'+i%26))+time.Duration(i).String(), now)
	}
	if len(b.state) > maxTroubled {
		t.Errorf("%d principals remembered", len(b.state))
	}
}

func TestAbilities(t *testing.T) {
	for raw, want := range map[string]string{
		``:                            `{}`,
		`{}`:                          `{}`,
		`{"roots":{}}`:                `{}`,
		`{"elicitation":{}}`:          `{"elicitation":{"form":{}}}`,
		`{"elicitation":{"form":{}}}`: `{"elicitation":{"form":{}}}`,
		`{"elicitation":{"url":{}}}`:  `{"elicitation":{"url":{}}}`,
		`{"elicitation":null,"sampling":{"tools":{},"context":{}}}`: `{"sampling":{"tools":{},"context":{}}}`,
		`{"sampling":{},"elicitation":{"url":{},"form":{}}}`:        `{"elicitation":{"form":{},"url":{}},"sampling":{}}`,
	} {
		if got := string(AbilitiesOf([]byte(raw)).object()); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
	for method, params := range map[string]string{"elicitation/create": `{"mode":"url"}`, "sampling/createMessage": `{"tools":[]}`} {
		if need, ok := Need(wire.Message{Method: method, Params: []byte(params)}); !ok || need == 0 {
			t.Errorf("%s: %v", method, ok)
		}
	}
	if _, ok := Need(wire.Message{Method: "roots/list"}); ok {
		t.Error("roots may be asked for")
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		"max_children: 0: want at least 1":                   func(c *Config) { c.MaxChildren = 0 },
		"max_per_principal: -1: want at least 1":             func(c *Config) { c.MaxPerPrincipal = -1 },
		"max_pending: 0: want at least 1":                    func(c *Config) { c.MaxPending = 0 },
		"queue_bytes: 0: want at least 1":                    func(c *Config) { c.QueueBytes = 0 },
		"replay_bytes: 0: want at least 1":                   func(c *Config) { c.ReplayBytes = 0 },
		"idle_timeout: 0s: want a positive duration":         func(c *Config) { c.IdleTimeout = 0 },
		"call_timeout: 0s: want a positive duration":         func(c *Config) { c.CallTimeout = 0 },
		"backoff_min: 0s: want a positive duration":          func(c *Config) { c.BackoffMin = 0 },
		"backoff_max: 1ms: want at least backoff_min, 500ms": func(c *Config) { c.BackoffMax = time.Millisecond },
	} {
		c := Default()
		spoil(&c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

package a2aclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var methods = []method{
	methodSend, methodStream, methodGet, methodList, methodCancel, methodSubscribe, methodPushSet, methodPushGet, methodPushList, methodPushDelete, methodCard,
}

// TestAgain holds the rule of repetition to what it promises, for any failure.
func TestAgain(t *testing.T) {
	failures := []error{
		nil, context.Canceled, errors.New("connection reset"), ErrReply, ErrTooLarge, ErrRedirect, ErrAuth, ErrEvent, ErrOrigin, ErrSilent,
	}
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(methods).Draw(t, "method")
		tried, most := rapid.IntRange(1, 50).Draw(t, "tried"), rapid.IntRange(-1, 10).Draw(t, "most")
		jitter := rapid.Float64Range(0, 0.999).Draw(t, "jitter")
		err := rapid.SampledFrom(failures).Draw(t, "failure")
		after := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "after"))
		status := 0
		if rapid.Bool().Draw(t, "answered") {
			status = rapid.IntRange(100, 599).Draw(t, "status")
			err = fmt.Errorf("wrapped: %w", &AgentError{Status: status, RetryAfter: after})
		}
		pause, ok := again(m, tried, most, err, jitter)
		switch {
		case ok && !m.idempotent:
			t.Fatalf("%s is made twice", m.name)
		case ok && tried > most:
			t.Fatalf("try %d of %d", tried+1, most+1)
		case ok && status != 0 && status != 429 && status != 502 && status != 503 && status != 504:
			t.Fatalf("again after %d", status)
		case ok && status != 0 && (pause < after || after > maxAfter):
			t.Fatalf("again after %s, not %s", pause, after)
		case ok && (pause <= 0 || pause > max(maxPause, after)):
			t.Fatalf("a pause of %s", pause)
		case !ok && pause != 0:
			t.Fatalf("a pause of %s before nothing", pause)
		case ok && err == nil:
			t.Fatal("again after success")
		}
	})
}

// TestRetries makes calls that fail for a moment, against a clock of its own.
func TestRetries(t *testing.T) {
	busy := &AgentError{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second}
	for name, tt := range map[string]struct {
		m     method
		err   error
		fails int
		calls int
		ok    bool
		least time.Duration
	}{
		"too many requests":    {methodGet, busy, 2, 3, true, 14 * time.Second},
		"a message":            {methodSend, busy, 1, 1, false, 0},
		"cancelling":           {methodCancel, busy, 1, 1, false, 0},
		"a network that fails": {methodList, errors.New("reset"), 100, 4, false, time.Second / 2},
		"too long to wait":     {methodGet, &AgentError{Status: 503, RetryAfter: time.Hour}, 1, 1, false, 0},
		"a word of the agent":  {methodGet, &AgentError{Status: 200, Code: -32001}, 1, 1, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set, err := Options{}.check()
				if err != nil {
					t.Fatal(err)
				}
				l, began, calls := &log{}, time.Now(), 0
				_, err = attempt(t.Context(), set, l, tt.m, nil, func(context.Context) (struct{}, error) {
					calls++
					if calls <= tt.fails {
						return struct{}{}, explainable{tt.err}
					}
					return struct{}{}, nil
				})
				if calls != tt.calls || (err == nil) != tt.ok || time.Since(began) < tt.least {
					t.Errorf("%d calls in %s: %v", calls, time.Since(began), err)
				}
				if got := l.stats(); got.Calls != 1 || int(got.CallsRetried) != calls-1 || (got.CallsFailed == 0) != tt.ok {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// explainable is a failure of the network around another error.
type explainable struct{ error }

func (explainable) Timeout() bool   { return false }
func (explainable) Temporary() bool { return true }
func (e explainable) Unwrap() error { return e.error }

func TestSessionsAreBounded(t *testing.T) {
	l := &log{}
	s := newSessions(3, time.Hour, l)
	now := time.Unix(0, 0)
	s.now = func() time.Time { return now }
	for i := range 5 {
		now = now.Add(time.Minute)
		s.put(fmt.Sprint("s", i), fmt.Sprint("c", i), "")
	}
	if c, _ := s.get("s1"); c != "" || s.count() != 3 {
		t.Errorf("%q is left, %d sessions", c, s.count())
	}
	if c, _ := s.get("s2"); c != "c2" { // now the last used
		t.Errorf("%q", c)
	}
	s.put("new", "c", "t")
	if c, _ := s.get("s3"); c != "" {
		t.Errorf("the one used longest ago is left: %q", c)
	}
	if c, task := s.get("new"); c != "c" || task != "t" {
		t.Errorf("%q %q", c, task)
	}
	now = now.Add(2 * time.Hour)
	if c, _ := s.get("new"); c != "" || s.count() != 0 {
		t.Errorf("%q is left after its time, %d sessions", c, s.count())
	}
	if got := l.stats(); got.SessionsCreated != 6 || got.SessionsEvicted != 6 {
		t.Errorf("%+v", got)
	}
}

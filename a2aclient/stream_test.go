package a2aclient_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/portcullis-dev/portcullis/a2aclient"
)

// say writes one event that answers a request.
func say(w http.ResponseWriter, id, result string) error {
	_, err := fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", id, result)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	return err
}

func begin(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream") }

func status(state, at string) string {
	return `{"statusUpdate":{"taskId":"t1","contextId":"c1","status":{"state":"TASK_STATE_` + state + `","timestamp":"2026-01-01T00:00:0` + at + `Z"}}}`
}

func piece(text string) string {
	return `{"artifactUpdate":{"taskId":"t1","contextId":"c1","append":true,"artifact":{"artifactId":"a","parts":[{"text":"` + text + `"}]}}}`
}

const workingTask = `{"task":{"id":"t1","contextId":"c1","status":{"state":"TASK_STATE_WORKING"}}}`

// collect reads a stream to its end.
func collect(t *testing.T, c *a2aclient.Client) (events []a2a.Event, err error) {
	t.Helper()
	for e, err := range c.Stream(t.Context(), a2aclient.Message{Text: "go"}) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func TestHostileStreams(t *testing.T) {
	const marker = "MARKER-of-the-agent"
	for name, tt := range map[string]struct {
		stream func(w http.ResponseWriter, id string)
		want   error
		limits func(*a2aclient.Limits)
	}{
		"another id":  {func(w http.ResponseWriter, _ string) { _ = say(w, `"`+marker+`"`, workingTask) }, a2aclient.ErrReply, nil},
		"no envelope": {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, "data: "+workingTask+"\n\n") }, a2aclient.ErrReply, nil},
		"no JSON":     {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, "data: "+marker+"\n\n") }, a2aclient.ErrReply, nil},
		"lines of JSON without events": {func(w http.ResponseWriter, id string) {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id+`,"result":`+workingTask+"}\n")
		}, a2aclient.ErrBroken, nil},
		"two kinds at once": {func(w http.ResponseWriter, id string) {
			_ = say(w, id, strings.TrimSuffix(workingTask, "}")+","+status("WORKING", "1")[1:])
		}, a2aclient.ErrEvent, nil},
		"an event of 0.3": {func(w http.ResponseWriter, id string) {
			_ = say(w, id, `{"kind":"task","id":"t1","contextId":"c1","status":{"state":"working"}}`)
		}, a2aclient.ErrEvent, nil},
		"an unknown state": {func(w http.ResponseWriter, id string) { _ = say(w, id, status(marker, "1")) }, a2aclient.ErrEvent, nil},
		"another task": {func(w http.ResponseWriter, id string) {
			_ = say(w, id, workingTask)
			_ = say(w, id, strings.Replace(status("WORKING", "1"), "t1", "t2", 1))
		}, a2aclient.ErrEvent, nil},
		"a task that is a path": {func(w http.ResponseWriter, id string) {
			_ = say(w, id, strings.Replace(workingTask, "t1", "../../etc/passwd", 1))
		}, a2aclient.ErrEvent, nil},
		"an event that is too large": {func(w http.ResponseWriter, id string) {
			_ = say(w, id, piece(strings.Repeat("x", 32<<10)))
		}, a2aclient.ErrTooLarge, nil},
		"a line that never ends": {func(w http.ResponseWriter, _ string) {
			_, _ = io.WriteString(w, "data: ")
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		}, a2aclient.ErrTooLarge, nil},
		"events without end": {func(w http.ResponseWriter, id string) {
			for say(w, id, piece("x")) == nil {
			}
		}, a2aclient.ErrTooLarge, nil},
		"too many events": {func(w http.ResponseWriter, id string) {
			for say(w, id, piece("x")) == nil {
			}
		}, a2aclient.ErrTooLarge, func(l *a2aclient.Limits) { l.Events = 10 }},
		"comments without end": {func(w http.ResponseWriter, _ string) {
			for {
				if _, err := io.WriteString(w, ": x\n\n"); err != nil {
					return
				}
			}
		}, a2aclient.ErrTooLarge, nil},
		"silence": {func(w http.ResponseWriter, id string) {
			_ = say(w, id, workingTask)
		}, a2aclient.ErrSilent, func(l *a2aclient.Limits) { l.Silence = 20 * time.Millisecond }},
		"an end without an end": {func(w http.ResponseWriter, id string) { _ = say(w, id, workingTask) }, a2aclient.ErrBroken, nil},
		"nothing at all":        {func(http.ResponseWriter, string) {}, a2aclient.ErrBroken, nil},
		"HTML": {func(w http.ResponseWriter, _ string) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, marker)
		}, a2aclient.ErrReply, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t, nil)
			done := make(chan struct{})
			t.Cleanup(func() { close(done) })
			h.Config.Handler = handling(h, func(w http.ResponseWriter, r *http.Request) {
				id := idOf(r)
				begin(w)
				tt.stream(w, id)
				if name == "silence" {
					<-done
				}
			})
			o := bearer()
			if tt.limits != nil {
				tt.limits(&o.Limits)
			}
			c := connect(t, h.URL, o)
			_, err := collect(t, c)
			if !errors.Is(err, tt.want) || strings.Contains(fmt.Sprint(err), marker) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if s := c.Stats(); errors.Is(tt.want, a2aclient.ErrEvent) && name != "another task" && name != "a task that is a path" && s.StreamEventsInvalid != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func handling(h *hostile, method http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/agent-card.json" {
			writeJSON(w, h.card(h.URL))
			return
		}
		method(w, r)
	})
}

// TestBrokenStream breaks a stream in the middle: every event is shown once,
// whether the agent goes on where it was, begins with the task, or tells all
// again.
func TestBrokenStream(t *testing.T) {
	for name, second := range map[string][]string{
		"goes on":              {status("WORKING", "3"), piece("c"), status("COMPLETED", "9")},
		"begins with task":     {`{"task":{"id":"t1","contextId":"c1","status":{"state":"TASK_STATE_WORKING"},"history":[]}}`, piece("c"), status("COMPLETED", "9")},
		"tells all again":      {workingTask, status("WORKING", "1"), piece("a"), piece("b"), status("WORKING", "3"), piece("c"), status("COMPLETED", "9")},
		"tells the last again": {piece("b"), status("WORKING", "3"), piece("c"), status("COMPLETED", "9")},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			h := newHostile(t, func(w http.ResponseWriter, r *http.Request) {
				id := idOf(r)
				begin(w)
				if calls.Add(1) == 1 {
					for _, e := range []string{workingTask, status("WORKING", "1"), piece("a"), piece("b")} {
						_ = say(w, id, e)
					}
					panic(http.ErrAbortHandler)
				}
				for _, e := range second {
					_ = say(w, id, e)
				}
			})
			o := bearer()
			o.Limits.Resubscribes = 2
			c := connect(t, h.URL, o)
			events, err := collect(t, c)
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			n := 0
			for _, e := range events {
				switch v := e.(type) {
				case *a2a.TaskArtifactUpdateEvent:
					said.WriteString(texts(v.Artifact.Parts))
				case *a2a.TaskStatusUpdateEvent:
					n++
				}
			}
			if want := "abc"; said.String() != want || n < 2 || n > 3 {
				t.Errorf("%q, %d states", &said, n)
			}
			if s := c.Stats(); s.StreamsResumed != 1 || calls.Load() != 2 {
				t.Errorf("%+v, %d calls", s, calls.Load())
			}
		})
	}
}

// TestStreamThatCannotBeTakenUp asks for the task where the agent does not let
// the stream be taken up again.
func TestStreamThatCannotBeTakenUp(t *testing.T) {
	var mu sync.Mutex
	var methods []string
	h := newHostile(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		id := idOf(r)
		mu.Lock()
		defer mu.Unlock()
		switch text := string(body); {
		case strings.Contains(text, `"SendStreamingMessage"`):
			methods = append(methods, "send")
			begin(w)
			_ = say(w, id, workingTask)
		case strings.Contains(text, `"SubscribeToTask"`):
			methods = append(methods, "subscribe")
			writeJSON(w, `{"jsonrpc":"2.0","id":`+id+`,"error":{"code":-32004,"message":"no"}}`)
		default:
			methods = append(methods, "get")
			writeJSON(w, `{"jsonrpc":"2.0","id":`+id+`,"result":`+goodTask+`}`)
		}
	})
	o := bearer()
	o.Limits.Resubscribes = 2
	events, err := collect(t, connect(t, h.URL, o))
	if err != nil || len(events) != 2 {
		t.Fatalf("%v, %v", events, err)
	}
	if got := strings.Join(methods, " "); got != "send subscribe get" {
		t.Errorf("methods %s", got)
	}
}

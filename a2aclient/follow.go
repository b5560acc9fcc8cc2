package a2aclient

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
)

// stateOf returns the state of a task that an event tells.
func stateOf(e a2a.Event) (a2a.TaskState, bool) {
	switch v := e.(type) {
	case *a2a.Task:
		return v.Status.State, true
	case *a2a.TaskStatusUpdateEvent:
		return v.Status.State, true
	}
	return a2a.TaskStateUnspecified, false
}

// waiting reports whether a task goes on only when its caller does something.
func waiting(s a2a.TaskState) bool {
	return s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}

// resting reports whether a task does not change by itself any more.
func resting(s a2a.TaskState) bool { return s.Terminal() || waiting(s) }

// Wait looks at a task until it is done or waits for its caller, less often the
// longer it takes.
func (c *Client) Wait(ctx context.Context, id string) (*a2a.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, c.set.Limits.Stream)
	defer cancel()
	return c.poll(ctx, id, func(*a2a.Task) bool { return true })
}

// poll is Wait that shows the task each time its state changed.
func (c *Client) poll(ctx context.Context, id string, show func(*a2a.Task) bool) (*a2a.Task, error) {
	pause, last := c.set.Limits.Poll, a2a.TaskStateUnspecified
	for {
		t, err := c.Task(ctx, id)
		if err != nil {
			return nil, err
		}
		if t.Status.State != last && !show(t) || resting(t.Status.State) {
			return t, nil
		}
		last = t.Status.State
		if err := sleep(ctx, pause/2+time.Duration(rand.Int64N(int64(pause/2)+1))); err != nil {
			return nil, guard.Explain(err)
		}
		pause = min(pause*3/2, maxPause)
	}
}

// Stream sends a message and returns what happens until the task is done or
// waits for its caller. A stream that breaks is taken up again where the agent
// lets it: then the task as it is now comes first, and no event comes twice.
// After an error nothing comes.
func (c *Client) Stream(ctx context.Context, m Message) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		req, err := c.request(m)
		if err != nil {
			yield(nil, err)
			return
		}
		f := c.follow(yield)
		f.session = m.Session
		ctx, cancel := context.WithTimeout(ctx, c.set.Limits.Stream)
		defer cancel()
		if !c.card.Streaming {
			m.Immediately = true
			reply, err := c.Send(ctx, m)
			f.unstreamed(ctx, reply, err)
			return
		}
		f.run(ctx, methodStream, c.sdk.SendStreamingMessage(ctx, req))
	}
}

// Watch returns what happens to a task from now on, the task itself first.
func (c *Client) Watch(ctx context.Context, id string) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		t, err := c.Task(ctx, id)
		if err != nil {
			yield(nil, err)
			return
		}
		f := c.follow(yield)
		ctx, cancel := context.WithTimeout(ctx, c.set.Limits.Stream)
		defer cancel()
		f.task = id
		if !f.show(t) || resting(t.Status.State) {
			return
		}
		if !c.card.Streaming {
			f.poll(ctx)
			return
		}
		f.repeated(t)
		f.resumed, f.marks = true, len(f.seen)
		f.run(ctx, methodSubscribe, c.subscribe(ctx, id))
	}
}

func (c *Client) subscribe(ctx context.Context, id string) iter.Seq2[a2a.Event, error] {
	return c.sdk.SubscribeToTask(ctx, &a2a.SubscribeToTaskRequest{ID: a2a.TaskID(id)})
}

// maxSeen bounds how many events are remembered to know them again.
const maxSeen = 4096

// follower follows one task through streams that may break.
type follower struct {
	client  *Client
	yield   func(a2a.Event, error) bool
	session string
	task    string
	state   a2a.TaskState
	shown   int
	stopped bool // the caller wants no more

	seed    maphash.Seed
	seen    []uint64 // of the events shown, in order
	resumed bool     // the connection is not the first
	replay  int      // place in seen of the event that a replay would bring next; -1 = there is none
	marks   int      // how many events were seen before the connection
}

func (c *Client) follow(yield func(a2a.Event, error) bool) *follower {
	return &follower{client: c, yield: yield, seed: maphash.MakeSeed()}
}

// unstreamed follows the task of an agent that does not stream.
func (f *follower) unstreamed(ctx context.Context, r Reply, err error) {
	switch {
	case err != nil:
		f.yield(nil, err)
	case r.Message != nil:
		f.yield(r.Message, nil)
	default:
		f.task = string(r.Task.ID)
		if f.show(r.Task) && !resting(r.Task.Status.State) {
			f.poll(ctx)
		}
	}
}

// poll follows the task by looking at it.
func (f *follower) poll(ctx context.Context) {
	_, err := f.client.poll(ctx, f.task, func(t *a2a.Task) bool {
		if t.Status.State == f.state {
			return true
		}
		return f.show(t)
	})
	if err != nil && !f.stopped {
		f.yield(nil, err)
	}
}

// show hands an event to the caller.
func (f *follower) show(e a2a.Event) bool {
	if s, ok := stateOf(e); ok {
		f.state = s
	}
	f.client.remember(f.session, e)
	f.shown++
	if !f.yield(e, nil) {
		f.stopped = true
		return false
	}
	return true
}

// run follows streams until the task rests.
func (f *follower) run(ctx context.Context, m method, stream iter.Seq2[a2a.Event, error]) {
	c := f.client
	c.log.calls.Add(1)
	c.log.tell(Notice{Kind: StreamStarted, Method: m.name})
	defer c.log.tell(Notice{Kind: StreamEnded, Method: m.name})
	for tries := 0; ; tries++ {
		done, err := f.consume(stream)
		if done || f.stopped {
			return
		}
		if err == nil && waiting(f.state) {
			return
		}
		var agent *AgentError
		switch {
		case f.task != "" && f.resumed && errors.As(err, &agent) && !passing(err):
			f.poll(ctx) // an agent that does not let streams be taken up still has the task
			return
		case f.task == "" || !broken(err) || tries >= c.set.Limits.Resubscribes:
			if err == nil {
				err = guard.Faultf(ErrBroken, "")
			}
			c.log.failed.Add(1)
			c.log.tell(Notice{Kind: Failed, Method: m.name, TaskID: f.task, Err: err})
			f.yield(nil, err)
			return
		}
		pause, _ := again(methodSubscribe, tries+1, tries+1, errPassing, rand.Float64())
		if err := sleep(ctx, pause); err != nil {
			f.yield(nil, guard.Explain(err))
			return
		}
		c.log.resumed.Add(1)
		c.log.tell(Notice{Kind: StreamResumed, TaskID: f.task, Count: tries + 1, Err: err})
		f.resumed, f.replay, f.marks = true, 0, len(f.seen)
		stream = c.subscribe(ctx, f.task)
	}
}

// errPassing stands for a stream that ended too early.
var errPassing = errors.New("the stream broke")

// broken reports whether a stream ended in a way that it may be taken up after:
// not by a word of the agent, a limit or the caller.
func broken(err error) bool {
	return err == nil || errors.Is(err, ErrBroken) || errors.Is(err, ErrSilent) || passing(err)
}

// consume reads one stream to its end. It reports whether the task is over.
func (f *follower) consume(stream iter.Seq2[a2a.Event, error]) (done bool, err error) {
	for e, err := range stream {
		if err != nil {
			return false, guard.Explain(err)
		}
		if err := f.accept(e); err != nil {
			return false, err
		}
		if f.repeated(e) {
			f.client.log.repeated.Add(1)
		} else if !f.show(e) {
			return true, nil
		}
		if _, ok := e.(*a2a.Message); ok || f.state.Terminal() {
			return true, nil
		}
	}
	return false, nil
}

// accept checks that an event is about the task that is followed.
func (f *follower) accept(e a2a.Event) error {
	if e == nil {
		return guard.Faultf(ErrEvent, "it is none")
	}
	if f.shown >= f.client.set.Limits.Events {
		return guard.Faultf(ErrTooLarge, "a stream of more than %d events", f.client.set.Limits.Events)
	}
	id := string(e.TaskInfo().TaskID)
	if t, ok := e.(*a2a.Task); ok {
		id = string(t.ID)
		if err := f.client.sound(t, ""); err != nil {
			return err
		}
	}
	if _, ok := e.(*a2a.Message); ok && id == "" {
		return nil
	}
	switch {
	case f.task == "":
		if err := f.client.checkTask(id); err != nil {
			return guard.Faultf(ErrEvent, "the id of its task cannot be one")
		}
		f.task = id
	case id != f.task:
		return guard.Faultf(ErrEvent, "it is about another task")
	}
	return nil
}

// repeated reports whether an event of a stream that was taken up is one that
// was shown before. Agents may begin with the task, or with events from some
// place on: those are a run in the order in which they were shown. The first
// event that is not the next of the run is new, and so is all behind it.
func (f *follower) repeated(e a2a.Event) bool {
	text, err := json.Marshal(a2a.StreamResponse{Event: e})
	if err != nil {
		return false
	}
	h := maphash.Bytes(f.seed, text)
	known := false
	if f.resumed && f.replay >= 0 {
		known = f.next(h)
		if _, whole := e.(*a2a.Task); !known && !whole {
			f.replay = -1
		}
	}
	if !known && len(f.seen) < maxSeen {
		f.seen = append(f.seen, h)
	}
	return known
}

// next reports whether an event is the next of a run of events shown before.
func (f *follower) next(h uint64) bool {
	for i := f.replay; i < f.marks; i++ {
		if f.seen[i] == h {
			f.replay = i + 1
			return true
		}
		if f.replay > 0 { // within a run: only the very next one
			return false
		}
	}
	return false
}

package link

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

// Feed hands out encoded events. Take returns nil without an error when there
// is none yet; wake then gets a value when that may have changed.
type Feed interface {
	Take() ([]byte, error)
	Wake() <-chan struct{}
}

// Body is the [io.ReadCloser] over a feed: one event at a time, a comment
// when nothing was said for a while, so that nothing on the way gives up.
type Body struct {
	feed  Feed
	keep  time.Duration
	done  chan struct{}
	once  sync.Once
	close func()
	stop  func() bool
	rest  []byte
}

var keepAliveComment = sse.AppendEvent(nil, &sse.Event{})

// NewBody returns a body that sends a comment after each keep of silence. It
// must be given its end with [Body.Until].
func NewBody(f Feed, keep time.Duration) *Body {
	return &Body{feed: f, keep: keep, done: make(chan struct{})}
}

// Until closes the body when ctx ends. When it is closed, for whichever
// reason, closed is called once.
func (b *Body) Until(ctx context.Context, closed func()) *Body {
	b.close = closed
	b.stop = context.AfterFunc(ctx, func() { b.Close() })
	return b
}

// Read fails with [io.ErrClosedPipe] after Close and with
// [io.ErrUnexpectedEOF] when the reader was too slow and has been cut.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.rest) == 0 {
		select {
		case <-b.done:
			return 0, io.ErrClosedPipe
		default:
		}
		event, err := b.feed.Take()
		if err != nil {
			return 0, err
		}
		if event == nil {
			event = b.pause()
		}
		b.rest = event
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *Body) pause() []byte {
	t := time.NewTimer(b.keep)
	defer t.Stop()
	select {
	case <-b.feed.Wake():
	case <-b.done:
	case <-t.C:
		return keepAliveComment
	}
	return nil
}

// Close ends the stream; it may be called more than once, also while a Read
// waits.
func (b *Body) Close() error {
	b.once.Do(func() {
		close(b.done)
		b.close()
	})
	return nil
}

// queue is the feed of one POST: bounded in bytes, cut when its reader falls
// behind.
type queue struct {
	mu    sync.Mutex
	items [][]byte
	size  int
	limit int
	ended bool
	cut   bool
	bell  chan struct{}
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, bell: make(chan struct{}, 1)}
}

// push reports whether the message was taken.
func (q *queue) push(msg []byte) bool {
	event := sse.AppendEvent(nil, &sse.Event{Type: "message", Data: msg})
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || q.cut {
		return false
	}
	if q.size+len(event) > q.limit && len(q.items) > 0 {
		q.cut, q.items, q.size = true, nil, 0
		q.ring()
		return false
	}
	q.items = append(q.items, event)
	q.size += len(event)
	q.ring()
	return true
}

// finish ends the stream after what is queued.
func (q *queue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.ring()
}

func (q *queue) ring() {
	select {
	case q.bell <- struct{}{}:
	default:
	}
}

// Wake implements [Feed].
func (q *queue) Wake() <-chan struct{} { return q.bell }

// Take implements [Feed].
func (q *queue) Take() ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.cut:
		return nil, io.ErrUnexpectedEOF
	case len(q.items) > 0:
		event := q.items[0]
		q.items[0] = nil
		q.items = q.items[1:]
		q.size -= len(event)
		return event, nil
	case q.ended:
		return nil, io.EOF
	}
	return nil, nil
}

package session

import (
	"io"
	"strconv"
	"sync"

	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

// maxKept bounds the number of messages an outbox keeps.
const maxKept = 1024

// outbox keeps what the server of a session said that belongs to no pending
// request, for the session's GET stream. Each message has a number, which is
// its event id; a bounded number of them stays after delivery, so that a
// client that lost its stream gets what it missed (Last-Event-ID).
type outbox struct {
	mu     sync.Mutex
	first  uint64 // number of kept[0]
	kept   []entry
	size   int
	limit  int
	reader *cursor
	ended  bool
	lost   func(id []byte) // a request of the server that nobody has read is dropped
}

type entry struct {
	msg  []byte
	id   []byte // of a request of the server, else nil
	read bool
}

// cursor is the feed of one GET stream.
type cursor struct {
	o    *outbox
	next uint64
	bell chan struct{}
	cut  bool // fell so far behind that messages are gone
}

func newOutbox(limit int, lost func(id []byte)) *outbox {
	return &outbox{first: 1, limit: limit, lost: lost}
}

// put adds a message; id is that of a request.
func (o *outbox) put(msg, id []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.kept = append(o.kept, entry{msg: msg, id: id})
	o.size += len(msg)
	for len(o.kept) > 1 && (o.size > o.limit || len(o.kept) > maxKept) {
		o.evict()
	}
	if o.reader != nil {
		o.reader.ring()
	}
}

func (o *outbox) evict() {
	e := o.kept[0]
	o.kept[0] = entry{}
	o.kept = o.kept[1:]
	o.size -= len(e.msg)
	if o.reader != nil && o.reader.next <= o.first {
		o.reader.cut = true
	}
	o.first++
	if e.id != nil && !e.read {
		o.lost(e.id)
	}
}

// open makes a new reader and ends the one before. It starts after the event
// that last names, or at the first message nobody has read.
func (o *outbox) open(last string) *cursor {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := o.first + uint64(len(o.kept))
	at := o.first
	for at < end && o.kept[at-o.first].read {
		at++
	}
	if n, err := strconv.ParseUint(last, 10, 64); err == nil && n < end {
		at = max(n+1, o.first)
	}
	if o.reader != nil {
		o.reader.ring()
	}
	o.reader = &cursor{o: o, next: at, bell: make(chan struct{}, 1)}
	return o.reader
}

// shut forgets a reader that was closed.
func (o *outbox) shut(c *cursor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reader == c {
		o.reader = nil
	}
}

// open reports whether somebody is reading.
func (o *outbox) live() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reader != nil && !o.reader.cut
}

func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.reader != nil {
		o.reader.ring()
	}
}

func (c *cursor) ring() {
	select {
	case c.bell <- struct{}{}:
	default:
	}
}

// Wake implements [link.Feed].
func (c *cursor) Wake() <-chan struct{} { return c.bell }

// Take implements [link.Feed].
func (c *cursor) Take() ([]byte, error) {
	c.o.mu.Lock()
	defer c.o.mu.Unlock()
	switch {
	case c.o.reader != c: // a newer stream took over
		return nil, io.EOF
	case c.cut:
		return nil, io.ErrUnexpectedEOF
	case c.next < c.o.first+uint64(len(c.o.kept)):
		e := &c.o.kept[c.next-c.o.first]
		e.read = true
		id := strconv.FormatUint(c.next, 10)
		c.next++
		return sse.AppendEvent(nil, &sse.Event{Type: "message", HasID: true, ID: id, Data: e.msg}), nil
	case c.o.ended:
		return nil, io.EOF
	}
	return nil, nil
}

package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// Exchange is one request of a client, from its arrival to its answer. The
// answer may come after the client has gone.
type Exchange struct {
	ID      []byte // as the client wrote it
	Token   []byte // the client's progress token, raw; nil without one
	Accepts bool   // the client takes an event stream
	modern  bool   // the client speaks 2026-07-28 or later
	out     *queue
	settled func()        // called once, when answered or refused
	decided chan struct{} // closed when the form of the reply is known

	mu      sync.Mutex
	started bool // the reply is an event stream
	over    bool
	left    bool // the client has gone
	final   []byte
	fail    *portcullis.Error
}

// NewExchange returns the exchange of a request. Limit bounds the bytes queued
// for its client; settled is called once, when it is answered or refused.
func NewExchange(pc *portcullis.Call, token []byte, modern bool, limit int, settled func()) *Exchange {
	return &Exchange{
		ID: pc.Message.ID, Token: token, modern: modern,
		Accepts: Accepts(pc, "text/event-stream"),
		out:     newQueue(limit),
		settled: settled,
		decided: make(chan struct{}),
	}
}

// Accepts reports whether the client takes a media type. A client that sent no
// Accept takes anything, by RFC 9110, but not a stream it did not ask for.
func Accepts(pc *portcullis.Call, media string) bool {
	for _, line := range strings.Split(Header(pc, "Accept"), ",") {
		t, _, _ := strings.Cut(line, ";")
		if strings.EqualFold(strings.TrimSpace(t), media) {
			return true
		}
	}
	return false
}

// Header returns a request header, several lines joined.
func Header(pc *portcullis.Call, name string) string {
	if pc.Conn != nil && pc.Conn.HTTP != nil {
		return strings.Join(pc.Conn.HTTP.Header.Values(name), ",")
	}
	var lines []string
	for _, f := range pc.Header {
		if strings.EqualFold(f.Name, name) {
			lines = append(lines, f.Value)
		}
	}
	return strings.Join(lines, ",")
}

// Note passes on a message that comes before the answer. It reports false if
// this client will not get it.
func (x *Exchange) Note(msg []byte) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.left || !x.Accepts {
		return false
	}
	x.start()
	return x.out.push(msg)
}

// Reachable reports whether note would pass a message on.
func (x *Exchange) Reachable() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.over && !x.left && x.Accepts
}

func (x *Exchange) start() {
	if !x.started {
		x.started = true
		close(x.decided)
	}
}

// Finish delivers the answer, which already has the client's id.
func (x *Exchange) Finish(msg []byte) { x.end(msg, nil) }

// Refuse ends the exchange without an answer of the upstream.
func (x *Exchange) Refuse(err *portcullis.Error) { x.end(nil, err) }

// Shut ends the reply without any answer: what the protocol has for a stream
// that the server closed.
func (x *Exchange) Shut() { x.end(nil, nil) }

func (x *Exchange) end(msg []byte, err *portcullis.Error) {
	x.mu.Lock()
	if x.over {
		x.mu.Unlock()
		return
	}
	x.over = true
	x.mu.Unlock()
	x.settled() // before the client can know, and use the id again
	x.mu.Lock()
	defer x.mu.Unlock()
	x.final, x.fail = msg, err
	if !x.started {
		close(x.decided)
		return
	}
	if err != nil {
		msg = wire.NewError(x.ID, codeOf(err), err.Public, err.Reason)
	}
	if msg != nil {
		x.out.push(msg)
	}
	x.out.finish()
}

func codeOf(err *portcullis.Error) int {
	if err.Code != 0 {
		return err.Code
	}
	return portcullis.CodeRefused
}

// leave says that the client has gone. It reports whether the exchange was
// still waiting for its answer.
func (x *Exchange) leave() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.left = true
	return !x.over
}

// Wait returns the reply as soon as its form is known: JSON if the answer is
// the first thing the server says, else an event stream, which is also begun
// when nothing came for one keep-alive interval. The function gone is called
// if the client leaves before the answer.
func (x *Exchange) Wait(ctx context.Context, keep time.Duration, gone func(cause error)) (*portcullis.Reply, error) {
	t := time.NewTimer(keep)
	defer t.Stop()
	for {
		select {
		case <-x.decided:
			return x.reply(ctx, keep, gone)
		case <-t.C:
			x.mu.Lock()
			if x.Accepts && !x.over {
				x.start()
			}
			x.mu.Unlock()
		case <-ctx.Done():
			if x.leave() {
				gone(ctx.Err())
			}
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, ErrTimeout("call exceeded its time limit")
			}
			return nil, ctx.Err()
		}
	}
}

func (x *Exchange) reply(ctx context.Context, keep time.Duration, gone func(error)) (*portcullis.Reply, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.started {
		return StreamReply(NewBody(x.out, keep).Until(ctx, func() {
			if x.leave() {
				gone(ctx.Err())
			}
		})), nil
	}
	switch {
	case x.fail != nil:
		return nil, x.fail
	case x.final == nil:
		return StreamReply(io.NopCloser(bytes.NewReader(nil))), nil
	}
	status := http.StatusOK
	if x.modern {
		status = statusOf(x.final)
	}
	return JSONReply(status, x.final), nil
}

// statusOf returns the HTTP status that MCP 2026-07-28 wants for an answer.
func statusOf(msg []byte) int {
	code, _ := wire.Number(wire.Get(msg, "error", "code"))
	switch code {
	case portcullis.CodeMethodNotFound:
		return http.StatusNotFound
	case portcullis.CodeHeaderMismatch, portcullis.CodeUnsupportedVersion, codeMissingCapability:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// codeMissingCapability is MissingRequiredClientCapability of MCP 2026-07-28.
const codeMissingCapability = -32021

// JSONReply is a reply of one message.
func JSONReply(status int, msg []byte) *portcullis.Reply {
	return &portcullis.Reply{
		Status: status,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(msg)),
	}
}

// StreamReply is a reply of events.
func StreamReply(b io.ReadCloser) *portcullis.Reply {
	return &portcullis.Reply{
		Status: http.StatusOK,
		Header: http.Header{
			"Content-Type":      {"text/event-stream"},
			"Cache-Control":     {"no-store"},
			"X-Accel-Buffering": {"no"}, // a proxy in front must not collect events
		},
		Body: b,
	}
}

// EmptyReply has no body: 202 for what was accepted, 204 for what was ended.
func EmptyReply(status int) *portcullis.Reply {
	return &portcullis.Reply{Status: status, Header: http.Header{}, Body: http.NoBody}
}

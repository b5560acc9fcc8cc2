package guard

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

// events is the body of a stream as the SDK reads it: one line of checked JSON
// for each event. Whatever the agent writes beside that ends here.
type events struct {
	answer *answer
	ctx    context.Context // of the request: its cause says why reading failed
	body   io.Closer
	src    *sse.Reader
	cancel context.CancelCauseFunc
	quiet  *time.Timer // ends the stream when no event comes
	total  int64
	count  int
	buf    []byte
	err    error
}

func newEvents(ctx context.Context, a *answer, cancel context.CancelCauseFunc) *events {
	lim := a.guard.Bounds
	return &events{
		answer: a, ctx: ctx, body: a.resp.Body, src: sse.NewReader(a.resp.Body, lim.Event), cancel: cancel,
		quiet: time.AfterFunc(lim.Silence, func() { cancel(ErrSilent) }),
	}
}

// Read implements [io.Reader].
func (e *events) Read(p []byte) (int, error) {
	for len(e.buf) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.buf, e.err = e.next()
	}
	n := copy(p, e.buf)
	e.buf = e.buf[n:]
	return n, nil
}

// Close implements [io.Closer].
func (e *events) Close() error {
	e.quiet.Stop()
	e.cancel(nil)
	return e.body.Close()
}

// next returns the line of the next event, nil for a block that is none.
func (e *events) next() ([]byte, error) {
	lim := e.answer.guard.Bounds
	ev, err := e.src.Next()
	switch {
	case err == nil:
	case errors.Is(err, sse.ErrTooLarge):
		return nil, Faultf(ErrTooLarge, "an event of more than %d bytes", lim.Event)
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case errors.Is(context.Cause(e.ctx), ErrSilent):
		return nil, Faultf(ErrSilent, "no event for %s", lim.Silence)
	default:
		return nil, Faultf(ErrBroken, "")
	}
	if e.total += int64(len(ev.Raw)); e.total > lim.StreamBytes {
		return nil, Faultf(ErrTooLarge, "a stream of more than %d bytes", lim.StreamBytes)
	}
	if !ev.Dispatched() || len(ev.Data) == 0 {
		return nil, nil
	}
	if e.count++; e.count > lim.Events {
		return nil, Faultf(ErrTooLarge, "a stream of more than %d events", lim.Events)
	}
	e.quiet.Reset(lim.Silence)
	e.answer.guard.Watch.Received()
	if err := e.answer.event(ev.Data); err != nil {
		return nil, err
	}
	return append(append([]byte("data: "), oneLine(ev.Data)...), "\n\n"...), nil
}

// event checks one event: that it is JSON that every parser reads the same,
// that it answers the request, and that it fits the schema of its version.
func (a *answer) event(data []byte) error {
	w, payload := a.guard.Watch, data
	if a.guard.Binding == JSONRPC {
		result, err := a.check(data)
		if err != nil {
			if errors.Is(err, ErrReply) {
				w.Invalid("", "", err)
			}
			return err
		}
		payload = result
	} else if err := a.strict(data); err != nil {
		w.Invalid("", "", err)
		return err
	}
	if a.guard.Binding == HTTPJSON && isHTTPError(payload) {
		return a.httpError(payload)
	}
	if a.guard.Binding == HTTPJSON && a.guard.Version == "0.3" {
		var ok bool
		if payload, ok = camel(payload); !ok {
			w.Invalid("", "two names of a member become one", nil)
			return Faultf(ErrEvent, "two names of a member become one")
		}
	}
	if path, rule, ok := checkEvent(a.guard.Version, payload); !ok {
		w.Invalid(path, rule, nil)
		return Faultf(ErrEvent, "%s", placed(path, rule))
	}
	return nil
}

// isHTTPError reports whether an event of HTTP+JSON is an error.
func isHTTPError(data []byte) bool {
	it := jsonrpc.Walk(data)
	for it.Next() {
		if it.Name.Is(data, "error") {
			return it.Value.Kind == jsonrpc.Object
		}
	}
	return false
}

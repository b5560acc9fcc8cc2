package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/dialect"
	"github.com/portcullis-dev/portcullis/gateway/tracing"
	"github.com/portcullis-dev/portcullis/internal/replies"
)

// exchange is one request and everything learned about it on its way. It is
// used by one goroutine and goes back to a pool when the reply is written, so
// nothing may keep a pointer into it.
type exchange struct {
	pipe  *pipeline
	route *route
	w     http.ResponseWriter

	draining context.Context // ends when the gateway drains
	trace    *tracing.Call   // nil when nobody traces

	conn   portcullis.Conn
	who    portcullis.Principal
	prover portcullis.Authenticator // who vouched for the caller; asked again while a stream runs
	msg    *portcullis.Message
	action portcullis.Action
	call   portcullis.Call
	reply  *portcullis.Reply
	asked  dialect.Call      // what the dialect knows of the call
	notes  []portcullis.Note // of those who admitted the call, written with its intent
	answer dialect.Reading   // the upstream's message under review
	lease  replies.Lease     // what x.out holds of the budget for large replies

	body   []byte             // pooled: the caller's bytes, read once
	out    []byte             // pooled: the reply's bytes
	header []portcullis.Field // pooled: headers for the upstream
	event  portcullis.Event   // pooled: the event being written

	phase    string // where the call is, for logs and metrics
	guard    string // which guard spoke last
	intended bool   // the intent is recorded, so an outcome must follow
	recorded bool   // the outcome is recorded
	wrote    bool   // reply headers are out: no other status can be sent
	status   int    // status sent to the caller
	sent     int64  // bytes of reply body sent
	due      int    // bytes that are sent next, once the outcome is recorded
}

// Pooled buffers above this size go back to the garbage collector, so that one
// large message does not hold memory for good.
const maxPooledBuffer = replies.Small

var exchanges = sync.Pool{New: func() any {
	return &exchange{body: make([]byte, 0, 4<<10), out: make([]byte, 0, 4<<10), header: make([]portcullis.Field, 0, 16)}
}}

func newExchange(rt *route, w http.ResponseWriter, r *http.Request, id string, now time.Time) *exchange {
	x := exchanges.Get().(*exchange)
	x.pipe, x.route, x.w = rt.pipe, rt, w
	x.conn = portcullis.Conn{RequestID: id, Received: now, Route: rt.name, HTTP: r, Reply: w.Header()}
	x.trace = tracing.Begin(rt.traces, &x.conn)
	return x
}

// enter notes which phase the call is in.
func (x *exchange) enter(phase string) {
	x.phase = phase
	x.trace.Phase(phase)
}

func (x *exchange) release() {
	body, out, header, details := x.body[:0], x.out[:0], x.header, x.event.Details
	x.lease.Release()
	clear(header[:cap(header)])
	clear(details)
	*x = exchange{header: header[:0], event: portcullis.Event{Details: details[:0]}}
	if cap(body) <= maxPooledBuffer {
		x.body = body
	}
	if cap(out) <= maxPooledBuffer {
		x.out = out
	}
	exchanges.Put(x)
}

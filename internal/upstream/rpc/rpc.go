// Package rpc calls agents that speak gRPC. It stands in front of the client of
// HTTP servers, which has the connections, their bounds and the credential, and
// writes a call over JSON-RPC as one over gRPC and the answer back: whole, or
// message by message as events. To the pipeline the agent speaks JSON-RPC.
//
// What an agent sends is bounded before it is read, and refused if it is
// compressed; a reply that does not end with a status is broken off.
package rpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Options of [New].
type Options struct {
	Timeout time.Duration  // of a call that is answered once
	Limits  jsonrpc.Limits // of each message of the agent
	// Read reads n bytes into buf or a larger one, and returns what gives the
	// memory back. It stands for the memory that the large messages of all calls
	// may hold. nil = there is no end to it.
	Read func(r io.Reader, buf []byte, n int64) (raw []byte, free func(), err error)
}

// Upstream is a [portcullis.Upstream] that speaks gRPC. It is safe for
// concurrent use.
type Upstream struct {
	next portcullis.Upstream
	o    Options
	room *protobuf.Room
}

// New returns the upstream behind a client that speaks HTTP/2 and keeps the
// trailers of replies.
func New(next portcullis.Upstream, o Options) *Upstream {
	if o.Read == nil {
		o.Read = readAll
	}
	return &Upstream{next: next, o: o, room: protobuf.NewRoom(maxRewritten)}
}

// maxRewritten is how many large messages are rewritten at a time.
const maxRewritten = 4

func readAll(r io.Reader, _ []byte, _ int64) ([]byte, func(), error) {
	raw, err := io.ReadAll(r)
	return raw, func() {}, err
}

// Trailed is the body of a reply with trailers, which are known at its end.
type Trailed interface{ Trailer() http.Header }

// Forward implements [portcullis.Upstream].
func (u *Upstream) Forward(ctx context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
	frame, err := u.room.Call(call.Message.Method, call.Message.Raw)
	if err != nil {
		return nil, &portcullis.Error{
			Kind: portcullis.KindMalformed, Code: portcullis.CodeInvalidParams, Reason: "input_rejected",
			Event: portcullis.EventInputRejected, Detail: "message that gRPC cannot carry", Err: err,
		}
	}
	m, out := *call.Message, *call
	m.Raw, m.Suffix = frame, protobuf.PathOf(m.Method)
	out.Message, out.Method, out.Header = &m, http.MethodPost, header(call.Header)
	if a2a.Streams(m.Method) {
		return u.stream(ctx, &out)
	}
	ctx, cancel := context.WithTimeout(ctx, u.o.Timeout)
	out.Header = append(out.Header, portcullis.Field{Name: "Grpc-Timeout", Value: fmt.Sprintf("%dm", min(u.o.Timeout.Milliseconds(), 99_999_999))})
	reply, err := u.next.Forward(ctx, &out)
	if err != nil {
		cancel()
		return nil, err
	}
	return u.read(&out, reply, cancel)
}

// read makes of a reply to a call what it is over JSON-RPC.
func (u *Upstream) read(call *portcullis.Call, reply *portcullis.Reply, cancel func()) (*portcullis.Reply, error) {
	r := &reader{u: u, name: call.Message.Method, id: call.Message.ID, body: reply.Body, cancel: cancel}
	media := reply.Header.Get("Content-Type")
	if reply.Status != http.StatusOK || media != "application/grpc" && !strings.HasPrefix(media, "application/grpc+proto") && !strings.HasPrefix(media, "application/grpc;") {
		status := reply.Status
		if status == http.StatusOK {
			status = http.StatusBadGateway
		}
		return r.only(status), nil
	}
	if early := reply.Header.Get("Grpc-Status"); early != "" { // of a reply without messages
		return r.ended(reply.Header)
	}
	if a2a.Streams(r.name) {
		return &portcullis.Reply{Status: http.StatusOK, Header: head("text/event-stream", reply.Header), Body: r}, nil
	}
	return r.whole()
}

// header is that of a call over gRPC: what says the form of the body is other.
func header(fields []portcullis.Field) []portcullis.Field {
	out := make([]portcullis.Field, 0, len(fields)+3)
	for _, f := range fields {
		if !strings.EqualFold(f.Name, "Content-Type") && !strings.EqualFold(f.Name, "Accept") {
			out = append(out, f)
		}
	}
	return append(out, portcullis.Field{Name: "Content-Type", Value: "application/grpc"}, portcullis.Field{Name: "Grpc-Accept-Encoding", Value: "identity"})
}

// reader reads the messages of one reply. For one that streams it is the body,
// in which each message is an event.
type reader struct {
	u      *Upstream
	name   string
	id     []byte
	body   io.ReadCloser
	cancel func()

	left []byte // of the event being read
	raw  []byte // room for messages
	done error

	mu   sync.Mutex
	free func() // gives back what the last message holds; nil = nothing
}

// only returns a reply of nothing but a status.
func (r *reader) only(status int) *portcullis.Reply {
	_ = r.Close() // nobody reads the rest
	return &portcullis.Reply{Status: status, Header: http.Header{}, Body: http.NoBody}
}

// ended returns the reply that a status without messages is.
func (r *reader) ended(h http.Header) (*portcullis.Reply, error) {
	fault, failed := faultOf(h)
	switch {
	case h.Get("Grpc-Status") == "":
		return nil, r.broken("reply without a status", io.ErrUnexpectedEOF)
	case !failed:
		return nil, r.broken("success without an answer", nil)
	case fault.Status != http.StatusOK:
		return r.only(fault.Status), nil
	}
	_ = r.Close() // the reply is over
	return jsonReply(fault.Append(nil, r.id), h), nil
}

func jsonReply(raw []byte, said http.Header) *portcullis.Reply {
	return &portcullis.Reply{Status: http.StatusOK, Header: head("application/json", said), Body: io.NopCloser(bytes.NewReader(raw))}
}

// head is that of a reply: of what the agent said in headers or trailers, what
// the protocol defines.
func head(media string, said http.Header) http.Header {
	h := http.Header{"Content-Type": {media}}
	if v := said[a2a.HeaderExtensions]; len(v) == 1 {
		h[a2a.HeaderExtensions] = v
	}
	return h
}

// whole returns the reply with one message.
func (r *reader) whole() (*portcullis.Reply, error) {
	payload, err := r.next()
	if err == io.EOF { // a status and no message
		return r.ended(r.trailer())
	}
	if err != nil {
		return nil, r.fail(err)
	}
	out, err := r.u.room.AppendResult(nil, r.name, payload, r.id, r.u.o.Limits)
	if err != nil {
		return nil, r.broken("reading the answer", err)
	}
	if _, err := r.next(); err != io.EOF {
		if err != nil {
			return nil, r.fail(err)
		}
		return nil, r.broken("more than one answer", nil)
	}
	h := r.trailer()
	if _, failed := faultOf(h); failed || h.Get("Grpc-Status") == "" {
		return r.ended(h)
	}
	_ = r.Close() // read to its end
	return jsonReply(out, h), nil
}

// maxKept is the largest room that serves for further messages.
const maxKept = 64 << 10

// next returns the next message, io.EOF behind the last. It is valid until the
// next call.
func (r *reader) next() ([]byte, error) {
	var h [5]byte
	if _, err := io.ReadFull(r.body, h[:]); err != nil {
		return nil, err
	}
	n, err := protobuf.FrameSize(h)
	if err != nil {
		return nil, r.broken("reading the answer", err)
	}
	if n > int64(r.u.o.Limits.MaxBytes) {
		return nil, r.broken("message over the size limit", nil)
	}
	if cap(r.raw) > maxKept { // nobody would account for it any more
		r.raw = nil
	}
	raw, free, err := r.u.o.Read(io.LimitReader(r.body, n), r.raw, n)
	r.raw = raw
	r.hold(free)
	if err == nil && int64(len(r.raw)) < n {
		err = io.ErrUnexpectedEOF
	}
	return r.raw, err
}

func (r *reader) trailer() http.Header {
	if t, ok := r.body.(Trailed); ok {
		return t.Trailer()
	}
	return nil
}

// Read implements [io.Reader]: the messages as events, and a status of failure as
// the last.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.done != nil {
			return 0, r.done
		}
		r.left, r.done = r.event(r.left[:0])
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// event returns the next event, and what comes behind it.
func (r *reader) event(dst []byte) ([]byte, error) {
	payload, err := r.next()
	if err == io.EOF {
		h := r.trailer()
		fault, failed := faultOf(h)
		switch {
		case h.Get("Grpc-Status") == "":
			return nil, r.broken("reply without a status", io.ErrUnexpectedEOF)
		case !failed:
			return nil, io.EOF
		}
		return append(fault.Append(append(dst, "data: "...), r.id), "\n\n"...), io.EOF
	}
	if err != nil {
		return nil, r.fail(err)
	}
	dst, err = r.u.room.AppendResult(append(dst, "data: "...), r.name, payload, r.id, r.u.o.Limits)
	if err != nil {
		return nil, r.broken("reading an event", err)
	}
	return append(dst, "\n\n"...), nil
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	r.cancel()
	r.hold(nil)
	return r.body.Close()
}

// hold takes what gives the memory of a message back, in place of what it held:
// whoever ends a stream does that beside its reader.
func (r *reader) hold(free func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free != nil {
		r.free()
	}
	r.free = free
}

// fail is what Forward returns of an error while reading. Those of the client
// below say enough.
func (r *reader) fail(err error) error {
	if err == io.ErrUnexpectedEOF || err == io.EOF { // of our own reading: the client has other words
		return r.broken("reply that ended early", err)
	}
	_ = r.Close() // it is of no use any more
	return err
}

func (r *reader) broken(detail string, err error) error {
	_ = r.Close() // it is of no use any more
	return &portcullis.Error{
		Kind: portcullis.KindUpstream, Reason: "reply_rejected", Public: "The upstream sent an invalid reply",
		Code: portcullis.CodeInternal, Detail: "gRPC: " + detail, Err: err,
	}
}

// maxDetails is the largest status whose details are read, in its text form.
const maxDetails = 16 << 10

// faultOf reads the status of a reply.
func faultOf(h http.Header) (protobuf.Fault, bool) {
	text := strings.TrimRight(h.Get("Grpc-Status-Details-Bin"), "=")
	var details []byte
	if len(text) <= maxDetails {
		if raw, err := base64.RawStdEncoding.DecodeString(text); err == nil {
			details = raw
		}
	}
	return protobuf.FaultOf(h.Get("Grpc-Status"), details)
}

package rpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/gateway/headers"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/sse"
)

// Call is one call over gRPC: the request as a route reads it, and the place
// where the route writes its answer, which becomes that of the call. It is used
// by one goroutine.
type Call struct {
	Path    string        // as the caller named service and method
	Request *http.Request // the body is the caller's still, in its frame

	w      http.ResponseWriter
	room   *protobuf.Room
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer // of the caller's patience; nil = it did not begin
	name   string      // of the method, "" if there is none of the name
	header http.Header
	status int // HTTP, as the route says it; 0 = nothing was said

	streams bool // the answer comes in events
	began   bool // headers are out
	sent    int  // messages
	end     *protobuf.Status
	frame   []byte // room for messages
}

var _ http.ResponseWriter = (*Call)(nil)

// Header implements [http.ResponseWriter].
func (c *Call) Header() http.Header { return c.header }

// Unwrap lets deadlines be set on the connection.
func (c *Call) Unwrap() http.ResponseWriter { return c.w }

// WriteHeader implements [http.ResponseWriter].
func (c *Call) WriteHeader(status int) {
	if c.status != 0 {
		return
	}
	c.status = status
	if status == http.StatusOK && headers.MediaType(c.header) == "text/event-stream" {
		c.streams = true
		c.begin()
	}
}

// errOften says that a route wrote what is no answer of its own.
var errOften = errors.New("more than one answer to a call over gRPC")

// Write implements [http.ResponseWriter]: a route writes an answer in one piece,
// and of a stream whole events.
func (c *Call) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	if len(b) == 0 {
		return 0, nil
	}
	if !c.streams {
		if c.sent > 0 || c.end != nil {
			return 0, errOften
		}
		return len(b), c.answer(b)
	}
	// The pipeline read b in the middle of a stream, where no byte order mark is
	// one. So must this reader: what the mark hides from the one must not be there
	// for the other.
	events := sse.NewReader(io.MultiReader(strings.NewReader("\n"), bytes.NewReader(b)), len(b)+1)
	for {
		ev, err := events.Next()
		if err != nil { // io.EOF: the route writes no half events
			return len(b), nil
		}
		if len(ev.Data) == 0 || c.end != nil {
			continue
		}
		if err := c.answer(ev.Data); err != nil {
			return 0, err
		}
	}
}

// FlushError sends at once what was written.
func (c *Call) FlushError() error {
	if !c.began {
		return nil
	}
	return http.NewResponseController(c.w).Flush()
}

// answer passes on one response: its result as a message, its error as the end.
func (c *Call) answer(raw []byte) error {
	it := jsonrpc.Walk(raw)
	for it.Next() {
		switch {
		case it.Name.Is(raw, "result"):
			return c.send(it.Value.Raw(raw))
		case it.Name.Is(raw, "error"):
			end := protobuf.ReadError(it.Value.Raw(raw), c.status)
			c.end = &end
			return nil
		}
	}
	end := protobuf.Of(c.status) // not the route's protocol: a refusal that has no other form
	c.end = &end
	return nil
}

// send writes one message.
func (c *Call) send(result []byte) error {
	frame, err := c.room.AppendReply(c.frame[:0], c.name, result)
	if err != nil { // the pipeline breaks off, and tells why in its log
		c.end = &protobuf.Status{Code: protobuf.Internal}
		return fmt.Errorf("writing the answer as gRPC: %w", err)
	}
	if cap(frame) <= maxKept {
		c.frame = frame
	}
	c.begin()
	c.sent++
	_, err = c.w.Write(frame)
	return err
}

// maxKept is the largest room for messages that a stream keeps.
const maxKept = 64 << 10

// begin sends the headers. gRPC has an HTTP status of 200 for everything.
func (c *Call) begin() {
	if c.began {
		return
	}
	c.began = true
	h := c.w.Header()
	for name, values := range c.header {
		switch name {
		case "Content-Type", "Content-Length", "X-Accel-Buffering":
		default:
			h[name] = values
		}
	}
	h["Content-Type"] = []string{"application/grpc"}
	c.w.WriteHeader(http.StatusOK)
}

// Finish ends the call, with the status in trailers. It is deferred directly: a
// call that was broken off ends with a status too, as half an answer must not
// look like a whole one.
func (c *Call) Finish() {
	v := recover()
	if c.timer != nil {
		c.timer.Stop()
	}
	defer c.cancel(nil)
	if v != nil && v != http.ErrAbortHandler {
		panic(v)
	}
	c.begin()
	s := c.outcome(v != nil)
	h := c.w.Header()
	h[http.TrailerPrefix+"Grpc-Status"] = []string{strconv.Itoa(s.Code)}
	if s.Code != protobuf.OK {
		h[http.TrailerPrefix+"X-Request-Id"] = c.header["X-Request-Id"]
	}
	if s.Message != "" {
		h[http.TrailerPrefix+"Grpc-Message"] = []string{percent(s.Message)}
	}
	if s.Details != nil {
		h[http.TrailerPrefix+"Grpc-Status-Details-Bin"] = []string{base64.RawStdEncoding.EncodeToString(s.Details)}
	}
	// A message flushed before its trailers is one that no server counts the
	// length of. An error says that the caller is gone, whom nothing can be told.
	rc := http.NewResponseController(c.w)
	_ = rc.SetWriteDeadline(time.Now().Add(lastWrite))
	_ = rc.Flush()
}

// lastWrite is how long a caller may take to read the rest.
const lastWrite = 30 * time.Second

// outcome says how the call ended.
func (c *Call) outcome(broken bool) protobuf.Status {
	switch {
	case context.Cause(c.ctx) == errPatience:
		return protobuf.Status{Code: protobuf.DeadlineExceeded, Message: "Request timed out"}
	case c.end != nil && c.end.Code != protobuf.OK:
		return *c.end
	case broken:
		return protobuf.Status{Code: protobuf.Internal, Message: "The stream broke off"}
	case c.status >= http.StatusMultipleChoices:
		return protobuf.Of(c.status)
	case c.sent == 0 && !(c.streams && a2a.Streams(c.name)):
		return protobuf.Status{Code: protobuf.Internal}
	}
	return protobuf.Status{}
}

// percent writes a text as grpc-message wants it.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

package protobuf

import (
	"errors"
	"net/http"
	"strconv"

	code "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// What an agent over gRPC did wrong. The texts hold nothing of what it sent.
var (
	errCompressed = errors.New("compressed message")
	errFrame      = errors.New("not one whole frame")
	errMessage    = errors.New("message that the definition does not have")
)

// PathOf returns the path of a method.
func PathOf(name string) string { return "/" + Service + "/" + name }

// Call returns the frame that says to an agent over gRPC what a request over
// JSON-RPC says. Members that the definition does not have are left out: nobody
// over there could read them.
func (r *Room) Call(name string, raw []byte) ([]byte, error) {
	known, ok := methods(name)
	if !ok {
		return nil, errUnknown
	}
	defer r.enter(len(raw))()
	m := known.request()
	if params := member(raw, "params"); params != nil {
		if !exact(params) {
			return nil, errNotSaid
		}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(params, m); err != nil {
			return nil, errNotSaid
		}
	}
	frame, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(make([]byte, frameHead, 512), m)
	if err != nil {
		return nil, errNotSaid
	}
	return frame, head(frame)
}

func member(raw []byte, name string) []byte {
	for it := jsonrpc.Walk(raw); it.Next(); {
		if it.Name.Is(raw, name) {
			return it.Value.Raw(raw)
		}
	}
	return nil
}

// FrameSize returns how long the message behind the head of a frame is.
func FrameSize(h [frameHead]byte) (int64, error) {
	switch h[0] {
	case 0:
		return int64(h[1])<<24 | int64(h[2])<<16 | int64(h[3])<<8 | int64(h[4]), nil
	case 1:
		return 0, errCompressed
	}
	return 0, errFrame
}

// AppendResult appends the JSON-RPC response that says what a message of an
// agent says: its answer to a method, or one event of its stream. It is held to
// the same bounds as requests are before anything is built of it; fields that
// nobody defines are not passed on.
func (r *Room) AppendResult(dst []byte, name string, payload, id []byte, l jsonrpc.Limits) ([]byte, error) {
	known, ok := methods(name)
	if !ok {
		return nil, errUnknown
	}
	defer r.enter(len(payload))()
	m := known.reply()
	c := checker{limits: l, left: maxValues, lenient: true}
	if c.message(descriptor(m), payload, 1) != nil {
		return nil, errMessage
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: perLevel*l.MaxDepth + perLevel}).Unmarshal(payload, m); err != nil {
		return nil, errMessage
	}
	dst = append(append(append(dst, `{"jsonrpc":"2.0","id":`...), id...), `,"result":`...)
	if name == a2a.DeletePushConfig {
		return append(dst, "null}"...), nil
	}
	raw, err := protojson.Marshal(m)
	if err != nil {
		return nil, errNotSaid
	}
	if dst, err = appendCompact(dst, raw); err != nil {
		return nil, errNotSaid
	}
	return append(dst, '}'), nil
}

// Fault is an error of an agent, as the status of its reply says it.
type Fault struct {
	Status int // HTTP, of a reply that says it
	code   int // JSON-RPC
}

// FaultOf returns what a status of gRPC is otherwise, and false for that of
// success. details is a google.rpc.Status, encoded, or nothing. What the agent
// says in words is left behind.
func FaultOf(status string, details []byte) (Fault, bool) {
	n, err := strconv.Atoi(status)
	if err == nil && n == OK {
		return Fault{}, false
	}
	f := Fault{Status: http.StatusOK, code: portcullis.CodeInternal}
	if reason := reasonOf(details); reason != "" {
		f.code = a2a.CodeOf(reason)
		return f, true
	}
	switch code.Code(n) {
	case code.Code_UNAUTHENTICATED:
		f.Status = http.StatusUnauthorized
	case code.Code_PERMISSION_DENIED:
		f.Status = http.StatusForbidden
	case code.Code_RESOURCE_EXHAUSTED:
		f.Status = http.StatusTooManyRequests
	case code.Code_UNAVAILABLE:
		f.Status = http.StatusServiceUnavailable
	case code.Code_DEADLINE_EXCEEDED:
		f.Status = http.StatusGatewayTimeout
	case code.Code_NOT_FOUND:
		f.code = a2a.CodeTaskNotFound
	case code.Code_UNIMPLEMENTED:
		f.code = portcullis.CodeMethodNotFound
	case code.Code_INVALID_ARGUMENT:
		f.code = portcullis.CodeInvalidParams
	case code.Code_FAILED_PRECONDITION:
		f.code = a2a.CodeUnsupportedOperation
	default:
	}
	return f, true
}

// reasonOf returns the reason that the details of a status name, if it is one of
// the protocol's.
func reasonOf(details []byte) string {
	s := new(spb.Status)
	if len(details) == 0 || proto.Unmarshal(details, s) != nil {
		return ""
	}
	for _, d := range s.GetDetails() {
		info := new(errdetails.ErrorInfo)
		if d.MessageIs(info) && d.UnmarshalTo(info) == nil && info.GetDomain() == a2a.ErrorDomain {
			return info.GetReason()
		}
	}
	return ""
}

// Append appends the JSON-RPC response that says it.
func (f Fault) Append(dst, id []byte) []byte {
	dst = append(append(append(dst, `{"jsonrpc":"2.0","id":`...), id...), `,"error":{"code":`...)
	return append(strconv.AppendInt(dst, int64(f.code), 10), `,"message":"Agent error"}}`...)
}

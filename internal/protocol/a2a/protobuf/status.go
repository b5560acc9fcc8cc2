package protobuf

import (
	"encoding/json"
	"slices"
	"strconv"

	code "google.golang.org/genproto/googleapis/rpc/code"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // the details of statuses
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// Status is how a call ended.
type Status struct {
	Code    int
	Message string
	Details []byte // a google.rpc.Status, encoded; nil without details
}

// Statuses that no error of the protocol makes.
const (
	OK               = int(code.Code_OK)
	DeadlineExceeded = int(code.Code_DEADLINE_EXCEEDED)
	Internal         = int(code.Code_INTERNAL)
)

// Of returns the status that goes with an HTTP status, without details.
func Of(status int) Status {
	return Status{Code: number(a2a.StateOf(0, status))}
}

// number returns that of the status of an error: never that of success.
func number(state string) int {
	if n := int(code.Code_value[state]); n != OK {
		return n
	}
	return Internal
}

// ReadError returns the status that says what the error of a JSON-RPC response
// says, one that the gateway wrote: version 1.0 has the details in data. status
// is that of the reply.
func ReadError(raw []byte, status int) Status {
	var e struct {
		Code    int
		Message string
		Data    json.RawMessage
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return Status{Code: Internal}
	}
	var details []detail
	if json.Unmarshal(e.Data, &details) != nil || len(details) == 0 {
		return Status{Code: number(a2a.StateOf(e.Code, status)), Message: e.Message}
	}
	state := a2a.StateOf(e.Code, status)
	if state == "" {
		state = details[0].state()
	}
	s := Status{Code: number(state), Message: e.Message}
	text := strconv.AppendInt([]byte(`{"code":`), int64(s.Code), 10)
	text = append(append(append(text, `,"details":`...), e.Data...), '}')
	m := new(spb.Status)
	if protojson.Unmarshal(text, m) != nil {
		return s
	}
	m.Message = s.Message
	if b, err := (proto.MarshalOptions{Deterministic: true}).Marshal(m); err == nil {
		s.Details = b
	}
	return s
}

// detail is what tells the errors of a stream apart, which have no status of
// their own.
type detail struct {
	Reason   string
	Metadata map[string]string
}

// state returns the status of an error inside a stream that no code says: a rule
// forbids the answer, or a limit does, or the agent has an error of its own.
func (d detail) state() string {
	switch {
	case d.Metadata["retryAfter"] != "" || slices.Contains([]string{"RATE_LIMITED", "QUOTA_EXCEEDED"}, d.Reason):
		return "RESOURCE_EXHAUSTED"
	case d.Reason == "UPSTREAM_ERROR":
		return "INTERNAL"
	}
	return "PERMISSION_DENIED"
}

package protobuf

import (
	"bytes"
	"encoding/json"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Request returns the JSON-RPC request that says what a request over gRPC says:
// to path, with a body of one frame. id is that of the JSON-RPC request. The
// error is a *portcullis.Error without any text of the caller's.
func (r *Room) Request(path string, body []byte, id string, l jsonrpc.Limits) ([]byte, error) {
	name := MethodOf(path)
	known, ok := methods(name)
	if !ok {
		return nil, &portcullis.Error{
			Kind: portcullis.KindNotFound, Code: portcullis.CodeMethodNotFound, Reason: "method_not_found",
			Event: portcullis.EventInputRejected, Detail: "path names no method of the service",
		}
	}
	raw, err := unframe(body)
	if err != nil {
		return nil, err
	}
	defer r.enter(len(body))()
	m := known.request()
	c := checker{limits: l, left: maxFields}
	if f := c.message(descriptor(m), raw, 1); f != nil {
		return nil, invalid(f)
	}
	depth := perLevel*l.MaxDepth + perLevel
	if err := (proto.UnmarshalOptions{RecursionLimit: depth}).Unmarshal(raw, m); err != nil {
		return nil, invalid(&failure{rule: "broken encoding"}) // texts that are no UTF-8
	}
	if list, ok := m.(*pb.ListTasksRequest); ok && list.GetPageSize() == 0 {
		list.PageSize = nil // the official client writes what it was not told as 0
	}
	params, err := protojson.Marshal(m)
	if err != nil {
		return nil, invalid(&failure{rule: "has no JSON form"})
	}
	out := make([]byte, 0, len(params)+len(id)+len(name)+64)
	out = jsonrpc.AppendText(append(out, `{"jsonrpc":"2.0","id":`...), id)
	out = jsonrpc.AppendText(append(out, `,"method":`...), name)
	out, err = appendCompact(append(out, `,"params":`...), params)
	if err != nil {
		return nil, invalid(&failure{rule: "has no JSON form"})
	}
	if out = append(out, '}'); len(out) > l.MaxBytes {
		return nil, &portcullis.Error{
			Kind: portcullis.KindTooLarge, Reason: "input_rejected", Public: "Request too large",
			Event: portcullis.EventInputRejected, Detail: "message over the size limit in its JSON form",
		}
	}
	return out, nil
}

// appendCompact appends JSON without the white space that the library puts into
// it, by a rule of its own that changes from build to build.
func appendCompact(dst, raw []byte) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	if err := json.Compact(b, raw); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func refuse(code int, detail string) error {
	return &portcullis.Error{
		Kind: portcullis.KindMalformed, Code: code, Reason: "input_rejected",
		Event: portcullis.EventInputRejected, Detail: detail,
	}
}

// invalid is the refusal of a message. Path and rule are ours, so the caller is
// told them.
func invalid(f *failure) error {
	detail := f.rule
	if f.path != "" {
		detail = f.path + ": " + f.rule
	}
	return &portcullis.Error{
		Kind: portcullis.KindMalformed, Code: portcullis.CodeInvalidParams, Reason: "input_rejected",
		Event: portcullis.EventInputRejected, Detail: detail, Data: map[string]any{"path": f.path, "rule": f.rule},
	}
}

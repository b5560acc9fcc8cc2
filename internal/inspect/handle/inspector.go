package handle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Inspector seals the handles of one route on their way to callers and opens
// them on their way back. It stands first in inspect, where messages are as
// callers sent them.
type Inspector struct {
	sealer *Sealer
	route  string
}

var _ portcullis.Inspector = (*Inspector)(nil)

// New returns the inspector of a route.
func New(s *Sealer, route string) *Inspector { return &Inspector{sealer: s, route: route} }

// Name implements portcullis.Inspector.
func (*Inspector) Name() string { return "handles" }

// relatedTask is the member of _meta that names the task a message belongs to.
const relatedTask = "io.modelcontextprotocol/related-task"

// Inspect implements portcullis.Inspector.
func (i *Inspector) Inspect(_ context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if len(m.Raw) == 0 || !mayHold(m) {
		return m, nil
	}
	e := editor{Sealer: i.sealer, bound: bound{i.route, who.ID}, m: m, raw: m.Raw}
	var err error
	if m.Direction == portcullis.ToServer {
		err = e.open()
	} else {
		err = e.seal()
	}
	if err != nil {
		return nil, err
	}
	if len(e.edits) > 0 {
		m.Raw = jsonrpc.Splice(m.Raw, e.edits)
		had := m.Arguments != nil // only calls of tools have arguments that anybody is asked about
		if m.Params, m.Arguments = reslice(m.Raw); !had {
			m.Arguments = nil
		}
	}
	return m, nil
}

// mayHold looks for the names of handles. Most messages hold none. A name
// written with escapes is one that only a caller would gain by: those are
// looked at in full.
func mayHold(m *portcullis.Message) bool {
	return bytes.Contains(m.Raw, []byte("taskId")) || bytes.Contains(m.Raw, []byte("requestState")) ||
		m.Direction == portcullis.ToServer && bytes.IndexByte(m.Raw, '\\') >= 0
}

// reslice finds params or result, and the arguments, in a new text.
func reslice(raw []byte) (params, arguments []byte) {
	for it := jsonrpc.Walk(raw); it.Next(); {
		if it.Name.Is(raw, "params") || it.Name.Is(raw, "result") {
			params = it.Value.Raw(raw)
		}
	}
	for it := jsonrpc.Walk(params); it.Next(); {
		if it.Name.Is(params, "arguments") {
			arguments = it.Value.Raw(params)
		}
	}
	return params, arguments
}

// editor collects what is to be changed in one message, in the order in which
// it stands there.
type editor struct {
	*Sealer
	bound bound
	m     *portcullis.Message
	raw   []byte
	edits []jsonrpc.Edit
}

// each calls visit for the members of the object, or the elements of the array,
// that stands at v, with places in the whole message.
func (e *editor) each(v jsonrpc.Value, visit func(name string, v jsonrpc.Value) error) error {
	if v.Kind != jsonrpc.Object && v.Kind != jsonrpc.Array {
		return nil
	}
	part := v.Raw(e.raw)
	for it := jsonrpc.Walk(part); it.Next(); {
		at := it.Value
		at.Start, at.End = at.Start+v.Start, at.End+v.Start
		if err := visit(it.Name.Text(part), at); err != nil {
			return err
		}
	}
	return nil
}

func (e *editor) replace(v jsonrpc.Value, text string) error {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return fmt.Errorf("handle: %w", err)
	}
	e.edits = append(e.edits, jsonrpc.Edit{Start: v.Start, End: v.End, Text: quoted})
	return nil
}

// whole is the message itself; white space may stand around it.
func (e *editor) whole() jsonrpc.Value {
	return jsonrpc.Value{Start: 0, End: int32(len(e.raw)), Kind: jsonrpc.Object} //nolint:gosec // Read refuses messages above 1 GiB
}

// seal changes a message to the caller.
func (e *editor) seal() error {
	return e.each(e.whole(), func(name string, v jsonrpc.Value) error {
		switch {
		case name == "result":
			return e.each(v, e.sealResult)
		case name == "params" && e.m.Shape == portcullis.ShapeNotification:
			return e.each(v, e.sealNotice)
		case name == "params" && !strings.HasPrefix(e.m.Method, "tasks/"): // those ask for tasks of the client's own
			return e.each(v, e.sealMeta)
		}
		return nil
	})
}

func (e *editor) sealTask(v jsonrpc.Value) error {
	if v.Kind != jsonrpc.String {
		return nil
	}
	text, err := e.task(v.Text(e.raw), e.bound)
	if err != nil {
		return err
	}
	return e.replace(v, text)
}

func (e *editor) sealTaskMember(name string, v jsonrpc.Value) error {
	if name == "taskId" {
		return e.sealTask(v)
	}
	return nil
}

func (e *editor) sealResult(name string, v jsonrpc.Value) error {
	switch name {
	case "taskId":
		return e.sealTask(v)
	case "task":
		return e.each(v, e.sealTaskMember)
	case "tasks":
		return e.each(v, func(_ string, v jsonrpc.Value) error { return e.each(v, e.sealTaskMember) })
	case "requestState":
		return e.sealState(v)
	}
	return e.sealMeta(name, v)
}

func (e *editor) sealState(v jsonrpc.Value) error {
	if v.Kind != jsonrpc.String {
		return nil // no state that a caller could send back
	}
	if e.m.Request == nil {
		return rejected("request state in a reply to no request")
	}
	digest, err := digestOf(e.m.Request)
	if err != nil {
		return err
	}
	text, err := e.state(v.Text(e.raw), e.bound, digest)
	if err != nil {
		return err
	}
	return e.replace(v, text)
}

func (e *editor) sealNotice(name string, v jsonrpc.Value) error {
	switch name {
	case "taskId":
		return e.sealTask(v)
	case "notifications": // what a subscription listens to, confirmed
		return e.each(v, func(name string, v jsonrpc.Value) error {
			if name != "taskIds" {
				return nil
			}
			return e.each(v, func(_ string, v jsonrpc.Value) error { return e.sealTask(v) })
		})
	}
	return e.sealMeta(name, v)
}

func (e *editor) sealMeta(name string, v jsonrpc.Value) error {
	return e.related(name, v, e.sealTask)
}

// related calls f for the id of the task that _meta says a message belongs to.
func (e *editor) related(name string, v jsonrpc.Value, f func(jsonrpc.Value) error) error {
	if name != "_meta" {
		return nil
	}
	return e.each(v, func(name string, v jsonrpc.Value) error {
		if name != relatedTask {
			return nil
		}
		return e.each(v, func(name string, v jsonrpc.Value) error {
			if name != "taskId" {
				return nil
			}
			return f(v)
		})
	})
}

// open changes a message to the upstream.
func (e *editor) open() error {
	return e.each(e.whole(), func(name string, v jsonrpc.Value) error {
		switch name {
		case "result":
			return e.each(v, func(name string, v jsonrpc.Value) error { return e.related(name, v, e.openRelated) })
		case "params":
			return e.each(v, e.openParam)
		}
		return nil
	})
}

func (e *editor) openParam(name string, v jsonrpc.Value) error {
	switch {
	case name == "taskId" && strings.HasPrefix(e.m.Method, "tasks/"):
		if err := e.openTaskAt(v); err != nil {
			return err
		}
		e.m.TaskID, _ = e.openTask(v.Text(e.raw), e.bound)
		return nil
	case name == "notifications":
		return e.each(v, func(name string, v jsonrpc.Value) error {
			if name != "taskIds" {
				return nil
			}
			return e.each(v, func(_ string, v jsonrpc.Value) error { return e.openTaskAt(v) })
		})
	case name == "requestState":
		return e.openStateAt(v)
	}
	return e.related(name, v, e.openRelated)
}

func (e *editor) openTaskAt(v jsonrpc.Value) error {
	id, ok := e.openTask(v.Text(e.raw), e.bound)
	if !ok {
		return foreign("task")
	}
	return e.replace(v, id)
}

// openRelated opens an id if it is one of ours: a task of the client's own has
// an id of the client's making.
func (e *editor) openRelated(v jsonrpc.Value) error {
	id, ok := e.openTask(v.Text(e.raw), e.bound)
	if !ok {
		return nil
	}
	return e.replace(v, id)
}

func (e *editor) openStateAt(v jsonrpc.Value) error {
	digest, err := digestOf(e.raw)
	if err != nil {
		return err
	}
	state, ok := e.openState(v.Text(e.raw), e.bound, digest)
	if !ok {
		return foreign("request state")
	}
	return e.replace(v, state)
}

// digestOf identifies a request by its method and parameters, without what
// differs when it is sent again with its answers. Members may come in another
// order; numbers keep their spelling.
func digestOf(request []byte) ([32]byte, error) {
	var r struct {
		Method string                    `json:"method"`
		Params map[string]jsontext.Value `json:"params"`
	}
	if err := json.Unmarshal(request, &r); err != nil {
		return [32]byte{}, fmt.Errorf("handle: reading the request: %w", err)
	}
	for _, name := range [...]string{"_meta", "inputResponses", "requestState"} {
		delete(r.Params, name)
	}
	raw, err := json.Marshal(&r, json.Deterministic(true))
	if err != nil {
		return [32]byte{}, fmt.Errorf("handle: writing the request: %w", err)
	}
	v := jsontext.Value(raw)
	if err := v.Format(jsontext.ReorderRawObjects(true)); err != nil {
		return [32]byte{}, fmt.Errorf("handle: ordering the request: %w", err)
	}
	return sha256.Sum256(v), nil
}

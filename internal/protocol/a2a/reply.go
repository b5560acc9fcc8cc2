package a2a

import (
	"bytes"
	"strconv"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Kind is what an answer or a stream event is.
type Kind uint8

// The kinds.
const (
	KindNone Kind = iota // an error
	KindTask
	KindMessage
	KindStatusUpdate
	KindArtifactUpdate
	KindTasks       // a page of tasks
	KindPushConfig  // one notification config
	KindPushConfigs // several
	KindEmpty
	KindCard
)

// Answering is what is known of the call whose answer is read.
type Answering struct {
	Call   *portcullis.Message // as [Decoder] read it
	Status int                 // HTTP status; matters over HTTP+JSON only
	Limits jsonrpc.Limits
}

// Reply is an answer or one event of a stream.
type Reply struct {
	// Message has the Method, Version and Target of the call, Suffix if it came
	// over HTTP+JSON, and TaskID and Session: the task and the context that
	// the answer is about, "" of lists and of what names none.
	portcullis.Message

	Kind  Kind
	State string // of the task, as version 1.0 names it; "" if the answer has none
	// Terminal says that the task is at its end: completed, failed, canceled
	// or rejected. Only one more snapshot of it may follow.
	Terminal bool
	// Final says that no other event follows: a message, or in 0.3 the
	// status-update that says so. In 1.0 a status update whose state is terminal
	// or waits for the caller ends a stream too; its State tells.
	Final bool

	errorText string
}

// ReadReply reads an answer, or one event of a stream, to a call. An answer
// without a body is an empty one.
//
// The error is a *portcullis.Error of KindUpstream with code -32006: raw is no
// answer of the version and binding of the call, or breaks the schema; its
// Detail names path and rule.
func ReadReply(r *Reply, raw []byte, in Answering) error {
	call := in.Call
	*r = Reply{Message: portcullis.Message{
		Direction: portcullis.ToClient, Method: call.Method, Target: call.Target, Version: call.Version,
		Suffix: call.Suffix, Raw: raw,
	}}
	if BindingOf(call) == HTTPJSON {
		return r.readHTTP(raw, in)
	}
	var at [slots]jsonrpc.Value
	read, err := reader.Read(raw, in.Limits, at[:])
	if err != nil {
		return unreadable(err.Error())
	}
	r.ID, r.Shape = read.ID.Raw(raw), read.Shape
	switch read.Shape {
	case portcullis.ShapeError:
		r.Params, r.ErrorCode, r.errorText = read.Error.Raw(raw), read.ErrorCode, read.ErrorText.Text(raw)
		return nil
	case portcullis.ShapeResult:
		r.Params = read.Result.Raw(raw)
		return r.readResult(r.Params)
	}
	return unreadable("the agent asks instead of answering")
}

// readHTTP reads a body of HTTP+JSON, or the data of an event.
func (r *Reply) readHTTP(raw []byte, in Answering) error {
	const firstError = 300
	r.Shape = portcullis.ShapeResult
	if len(raw) == 0 {
		if in.Status >= firstError {
			r.Shape, r.ErrorCode = portcullis.ShapeError, codeOfStatus(in.Status)
			return nil
		}
		if known, ok := lookup(r.Version, r.Method); !ok || known.result != resultNothing {
			return unreadable("no body")
		}
		r.Kind = KindEmpty
		return nil
	}
	if err := jsonrpc.ReadObject(raw, in.Limits); err != nil {
		if in.Status >= firstError { // a page of a proxy, say: nothing of it is passed on
			r.Shape, r.ErrorCode = portcullis.ShapeError, codeOfStatus(in.Status)
			return nil
		}
		return unreadable(err.Error())
	}
	r.Params = raw
	status := member(raw, "error")
	if status.Kind == jsonrpc.Absent && in.Status < firstError {
		return r.readResult(raw)
	}
	r.Shape, r.ErrorCode = portcullis.ShapeError, codeOfStatus(in.Status)
	if status.Kind == jsonrpc.Absent && r.Version == V03 { // the JavaScript SDK writes the error of JSON-RPC there
		r.errorText = member(raw, "message").Text(raw)
		if code, err := strconv.Atoi(string(member(raw, "code").Raw(raw))); err == nil && code < 0 {
			r.ErrorCode = code
		}
		return nil
	}
	r.readStatus(status.Raw(raw))
	return nil
}

// readStatus reads what a google.rpc.Status says: its text, and of its details
// the reason that the specification defines.
func (r *Reply) readStatus(status []byte) {
	r.errorText = member(status, "message").Text(status)
	if code, err := strconv.Atoi(string(member(status, "code").Raw(status))); err == nil && r.ErrorCode == portcullis.CodeInternal {
		r.ErrorCode = codeOfStatus(code)
	}
	details := member(status, "details").Raw(status)
	if len(details) == 0 || details[0] != '[' {
		return
	}
	for it := jsonrpc.Walk(details); it.Next(); {
		detail := it.Value.Raw(details)
		if it.Value.Kind != jsonrpc.Object || !member(detail, "@type").Is(detail, errorInfo) || !member(detail, "domain").Is(detail, domainA2A) {
			continue
		}
		r.ErrorCode = CodeOf(member(detail, "reason").Text(detail))
		return
	}
}

// codeOfStatus returns the code that stands for an HTTP status without details.
func codeOfStatus(status int) int {
	switch status {
	case 400:
		return portcullis.CodeInvalidParams
	case 404:
		return CodeTaskNotFound
	case 405, 501:
		return CodeUnsupportedOperation
	}
	return portcullis.CodeInternal
}

// readResult holds a result to its schema and takes from it whose it is.
func (r *Reply) readResult(raw []byte) error {
	known, ok := lookup(r.Version, r.Method)
	if !ok {
		return unreadable("answer to no method of the protocol")
	}
	if failure := checkResult(known.result, r.Version, BindingOf(&r.Message), raw, nil); failure != nil {
		return unreadable(failure.Error())
	}
	switch known.result {
	case resultTask:
		r.task(KindTask, raw)
	case resultSend, resultStream:
		r.Kind = r.event(raw)
	case resultTasks:
		r.Kind = KindTasks
	case resultPush:
		r.Kind = KindPushConfig
		r.TaskID = spelled(raw, "taskId", "task_id").Text(raw)
	case resultPushes:
		r.Kind = KindPushConfigs
	case resultNothing:
		r.Kind = KindEmpty
	case resultCard:
		r.Kind = KindCard
	}
	return nil
}

// checkResult holds a result to the schema of its method.
func checkResult(kind result, version string, b Binding, raw []byte, see shape.Visitor) *shape.Failure {
	raw = bytes.TrimSpace(raw)
	snake := false
	if version == V03 && b == HTTPJSON {
		snake = underscored(raw)
		if o, ok := httpForm(kind, raw); ok {
			return form{o, snake}.check(raw, see)
		}
	}
	pick := func(one, old shape.Object) *shape.Failure {
		if version == V03 {
			one = old
		}
		return form{one, snake}.check(raw, see)
	}
	switch kind {
	case resultSend:
		return pick(shape.V1SendResponse, shape.V03SendResult)
	case resultStream:
		return pick(shape.V1StreamResponse, shape.V03StreamResult)
	case resultTask:
		return pick(shape.V1Task, shape.V03Task)
	case resultTasks:
		return pick(shape.V1ListTasksResponse, shape.V03ListTasksResponse)
	case resultPush:
		return pick(shape.V1PushConfig, shape.V03PushConfig)
	case resultPushes:
		if version == V03 {
			return checkList(shape.V03PushConfig, raw, see)
		}
		return shape.Check(shape.V1ListPushResponse, raw, see)
	case resultCard:
		if len(raw) == 0 || raw[0] != '{' {
			return &shape.Failure{Rule: shape.RuleObject}
		}
	case resultNothing:
		if text := string(raw); text != "null" && text != "{}" {
			return &shape.Failure{Rule: shape.RuleForbidden}
		}
	}
	return nil
}

// httpForm returns the schema of an answer of version 0.3 over HTTP+JSON: that
// of the JSON Schema if what it holds says its kind, else that of the Protocol
// Buffers. A message or task may be wrapped, as both the specification and its
// libraries have it, or bare. ok is false if the form is that of JSON-RPC.
func httpForm(kind result, raw []byte) (o shape.Object, ok bool) {
	says := func(raw []byte) bool { return member(raw, "kind").Kind != jsonrpc.Absent }
	switch {
	case says(raw):
		return 0, false
	case kind == resultSend || kind == resultStream:
		for it := jsonrpc.Walk(raw); it.Next(); {
			if wrapped(raw, it.Name) != KindNone && it.Value.Kind == jsonrpc.Object && says(it.Value.Raw(raw)) {
				return shape.V03Response, true
			}
		}
		return shape.P03Response, true
	case kind == resultTask:
		return shape.P03Task, true
	case kind == resultTasks:
		list := member(raw, "tasks").Raw(raw)
		for it := jsonrpc.Walk(list); it.Next(); {
			return shape.P03ListTasksResponse, it.Value.Kind == jsonrpc.Object && !says(it.Value.Raw(list))
		}
	}
	return 0, false
}

// checkList holds the elements of a list to a schema.
func checkList(o shape.Object, raw []byte, see shape.Visitor) *shape.Failure {
	if len(raw) == 0 || raw[0] != '[' {
		return &shape.Failure{Rule: shape.RuleList}
	}
	n := 0
	for it := jsonrpc.Walk(raw); it.Next(); n++ {
		if failure := shape.Check(o, it.Value.Raw(raw), see); failure != nil {
			path := "[" + strconv.Itoa(n) + "]"
			if failure.Path != "" {
				path += "." + failure.Path
			}
			return &shape.Failure{Path: path, Rule: failure.Rule}
		}
	}
	return nil
}

// event reads one of task, message, status update and artifact update.
func (r *Reply) event(raw []byte) Kind {
	if r.Version == V03 && member(raw, "kind").Kind != jsonrpc.Absent {
		return r.task(named(raw, member(raw, "kind")), raw)
	}
	for it := jsonrpc.Walk(raw); it.Next(); {
		if kind := wrapped(raw, it.Name); kind != KindNone && it.Value.Kind == jsonrpc.Object {
			return r.task(kind, it.Value.Raw(raw))
		}
	}
	return KindNone // never: the schema was checked
}

// named returns the kind that an object of version 0.3 says it is.
func named(raw []byte, v jsonrpc.Value) Kind {
	switch {
	case v.Is(raw, "task"):
		return KindTask
	case v.Is(raw, "message"):
		return KindMessage
	case v.Is(raw, "status-update"):
		return KindStatusUpdate
	case v.Is(raw, "artifact-update"):
		return KindArtifactUpdate
	}
	return KindNone
}

// wrapped returns the kind that a member of a StreamResponse holds.
func wrapped(raw []byte, name jsonrpc.Value) Kind {
	switch {
	case name.Is(raw, "task"):
		return KindTask
	case name.Is(raw, "message"):
		return KindMessage
	case name.Is(raw, "statusUpdate"):
		return KindStatusUpdate
	case name.Is(raw, "artifactUpdate"):
		return KindArtifactUpdate
	}
	return KindNone
}

// task takes from an event whose it is and how the task stands.
func (r *Reply) task(kind Kind, raw []byte) Kind {
	r.Kind = kind
	id, snake := "taskId", "task_id"
	if kind == KindTask {
		id, snake = "id", "id"
	}
	r.TaskID = spelled(raw, id, snake).Text(raw)
	r.Session = spelled(raw, "contextId", "context_id").Text(raw)
	if kind == KindTask || kind == KindStatusUpdate {
		status := member(raw, "status").Raw(raw)
		r.State = shape.StateName(member(status, "state").Text(status))
		r.Terminal = shape.Terminal(r.State)
	}
	r.Final = kind == KindMessage || kind == KindStatusUpdate && string(member(raw, "final").Raw(raw)) == "true"
	return kind
}

// MaskError returns the error that a caller is shown in place of one that an
// agent sent, and false if r is no error. Its id is the agent's.
//
// The code stays if JSON-RPC or the version defines it, since clients act on
// it, or if it is the application's own, outside the range that JSON-RPC
// reserves; any other becomes -32603. The message is the sentence of the code.
// Nothing of the details stays; the request id is added, with which an operator
// finds the original in the log (S0-33, S0-34).
func MaskError(r *Reply, status int, requestID string) ([]byte, bool) {
	if r.Shape != portcullis.ShapeError {
		return nil, false
	}
	f := fault{code: r.ErrorCode, status: status, reason: "upstream_error", domain: domainOurs, requestID: requestID}
	known, ok := definedError(r.ErrorCode, r.Version)
	if !ok && (f.code >= -32768 && f.code <= -32000 || BindingOf(&r.Message) == HTTPJSON) {
		known, ok = definedError(portcullis.CodeInternal, r.Version)
		f.code = known.code
	}
	if f.text = "Agent error"; ok {
		f.text, f.state, f.domain = known.text, known.state, domainA2A
		if r.Version != V03 {
			f.reason = known.reason
		}
	}
	if f.status < 400 { // an error in a stream, whose status was sent before
		f.status = 500
		if ok {
			f.status = known.status
		}
	}
	if BindingOf(&r.Message) == HTTPJSON && r.Version == V03 {
		e := portcullis.Error{Kind: kindOf(f.status), Code: f.code, Public: f.text, Reason: f.reason}
		return AppendError(nil, HTTPJSON, V03, nil, &e, requestID), true
	}
	return f.append(make([]byte, 0, 256), BindingOf(&r.Message), r.Version, r.ID), true
}

// kindOf returns a kind of refusal that has an HTTP status.
func kindOf(status int) portcullis.Kind {
	switch {
	case status == 404:
		return portcullis.KindNotFound
	case status < 500:
		return portcullis.KindMalformed
	}
	return portcullis.KindUpstream
}

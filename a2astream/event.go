package a2astream

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// MaxEvent is how many bytes an event may have.
const MaxEvent = 16 << 20

// The versions that an event can be of.
const (
	Version1  = "1.0"
	Version03 = "0.3"
	Legacy    = "legacy" // older than 0.3
)

// Kind is what an event says.
type Kind string

// The kinds. Output and Done are of legacy agents.
const (
	KindTask           Kind = "task"
	KindMessage        Kind = "message"
	KindStatusUpdate   Kind = "statusUpdate"
	KindArtifactUpdate Kind = "artifactUpdate"
	KindOutput         Kind = "output"
	KindDone           Kind = "done"
	KindError          Kind = "error"
)

// Event is one event of a stream that keeps the schema of its version.
type Event struct {
	Version   string
	Kind      Kind
	ID        json.RawMessage // of the JSON-RPC answer that held the event; nil if it came bare
	TaskID    string          // "" if the event names none
	ContextID string
	State     string // as version 1.0 names it: "TASK_STATE_WORKING"; "" if the event has none
	Terminal  bool   // the task is at its end
	Final     bool   // the agent says, by words or by what it sent, that no event follows
	Code      int    // of an error
	// Data is the task, message, update or error itself, a slice of what was
	// parsed. What the text of an error says is the agent's: not for callers.
	Data json.RawMessage
}

// ValidationError is why an event was refused. It holds nothing of the event.
type ValidationError struct {
	Path string // "statusUpdate.status.state"; "" is the event itself
	Rule string
}

// Error returns "Invalid event format" with path and rule.
func (e *ValidationError) Error() string {
	if e.Path == "" {
		return "Invalid event format: " + e.Rule
	}
	return "Invalid event format: " + e.Path + ": " + e.Rule
}

// ParseStreamEvent reads the data of one event. The error is a
// *[ValidationError].
func ParseStreamEvent(data []byte) (Event, error) {
	limits := jsonrpc.DefaultReplyLimits()
	limits.MaxBytes = MaxEvent
	if err := jsonrpc.ReadObject(data, limits); err != nil {
		return Event{}, fault(err)
	}
	data = bytes.TrimSpace(data)
	if has(data, "jsonrpc") {
		return parseAnswer(data, limits)
	}
	return parse(data, "")
}

// fault turns a refusal of the reader into one of an event. Its Detail names a
// rule and a position.
func fault(err error) *ValidationError {
	var refused *portcullis.Error
	if errors.As(err, &refused) {
		return &ValidationError{Rule: refused.Detail}
	}
	return &ValidationError{Rule: "unreadable"}
}

// reader reads the JSON-RPC answers that events come in.
var reader = jsonrpc.NewReader(nil)

func parseAnswer(data []byte, limits jsonrpc.Limits) (Event, error) {
	var at [jsonrpc.FirstSlot]jsonrpc.Value
	m, err := reader.Read(data, limits, at[:])
	if err != nil {
		return Event{}, fault(err)
	}
	switch m.Shape {
	case portcullis.ShapeError:
		return Event{
			ID: m.ID.Raw(data), Kind: KindError, Code: m.ErrorCode, Final: true, Data: m.Error.Raw(data),
		}, nil
	case portcullis.ShapeResult:
	default:
		return Event{}, &ValidationError{Rule: "no answer"}
	}
	if m.Result.Kind != jsonrpc.Object {
		return Event{}, &ValidationError{Path: "result", Rule: shape.RuleObject}
	}
	e, err := parse(m.Result.Raw(data), "result")
	e.ID = m.ID.Raw(data)
	return e, err
}

// parse reads an event that stands at path.
func parse(raw []byte, path string) (Event, error) {
	kind, typed := has(raw, "kind"), has(raw, "type")
	wrapped, inner := wrapper(raw)
	var e Event
	var failure *shape.Failure
	switch {
	case kind && !typed && wrapped == "":
		e, failure = parse03(raw)
	case typed && !kind: // the one called done has a task
		e, failure = parseLegacy(raw)
	case kind || typed:
		failure = &shape.Failure{Rule: shape.RuleOneOf}
	case wrapped == "" && has(raw, "error"):
		return parseStatus(raw, path)
	default:
		if failure = shape.Check(shape.V1StreamResponse, raw, nil); failure == nil {
			e = describe(Event{Version: Version1, Kind: wrapped, Data: inner})
		}
	}
	if failure != nil {
		if path != "" && failure.Path != "" {
			path += "."
		}
		return Event{}, &ValidationError{Path: path + failure.Path, Rule: failure.Rule}
	}
	return e, nil
}

// parseStatus reads the error that a stream over HTTP+JSON ends with.
func parseStatus(raw []byte, path string) (Event, error) {
	status := member(raw, "error")
	if status.Kind != jsonrpc.Object || path != "" {
		return Event{}, &ValidationError{Path: path, Rule: shape.RuleOneOf}
	}
	e := Event{Version: Version1, Kind: KindError, Final: true, Data: status.Raw(raw)}
	e.Code = number(e.Data, "code")
	return e, nil
}

func parse03(raw []byte) (Event, *shape.Failure) {
	if failure := shape.Check(shape.V03StreamResult, raw, nil); failure != nil {
		return Event{}, failure
	}
	e := Event{Version: Version03, Data: raw}
	switch text(raw, "kind") {
	case "task":
		e.Kind = KindTask
	case "message":
		e.Kind = KindMessage
	case "status-update":
		e.Kind = KindStatusUpdate
	case "artifact-update":
		e.Kind = KindArtifactUpdate
	}
	return describe(e), nil
}

func parseLegacy(raw []byte) (Event, *shape.Failure) {
	if failure := shape.Check(shape.LegacyEvent, raw, nil); failure != nil {
		return Event{}, failure
	}
	e := Event{Version: Legacy, Data: raw}
	switch text(raw, "type") {
	case "task.status":
		e.Kind = KindStatusUpdate
	case "task.artifact":
		e.Kind = KindArtifactUpdate
	case "task.output":
		e.Kind = KindOutput
	case "error":
		e.Kind, e.Data = KindError, member(raw, "error").Raw(raw)
		e.Code = number(e.Data, "code")
	case "done":
		e.Kind, e.Data = KindDone, member(raw, "task").Raw(raw)
	}
	return describe(e), nil
}

// describe fills in what the event itself says.
func describe(e Event) Event {
	id := "taskId"
	if e.Kind == KindTask || e.Kind == KindDone {
		id = "id"
	}
	e.TaskID = text(e.Data, id)
	if e.ContextID = text(e.Data, "contextId"); e.ContextID == "" && e.Version == Legacy {
		e.ContextID = text(e.Data, "sessionId")
	}
	if status := member(e.Data, "status"); status.Kind == jsonrpc.Object {
		e.State = shape.StateName(text(status.Raw(e.Data), "state"))
		e.Terminal = shape.Terminal(e.State)
	}
	switch e.Kind {
	case KindMessage, KindDone, KindError:
		e.Final = true
	case KindStatusUpdate:
		e.Final = string(member(e.Data, "final").Raw(e.Data)) == "true" || e.Version == Version1 && e.Terminal
	case KindTask, KindArtifactUpdate, KindOutput:
	}
	return e
}

// wrapper returns which member of a StreamResponse an object has, the first if
// there are several, and its value.
func wrapper(raw []byte) (Kind, []byte) {
	for it := jsonrpc.Walk(raw); it.Next(); {
		if it.Value.Kind != jsonrpc.Object {
			continue
		}
		for _, k := range [...]Kind{KindTask, KindMessage, KindStatusUpdate, KindArtifactUpdate} {
			if it.Name.Is(raw, string(k)) {
				return k, it.Value.Raw(raw)
			}
		}
	}
	return "", nil
}

func member(raw []byte, name string) jsonrpc.Value {
	for it := jsonrpc.Walk(raw); it.Next(); {
		if it.Name.Is(raw, name) {
			return it.Value
		}
	}
	return jsonrpc.Value{}
}

func has(raw []byte, name string) bool { return member(raw, name).Kind != jsonrpc.Absent }

func text(raw []byte, name string) string { return member(raw, name).Text(raw) }

// number returns a member that is an integer, 0 if it is none.
func number(raw []byte, name string) int {
	n := 0
	if err := json.Unmarshal(member(raw, name).Raw(raw), &n); err != nil {
		return 0
	}
	return n
}

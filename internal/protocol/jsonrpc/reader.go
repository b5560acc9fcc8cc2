package jsonrpc

import (
	"bytes"
	"fmt"

	"github.com/portcullis-dev/portcullis"
)

// The slots of a message's own members. Those of a protocol begin at FirstSlot.
const (
	slotVersion = iota
	slotID
	slotMethod
	slotParams
	slotResult
	slotError
	slotCode
	slotMessage
	slotData

	// FirstSlot is the first slot free for the members of a protocol.
	FirstSlot
)

const (
	maxID       = 256       // bytes of a string id, after unescaping
	maxSafeID   = 1<<53 - 1 // the integers that float64 keeps apart
	maxSafeText = len("-9007199254740991")
)

// Reader reads the messages of one protocol. It is immutable and safe for
// concurrent use.
type Reader struct{ message *Members }

// NewReader returns a reader that notes the members of params, which may be nil.
func NewReader(params *Members) *Reader {
	errorMembers := NewMembers(
		Member{Name: "code", Slot: slotCode},
		Member{Name: "message", Slot: slotMessage},
		Member{Name: "data", Slot: slotData},
	)
	message := NewMembers(
		Member{Name: "jsonrpc", Slot: slotVersion},
		Member{Name: "id", Slot: slotID},
		Member{Name: "method", Slot: slotMethod},
		Member{Name: "params", Slot: slotParams, Inside: params},
		Member{Name: "result", Slot: slotResult},
		Member{Name: "error", Slot: slotError, Inside: errorMembers},
	)
	message.closed = true
	return &Reader{message: message}
}

// Slots is how many slots Read needs.
func (r *Reader) Slots() int { return r.message.slots }

// Message is what Read found in a message, as places in its bytes.
type Message struct {
	Shape     portcullis.Shape
	ID        Value // absent for notifications and for errors without an id
	Method    Value // of requests and notifications
	Params    Value // object or array; absent if there are none
	Result    Value // any value
	Error     Value // the error object
	ErrorCode int   // its code
	ErrorText Value // its message
	ErrorData Value // its data, perhaps absent
}

// Read reads the message that body is. The places of the members that the
// protocol defines are put into slots, which must be zero and hold at least
// [Reader.Slots] values.
//
// The error is a *portcullis.Error: KindTooLarge if body has more than
// lim.MaxBytes bytes, else KindMalformed with code -32700 for what is not
// JSON and -32600 for what is not one message. With an error, the message
// holds nothing, or, if body is one JSON object, the ID that the answer is
// for. Nothing that Read returns refers to body.
func (r *Reader) Read(body []byte, lim Limits, slots []Value) (Message, error) {
	if len(body) > min(lim.MaxBytes, widestBytes) {
		e := refusal(portcullis.CodeInvalidRequest, fmt.Sprintf("message of more than %d bytes", lim.MaxBytes))
		e.Kind = portcullis.KindTooLarge
		return Message{}, e
	}
	s := scanner{b: body, lim: lim, slots: slots}
	i := s.space(0)
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		s.syntax(0, ruleByteOrderMark)
		return Message{}, s.bad.error()
	}
	end, v := s.value(i, 0, r.message)
	if end < 0 {
		return Message{}, s.bad.error()
	}
	if end = s.space(end); end < len(body) {
		s.syntax(end, ruleBytesAfterTheMessage)
		return Message{}, s.bad.error()
	}
	if v.Kind != Object {
		broken := ruleMessageIsNoObject
		if v.Kind == Array {
			broken = ruleBatch
		}
		s.fail(portcullis.CodeInvalidRequest, i, broken)
		return Message{}, s.bad.error()
	}
	m := Message{
		Method: slots[slotMethod], Params: slots[slotParams], Result: slots[slotResult],
		Error: slots[slotError], ErrorText: slots[slotMessage], ErrorData: slots[slotData],
	}
	if rule := checkID(body, slots[slotID]); rule != "" {
		// Errors about a request whose id could not be read carry null or none.
		if slots[slotID].Kind != Null || m.Error.Kind == Absent {
			return Message{}, refusal(portcullis.CodeInvalidRequest, rule)
		}
	} else {
		m.ID = slots[slotID]
	}
	if rule := m.check(body, lim, slots); rule != "" {
		return Message{ID: m.ID}, refusal(portcullis.CodeInvalidRequest, rule)
	}
	return m, nil
}

// checkID returns which rule an id breaks, or "".
func checkID(body []byte, v Value) string {
	switch v.Kind {
	case Absent:
		return ""
	case String:
		if inner := body[v.Start+1 : v.End-1]; len(inner) > maxID && (!v.Escaped || len(v.Text(body)) > maxID) {
			return "id is too long"
		}
		return ""
	case Number:
		if _, ok := integer(v.Raw(body)); !ok {
			return "id is no safe integer"
		}
		return ""
	}
	return "id is neither string nor integer"
}

// integer reads an integer that every JSON parser reads alike, written the one
// way JSON.stringify would.
func integer(raw []byte) (int, bool) {
	text, negative := bytes.CutPrefix(raw, []byte{'-'})
	if len(raw) > maxSafeText || negative && text[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range text {
		if !digit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if n > maxSafeID {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// check finds out what the message is, sets Shape and returns which rule it
// breaks, or "".
func (m *Message) check(body []byte, lim Limits, slots []Value) string {
	if !slots[slotVersion].Is(body, "2.0") {
		return `jsonrpc is not "2.0"`
	}
	count := 0
	for _, v := range [...]Value{m.Method, m.Result, m.Error} {
		if v.Kind != Absent {
			count++
		}
	}
	switch {
	case count != 1:
		return "message is not exactly one of request, notification, result and error"
	case m.Method.Kind != Absent:
		m.Shape = portcullis.ShapeRequest
		if m.ID.Kind == Absent {
			m.Shape = portcullis.ShapeNotification
		}
		if m.Params.Kind != Absent && m.Params.Kind != Object && m.Params.Kind != Array {
			return "params is neither object nor array"
		}
		return checkMethod(body, m.Method, lim.MaxMethod)
	case m.Params.Kind != Absent:
		return "params in a response"
	case m.Result.Kind != Absent:
		m.Shape = portcullis.ShapeResult
		if m.ID.Kind == Absent {
			return "result without id"
		}
		return ""
	}
	m.Shape = portcullis.ShapeError
	if m.Error.Kind != Object {
		return "error is no object"
	}
	code, ok := 0, false
	if slots[slotCode].Kind == Number {
		code, ok = integer(slots[slotCode].Raw(body))
	}
	if m.ErrorCode = code; !ok {
		return "error code is no integer"
	}
	if m.ErrorText.Kind != String {
		return "error message is no string"
	}
	return ""
}

// checkMethod checks that a method is a short name in visible ASCII, as the
// header that mirrors it demands.
func checkMethod(body []byte, v Value, longest int) string {
	if v.Kind != String {
		return "method is no string"
	}
	name, ok := v.plain(body)
	if !ok {
		name = []byte(v.Text(body))
	}
	if len(name) == 0 || len(name) > longest {
		return "method is empty or too long"
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return "method is not in visible ASCII"
		}
	}
	return ""
}

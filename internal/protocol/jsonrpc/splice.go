package jsonrpc

// Edit replaces a part of a message.
type Edit struct {
	Start, End int32
	Text       []byte
}

// Splice returns body with edits made, which must be in order and must not
// overlap. All other bytes are those of body, and with no edits it is body
// itself.
func Splice(body []byte, edits []Edit) []byte {
	if len(edits) == 0 {
		return body
	}
	size := len(body)
	for _, e := range edits {
		size += len(e.Text) - int(e.End-e.Start)
	}
	out := make([]byte, 0, size)
	at := int32(0)
	for _, e := range edits {
		out = append(append(out, body[at:e.Start]...), e.Text...)
		at = e.End
	}
	return append(out, body[at:]...)
}

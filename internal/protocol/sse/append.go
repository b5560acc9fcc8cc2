package sse

import (
	"strconv"
	"strings"
)

// AppendEvent appends the fields of e to dst as one block that ends with a
// blank line, and returns the extended slice. Raw is not looked at. An event
// without any field becomes an empty comment, which keeps a connection alive.
//
// What cannot stand on one line is not let through: a Type or ID that holds a
// CR or LF is left out, and an ID with a NUL, which readers ignore. A CR in Data breaks the line, as it would for
// every reader of the stream.
func AppendEvent(dst []byte, e *Event) []byte {
	start := len(dst)
	if e.Type != "" && !strings.ContainsAny(e.Type, "\r\n") {
		dst = append(append(append(dst, "event: "...), e.Type...), '\n')
	}
	if e.HasID && !strings.ContainsAny(e.ID, "\r\n\x00") {
		dst = append(append(append(dst, "id: "...), e.ID...), '\n')
	}
	if e.Retry > 0 {
		dst = append(strconv.AppendInt(append(dst, "retry: "...), int64(e.Retry), 10), '\n')
	}
	if e.Data != nil {
		dst = appendData(dst, e.Data)
	}
	if len(dst) == start {
		dst = append(dst, ":\n"...)
	}
	return append(dst, '\n')
}

func appendData(dst, data []byte) []byte {
	for {
		dst = append(dst, "data: "...)
		i := lineEnd(data)
		if i < 0 {
			return append(append(dst, data...), '\n')
		}
		dst = append(append(dst, data[:i]...), '\n')
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			i++
		}
		data = data[i+1:]
	}
}

package mcp

import (
	"net/http"
	"strings"
)

// Media types of the Streamable HTTP transport.
const (
	TypeJSON        = "application/json"
	TypeEventStream = "text/event-stream"
)

// Accepts reports whether the Accept fields of a request admit a media type,
// given in lower case. A request without the field admits none: "The client
// MUST include an Accept header listing both application/json and
// text/event-stream" (Streamable HTTP, Sending Messages). Wildcards count; a
// type with q=0 does not (RFC 9110, section 12.5.1).
func Accepts(h http.Header, mediaType string) bool {
	group, _, _ := strings.Cut(mediaType, "/")
	best, admitted := -1, false
	for _, value := range h["Accept"] {
		for value != "" {
			var item string
			item, value, _ = strings.Cut(value, ",")
			name, params, _ := strings.Cut(item, ";")
			rank := -1
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, mediaType):
				rank = 2
			case len(name) == len(group)+2 && strings.EqualFold(name[:len(group)], group) && name[len(group):] == "/*":
				rank = 1
			case name == "*/*":
				rank = 0
			}
			if rank > best {
				best, admitted = rank, !weightless(params)
			}
		}
	}
	return admitted
}

// weightless reports whether the parameters of an Accept item say q=0.
func weightless(params string) bool {
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "q") {
			return strings.Trim(value, "0.") == "" && value != ""
		}
	}
	return false
}

// AcceptsReply reports whether a POST admits both forms of an answer: JSON and
// an event stream.
func AcceptsReply(h http.Header) bool {
	return Accepts(h, TypeJSON) && Accepts(h, TypeEventStream)
}

// ContentIs reports whether a message has the media type, given in lower case,
// in UTF-8 and in one Content-Type field.
func ContentIs(h http.Header, mediaType string) bool {
	values := h["Content-Type"]
	if len(values) != 1 {
		return false
	}
	name, params, _ := strings.Cut(values[0], ";")
	if !strings.EqualFold(strings.TrimSpace(name), mediaType) {
		return false
	}
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "charset") && !strings.EqualFold(strings.Trim(value, `"`), "utf-8") {
			return false
		}
	}
	return true
}

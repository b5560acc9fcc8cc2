package edge

import (
	"net/http"

	"github.com/portcullis-dev/portcullis"
)

// forbid makes the 403 of this package; detail is for the log only.
func forbid(detail string) error {
	return &portcullis.Error{
		Kind:   portcullis.KindForbidden,
		Reason: "forbidden",
		Event:  portcullis.EventUnauthorizedAccess,
		Detail: detail,
	}
}

// reject makes a refusal of malformed input.
func reject(kind portcullis.Kind, public string, header http.Header) error {
	return &portcullis.Error{
		Kind:   kind,
		Reason: "input_rejected",
		Public: public,
		Header: header,
		Event:  portcullis.EventInputRejected,
		Detail: public,
	}
}

// isToken reports whether s is a token of RFC 9110, such as a header name.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !isTokenMark(c) {
			return false
		}
	}
	return s != ""
}

func isTokenMark(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}

package jsonrpc

import (
	"bytes"
	"fmt"

	"github.com/portcullis-dev/portcullis"
)

// ReadObject checks that a text is one JSON object, under the rules of
// [Reader.Read] for what stands inside a message. [Walk] reads it then. How the
// members of a protocol are spelled is left to the caller.
//
// The error is a *portcullis.Error: KindTooLarge if body has more than
// lim.MaxBytes bytes, else KindMalformed with code -32700 for what is not JSON
// and -32600 for what is no object.
func ReadObject(body []byte, lim Limits) error {
	if len(body) > min(lim.MaxBytes, widestBytes) {
		e := refusal(portcullis.CodeInvalidRequest, fmt.Sprintf("body of more than %d bytes", lim.MaxBytes))
		e.Kind = portcullis.KindTooLarge
		return e
	}
	s := scanner{b: body, lim: lim}
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		s.syntax(0, ruleByteOrderMark)
		return s.bad.error()
	}
	i := s.space(0)
	end, v := s.value(i, 0, nil)
	if end < 0 {
		return s.bad.error()
	}
	if end = s.space(end); end < len(body) {
		s.syntax(end, ruleBytesAfterTheMessage)
		return s.bad.error()
	}
	if v.Kind != Object {
		s.fail(portcullis.CodeInvalidRequest, i, ruleMessageIsNoObject)
		return s.bad.error()
	}
	return nil
}

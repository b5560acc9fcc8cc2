package jsonrpc

import (
	"bytes"
	"fmt"

	"github.com/portcullis-dev/portcullis"
)

// CheckObject reads body as one JSON object that is no message: by the same
// rules and limits, but for those about JSON-RPC. What it accepts can be walked
// with [Walk]. Its errors are those of [Reader.Read].
func CheckObject(body []byte, lim Limits) error {
	if len(body) > min(lim.MaxBytes, widestBytes) {
		e := refusal(portcullis.CodeInvalidRequest, fmt.Sprintf("document of more than %d bytes", lim.MaxBytes))
		e.Kind = portcullis.KindTooLarge
		return e
	}
	s := scanner{b: body, lim: lim}
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		s.syntax(0, ruleByteOrderMark)
		return s.bad.error()
	}
	start := s.space(0)
	end, v := s.value(start, 0, nil)
	if end < 0 {
		return s.bad.error()
	}
	if end = s.space(end); end < len(body) {
		s.syntax(end, ruleBytesAfterTheMessage)
		return s.bad.error()
	}
	if v.Kind != Object {
		s.fail(portcullis.CodeInvalidRequest, start, ruleMessageIsNoObject)
		return s.bad.error()
	}
	return nil
}

package mcp

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Codes that revisions of the protocol define besides those of JSON-RPC and
// those that package portcullis names.
const (
	CodeResourceNotFound    = -32002 // 2025-11-25 and earlier
	CodeMissingCapability   = -32021 // 2026-07-28
	CodeElicitationRequired = -32042 // 2025-11-25
)

// UnknownMethod is the refusal of a method that the revision in force does not
// define: "it MUST respond with 404 Not Found and a JSON-RPC error with code
// -32601" (2026-07-28, Streamable HTTP).
func UnknownMethod() *portcullis.Error {
	return &portcullis.Error{
		Kind:   portcullis.KindNotFound,
		Code:   portcullis.CodeMethodNotFound,
		Reason: "method_not_found",
		Event:  portcullis.EventInputRejected,
		Detail: "method is not of the protocol revision in force",
	}
}

// AppendErrorResponse appends the JSON-RPC error that e is to a caller:
//
//	{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Too many requests",
//	 "data":{"reason":"rate_limited","requestId":"…","retryAfter":3}}}
//
// A nil id becomes null, as JSON-RPC demands where the id could not be read.
// The message is e.Public or the generic sentence of the code or kind; Detail
// and Err are never looked at. The members of e.Data follow in the order of
// their names, without those that cannot be encoded. A retryAfter is in whole
// seconds, rounded up.
func AppendErrorResponse(dst, id []byte, e *portcullis.Error, requestID string) []byte {
	code := e.Code
	if code == 0 {
		code = portcullis.CodeRefused
	}
	message := e.Public
	if message == "" {
		message = sentence(code, e.Kind)
	}
	dst = appendError(dst, id, code, message)
	reason := e.Reason
	if reason == "" {
		reason = "internal"
	}
	dst = jsonrpc.AppendText(append(dst, `"reason":`...), reason)
	dst = jsonrpc.AppendText(append(dst, `,"requestId":`...), requestID)
	if e.RetryAfter > 0 {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second
		dst = strconv.AppendInt(append(dst, `,"retryAfter":`...), int64(seconds), 10)
	}
	if len(e.Data) > 0 {
		dst = appendExtra(dst, e.Data)
	}
	return append(dst, "}}}"...)
}

// appendError appends an error up to and including the brace that opens data.
func appendError(dst, id []byte, code int, message string) []byte {
	if id == nil {
		id = []byte("null")
	}
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	dst = strconv.AppendInt(append(dst, `,"error":{"code":`...), int64(code), 10)
	dst = jsonrpc.AppendText(append(dst, `,"message":`...), message)
	return append(dst, `,"data":{`...)
}

func appendExtra(dst []byte, data map[string]any) []byte {
	names := make([]string, 0, len(data))
	for name := range data {
		if name != "reason" && name != "requestId" && name != "retryAfter" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		value, err := json.Marshal(data[name])
		if err != nil {
			continue
		}
		dst = append(jsonrpc.AppendText(append(dst, ','), name), ':')
		dst = append(dst, value...)
	}
	return dst
}

// sentence is what a caller is told when nothing better is known. The codes of
// the protocol say it themselves; of others the kind of the refusal does.
func sentence(code int, kind portcullis.Kind) string {
	switch code {
	case portcullis.CodeParse:
		return "Parse error"
	case portcullis.CodeInvalidRequest:
		return "Invalid request"
	case portcullis.CodeMethodNotFound:
		return "Method not found"
	case portcullis.CodeInvalidParams:
		return "Invalid params"
	case portcullis.CodeInternal:
		return "Internal error"
	case portcullis.CodeHeaderMismatch:
		return "Header mismatch"
	case portcullis.CodeUnsupportedVersion:
		return "Unsupported protocol version"
	case CodeResourceNotFound:
		return "Resource not found"
	case CodeMissingCapability:
		return "Missing required client capability"
	case CodeElicitationRequired:
		return "URL elicitation required"
	}
	switch kind {
	case portcullis.KindMalformed:
		return "Invalid request"
	case portcullis.KindUnauthenticated:
		return "Authentication required"
	case portcullis.KindForbidden, portcullis.KindRedirect:
		return "Access denied"
	case portcullis.KindNotFound:
		return "Not found"
	case portcullis.KindMethodNotAllowed:
		return "Method not allowed"
	case portcullis.KindNotAcceptable:
		return "Not acceptable"
	case portcullis.KindTimeout:
		return "Request timeout"
	case portcullis.KindTooLarge, portcullis.KindHeadersTooLarge:
		return "Request too large"
	case portcullis.KindMediaType:
		return "Unsupported media type"
	case portcullis.KindRateLimited:
		return "Too many requests"
	case portcullis.KindUpstream:
		return "Upstream error"
	case portcullis.KindUnavailable:
		return "Service unavailable"
	case portcullis.KindUpstreamTimeout:
		return "Upstream timeout"
	case portcullis.KindInternal, portcullis.KindPreflight:
	}
	return "Internal error"
}

// MaskError returns the error that a caller is shown in place of one that an
// upstream sent, and false if p is no error. Its id is the upstream's.
//
// The code stays if JSON-RPC or a revision of MCP defines it, since clients act
// on it, or if it is outside the range that JSON-RPC reserves and so the
// application's own; any other becomes -32000.
//
// The message becomes the generic sentence of the code, unless the code is one
// whose message tells callers what to do differently (-32601, -32602, -32002,
// -32021, -32022, -32042) and the message is at most 300 bytes of one line in
// which nothing looks like a path, an address, a stack trace or a database
// error (S0-33, S0-34).
//
// Of the data stays what the specification defines for the code: supported and
// requested (-32022), requiredCapabilities (-32021), elicitations (-32042), uri
// (-32602 and -32002). The request id is added, with which an operator finds
// the original in the log.
func MaskError(p *Parsed, requestID string) ([]byte, bool) {
	if p.Shape != portcullis.ShapeError {
		return nil, false
	}
	code := shownCode(p.ErrorCode)
	message := sentence(code, portcullis.KindUpstream)
	if code == p.ErrorCode && explains(code) && presentable(p.errorText) {
		message = p.errorText
	}
	out := appendError(make([]byte, 0, len(message)+len(requestID)+len(p.ID)+160), p.ID, code, message)
	out = jsonrpc.AppendText(append(out, `"reason":"upstream_error","requestId":`...), requestID)
	for it := jsonrpc.Walk(p.ErrorData); it.Next(); {
		name := it.Name.Text(p.ErrorData)
		if it.Value.Kind == definedKind(code, name) {
			out = append(jsonrpc.AppendText(append(out, ','), name), ':')
			out = append(out, it.Value.Raw(p.ErrorData)...)
		}
	}
	return append(out, "}}}"...), true
}

// shownCode returns the code that a caller may see.
func shownCode(code int) int {
	switch code {
	case portcullis.CodeParse, portcullis.CodeInvalidRequest, portcullis.CodeMethodNotFound,
		portcullis.CodeInvalidParams, portcullis.CodeInternal, portcullis.CodeHeaderMismatch,
		portcullis.CodeUnsupportedVersion, CodeResourceNotFound, CodeMissingCapability, CodeElicitationRequired:
		return code
	}
	if code >= -32768 && code <= -32000 {
		return portcullis.CodeRefused
	}
	return code
}

// explains reports whether the message of a code helps the caller.
func explains(code int) bool {
	switch code {
	case portcullis.CodeMethodNotFound, portcullis.CodeInvalidParams, portcullis.CodeUnsupportedVersion,
		CodeResourceNotFound, CodeMissingCapability, CodeElicitationRequired:
		return true
	}
	return false
}

// definedKind returns the kind of a member of data that the specification
// defines for a code, Absent if it defines none of that name.
func definedKind(code int, name string) jsonrpc.Kind {
	switch {
	case code == portcullis.CodeUnsupportedVersion && name == "supported",
		code == CodeElicitationRequired && name == "elicitations":
		return jsonrpc.Array
	case code == portcullis.CodeUnsupportedVersion && name == "requested",
		(code == portcullis.CodeInvalidParams || code == CodeResourceNotFound) && name == "uri":
		return jsonrpc.String
	case code == CodeMissingCapability && name == "requiredCapabilities":
		return jsonrpc.Object
	}
	return jsonrpc.Absent
}

// revealing are the marks, in lower case, of what belongs into a log.
var revealing = [...]string{
	"://", ":\\", "\\\\", "node_modules", "site-packages", "traceback", "stack trace", "stack:", "<anonymous>", "goroutine", "panic", "exception",
	" line ", "::", ".go:", ".py", ".js:", ".ts:", ".rs:", ".java:", ".rb:", ".php", ".cs:",
	"sqlstate", "sqlite", "select ", "insert into", "syntax error at", "econnrefused", "enoent", "eacces", "connect to",
	"dial tcp", "localhost", "127.0.0.1", "password", "passwd", "secret", "token=", "api_key", "apikey", "authorization:", "bearer ",
}

// presentable reports whether an upstream's message may reach a caller.
func presentable(message string) bool {
	const longest = 300
	if message == "" || len(message) > longest || invisible(message) {
		return false
	}
	folded := strings.ToLower(message)
	for _, mark := range revealing {
		if strings.Contains(folded, mark) {
			return false
		}
	}
	return !holdsPath(folded) && !holdsAddress(folded)
}

// holdsPath reports whether a word begins like an absolute path of several
// segments, or one in a home directory.
func holdsPath(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '/' || i > 0 && (wordByte(s[i-1]) || s[i-1] == '/') {
			continue
		}
		if i > 0 && s[i-1] == '~' {
			return true
		}
		rest := s[i+1:]
		end := strings.IndexFunc(rest, func(r rune) bool { return r < utf8.RuneSelf && !wordByte(byte(r)) })
		if end > 0 && rest[end] == '/' {
			return true
		}
	}
	return false
}

func wordByte(c byte) bool {
	return c >= utf8.RuneSelf || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// holdsAddress reports whether s holds four numbers joined by dots.
func holdsAddress(s string) bool {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		if strings.Count(strings.Trim(word, "."), ".") == 3 && !strings.Contains(word, "..") {
			return true
		}
	}
	return false
}

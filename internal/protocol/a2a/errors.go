package a2a

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
)

// Codes that the specification defines besides those of JSON-RPC (section 5.4;
// 0.3 has the first seven).
const (
	CodeTaskNotFound              = -32001
	CodeTaskNotCancelable         = -32002
	CodePushNotSupported          = -32003
	CodeUnsupportedOperation      = -32004
	CodeContentTypeNotSupported   = -32005
	CodeInvalidAgentResponse      = -32006
	CodeExtendedCardNotConfigured = -32007
	CodeExtensionSupportRequired  = -32008
	CodeVersionNotSupported       = -32009
)

// ErrorDomain is the domain of the reasons that the specification defines.
const ErrorDomain = "a2a-protocol.org"

const (
	errorInfo  = "type.googleapis.com/google.rpc.ErrorInfo"
	badRequest = "type.googleapis.com/google.rpc.BadRequest"
	domainA2A  = ErrorDomain
	domainOurs = "portcullis"
)

// defined is an error that JSON-RPC or the specification defines.
type defined struct {
	code   int
	reason string // of google.rpc.ErrorInfo
	text   string // "Standard Message", and of A2A's own the sentence of the 0.3 schema
	status int    // HTTP
	state  string // gRPC status
	since1 bool   // 0.3 does not have it
}

var definedErrors = []defined{
	{code: portcullis.CodeParse, reason: "PARSE_ERROR", text: "Invalid JSON payload", status: 400, state: "INVALID_ARGUMENT"},
	{code: portcullis.CodeInvalidRequest, reason: "INVALID_REQUEST", text: "Request payload validation error", status: 400, state: "INVALID_ARGUMENT"},
	{code: portcullis.CodeMethodNotFound, reason: "METHOD_NOT_FOUND", text: "Method not found", status: 404, state: "UNIMPLEMENTED"},
	{code: portcullis.CodeInvalidParams, reason: "INVALID_PARAMS", text: "Invalid parameters", status: 400, state: "INVALID_ARGUMENT"},
	{code: portcullis.CodeInternal, reason: "INTERNAL_ERROR", text: "Internal error", status: 500, state: "INTERNAL"},
	{code: CodeTaskNotFound, reason: "TASK_NOT_FOUND", text: "Task not found", status: 404, state: "NOT_FOUND"},
	{code: CodeTaskNotCancelable, reason: "TASK_NOT_CANCELABLE", text: "Task cannot be canceled", status: 400, state: "FAILED_PRECONDITION"},
	{code: CodePushNotSupported, reason: "PUSH_NOTIFICATION_NOT_SUPPORTED", text: "Push Notification is not supported", status: 400, state: "FAILED_PRECONDITION"},
	{code: CodeUnsupportedOperation, reason: "UNSUPPORTED_OPERATION", text: "This operation is not supported", status: 400, state: "FAILED_PRECONDITION"},
	{code: CodeContentTypeNotSupported, reason: "CONTENT_TYPE_NOT_SUPPORTED", text: "Incompatible content types", status: 400, state: "INVALID_ARGUMENT"},
	{code: CodeInvalidAgentResponse, reason: "INVALID_AGENT_RESPONSE", text: "Invalid agent response", status: 500, state: "INTERNAL"},
	{code: CodeExtendedCardNotConfigured, reason: "EXTENDED_AGENT_CARD_NOT_CONFIGURED", text: "Extended agent card is not configured", status: 400, state: "FAILED_PRECONDITION"},
	{code: CodeExtensionSupportRequired, reason: "EXTENSION_SUPPORT_REQUIRED", text: "Extension support required", status: 400, state: "FAILED_PRECONDITION", since1: true},
	{code: CodeVersionNotSupported, reason: "VERSION_NOT_SUPPORTED", text: "Protocol version not supported", status: 400, state: "FAILED_PRECONDITION", since1: true},
}

// definedError finds an error of a version by its code.
func definedError(code int, version string) (defined, bool) {
	for _, d := range definedErrors {
		if d.code == code && (!d.since1 || version != V03) {
			return d, true
		}
	}
	return defined{}, false
}

// CodeOf returns the code of a reason of ErrorInfo, -32603 if nobody defines it.
func CodeOf(reason string) int {
	for _, d := range definedErrors {
		if d.reason == reason {
			return d.code
		}
	}
	return portcullis.CodeInternal
}

func refuse(code int, detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindMalformed, Code: code, Reason: "input_rejected",
		Event: portcullis.EventInputRejected, Detail: detail,
	}
}

// invalid is the refusal of an object. The caller is told path and rule, which
// are ours; a media type that is not taken has a code of its own.
func invalid(f *shape.Failure) *portcullis.Error {
	code := portcullis.CodeInvalidParams
	if f.Rule == ruleMedia {
		code = CodeContentTypeNotSupported
	}
	e := refuse(code, f.Error())
	e.Data = map[string]any{"path": f.Path, "rule": f.Rule}
	return e
}

func notFound(detail string) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindNotFound, Reason: "not_found", Detail: detail}
}

// TaskNotFound is what a caller is told of a task that does not exist, and of
// one that is another's: "Servers SHOULD NOT distinguish".
func TaskNotFound(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindNotFound, Code: CodeTaskNotFound, Reason: "task_not_found", Detail: detail,
	}
}

// VersionNotSupported is the refusal of a version that a route does not speak.
func VersionNotSupported(supported ...string) *portcullis.Error {
	e := refuse(CodeVersionNotSupported, "version of A2A that the route does not speak")
	e.Reason = "unsupported_version"
	e.Data = map[string]any{"supportedVersions": slices.Clone(supported)}
	return e
}

func unknownMethod(version string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindNotFound, Code: portcullis.CodeMethodNotFound, Reason: "method_not_found",
		Event: portcullis.EventInputRejected, Detail: "method or path is not of version " + version,
	}
}

// unreadable is the refusal of an answer, with the code for it.
func unreadable(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindUpstream, Code: CodeInvalidAgentResponse, Reason: "upstream_invalid", Detail: detail,
	}
}

// ErrorContentType is the media type of what [AppendError] writes. The Go SDK
// reads no errors of another; "application/a2a+json SHOULD be used" yields to
// that. Version 0.3 over HTTP+JSON has problem documents.
func ErrorContentType(b Binding, version string) string {
	if b == HTTPJSON && version == V03 {
		return problem.ContentType
	}
	return "application/json"
}

// AppendRefusal is [AppendError] for the call that is refused. Of one that was
// not read nothing is known: nil is answered as version 1.0 over JSON-RPC.
func AppendRefusal(dst []byte, call *portcullis.Message, e *portcullis.Error, requestID string) []byte {
	if call == nil {
		return AppendError(dst, JSONRPC, V1, nil, e, requestID)
	}
	return AppendError(dst, BindingOf(call), call.Version, call.ID, e, requestID)
}

// AppendError appends the error that e is to a caller, in the form of binding
// and version. Version 1.0 over JSON-RPC has details with types in data:
//
//	{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Too many requests","data":[
//	 {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"portcullis",
//	  "metadata":{"requestId":"…","retryAfter":"3"}}]}}
//
// and over HTTP+JSON the same details in a google.rpc.Status; version 0.3 over
// JSON-RPC has data {"reason":"rate_limited","requestId":"…","retryAfter":3},
// and none with the codes of A2A itself, as no form of it suits all clients,
// and over HTTP+JSON a problem document with the code and the message, which the
// JavaScript SDK reads. A version that is "" is 1.0.
//
// The code is e.Code if it is defined, else -32000, for the gateway's own
// reasons belong to no code of the specification. The message is e.Public or
// the sentence of the code or kind; Detail and Err are never looked at. Members
// of e.Data follow in the order of their names; those called path and rule
// become a google.rpc.BadRequest in version 1.0.
func AppendError(dst []byte, b Binding, version string, id []byte, e *portcullis.Error, requestID string) []byte {
	f := fault{
		code: e.Code, status: e.Kind.Status(), text: e.Public, reason: e.Reason, domain: domainOurs,
		requestID: requestID, data: e.Data, retryAfter: int64((e.RetryAfter + time.Second - 1) / time.Second),
	}
	if known, ok := definedError(e.Code, version); ok {
		f.domain, f.state = domainA2A, known.state
		if version != V03 {
			f.reason = known.reason
		}
		if f.text == "" {
			f.text = known.text
		}
	} else {
		f.code = portcullis.CodeRefused
	}
	if f.text == "" {
		f.text = sentence(e.Kind)
	}
	if f.reason == "" {
		f.reason = "internal"
	}
	if b == HTTPJSON && version == V03 {
		dst = problem.Append(dst, e, requestID)
		dst = strconv.AppendInt(append(dst[:len(dst)-1], `,"code":`...), int64(f.code), 10)
		return append(jsonrpc.AppendText(append(dst, `,"message":`...), f.text), '}')
	}
	return f.append(dst, b, version, id)
}

// fault is what is told of an error.
type fault struct {
	code, status         int
	text, reason, domain string
	state                string // gRPC status; "" = that of the HTTP status
	requestID            string
	retryAfter           int64
	data                 map[string]any
}

func (f *fault) append(dst []byte, b Binding, version string, id []byte) []byte {
	if b == HTTPJSON {
		if f.state == "" {
			f.state = stateOf(f.status)
		}
		dst = strconv.AppendInt(append(dst, `{"error":{"code":`...), int64(f.status), 10)
		dst = jsonrpc.AppendText(append(dst, `,"status":`...), f.state)
		dst = jsonrpc.AppendText(append(dst, `,"message":`...), f.text)
		return append(f.appendDetails(append(dst, `,"details":`...)), "}}"...)
	}
	if id == nil {
		id = []byte("null")
	}
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	dst = strconv.AppendInt(append(dst, `,"error":{"code":`...), int64(f.code), 10)
	dst = jsonrpc.AppendText(append(dst, `,"message":`...), f.text)
	if version == V03 && f.code <= CodeTaskNotFound && f.code >= CodeVersionNotSupported {
		return append(dst, "}}"...) // one official client reads data as an object, another as a list: both read none
	}
	dst = append(dst, `,"data":`...)
	if version == V03 {
		return append(f.appendObject(dst), "}}"...)
	}
	return append(f.appendDetails(dst), "}}"...)
}

// appendObject appends what version 0.3 has as data.
func (f *fault) appendObject(dst []byte) []byte {
	dst = jsonrpc.AppendText(append(dst, `{"reason":`...), f.reason)
	dst = jsonrpc.AppendText(append(dst, `,"requestId":`...), f.requestID)
	if f.retryAfter > 0 {
		dst = strconv.AppendInt(append(dst, `,"retryAfter":`...), f.retryAfter, 10)
	}
	for _, name := range f.extra() {
		if value, err := json.Marshal(f.data[name]); err == nil {
			dst = append(append(jsonrpc.AppendText(append(dst, ','), name), ':'), value...)
		}
	}
	return append(dst, '}')
}

// appendDetails appends the details with types of version 1.0. The values of
// ErrorInfo's metadata are texts.
func (f *fault) appendDetails(dst []byte) []byte {
	dst = jsonrpc.AppendText(append(dst, `[{"@type":`...), errorInfo)
	dst = jsonrpc.AppendText(append(dst, `,"reason":`...), upper(f.reason))
	dst = jsonrpc.AppendText(append(dst, `,"domain":`...), f.domain)
	dst = jsonrpc.AppendText(append(dst, `,"metadata":{"requestId":`...), f.requestID)
	if f.retryAfter > 0 {
		dst = append(strconv.AppendInt(append(dst, `,"retryAfter":"`...), f.retryAfter, 10), '"')
	}
	rule, _ := f.data["rule"].(string) // "" if there is none
	path, _ := f.data["path"].(string)
	for _, name := range f.extra() {
		if name == "rule" || name == "path" {
			continue
		}
		text, ok := f.data[name].(string)
		if !ok {
			value, err := json.Marshal(f.data[name])
			if err != nil {
				continue
			}
			text = string(value)
		}
		dst = jsonrpc.AppendText(append(jsonrpc.AppendText(append(dst, ','), name), ':'), text)
	}
	dst = append(dst, "}}"...)
	if rule != "" {
		dst = jsonrpc.AppendText(append(dst, `,{"@type":`...), badRequest)
		dst = jsonrpc.AppendText(append(dst, `,"fieldViolations":[{"field":`...), path)
		dst = append(jsonrpc.AppendText(append(dst, `,"description":`...), rule), "}]}"...)
	}
	return append(dst, ']')
}

// extra returns the names of further members of data, in order.
func (f *fault) extra() []string {
	var names []string
	for name := range f.data {
		if name != "reason" && name != "requestId" && name != "retryAfter" && name != "@type" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// upper writes a reason as ErrorInfo wants it.
func upper(reason string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(reason))
}

// StateOf returns the name of the gRPC status of an error in version 1.0: that
// of its code, or else that of the status of the reply. "" if neither says any:
// a code of somebody's own in a reply that went well.
func StateOf(code, status int) string {
	if known, ok := definedError(code, V1); ok {
		return known.state
	}
	switch {
	case status < http.StatusMultipleChoices:
		return ""
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestHeaderFieldsTooLarge:
		return "RESOURCE_EXHAUSTED"
	case status == http.StatusUnsupportedMediaType:
		return "UNIMPLEMENTED"
	}
	return stateOf(status)
}

// stateOf returns the gRPC status that stands beside an HTTP status.
func stateOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return "UNIMPLEMENTED"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "DEADLINE_EXCEEDED"
	case http.StatusInternalServerError:
		return "INTERNAL"
	}
	if status >= http.StatusInternalServerError {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

// sentence is what a caller is told when nothing better is known.
func sentence(kind portcullis.Kind) string {
	switch kind {
	case portcullis.KindUnauthenticated:
		return "Authentication required"
	case portcullis.KindForbidden:
		return "Access denied"
	case portcullis.KindRateLimited:
		return "Too many requests"
	case portcullis.KindTooLarge, portcullis.KindHeadersTooLarge:
		return "Request too large"
	case portcullis.KindUpstream:
		return "The agent could not be reached or did not answer as it should"
	case portcullis.KindInternal, portcullis.KindPreflight, portcullis.KindRedirect:
		return "An internal error occurred. Please try again."
	}
	return http.StatusText(kind.Status())
}

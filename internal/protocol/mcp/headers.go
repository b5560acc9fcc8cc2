package mcp

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
)

// Header fields of the Streamable HTTP transport, in the canonical form of
// [http.Header].
const (
	HeaderVersion     = "Mcp-Protocol-Version"
	HeaderMethod      = "Mcp-Method"
	HeaderName        = "Mcp-Name"
	HeaderSession     = "Mcp-Session-Id"
	HeaderParamPrefix = "Mcp-Param-"
)

// Markers of a header value in base64: "These markers are case-sensitive and
// MUST appear exactly as shown (lowercase)."
const (
	sentinelStart = "=?base64?"
	sentinelEnd   = "?="
)

// underscored are second spellings of the fields: servers that pass fields on
// as variables (CGI, WSGI) read them as the same, which makes two of one.
var underscored = [...]string{
	"Mcp_method", "Mcp_name", "Mcp_protocol_version", "Mcp_protocol-Version", "Mcp-Protocol_version",
}

// CheckHeaders holds the headers of the POST that carried p to its body, and
// sets p.Version to the revision in force ("" for an initialize request without
// a header, whose revision the server will choose).
//
// Of modern requests the specification (2026-07-28, Streamable HTTP) demands:
//
//   - "Every POST request to the MCP endpoint MUST include an
//     MCP-Protocol-Version header", and "the header value MUST match the
//     io.modelcontextprotocol/protocolVersion field carried in the request
//     body's _meta";
//   - Mcp-Method on all requests and Mcp-Name on tools/call, resources/read and
//     prompts/get, equal to method and to params.name or params.uri, decoded
//     from base64 "before comparing it to the corresponding request body value";
//   - "The client MUST NOT send JSON-RPC responses."
//
// Notifications have no _meta version and "header requirements for notification
// POSTs are not defined by this revision", so of them, as of legacy messages,
// only headers that are there must match. A legacy request without a version
// is of 2025-03-26 (2025-11-25, Protocol Version Header).
//
// The error is a *portcullis.Error with status 400: code -32020 and reason
// "header_mismatch" if a field is missing, repeated, malformed, unequal or
// spelled with underscores; code
// -32022 and reason "unsupported_version", with the data that the
// specification shows, if both agree on a revision that is unknown; code
// -32602 for a modern request without a version in _meta; code -32600 for a
// modern response.
func CheckHeaders(h http.Header, p *Parsed) error {
	for _, field := range underscored {
		if present(h, field) {
			return mismatch("field name with an underscore that stands for a hyphen")
		}
	}
	header, ok := single(h, HeaderVersion)
	if !ok {
		return mismatch("repeated or malformed " + HeaderVersion)
	}
	if err := checkVersion(header, p); err != nil {
		return err
	}
	required := Modern(p.Version) && p.Shape == portcullis.ShapeRequest
	method, ok := single(h, HeaderMethod)
	switch {
	case !ok:
		return mismatch("repeated or malformed " + HeaderMethod)
	case method == "" && (required || present(h, HeaderMethod)):
		return mismatch("missing " + HeaderMethod)
	case method != "" && method != p.Method:
		return mismatch(HeaderMethod + " differs from the body")
	}
	name, ok := single(h, HeaderName)
	if ok {
		name, ok = DecodeHeader(name)
	}
	switch {
	case !ok:
		return mismatch("repeated or malformed " + HeaderName)
	case !present(h, HeaderName):
		if required && p.known != nil && p.known.header {
			return mismatch("missing " + HeaderName)
		}
		return nil
	case name == "" || name != p.mirroredName():
		return mismatch(HeaderName + " differs from the body")
	}
	return nil
}

// checkVersion finds the revision in force.
func checkVersion(header string, p *Parsed) error {
	claimed := header
	switch {
	case header == "" && p.MetaVersion != "":
		return mismatch("missing " + HeaderVersion)
	case header == "" && p.Method == "initialize":
		return nil
	case header == "":
		p.Version = Version20250326
		return nil
	case p.MetaVersion != "" && p.MetaVersion != header:
		return mismatch(HeaderVersion + " differs from the body")
	}
	known, version := revision(claimed)
	switch {
	case known == 0:
		return UnsupportedVersion(claimed, Versions())
	case Modern(version) && p.Shape != portcullis.ShapeRequest && p.Shape != portcullis.ShapeNotification:
		return refuse(portcullis.CodeInvalidRequest, "a response from a modern client")
	case Modern(version) && p.Shape == portcullis.ShapeRequest && p.MetaVersion == "":
		return refuse(portcullis.CodeInvalidParams, "params._meta names no protocol version")
	}
	p.Version = version
	return nil
}

// UnsupportedVersion is the UnsupportedProtocolVersionError of the
// specification: status 400, code -32022, and which revisions would do.
func UnsupportedVersion(requested string, supported []string) *portcullis.Error {
	const longest = 64
	if len(requested) > longest {
		requested = strings.ToValidUTF8(requested[:longest], "")
	}
	return &portcullis.Error{
		Kind:   portcullis.KindMalformed,
		Code:   portcullis.CodeUnsupportedVersion,
		Reason: "unsupported_version",
		Public: "Unsupported protocol version",
		Data:   map[string]any{"supported": supported, "requested": requested},
		Event:  portcullis.EventInputRejected,
		Detail: "unsupported protocol version",
	}
}

func mismatch(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind:   portcullis.KindMalformed,
		Code:   portcullis.CodeHeaderMismatch,
		Reason: "header_mismatch",
		Event:  portcullis.EventInputRejected,
		Detail: detail,
	}
}

// mirroredName is the value of the body that Mcp-Name mirrors, "" if none does.
func (p *Parsed) mirroredName() string {
	switch {
	case p.known == nil:
		return p.mirrored
	case p.known.source == fromTask:
		return p.TaskID // SEP-2663: tasks/… mirror params.taskId
	}
	return p.Target.Name
}

func present(h http.Header, field string) bool { return len(h[field]) > 0 }

// single returns the value of a field that may occur once, in the characters
// that RFC 9110 allows to every sender: visible ASCII, space and tab.
func single(h http.Header, field string) (string, bool) {
	values := h[field]
	if len(values) == 0 {
		return "", true
	}
	if len(values) > 1 {
		return "", false
	}
	for i := range len(values[0]) {
		if c := values[0][i]; (c < ' ' && c != '\t') || c > '~' {
			return "", false
		}
	}
	return values[0], true
}

// DecodeHeader returns what the value of an Mcp-Name or Mcp-Param-… field says:
// the value itself or, between =?base64? and ?=, what it encodes. It reports
// false if that is no canonical base64 of UTF-8 text.
func DecodeHeader(value string) (string, bool) {
	encoded, ok := strings.CutPrefix(value, sentinelStart)
	if !ok {
		return value, true
	}
	if encoded, ok = strings.CutSuffix(encoded, sentinelEnd); !ok {
		return value, true
	}
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || !utf8.Valid(text) || strings.ContainsAny(encoded, "\r\n") { // the decoder skips line breaks

		return "", false
	}
	return string(text), true
}

// EncodeHeader returns the value of an Mcp-Name or Mcp-Param-… field that says
// text: in base64 if text "cannot be safely represented as a plain ASCII header
// value" or looks as if it were base64.
func EncodeHeader(text string) string {
	plain := !strings.HasPrefix(text, sentinelStart) || !strings.HasSuffix(text, sentinelEnd)
	for i := range len(text) {
		c := text[i]
		edge := i == 0 || i == len(text)-1
		if c < ' ' || c > '~' || c == ' ' && edge {
			plain = false
		}
	}
	if plain {
		return text
	}
	return sentinelStart + base64.StdEncoding.EncodeToString([]byte(text)) + sentinelEnd
}

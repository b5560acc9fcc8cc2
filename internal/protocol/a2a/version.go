package a2a

import (
	"net/http"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// HeaderVersion names the version of a request, in the canonical form of
// [http.Header]. Over HTTP+JSON a query parameter may say it instead.
const (
	HeaderVersion    = "A2a-Version"
	HeaderExtensions = "A2a-Extensions"
	queryVersion     = "A2A-Version"
)

// Binding is how requests travel.
type Binding uint8

// The bindings that a gateway reads.
const (
	JSONRPC Binding = iota
	HTTPJSON
)

// String returns the name that agent cards give the binding.
func (b Binding) String() string {
	if b == HTTPJSON {
		return "HTTP+JSON"
	}
	return "JSONRPC"
}

// BindingOf returns how a request that a [Decoder] read came.
func BindingOf(m *portcullis.Message) Binding {
	if m.Suffix != "" {
		return HTTPJSON
	}
	return JSONRPC
}

// VersionOf returns the version that a request asks for: "Agents MUST interpret
// empty value as 0.3 version", and patch numbers "MUST not be considered". The
// error is a *portcullis.Error: KindMalformed with code -32600 if the request
// says it twice, -32009 if there is no such version.
func VersionOf(r *http.Request) (string, error) {
	if len(r.Header["A2a_version"]) > 0 { // servers that pass fields on as variables read it as the same
		return "", refuse(portcullis.CodeInvalidRequest, "other spelling of A2A-Version")
	}
	asked := r.Header[HeaderVersion]
	if len(asked) > 1 {
		return "", refuse(portcullis.CodeInvalidRequest, "more than one A2A-Version")
	}
	text := ""
	if len(asked) == 1 {
		text = asked[0]
	}
	if r.URL.RawQuery != "" {
		values := r.URL.Query()[queryVersion]
		if len(values) > 1 || len(values) == 1 && len(asked) == 1 && values[0] != text {
			return "", refuse(portcullis.CodeInvalidRequest, "more than one A2A-Version")
		}
		if len(values) == 1 {
			text = values[0]
		}
	}
	switch version := majorMinor(strings.TrimSpace(text)); version {
	case "":
		return V03, nil
	case V1, V03:
		return version, nil
	}
	return "", VersionNotSupported(V1, V03)
}

// majorMinor cuts the patch number off a version.
func majorMinor(s string) string {
	major, rest, _ := strings.Cut(s, ".")
	minor, patch, three := strings.Cut(rest, ".")
	if three && patch != "" && strings.Trim(patch, "0123456789") == "" && len(patch) < 10 {
		return major + "." + minor
	}
	return s
}

// Sniff says, as far as it can, how a request came that was refused before it
// was read, so that the refusal can be told in a form that its sender reads.
func Sniff(r *http.Request, routePath string) (Binding, string) {
	version, err := VersionOf(r)
	if err != nil {
		version = V1
	}
	if rest, ok := remainder(r.URL.EscapedPath(), routePath); ok && rest != "" {
		return HTTPJSON, version
	}
	return JSONRPC, version
}

// remainder returns what a path has behind that of the route: "" or what
// begins with a slash.
func remainder(path, route string) (string, bool) {
	route = strings.TrimSuffix(route, "/")
	rest, ok := strings.CutPrefix(path, route)
	if rest == "/" {
		rest = ""
	}
	return rest, ok && (rest == "" || rest[0] == '/')
}

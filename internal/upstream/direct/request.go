package direct

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct/field"
)

// request is what one call sends, apart from how it is sent.
type request struct {
	method string
	fields []portcullis.Field
	named  []string // canonical names that a Connection field of the call listed
	body   []byte
	sized  bool   // has a Content-Length: the message shapes have, even when empty
	suffix string // what follows the upstream's path

	own   []portcullis.Field // of the upstream's credential
	query string             // of the upstream's credential
}

// newRequest reads the call. It refuses what could become a second request or
// a field nobody meant to send.
func newRequest(call *portcullis.Call) (request, error) {
	r := request{fields: call.Header}
	switch call.Message.Shape {
	case portcullis.ShapeRequest, portcullis.ShapeNotification, portcullis.ShapeResult, portcullis.ShapeError:
		r.method, r.body, r.sized = http.MethodPost, call.Message.Raw, true
	case portcullis.ShapeStream:
		r.method = http.MethodGet
	case portcullis.ShapeClose:
		r.method = http.MethodDelete
	default:
		return request{}, &portcullis.Error{Detail: "forwarding a message without a shape"}
	}
	if call.Method != "" {
		r.method = call.Method
		if r.sized = r.method == http.MethodPost || r.method == http.MethodPut; !r.sized {
			r.body = nil
		}
	}
	if r.suffix = call.Message.Suffix; r.suffix != "" && !follows(r.suffix) {
		return request{}, &portcullis.Error{
			Kind: portcullis.KindMalformed, Reason: "malformed", Detail: "path that cannot follow the upstream's",
		}
	}
	for _, f := range r.fields {
		if !field.IsToken(f.Name) || !field.IsValue(f.Value) {
			return request{}, &portcullis.Error{
				Kind: portcullis.KindMalformed, Reason: "malformed", Public: "a header field is malformed",
				Detail: "header field with an invalid name or value",
			}
		}
		if len(f.Name) == len("Connection") && strings.EqualFold(f.Name, "Connection") {
			for name := range strings.SplitSeq(f.Value, ",") {
				r.named = append(r.named, field.Canonical(field.Trim(name)))
			}
		}
	}
	return r, nil
}

// follows reports whether s may stand behind the path of an upstream: it leads
// further down and nowhere else, however a server reads it.
func follows(s string) bool {
	path, _, _ := strings.Cut(s, "?")
	if !validTarget("/"+s) || strings.ContainsAny(s, "#\\") || path != "" && path[0] != '/' {
		return false
	}
	if path == "" {
		return true
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsAny(plain, "/\\%;") || !field.IsValue(plain) || strings.Contains(plain, "\t") {
			return false
		}
	}
	return true
}

// sends reports whether the field of that canonical name goes to the upstream.
func (r *request) sends(name string) bool {
	if field.OfRequest(name) || r.owned(name) {
		return false
	}
	for _, n := range r.named {
		if n == name {
			return false
		}
	}
	return true
}

// target is the constant part of every request to one upstream.
type target struct {
	url    *url.URL
	addr   string // host:port to dial
	path   string // what follows the method: " /path?query"
	after  string // what follows that: " HTTP/1.1\r\nHost: …\r\nAccept-Encoding: identity\r\n"
	secure bool
}

func newTarget(u *url.URL) target {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return target{
		url:    u,
		addr:   host + ":" + port,
		path:   " " + u.RequestURI(),
		after:  " HTTP/1.1\r\nHost: " + u.Host + "\r\nAccept-Encoding: identity\r\n",
		secure: u.Scheme == "https",
	}
}

// appendHead appends the request line and the fields, up to and with the empty
// line.
func (t *target) appendHead(b []byte, r *request) []byte {
	b = append(b, r.method...)
	if r.suffix == "" {
		b = append(b, t.path...)
	} else {
		b = append(append(b, ' '), t.below(r.suffix).RequestURI()...)
	}
	if r.query != "" {
		b = append(b, t.joint(r.suffix))
		b = append(b, r.query...)
	}
	b = append(b, t.after...)
	for _, f := range r.fields {
		if !r.sends(field.Canonical(f.Name)) {
			continue
		}
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	for _, f := range r.own {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if r.sized {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.body)), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// joint is what stands between the URL and a further parameter.
func (t *target) joint(suffix string) byte {
	if t.url.RawQuery != "" || strings.Contains(suffix, "?") {
		return '&'
	}
	return '?'
}

// below returns the URL with a suffix, whose parameters come behind its own.
func (t *target) below(suffix string) *url.URL {
	u := *t.url
	path, query, _ := strings.Cut(suffix, "?")
	if path != "" {
		escaped := strings.TrimSuffix(u.EscapedPath(), "/") + path
		if plain, err := url.PathUnescape(escaped); err == nil {
			u.Path, u.RawPath = plain, escaped
		}
	}
	u.RawQuery = join(u.RawQuery, query)
	return &u
}

func join(a, b string) string {
	if a != "" && b != "" {
		return a + "&" + b
	}
	return a + b
}

// with returns the URL of a request: with its suffix and the parameter of its
// credential.
func (t *target) with(r *request) *url.URL {
	if r.query == "" && r.suffix == "" {
		return t.url
	}
	u := t.below(r.suffix)
	u.RawQuery = join(u.RawQuery, r.query)
	return u
}

// header returns the fields as net/http wants them.
func (r *request) header() http.Header {
	h := make(http.Header, len(r.fields)+2)
	for _, f := range r.fields {
		if name := field.Canonical(f.Name); r.sends(name) {
			h[name] = append(h[name], f.Value)
		}
	}
	for _, f := range r.own {
		h.Add(f.Name, f.Value)
	}
	h["Accept-Encoding"] = []string{"identity"}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // or net/http would add its own
	}
	return h
}

package direct

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// request is what one call sends, apart from how it is sent.
type request struct {
	method string
	fields []portcullis.Field
	named  []string // canonical names that a Connection field of the call listed
	body   []byte
	sized  bool // has a Content-Length: the message shapes have, even when empty

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
	for _, f := range r.fields {
		if !isToken(f.Name) || !isFieldValue(f.Value) {
			return request{}, &portcullis.Error{
				Kind: portcullis.KindMalformed, Reason: "malformed", Public: "a header field is malformed",
				Detail: "header field with an invalid name or value",
			}
		}
		if len(f.Name) == len("Connection") && strings.EqualFold(f.Name, "Connection") {
			for name := range strings.SplitSeq(f.Value, ",") {
				r.named = append(r.named, canonical(trim(name)))
			}
		}
	}
	return r, nil
}

// sends reports whether the field of that canonical name goes to the upstream.
func (r *request) sends(name string) bool {
	if ownRequestField(name) || r.owned(name) {
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
	b = append(b, t.path...)
	if r.query != "" {
		b = append(b, t.joint())
		b = append(b, r.query...)
	}
	b = append(b, t.after...)
	for _, f := range r.fields {
		if !r.sends(canonical(f.Name)) {
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
func (t *target) joint() byte {
	if t.url.RawQuery != "" {
		return '&'
	}
	return '?'
}

// with returns the URL with a further parameter.
func (t *target) with(query string) *url.URL {
	if query == "" {
		return t.url
	}
	u := *t.url
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += query
	return &u
}

// header returns the fields as net/http wants them.
func (r *request) header() http.Header {
	h := make(http.Header, len(r.fields)+2)
	for _, f := range r.fields {
		if name := canonical(f.Name); r.sends(name) {
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

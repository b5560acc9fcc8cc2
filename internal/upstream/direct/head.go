package direct

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/upstream/direct/field"
)

// Bounds on what a peer may send before its body.
const (
	maxHead    = 64 << 10 // bytes of status line and fields
	maxFields  = 256
	maxInterim = 5 // 1xx responses before the final one
)

// Body lengths that are not a number of bytes.
const (
	lengthChunked int64 = -1
	lengthClose   int64 = -2 // until the peer closes
)

// head is a response without its body.
type head struct {
	status int
	header http.Header
	length int64         // of the body in bytes, or one of the constants above
	keep   bool          // the connection may carry another request
	idle   time.Duration // how long the peer keeps an idle connection, 0 = not said
}

// framing gathers the fields that say where the body ends.
type framing struct {
	length  int64 // -1 = not said
	chunked bool
	close   bool
	keep    bool
	named   bool // Connection lists more than close and keep-alive
	idle    time.Duration
	http11  bool
}

// parseHead reads a status line and fields; s ends with the empty line. It is
// stricter than net/http: every line ends in CRLF, nothing is folded, and a
// response whose end could be read in two ways is refused (RFC 9112 6.3, 11).
func parseHead(s string) (head, error) {
	line, rest, _ := strings.Cut(s, "\r\n")
	var h head
	f := framing{length: -1}
	switch {
	case strings.HasPrefix(line, "HTTP/1.1 "):
		f.http11 = true
	case !strings.HasPrefix(line, "HTTP/1.0 "):
		return h, errMalformed
	}
	line = line[len("HTTP/1.1 "):]
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' || !field.IsValue(line) {
		return h, errMalformed
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return h, errMalformed
		}
		h.status = h.status*10 + int(line[i]-'0')
	}
	if h.status < 100 || h.status > 599 {
		return h, errMalformed
	}
	if err := h.parseFields(rest, &f); err != nil {
		return h, err
	}
	return h, h.frame(&f)
}

func (h *head) parseFields(s string, f *framing) error {
	n := strings.Count(s, "\r\n") - 1 // the last is the empty line
	if n > maxFields {
		return errMalformed
	}
	h.header = make(http.Header, n)
	values := make([]string, 0, n)
	for range n {
		line, rest, _ := strings.Cut(s, "\r\n")
		s = rest
		name, value, ok := strings.Cut(line, ":")
		if !ok || !field.IsToken(name) || !field.IsValue(value) { // a folded line has no token before its colon
			return errMalformed
		}
		name, value = field.Canonical(name), field.Trim(value)
		if err := f.read(name, value); err != nil {
			return err
		}
		if name != "Connection" && field.Dropped(name) {
			continue
		}
		if old, ok := h.header[name]; ok {
			h.header[name] = append(old, value)
			continue
		}
		i := len(values)
		values = append(values, value)
		h.header[name] = values[i : i+1 : i+1]
	}
	if f.named {
		field.Clean(h.header)
	}
	delete(h.header, "Connection")
	return nil
}

// read takes from a field what it says of the connection.
func (f *framing) read(name, value string) error {
	switch name {
	case "Content-Length":
		n, ok := parseLength(value)
		if !ok || f.length >= 0 && f.length != n {
			return errMalformed
		}
		f.length = n
	case "Transfer-Encoding":
		if f.chunked || !f.http11 || !strings.EqualFold(value, "chunked") {
			return errMalformed
		}
		f.chunked = true
	case "Connection":
		for token := range strings.SplitSeq(value, ",") {
			switch token = field.Trim(token); {
			case strings.EqualFold(token, "close"):
				f.close = true
			case strings.EqualFold(token, "keep-alive"):
				f.keep = true
			case token != "":
				f.named = true
			}
		}
	case "Keep-Alive":
		for param := range strings.SplitSeq(value, ",") {
			secs, ok := strings.CutPrefix(field.Trim(param), "timeout=")
			if n, err := strconv.ParseUint(secs, 10, 16); ok && err == nil {
				f.idle = time.Duration(n) * time.Second
				f.close = f.close || n == 0
			}
		}
	}
	return nil
}

// frame decides where the body ends and whether the connection lives on.
func (h *head) frame(f *framing) error {
	if f.chunked && f.length >= 0 {
		return errMalformed
	}
	h.keep = !f.close && (f.http11 || f.keep)
	h.idle = f.idle
	switch {
	case h.status < 200 || h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		// There is no body whatever the fields say. A peer that says otherwise
		// may send one all the same: it gets no second request here.
		if h.status >= 200 && (f.chunked || f.length > 0) {
			h.keep = false
		}
	case f.chunked:
		h.length = lengthChunked
	case f.length >= 0:
		h.length = f.length
	default:
		h.length, h.keep = lengthClose, false
	}
	return nil
}

// parseLength reads a Content-Length: digits only.
func parseLength(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil && n <= math.MaxInt64
}

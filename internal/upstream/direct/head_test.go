package direct

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct/field"
)

const head200 = "HTTP/1.1 200 OK\r\n"

// malformed are replies that must be refused, before or in their body.
var malformed = map[string]string{
	"nothing":                     "",
	"garbage":                     "SSH-2.0-x\r\n",
	"no version":                  "200 OK\r\n\r\n",
	"HTTP/0.9":                    "HTTP/0.9 200 OK\r\n\r\n",
	"HTTP/1.2":                    "HTTP/1.2 200 OK\r\n\r\n",
	"HTTP/2":                      "HTTP/2.0 200 OK\r\n\r\n",
	"lower case":                  "http/1.1 200 OK\r\n\r\n",
	"two spaces":                  "HTTP/1.1  200 OK\r\n\r\n",
	"no status":                   "HTTP/1.1 \r\n\r\n",
	"short status":                "HTTP/1.1 20 OK\r\n\r\n",
	"long status":                 "HTTP/1.1 2000 OK\r\n\r\n",
	"status 000":                  "HTTP/1.1 000 OK\r\n\r\n",
	"status 600":                  "HTTP/1.1 600 OK\r\n\r\n",
	"status +20":                  "HTTP/1.1 +20 OK\r\n\r\n",
	"control in reason":           "HTTP/1.1 200 O\x00K\r\n\r\n",
	"empty line first":            "\r\n" + head200 + "\r\n",
	"bare LF":                     "HTTP/1.1 200 OK\n\n",
	"bare LF after a field":       head200 + "A: b\nContent-Length: 0\r\n\r\n",
	"bare LF as end":              head200 + "A: b\r\n\n",
	"bare CR":                     head200 + "A: b\rC: d\r\n\r\n",
	"folded":                      head200 + "A: b\r\n c: d\r\n\r\n",
	"folded with tab":             head200 + "A: b\r\n\tc\r\n\r\n",
	"space before colon":          head200 + "A : b\r\n\r\n",
	"no colon":                    head200 + "A\r\n\r\n",
	"empty name":                  head200 + ": b\r\n\r\n",
	"name not ASCII":              head200 + "Ä: b\r\n\r\n",
	"NUL in value":                head200 + "A: b\x00\r\n\r\n",
	"DEL in value":                head200 + "A: b\x7f\r\n\r\n",
	"length twice":                head200 + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	"length list":                 head200 + "Content-Length: 1, 1\r\n\r\na",
	"length signed":               head200 + "Content-Length: +1\r\n\r\na",
	"length negative":             head200 + "Content-Length: -1\r\n\r\n",
	"length empty":                head200 + "Content-Length:\r\n\r\n",
	"length hexadecimal":          head200 + "Content-Length: 0x1\r\n\r\na",
	"length beyond 63 bits":       head200 + "Content-Length: 9223372036854775808\r\n\r\n",
	"length and chunked":          head200 + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunked and length":          head200 + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"chunked twice":               head200 + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunked in a list":           head200 + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"identity":                    head200 + "Transfer-Encoding: identity\r\n\r\n",
	"chunked in HTTP/1.0":         "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"switching protocols":         "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
	"six interim replies":         strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 6) + head200 + "Content-Length: 0\r\n\r\n",
	"interim with both framings":  "HTTP/1.1 100 Continue\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + head200 + "\r\n",
	"too many fields":             head200 + strings.Repeat("A: b\r\n", maxFields+1) + "\r\n",
	"too large a head":            head200 + "A: " + strings.Repeat("b", maxHead) + "\r\n\r\n",
	"a head that ends at once":    head200 + "A: b",
	"chunk size missing":          head200 + "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
	"chunk size negative":         head200 + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
	"chunk size with prefix":      head200 + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
	"chunk size with space":       head200 + "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
	"chunk size too large":        head200 + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	"chunk line with bare LF":     head200 + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
	"chunk extension with LF":     head200 + "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\n0\r\n\r\n",
	"chunk extension with CR":     head200 + "Transfer-Encoding: chunked\r\n\r\n1;a\rb\r\na\r\n0\r\n\r\n",
	"chunk line too long":         head200 + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", maxLine) + "\r\na\r\n0\r\n\r\n",
	"chunk longer than its size":  head200 + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
	"chunk shorter than its size": head200 + "Transfer-Encoding: chunked\r\n\r\n3\r\na\r\n0\r\n\r\n",
	"trailer without colon":       head200 + "Transfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n",
	"trailer folded":              head200 + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n",
	"trailers without end":        head200 + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 17) + "\r\n",
}

// TestMalformedReplies refuses them and keeps no connection they came on.
func TestMalformedReplies(t *testing.T) {
	for name, reply := range malformed {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, _ int) {
				readRequest(r)
				_, _ = io.WriteString(c, reply)
			}))
			_, _, err := forward(t.Context(), c, post("x"))
			wantKind(t, err, portcullis.KindUpstream)
			if s := c.Stats(); s.Open != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestLargeHead(t *testing.T) {
	value := strings.Repeat("b", maxHead-100)
	c := newClient(t, serveRaw(t, answer(head200+"Content-Length: 2\r\nA: "+value+"\r\n\r\nok")))
	for range 2 {
		reply, body, err := forward(t.Context(), c, post("x"))
		if err != nil || body != "ok" || reply.Header.Get("A") != value {
			t.Fatalf("%q, %v", body, err)
		}
	}
	if s := c.Stats(); s.Dials != 1 {
		t.Errorf("stats %+v", s)
	}
}

// byteConn is a connection whose peer sent some bytes and closed.
type byteConn struct {
	net.Conn
	r io.Reader
}

func (c byteConn) Read(p []byte) (int, error) { return c.r.Read(p) }
func (c byteConn) Close() error               { return nil }

// parse reads one reply as a call does. headErr and bodyErr say where it ended.
func parse(t *testing.T, r io.Reader) (h head, body []byte, headErr, bodyErr error) {
	p, from := newPool(Default()), new(buffers)
	p.stats.Open = 1
	c := newConn(byteConn{r: r})
	c.lend(from)
	x := &exchange{ctx: t.Context(), pool: p, c: c}
	if x.head, headErr = c.readHead(); headErr != nil {
		x.discard()
		return h, nil, headErr, nil
	}
	h = x.head
	body, bodyErr = io.ReadAll(x.begin().Body)
	_ = x.Close()
	p.close()
	if s := p.snapshot(); s.Open != 0 {
		t.Errorf("stats %+v", s)
	}
	return h, body, nil, bodyErr
}

// oracle reads the same with net/http.
func oracle(data []byte) (resp *http.Response, body []byte, headErr, bodyErr error) {
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost})
		if err != nil {
			return nil, nil, err, nil
		}
		if resp.StatusCode >= 200 {
			body, err = io.ReadAll(resp.Body)
			return resp, body, nil, err
		}
	}
}

// FuzzReply holds the reader against net/http's: what this one accepts, that
// one must accept too and read the same way. It may refuse more. How the bytes
// are cut into reads must not matter.
func FuzzReply(f *testing.F) {
	for _, s := range malformed {
		if len(s) < maxLine {
			f.Add([]byte(s))
		}
	}
	f.Add([]byte(okReply))
	f.Add([]byte(head200 + "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nA: 1\r\n\r\n"))
	f.Add([]byte(head200 + "Connection: a, close\r\nA: 1\r\nSet-Cookie: b\r\n\r\nuntil the end"))
	f.Add([]byte("HTTP/1.1 103 Early\r\n\r\nHTTP/1.0 204\r\nKeep-Alive: timeout=5\r\nconnection: keep-alive\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, body, headErr, bodyErr := parse(t, bytes.NewReader(data))
		h1, body1, headErr1, bodyErr1 := parse(t, iotest.OneByteReader(bytes.NewReader(data)))
		if (headErr == nil) != (headErr1 == nil) || (bodyErr == nil) != (bodyErr1 == nil) ||
			!reflect.DeepEqual(h, h1) || !bytes.Equal(body, body1) {
			t.Fatalf("cut into bytes: %+v %q %v %v, whole: %+v %q %v %v", h1, body1, headErr1, bodyErr1, h, body, headErr, bodyErr)
		}
		if headErr != nil {
			return
		}
		if h.status < 200 || h.status > 599 {
			t.Fatalf("status %d", h.status)
		}
		resp, want, wantHeadErr, wantErr := oracle(data)
		if wantHeadErr != nil {
			t.Fatalf("accepted what net/http refuses: %v", wantHeadErr)
		}
		wantHeader := maps.Clone(resp.Header)
		field.Clean(wantHeader)
		if resp.Close { // net/http drops a Connection field that says so, and with it the names in it
			maps.DeleteFunc(wantHeader, func(name string, _ []string) bool {
				_, ours := h.header[name]
				return !ours && bytes.Contains(bytes.ToLower(data), []byte(strings.ToLower(name)))
			})
		}
		if h.status != resp.StatusCode || !reflect.DeepEqual(h.header, wantHeader) {
			t.Fatalf("read %d %v, net/http %d %v", h.status, h.header, resp.StatusCode, wantHeader)
		}
		if h.keep && resp.Close {
			t.Fatal("kept a connection that net/http closes")
		}
		if bodyErr == nil && (!bytes.Equal(body, want) || wantErr != nil) {
			t.Fatalf("read %q, net/http %q, %v", body, want, wantErr)
		}
		if bodyErr != nil && errors.Is(bodyErr, errTruncated) && wantErr == nil {
			t.Fatalf("truncated for us, whole for net/http: %q", want)
		}
	})
}

// TestStatusesWithoutBody reads nothing behind them.
func TestStatusesWithoutBody(t *testing.T) {
	for _, status := range []int{204, 304} {
		in := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 3\r\n\r\nabc", status)
		h, body, headErr, bodyErr := parse(t, strings.NewReader(in))
		if err := errors.Join(headErr, bodyErr); err != nil || h.status != status || len(body) != 0 || h.keep {
			t.Errorf("%d: %+v, %q, %v", status, h, body, err)
		}
	}
}

func TestHopByHopIsComplete(t *testing.T) {
	names := []string{
		"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"TE", "Trailer", "Transfer-Encoding", "Upgrade", "Set-Cookie",
	}
	for _, name := range names {
		if !field.Dropped(field.Canonical(name)) {
			t.Errorf("%s reaches the caller", name)
		}
	}
	if slices.ContainsFunc([]string{"Content-Type", "Mcp-Session-Id"}, field.Dropped) {
		t.Error("an end-to-end field is dropped")
	}
}

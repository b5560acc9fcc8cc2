package direct

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func TestForwardSendsAndReturns(t *testing.T) {
	type seen struct {
		method, uri, host, body string
		length                  int64
		header                  http.Header
	}
	got := make(chan seen, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{r.Method, r.RequestURI, r.Host, string(body), r.ContentLength, r.Header}
		h := w.Header()
		h["Date"] = nil
		h.Set("Content-Type", "application/json")
		h.Set("mcp-session-id", "s1")
		h.Add("Vary", "A")
		h.Add("Vary", "B")
		h.Set("Set-Cookie", "a=b")
		h.Set("Keep-Alive", "timeout=9")
		h.Set("Connection", "x-hop")
		h.Set("X-Hop", "1")
		h.Set("Proxy-Authenticate", "Basic")
		_, _ = io.WriteString(w, `{"ok":1}`)
	})
	call := post(`{"a":1}`,
		portcullis.Field{Name: "Content-Type", Value: "application/json"},
		portcullis.Field{Name: "mcp-method", Value: "tools/call"},
		portcullis.Field{Name: "Host", Value: "evil"},
		portcullis.Field{Name: "content-length", Value: "1"},
		portcullis.Field{Name: "Transfer-Encoding", Value: "chunked"},
		portcullis.Field{Name: "Accept-Encoding", Value: "gzip"},
		portcullis.Field{Name: "Connection", Value: "close, x-private"},
		portcullis.Field{Name: "X-Private", Value: "1"},
		portcullis.Field{Name: "Upgrade", Value: "h2c"},
		portcullis.Field{Name: "TE", Value: "trailers"},
	)
	for _, way := range []string{"direct", "transport"} {
		t.Run(way, func(t *testing.T) {
			c := newClient(t, url+"/mcp/x%2Fy?k=v")
			c.proxied = way == "transport"
			reply, body, err := forward(t.Context(), c, call)
			if err != nil {
				t.Fatal(err)
			}
			want := seen{"POST", "/mcp/x%2Fy?k=v", strings.TrimPrefix(url, "http://"), `{"a":1}`, 7, http.Header{
				"Content-Type": {"application/json"}, "Mcp-Method": {"tools/call"},
				"Accept-Encoding": {"identity"}, "Content-Length": {"7"},
			}}
			if g := <-got; !reflect.DeepEqual(g, want) {
				t.Errorf("server saw %+v\nwant %+v", g, want)
			}
			wantHeader := http.Header{
				"Content-Type": {"application/json"}, "Mcp-Session-Id": {"s1"},
				"Vary": {"A", "B"}, "Content-Length": {"8"},
			}
			if reply.Status != 200 || body != `{"ok":1}` || !reflect.DeepEqual(reply.Header, wantHeader) {
				t.Errorf("got %d %q %v, want headers %v", reply.Status, body, reply.Header, wantHeader)
			}
		})
	}
}

func TestForwardShapes(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("X-Length", r.Header.Get("Content-Length"))
		switch string(body) {
		case "accepted":
			w.WriteHeader(http.StatusAccepted)
		case "nothing":
			w.WriteHeader(http.StatusNoContent)
		case "redirect":
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			_, _ = w.Write(body)
		}
	})
	tests := []struct {
		call           *portcullis.Call
		status         int
		method, length string
		body           string
	}{
		{post("hello"), 200, "POST", "5", "hello"},
		{post(""), 200, "POST", "0", ""},
		{post(big), 200, "POST", "1048576", big},
		{post("accepted"), 202, "POST", "8", ""},
		{post("nothing"), 204, "POST", "7", ""},
		{post("redirect"), 307, "POST", "8", ""},
		{shaped(portcullis.ShapeStream), 200, "GET", "", ""},
		{shaped(portcullis.ShapeClose), 200, "DELETE", "", ""},
	}
	for _, way := range []string{"direct", "transport"} {
		c := newClient(t, url)
		c.proxied = way == "transport"
		for _, tt := range tests {
			reply, body, err := forward(t.Context(), c, tt.call)
			if err != nil {
				t.Fatalf("%s: %v", way, err)
			}
			h := reply.Header
			if reply.Status != tt.status || h.Get("X-Method") != tt.method || body != tt.body || h.Get("X-Length") != tt.length {
				t.Errorf("%s: got %d %v and %d bytes, want %d %s and %d bytes",
					way, reply.Status, h, len(body), tt.status, tt.method, len(tt.body))
			}
		}
		if s := c.Stats(); way == "direct" && (s.Dials != 1 || s.Reuses != uint64(len(tests)-1) || s.Idle != 1 || s.Open != 1) {
			t.Errorf("one connection should have carried all: %+v", s)
		}
	}
	_, _, err := forward(t.Context(), newClient(t, url), shaped(portcullis.ShapeInvalid))
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindInternal {
		t.Errorf("a message without shape: %v", err)
	}
}

func TestStreamArrivesEventByEvent(t *testing.T) {
	for _, way := range []string{"direct", "transport"} {
		t.Run(way, func(t *testing.T) {
			next := make(chan struct{})
			c := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for range 3 {
					_, _ = io.WriteString(w, "data: x\n\n")
					_ = http.NewResponseController(w).Flush()
					<-next
				}
			}))
			c.proxied = way == "transport"
			reply, err := c.Forward(t.Context(), shaped(portcullis.ShapeStream))
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 8<<10)
			for range 3 {
				if n, err := io.ReadAtLeast(reply.Body, buf, len("data: x\n\n")); err != nil || n != len("data: x\n\n") {
					t.Fatalf("read %q, %v", buf[:n], err)
				}
				next <- struct{}{} // the server sends the next event only now
			}
			if n, err := reply.Body.Read(buf); n != 0 || err != io.EOF {
				t.Errorf("after the stream: %d bytes, %v", n, err)
			}
			_ = reply.Body.Close()
			if s := c.Stats(); way == "direct" && s.Idle != 1 {
				t.Errorf("the connection of a finished stream is gone: %+v", s)
			}
		})
	}
}

// TestCancel ends calls in each of their phases and each way there is, and
// waits for the server to notice.
func TestCancel(t *testing.T) {
	for _, way := range []string{"direct", "transport"} {
		for _, how := range []string{"before headers", "while reading", "unread", "close", "close while reading"} {
			t.Run(way+"/"+how, func(t *testing.T) {
				arrived, left := make(chan struct{}, 1), make(chan struct{}, 1)
				c := newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if how != "before headers" {
						_ = http.NewResponseController(w).Flush()
					}
					arrived <- struct{}{}
					<-r.Context().Done()
					left <- struct{}{}
				}))
				c.proxied = way == "transport"
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if how == "before headers" {
					go func() { <-arrived; cancel() }()
				}
				reply, err := c.Forward(ctx, post("x"))
				if how == "before headers" {
					if !errors.Is(err, context.Canceled) || errors.As(err, new(*portcullis.Error)) {
						t.Errorf("got %v, want the context's error", err)
					}
					within(t, left, "the server to see the end")
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				within(t, arrived, "the call to arrive")
				switch how {
				case "while reading":
					go cancel()
					if _, err := reply.Body.Read(make([]byte, 9)); err != context.Canceled {
						t.Errorf("read: %v", err)
					}
				case "unread":
					cancel()
				case "close":
					_ = reply.Body.Close()
				case "close while reading":
					done := make(chan error, 1)
					go func() { _, err := reply.Body.Read(make([]byte, 9)); done <- err }()
					_ = reply.Body.Close()
					if err := within(t, done, "the read to end"); err == nil || err == io.EOF {
						t.Errorf("read of a closed body: %v", err)
					}
				}
				within(t, left, "the server to see the end")
				_ = reply.Body.Close()
				if _, err := reply.Body.Read(make([]byte, 9)); err == nil {
					t.Error("a closed body could be read")
				}
				if s := c.Stats(); s.Open != 0 || s.Idle != 0 {
					t.Errorf("a cancelled connection is kept: %+v", s)
				}
			})
		}
	}
}

func TestTimeouts(t *testing.T) {
	stop := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	})
	defer close(stop)
	for _, way := range []string{"direct", "transport"} {
		t.Run(way, func(t *testing.T) {
			c := newClient(t, url, func(c *Config) { c.Timeout = 30 * time.Millisecond })
			c.proxied = way == "transport"
			_, _, err := forward(t.Context(), c, post("x"))
			wantKind(t, err, portcullis.KindUpstreamTimeout)

			slow := newClient(t, url)
			slow.proxied = way == "transport"
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			_, _, err = forward(ctx, slow, post("x"))
			wantKind(t, err, portcullis.KindUpstreamTimeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the context's deadline", err)
			}
			if _, _, err = forward(ctx, slow, post("x")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a call after its deadline: %v", err)
			}
		})
	}
}

// TestStalledBody ends a reply that begins in time and is then never completed:
// nothing said at all, or a byte now and then. A stream may be silent.
func TestStalledBody(t *testing.T) {
	kinds := map[string]bool{"application/json": true, "": true, "text/event-stream": false, "Text/Event-Stream; charset=utf-8": false}
	for _, way := range []string{"direct", "transport"} {
		for media, ends := range kinds {
			t.Run(way+" "+media, func(t *testing.T) {
				release := make(chan struct{})
				url := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header()["Content-Type"] = []string{media}
					_, _ = io.WriteString(w, "ab")
					_ = http.NewResponseController(w).Flush()
					select {
					case <-release:
					case <-r.Context().Done():
					}
				})
				c := newClient(t, url, func(c *Config) { c.Timeout = 300 * time.Millisecond })
				c.proxied = way == "transport"
				reply, err := c.Forward(t.Context(), post("x"))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = reply.Body.Close() }()
				if !ends {
					time.AfterFunc(2*c.timeout, func() { close(release) })
				}
				got, err := io.ReadAll(reply.Body)
				if string(got) != "ab" {
					t.Errorf("read %q", got)
				}
				if ends {
					wantKind(t, err, portcullis.KindUpstreamTimeout)
				} else if err != nil {
					t.Errorf("a silent stream: %v", err)
				}
			})
		}
	}
}

// deadlines remembers the deadlines that were set on a connection.
type deadlines struct {
	*net.TCPConn
	set []time.Time
}

func (d *deadlines) SetDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return d.TCPConn.SetDeadline(t)
}

// TestDeadlineEndsWithHeaders leaves no deadline on the connection while a body
// is read, nor when it is idle.
func TestDeadlineEndsWithHeaders(t *testing.T) {
	c := newClient(t, serveRaw(t, answer(okReply)))
	raw, err := net.Dial("tcp", c.target.addr)
	if err != nil {
		t.Fatal(err)
	}
	rec := &deadlines{TCPConn: raw.(*net.TCPConn)}
	c.pool.count(func(s *Stats) { s.Open++ })
	c.pool.put(newConn(rec), 0)
	before := time.Now()
	reply, err := c.Forward(t.Context(), post("x"))
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.set) != 2 || rec.set[0].Before(before.Add(c.timeout)) || !rec.set[1].IsZero() {
		t.Errorf("deadlines %v", rec.set)
	}
	if body, err := io.ReadAll(reply.Body); err != nil || string(body) != "ok" || len(rec.set) != 2 {
		t.Errorf("%q, %v, deadlines %v", body, err, rec.set)
	}
	_ = reply.Body.Close()
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	c := newClient(t, "http://"+l.Addr().String())
	_, _, err = forward(t.Context(), c, post("x"))
	wantKind(t, err, portcullis.KindUpstream)
	if s := c.Stats(); s.DialErrors != 1 || s.Open != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestHeaderFieldsThatCannotBeSent(t *testing.T) {
	url := serveRaw(t, func(net.Conn, *bufio.Reader, int) { t.Error("something was sent") })
	for _, f := range []portcullis.Field{
		{Name: "A", Value: "b\r\nX: y"}, {Name: "A", Value: "b\nc"}, {Name: "A", Value: "b\rc"},
		{Name: "A", Value: "b\x00c"}, {Name: "A", Value: "\x7f"}, {Name: "", Value: "x"},
		{Name: "A b", Value: "x"}, {Name: "A:", Value: "x"}, {Name: "A\r\nB", Value: "x"}, {Name: "Ä", Value: "x"},
	} {
		_, _, err := forward(t.Context(), newClient(t, url), post("x", f))
		wantKind(t, err, portcullis.KindMalformed)
	}
}

func TestClosedClient(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, way := range []string{"direct", "transport"} {
		c := newClient(t, url)
		c.proxied = way == "transport"
		if _, _, err := forward(t.Context(), c, post("x")); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if s := c.Stats(); s.Open != 0 {
			t.Errorf("open after close: %+v", s)
		}
		_, _, err := forward(t.Context(), c, post("x"))
		wantKind(t, err, portcullis.KindUpstream)
	}
}

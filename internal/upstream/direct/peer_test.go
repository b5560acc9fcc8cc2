package direct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

const okReply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestServerClosesIdleConnections loses no call although the server closes
// connections at random after its replies.
func TestServerClosesIdleConnections(t *testing.T) {
	const calls = 1000
	rnd := rand.New(rand.NewPCG(1, 2))
	after := make(chan struct{}, 1) // the server is done with this call
	c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, _ int) {
		for {
			if _, ok := readRequest(r); !ok {
				return
			}
			_, _ = io.WriteString(c, okReply)
			if rnd.IntN(3) == 0 { // one connection at a time: no lock needed
				_ = c.Close()
				after <- struct{}{}
				return
			}
			after <- struct{}{}
		}
	}))
	for i := range calls {
		if _, body, err := forward(t.Context(), c, post("x")); err != nil || body != "ok" {
			t.Fatalf("call %d: %q, %v", i, body, err)
		}
		within(t, after, "the server")
	}
	s := c.Stats()
	if s.Stale < calls/5 || s.Dials != s.Stale+1 || s.Dials+s.Reuses != calls {
		t.Errorf("stats %+v", s)
	}
}

// TestNothingIsSentTwice closes a used connection after reading the request:
// whether it was acted upon nobody knows.
func TestNothingIsSentTwice(t *testing.T) {
	var got atomic.Int32
	c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, _ int) {
		for i := 0; ; i++ {
			if _, ok := readRequest(r); !ok {
				return
			}
			if got.Add(1); i == 1 {
				return
			}
			_, _ = io.WriteString(c, okReply)
		}
	}))
	for _, shape := range []portcullis.Shape{portcullis.ShapeRequest, portcullis.ShapeStream, portcullis.ShapeClose} {
		got.Store(0)
		if _, _, err := forward(t.Context(), c, shaped(shape)); err != nil {
			t.Fatal(err)
		}
		_, _, err := forward(t.Context(), c, shaped(shape))
		wantKind(t, err, portcullis.KindUpstream)
		if n := got.Load(); n != 2 {
			t.Errorf("%d requests arrived of 2 calls", n)
		}
	}
}

// TestNothingSentBeginsAgain resets a connection between the look and the
// write: nothing left this process, so another connection may carry the call.
func TestNothingSentBeginsAgain(t *testing.T) {
	read, reset := make(chan struct{}, 1), make(chan struct{}, 1)
	var got atomic.Int32
	c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, i int) {
		for {
			if _, ok := readRequest(r); !ok {
				return
			}
			got.Add(1)
			_, _ = io.WriteString(c, okReply)
			if i == 0 {
				<-read
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
				reset <- struct{}{}
				return
			}
		}
	}))
	c.pool.fit = func(*conn) bool { return true } // looked too early
	for i := range 2 {
		if _, body, err := forward(t.Context(), c, post("x")); err != nil || body != "ok" {
			t.Fatalf("%q, %v", body, err)
		}
		if i == 0 {
			read <- struct{}{}
			within(t, reset, "the reset")
		}
	}
	if s := c.Stats(); got.Load() != 2 || s.Dials != 2 {
		t.Errorf("%d requests arrived, stats %+v", got.Load(), s)
	}
}

// TestUnsolicitedBytes gives no call the bytes that came before it.
func TestUnsolicitedBytes(t *testing.T) {
	const smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for name, reply := range map[string][]string{
		"in the same write":       {okReply + smuggled},
		"behind the reply":        {okReply, smuggled},
		"after an empty reply":    {"HTTP/1.1 204 No Content\r\n\r\n" + smuggled},
		"body of a 204":           {"HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n", smuggled},
		"body of a chunked 304":   {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", smuggled},
		"behind the last chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled},
		"of one byte":             {okReply, "H"},
		"promised to close first": {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", smuggled},
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan struct{})
			c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, i int) {
				if i > 0 {
					answer(okReply)(c, r, i)
					return
				}
				readRequest(r)
				for _, part := range reply {
					_, _ = io.WriteString(c, part)
				}
				close(sent)
				readRequest(r)
			}))
			if _, body, err := forward(t.Context(), c, post("x")); err != nil || body == "evil" {
				t.Fatalf("%q, %v", body, err)
			}
			within(t, sent, "the server")
			if _, body, err := forward(t.Context(), c, post("x")); err != nil || body != "ok" {
				t.Errorf("second call: %q, %v", body, err)
			}
			if s := c.Stats(); s.Dials != 2 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestReplyThatEndsEarly(t *testing.T) {
	for _, reply := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nA: b\r\n",
	} {
		c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, _ int) {
			readRequest(r)
			_, _ = io.WriteString(c, reply)
		}))
		got, err := c.Forward(t.Context(), post("x"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		wantKind(t, err, portcullis.KindUpstream)
		if string(body) != "half" {
			t.Errorf("read %q", body)
		}
		if _, err := got.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("reading on: %v", err)
		}
		_ = got.Body.Close()
		if s := c.Stats(); s.Open != 0 {
			t.Errorf("stats %+v", s)
		}
	}
}

// TestBodyEndsWithItsLastByte has a connection idle again although nobody
// asked for the end of the body.
func TestBodyEndsWithItsLastByte(t *testing.T) {
	for _, reply := range []string{
		okReply,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nTrailer: 1\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
	} {
		c := newClient(t, serveRaw(t, answer(reply)))
		for range 2 {
			got, err := c.Forward(t.Context(), post("x"))
			if err != nil {
				t.Fatalf("%q: %v", reply, err)
			}
			b := make([]byte, 2)
			if _, err := io.ReadFull(got.Body, b); err != nil || string(b) != "ok" {
				t.Fatalf("%q: read %q, %v", reply, b, err)
			}
			_ = got.Body.Close()
			if s := c.Stats(); s.Idle != 1 || s.Dials != 1 {
				t.Errorf("%q: stats %+v", reply, s)
			}
		}
	}
}

func TestConnectionsNotKept(t *testing.T) {
	for _, reply := range []string{
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, CLOSE\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\n\r\nok", // until the server closes
	} {
		c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, _ int) {
			readRequest(r)
			_, _ = io.WriteString(c, reply)
		}))
		for range 2 {
			if _, body, err := forward(t.Context(), c, post("x")); err != nil || body != "ok" {
				t.Fatalf("%q: %q, %v", reply, body, err)
			}
		}
		if s := c.Stats(); s.Open != 0 || s.Dials != 2 || s.Stale != 0 {
			t.Errorf("%q: stats %+v", reply, s)
		}
	}
}

// TestEarlyRefusal passes on what a server says of a request it does not read.
func TestEarlyRefusal(t *testing.T) {
	c := newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	reply, err := c.Forward(t.Context(), post(strings.Repeat("x", 1<<18)))
	if err != nil {
		t.Fatal(err)
	}
	if reply.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", reply.Status)
	}
	_ = reply.Body.Close()
}

func TestPoolCap(t *testing.T) {
	hold := make(chan struct{})
	c := newClient(t, serveRaw(t, func(c net.Conn, r *bufio.Reader, _ int) {
		for {
			body, ok := readRequest(r)
			if !ok {
				return
			}
			if body == "hold" {
				<-hold
			}
			_, _ = io.WriteString(c, okReply)
		}
	}), func(c *Config) { c.MaxConns, c.MaxIdle = 1, 1 })
	first := make(chan error, 1)
	start := func() {
		go func() { _, _, err := forward(t.Context(), c, post("hold")); first <- err }()
		until(t, func() bool { return c.Stats().Open == 1 && c.Stats().Idle == 0 })
	}
	start()

	ctx, cancel := context.WithCancel(t.Context())
	go func() { until(t, func() bool { return c.Stats().Waiting == 1 }); cancel() }()
	if _, _, err := forward(ctx, c, post("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err := forward(ctx, c, post("x"))
	wantKind(t, err, portcullis.KindUpstreamTimeout)
	if s := c.Stats(); s.Waiting != 0 {
		t.Errorf("stats %+v", s)
	}

	second := make(chan error, 1)
	go func() { _, _, err := forward(t.Context(), c, post("x")); second <- err }()
	until(t, func() bool { return c.Stats().Waiting == 1 })
	hold <- struct{}{}
	if err := errors.Join(within(t, first, "the first call"), within(t, second, "the second call")); err != nil {
		t.Error(err)
	}
	if s := c.Stats(); s.Dials != 1 || s.Open != 1 || s.Idle != 1 {
		t.Errorf("stats %+v", s)
	}

	start() // closing ends the wait and lets the call in flight end by itself
	go func() { _, _, err := forward(t.Context(), c, post("x")); second <- err }()
	until(t, func() bool { return c.Stats().Waiting == 1 })
	_ = c.Close()
	wantKind(t, within(t, second, "the waiting call"), portcullis.KindUpstream)
	close(hold)
	if err := within(t, first, "the call in flight"); err != nil {
		t.Errorf("close ended a call in flight: %v", err)
	}
	until(t, func() bool { return c.Stats().Open == 0 })
}

// TestIdleConnectionsGo sees the server's end of a connection nobody used.
func TestIdleConnectionsGo(t *testing.T) {
	gone := make(chan struct{}, 2)
	url := serveRaw(t, func(c net.Conn, r *bufio.Reader, i int) {
		answer("HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=60\r\nContent-Length: 2\r\n\r\nok")(c, r, i)
		gone <- struct{}{}
	})
	c := newClient(t, url, func(c *Config) { c.IdleTimeout = 20 * time.Millisecond })
	for range 2 {
		if _, _, err := forward(t.Context(), c, post("x")); err != nil {
			t.Fatal(err)
		}
		within(t, gone, "the client to close")
	}
	until(t, func() bool { s := c.Stats(); return s.Open == 0 && s.Expired == 2 })
}

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Error("waited in vain")
			return
		}
	}
}

// TestHammer cancels calls at random moments while connections are shared.
// No call may get another's reply, a connection with a stale deadline, or one
// that a late cancellation closes under it.
func TestHammer(t *testing.T) {
	t.Run("http", func(t *testing.T) { hammer(t, newClient(t, serve(t, echo), few)) })
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			url, ca := secureServer(t, offering(proto), nil)
			hammer(t, newClient(t, url, few, func(c *Config) { c.CAFile = ca }))
		})
	}
}

func few(c *Config) { c.MaxConns, c.MaxIdle = 16, 8 }

// echo answers with what it was sent, half of the time in chunks.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if len(body)%2 == 0 {
		_ = http.NewResponseController(w).Flush()
	}
	_, _ = w.Write(body)
}

func hammer(t *testing.T, c *Client) {
	var wg sync.WaitGroup
	var done, cancelled atomic.Int32
	for g := range 32 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(g)))
			for i := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				var timer *time.Timer
				if rnd.IntN(2) == 0 {
					timer = time.AfterFunc(time.Duration(rnd.IntN(1500))*time.Microsecond, cancel)
				}
				err := echoed(ctx, c, fmt.Sprintf("call %d of %d", i, g), rnd.IntN(8) > 0)
				cancel()
				switch {
				case err == nil:
					done.Add(1)
				case errors.Is(err, context.Canceled) && timer != nil:
					cancelled.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := c.Stats()
	t.Logf("%d done, %d cancelled, %+v", done.Load(), cancelled.Load(), s)
	if s.Open != s.Idle || s.Waiting != 0 || s.Open > 8 {
		t.Errorf("connections left behind: %+v", s)
	}
}

// echoed makes a call whose reply repeats it; it reads the reply if whole is
// set and drops it otherwise.
func echoed(ctx context.Context, c *Client, want string, whole bool) error {
	reply, err := c.Forward(ctx, post(want))
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	if !whole {
		return nil
	}
	body, err := io.ReadAll(reply.Body)
	if err == nil && string(body) != want {
		return fmt.Errorf("got %q, want %q", body, want)
	}
	return err
}

package edge

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// serve runs handler on l until the test ends.
func serve(t *testing.T, l net.Listener, limits Limits, handler http.Handler) string {
	t.Helper()
	s := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	limits.Configure(s)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { _ = s.Close(); wg.Wait() })
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener { return must(net.Listen("tcp", "127.0.0.1:0"))(t) }

// exchange sends raw bytes and returns the status of the reply.
func exchange(t *testing.T, addr, raw string) int {
	t.Helper()
	c := must(net.Dial("tcp", addr))(t)
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	return reply.StatusCode
}

func TestReadBody(t *testing.T) {
	limits := DefaultLimits()
	limits.ReadHeaderTimeout, limits.BodyTimeout = 100*time.Millisecond, 100*time.Millisecond
	addr := serve(t, listen(t), limits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" { // by a guard, before the body is read
			w.WriteHeader(401)
			return
		}
		body, err := limits.ReadBody(w, r, nil, 10)
		var e *portcullis.Error
		if errors.As(err, &e) {
			w.WriteHeader(e.Kind.Status())
			return
		}
		w.WriteHeader(200 + len(body))
	}))
	for raw, want := range map[string]int{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789":                            210,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n":                                       200,
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                                                             200,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890":                           413,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n":  210,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n": 413,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n":                         400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234":                                 408, // never finished
		"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234":                          401, // neither
	} {
		if got := exchange(t, addr, raw); got != want {
			t.Errorf("%q: %d, want %d", raw, got, want)
		}
	}
}

func TestReadBodyGrows(t *testing.T) {
	l := DefaultLimits()
	for _, size := range []int{1, firstRead - 1, firstRead, firstRead + 1, 300_000} {
		for _, declared := range []bool{true, false} {
			r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", size)))
			if !declared {
				r.ContentLength = -1
			}
			got, err := l.ReadBody(httptest.NewRecorder(), r, nil, int64(size))
			if err != nil || !bytes.Equal(got, bytes.Repeat([]byte("x"), size)) {
				t.Errorf("%d bytes, declared %t: %d, %v", size, declared, len(got), err)
			}
			r = httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", size+1)))
			r.ContentLength = -1
			_, err = l.ReadBody(httptest.NewRecorder(), r, nil, int64(size))
			wantRefusal(t, err, portcullis.KindTooLarge, "input_rejected")
		}
	}
}

func TestBodyDeadline(t *testing.T) {
	l := Limits{BodyTimeout: 30 * time.Second, MinBodyRate: 1000}
	start := time.Unix(0, 0)
	for n, want := range map[int]time.Duration{0: 5 * time.Second, 1000: 6 * time.Second, 20_000: 25 * time.Second, 1 << 30: 30 * time.Second} {
		if got := l.bodyDeadline(start, n).Sub(start); got != want {
			t.Errorf("after %d bytes: %s, want %s", n, got, want)
		}
	}
	l.MinBodyRate = 0
	if got := l.bodyDeadline(start, 0).Sub(start); got != 30*time.Second {
		t.Errorf("without a rate: %s", got)
	}
}

// TestConfigure checks that streams outlive every timeout, while a client that
// does not finish its headers is cut off.
func TestConfigure(t *testing.T) {
	limits := DefaultLimits()
	limits.ReadHeaderTimeout, limits.BodyTimeout, limits.MaxHeaderBytes = 100*time.Millisecond, 100*time.Millisecond, 1<<10
	finish := make(chan struct{})
	addr := serve(t, listen(t), limits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := limits.ReadBody(w, r, nil, 10); err != nil {
			t.Error(err)
		}
		select { // the stream: longer than the timeouts, ended by the test
		case <-finish:
		case <-r.Context().Done():
			t.Error("a quiet stream was cancelled")
		}
	}))
	slow := must(net.Dial("tcp", addr))(t)
	defer slow.Close()
	stream := must(net.Dial("tcp", addr))(t)
	defer stream.Close()
	if _, err := io.WriteString(stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // three clients in turn wait for the header timeout
		if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(slow); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
		_ = slow.Close()
		slow = must(net.Dial("tcp", addr))(t)
	}
	_ = slow.Close()
	close(finish)
	reply, err := http.ReadResponse(bufio.NewReader(stream), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	if got := exchange(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nX-Big: "+strings.Repeat("x", 8<<10)+"\r\n\r\n"); got != 431 {
		t.Errorf("large header: %d, want 431", got)
	}
}

func TestHTTPRedirectOnTheWire(t *testing.T) {
	g := must(NewHTTPS(HTTPSAlways, "127.0.0.1:0", "mcp.example.com"))(t)
	addr := serve(t, listen(t), DefaultLimits(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := check(g, &portcullis.Conn{HTTP: r, Secure: r.TLS != nil, Reply: w.Header()})
		var e *portcullis.Error
		if errors.As(err, &e) {
			for key, values := range e.Header {
				w.Header()[key] = values
			}
			w.WriteHeader(e.Kind.Status())
		}
	}))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	req := must(http.NewRequest("GET", "http://"+addr+"/mcp?q=1", nil))(t)
	req.Host = "evil.example"
	reply := must(client.Do(req))(t)
	_ = reply.Body.Close()
	if reply.StatusCode != 308 || reply.Header.Get("Location") != "https://mcp.example.com/mcp?q=1" {
		t.Errorf("%d %q", reply.StatusCode, reply.Header.Get("Location"))
	}
	reply = must(client.Post("http://"+addr+"/mcp", "application/json", strings.NewReader("{}")))(t)
	_ = reply.Body.Close()
	if reply.StatusCode != 403 || reply.Header.Get("Location") != "" {
		t.Errorf("POST: %d %q", reply.StatusCode, reply.Header.Get("Location"))
	}
}

// closedByPeer waits until the other side ends c.
func closedByPeer(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil
}

func TestLimitListener(t *testing.T) {
	limits := DefaultLimits()
	limits.MaxConns, limits.MaxConnsPerAddress = 3, 2
	var exempt atomic.Bool
	l := must(NewLimitListener(listen(t), limits, func(netip.Addr) bool { return exempt.Load() }))(t)
	defer l.Close()
	accepted := make(chan net.Conn)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	})
	open := func() (client net.Conn) {
		t.Helper()
		return must(net.Dial("tcp", l.Addr().String()))(t)
	}
	client1, client2 := open(), open()
	server1, server2 := <-accepted, <-accepted
	third := open()
	if !closedByPeer(third) || l.Rejected() != 1 || l.Open() != 2 {
		t.Errorf("third of one address: rejected %d, open %d", l.Rejected(), l.Open())
	}
	for range 2 {
		_ = server1.Close() // twice: gives one place back
	}
	if l.Open() != 1 {
		t.Errorf("%d open after one was closed twice", l.Open())
	}
	client4 := open()
	server4 := <-accepted

	exempt.Store(true) // now counted in the total only
	client5 := open()
	server5 := <-accepted
	over := open()
	if !closedByPeer(over) || l.Rejected() != 2 || l.Open() != 3 {
		t.Errorf("over the total: rejected %d, open %d", l.Rejected(), l.Open())
	}
	if half, ok := server5.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil || !closedByPeer(client5) {
		t.Error("half-closing does not reach the client")
	}
	for _, c := range []net.Conn{server2, server4, server5, client1, client2, third, client4, client5, over} {
		_ = c.Close()
	}
	_ = l.Close()
	wg.Wait()
	if l.Open() != 0 || len(l.byAddress) != 0 {
		t.Errorf("%d open, %d addresses after all were closed", l.Open(), len(l.byAddress))
	}
	if _, err := NewLimitListener(nil, Limits{}, nil); err == nil {
		t.Error("no limits accepted")
	}
}

func TestListenerKey(t *testing.T) {
	l := &LimitListener{exempt: func(a netip.Addr) bool { return a.IsLoopback() }}
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[2001:db8::1:2]:80": "2001:db8::", "127.0.0.1:80": "", "[::1]:80": "",
	} {
		got := l.key(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(remote)))
		if want == "" && got.IsValid() || want != "" && got != netip.MustParseAddr(want) {
			t.Errorf("key(%s) = %s, want %q", remote, got, want)
		}
	}
	if l.key(&net.UnixAddr{Name: "x"}).IsValid() {
		t.Error("a Unix socket has an address")
	}
}

// TestLimitListenerServesTLS checks that places come back after real requests.
func TestLimitListenerServesTLS(t *testing.T) {
	limits := DefaultLimits()
	limits.MaxConns = 2
	certs := must(NewCertificates(pairFiles(t, pairSpec{}), discard(), nil))(t)
	l := must(NewLimitListener(listen(t), limits, nil))(t)
	closed := make(chan struct{}, 100)
	s := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), TLSConfig: certs.Config(), ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateClosed {
			closed <- struct{}{}
		}
	}}
	limits.Configure(s)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.ServeTLS(l, "", "") })
	for i := range 10 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		reply, err := client.Get(fmt.Sprintf("https://%s/%d", l.Addr(), i))
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		_ = reply.Body.Close()
		<-closed
	}
	_ = s.Close()
	wg.Wait()
	if l.Open() != 0 || l.Rejected() != 0 {
		t.Errorf("open %d, rejected %d", l.Open(), l.Rejected())
	}
}

// A pooled buffer is used when it is large enough, and overwritten.
func TestReadBodyIntoBuffer(t *testing.T) {
	room := []byte(strings.Repeat("old", 3000))
	for _, size := range []int{1, 100, 8000, 20000} {
		for _, known := range []bool{true, false} {
			body := strings.Repeat("n", size)
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			if !known {
				r.ContentLength = -1
			}
			got, err := DefaultLimits().ReadBody(httptest.NewRecorder(), r, room, 1<<20)
			if err != nil || string(got) != body {
				t.Errorf("%d bytes: %d, %v", size, len(got), err)
			}
			if inside := cap(got) > 0 && &got[:1][0] == &room[0]; inside != (size < len(room)) {
				t.Errorf("%d bytes, length known %t: in the buffer: %t", size, known, inside)
			}
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	if got, err := DefaultLimits().ReadBody(httptest.NewRecorder(), r, room, 1<<20); err != nil || len(got) != 0 {
		t.Errorf("no body: %q, %v", got, err)
	}
}

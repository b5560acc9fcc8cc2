package direct

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// newClient returns a client for url that is closed with the test.
func newClient(t *testing.T, url string, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Default()
	cfg.URL = url
	cfg.Timeout = patience
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// serve starts a net/http server that is closed with the test.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// serveRaw accepts connections and hands each, with its number from 0, to
// serve on a goroutine of its own; it closes it after that.
func serveRaw(t *testing.T, serve func(c net.Conn, r *bufio.Reader, i int)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveListener(t, l, serve)
	return "http://" + l.Addr().String()
}

func serveListener(t *testing.T, l net.Listener, serve func(c net.Conn, r *bufio.Reader, i int)) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Go(func() {
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				serve(c, bufio.NewReader(c), i)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// readRequest reads one request whole and returns its body, or false at the
// end of the connection.
func readRequest(r *bufio.Reader) (string, bool) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return "", false
	}
	body, err := io.ReadAll(req.Body)
	return string(body), err == nil
}

// answer answers every request of a connection with the same bytes.
func answer(reply string) func(net.Conn, *bufio.Reader, int) {
	return func(c net.Conn, r *bufio.Reader, _ int) {
		for {
			if _, ok := readRequest(r); !ok {
				return
			}
			if _, err := io.WriteString(c, reply); err != nil {
				return
			}
		}
	}
}

// post returns a call that carries raw.
func post(raw string, fields ...portcullis.Field) *portcullis.Call {
	return &portcullis.Call{
		Message: &portcullis.Message{Shape: portcullis.ShapeRequest, Raw: []byte(raw)}, Header: fields,
	}
}

func shaped(s portcullis.Shape) *portcullis.Call {
	return &portcullis.Call{Message: &portcullis.Message{Shape: s}}
}

// forward makes a call and reads its reply to the end.
func forward(ctx context.Context, c *Client, call *portcullis.Call) (*portcullis.Reply, string, error) {
	reply, err := c.Forward(ctx, call)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(reply.Body)
	if cerr := reply.Body.Close(); err == nil {
		err = cerr
	}
	return reply, string(body), err
}

// wantKind checks that err is a *portcullis.Error of that kind whose public
// text tells nothing.
func wantKind(t *testing.T, err error, kind portcullis.Kind) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("got error %v, want kind %d", err, kind)
	}
	want := map[portcullis.Kind]string{
		portcullis.KindUpstream: reasonUnavailable, portcullis.KindUpstreamTimeout: reasonTimeout,
		portcullis.KindMalformed: "malformed",
	}[kind]
	if e.Reason != want || e.Public == "" || strings.Contains(e.Public, "127.0.0.1") {
		t.Errorf("reason %q, public %q: want reason %q and a generic sentence", e.Reason, e.Public, want)
	}
}

// within fails the test if ch stays silent.
func within[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-ch:
		return v
	case <-timer.C:
		t.Fatalf("waited %s for %s", patience, what)
		panic("unreachable")
	}
}

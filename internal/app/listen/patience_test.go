package listen_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/portcullis-dev/portcullis/internal/app/listen"
)

// single is a listener of one connection.
type single struct {
	conn chan net.Conn
	done chan struct{}
}

func (s *single) Accept() (net.Conn, error) {
	select {
	case c := <-s.conn:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}
func (s *single) Close() error   { close(s.done); return nil }
func (s *single) Addr() net.Addr { return &net.TCPAddr{} }

// dial serves h over HTTP/2 to one caller, who grants each stream so many bytes,
// and has asked for one page. It returns the caller's frames.
func dial(t *testing.T, h http.HandlerFunc, window uint32) *http2.Framer {
	t.Helper()
	const patience = 30 * time.Second
	s := &http.Server{Handler: listen.Patience(h, patience), Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	l := &single{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	client, server := net.Pipe()
	l.conn <- server
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _, _ = client.Close(), s.Close() })
	f := http2.NewFramer(client, client)
	go func() {
		_, _ = io.WriteString(client, http2.ClientPreface)
		_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
		var block strings.Builder
		enc := hpack.NewEncoder(&block)
		for _, p := range []string{":method GET", ":scheme http", ":path /", ":authority x"} {
			name, value, _ := strings.Cut(p, " ")
			_ = enc.WriteField(hpack.HeaderField{Name: name, Value: value})
		}
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte(block.String()), EndHeaders: true, EndStream: true})
	}()
	return f
}

// outcome reads until the stream ends, and returns what came of it and how it
// ended.
func outcome(t *testing.T, f *http2.Framer) (body string, reset bool) {
	t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			body += string(frame.Data())
			if frame.StreamEnded() {
				return body, false
			}
		case *http2.RSTStreamFrame:
			return body, true
		}
	}
}

// TestCallersWhoTakeNothing are waited for as long as a write may take, and no
// call is left behind: neither one that writes much, nor one that wrote little
// and is done.
func TestCallersWhoTakeNothing(t *testing.T) {
	for name, size := range map[string]int{"much": 10_000, "little": 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				f := dial(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", size)) }, 0)
				if body, reset := outcome(t, f); body != "" || !reset || time.Since(began) != 30*time.Second {
					t.Errorf("%q, reset %v after %s", body, reset, time.Since(began))
				}
			})
		})
	}
}

// TestQuietStreams go on, however long nothing is said: a deadline is one of
// writes.
func TestQuietStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := dial(t, func(w http.ResponseWriter, _ *http.Request) {
			rc := http.NewResponseController(w)
			for range 3 {
				_ = rc.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = io.WriteString(w, "event ")
				_ = rc.Flush()
				time.Sleep(time.Hour)
			}
		}, 1000)
		if body, reset := outcome(t, f); body != "event event event " || reset {
			t.Errorf("%q, reset %v", body, reset)
		}
	})
}

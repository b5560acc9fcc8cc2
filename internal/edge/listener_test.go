package edge

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A client that sends request after request and reads no reply is cut off,
// whoever answers it: refusals too are written to it.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	limits := DefaultLimits()
	limits.WriteTimeout = 100 * time.Millisecond
	l := must(NewLimitListener(listen(t), limits, nil))(t)
	text := strings.Repeat("x", 1000)
	addr := serve(t, l, limits, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text)
	}))
	c := must(net.Dial("tcp", addr))(t)
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	requests := strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100)
	for {
		if _, err := io.WriteString(c, requests); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is kept")
			}
			return
		}
	}
}

func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		c := &limitConn{Conn: here, patience: time.Minute, release: func(netip.Addr) {}}
		defer c.Close()
		wait := func(what string, least, most time.Duration) {
			t.Helper()
			start := time.Now()
			_, err := c.Write([]byte("x"))
			if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took < least || took > most {
				t.Errorf("%s: %v after %s", what, err, took)
			}
		}
		set := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		wait("own", time.Minute, 2*time.Minute)
		wait("own again", time.Minute, 2*time.Minute)
		set(c.SetWriteDeadline(time.Now().Add(time.Second)))
		wait("from above", time.Second, time.Second)
		wait("from above, over", 0, 0)
		set(c.SetWriteDeadline(time.Time{}))
		wait("lifted", time.Minute, 2*time.Minute)
		set(c.SetDeadline(time.Now().Add(time.Hour)))
		wait("both ways", time.Hour, time.Hour)
		set(c.SetDeadline(time.Time{}))
		wait("both lifted", time.Minute, 2*time.Minute)
	})
}

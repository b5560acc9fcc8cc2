package listen

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestUnusedConnectionsDoNotHoldUpAStop(t *testing.T) {
	u, opened := new(Unused), make(chan struct{}, 2)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	srv.Config.ConnState = func(c net.Conn, s http.ConnState) {
		u.track(c, s)
		if s == http.StateNew {
			opened <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		<-opened
		return c
	}
	ask := func(c net.Conn) error {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		_, err := http.ReadResponse(bufio.NewReader(c), nil)
		return err
	}
	used, idle := dial(), dial()
	if err := ask(used); err != nil {
		t.Fatal(err)
	}
	u.close()
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("unused connection: %v, want it closed", err)
	}
	if err := ask(used); err != nil {
		t.Errorf("connection in use: %v", err)
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a connection that comes during the stop stays open")
	}
}

package inproc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

func forward(t *testing.T, ctx context.Context, h http.HandlerFunc) (*portcullis.Reply, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x?y=1", nil)
	r.Header.Set("Authorization", "Bearer secret")
	return Upstream(h).Forward(ctx, &portcullis.Call{
		Conn:      &portcullis.Conn{HTTP: r, Client: netip.MustParseAddr("192.0.2.7"), RequestID: "call-1"},
		Principal: portcullis.Principal{ID: "alice"},
		Message:   &portcullis.Message{Raw: []byte("body")},
		Header:    []portcullis.Field{{Name: "Accept", Value: "a/b"}},
	})
}

func TestHandlerSeesTheCall(t *testing.T) {
	reply, err := forward(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || string(b) != "body" || r.URL.RequestURI() != "/x?y=1" || r.Header.Get("Accept") != "a/b" ||
			r.Header.Get("Authorization") != "" || r.RemoteAddr != "192.0.2.7:0" || PrincipalFrom(r.Context()).ID != "alice" || obs.RequestID(r.Context()) != "call-1" {
			t.Errorf("%q, %v, %+v", b, err, r)
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "tea")
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(reply.Body)
	if err != nil || string(b) != "tea" || reply.Status != http.StatusTeapot {
		t.Errorf("%d %q, %v", reply.Status, b, err)
	}
	if who := PrincipalFrom(t.Context()); !who.IsZero() {
		t.Errorf("%+v out of nothing", who)
	}
}

func TestHandlerThatPanicsOrHangs(t *testing.T) {
	// A panic reaches the log with its place, and no caller.
	_, err := forward(t, t.Context(), func(http.ResponseWriter, *http.Request) { panic("of x") })
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindInternal || e.Public != "" ||
		!strings.Contains(e.Error(), "of x") || !strings.Contains(e.Error(), "inproc_test.go") {
		t.Errorf("got %v", err)
	}
	reply, err := forward(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("of y")
	})
	if err != nil || reply.Status != http.StatusOK {
		t.Fatalf("%+v, %v", reply, err)
	}
	if b, err := io.ReadAll(reply.Body); string(b) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "of y") {
		t.Errorf("%q, %v", b, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	defer close(done)
	if _, err := forward(t, ctx, func(http.ResponseWriter, *http.Request) {
		cancel()
		<-done
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

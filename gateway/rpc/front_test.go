package rpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis/internal/config"
)

func routes(hosts ...[]string) []config.Route {
	var out []config.Route
	for i, h := range hosts {
		rc := config.DefaultRoute()
		rc.Path, rc.Protocol = "/"+string(rune('a'+i)), "a2a"
		rc.A2A.Bindings = append(rc.A2A.Bindings, "grpc")
		rc.A2A.GRPC.Hosts = h
		out = append(out, rc)
	}
	return out
}

func call(host, media string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/lf.a2a.v1.A2AService/SendStreamingMessage", strings.NewReader("body"))
	r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host = "HTTP/2.0", 2, 0, host
	r.Header.Set("Content-Type", media)
	return r
}

func TestAccept(t *testing.T) {
	one, all := New(routes([]string{"one.example", "uno.example"}, nil), nil), New(routes([]string{"one.example"}), nil)
	for _, c := range []struct {
		f           *Front
		host, media string
		want        string
	}{
		{one, "one.example", "application/grpc", "/a"},
		{one, "UNO.example.:8443", "application/grpc+proto", "/a"},
		{one, "two.example", "Application/gRPC; x=y", "/b"},
		{one, "", "application/grpc", "/b"},
		{all, "two.example", "application/grpc", ""},
		{all, "one.example", "application/grpc-web", ""},
		{all, "one.example", "application/grpc+json", ""},
		{all, "one.example", "application/json", ""},
		{nil, "one.example", "application/grpc", ""},
	} {
		got := ""
		if x := c.f.Accept(httptest.NewRecorder(), call(c.host, c.media)); x != nil {
			got = x.Request.URL.Path
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.host, c.media, got, c.want)
		}
	}
	old := call("one.example", "application/grpc")
	old.ProtoMajor = 1
	if all.Accept(httptest.NewRecorder(), old) != nil {
		t.Error("taken over HTTP/1.1")
	}
	if New(nil, nil) != nil || New([]config.Route{config.DefaultRoute()}, nil) != nil {
		t.Error("a front without routes")
	}
}

// TestRequest is the caller's own, but for what says how the body is to be read.
func TestRequest(t *testing.T) {
	r := call("one.example", "application/grpc")
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("Grpc-Timeout", "1H")
	r.RemoteAddr = "192.0.2.1:5"
	c := New(routes(nil), nil).Accept(httptest.NewRecorder(), r)
	in := c.Request
	if in.Header.Get("Authorization") != "Bearer x" || in.RemoteAddr != r.RemoteAddr || in.Host != r.Host || in.Method != http.MethodPost || in.ContentLength != r.ContentLength {
		t.Errorf("%+v", in)
	}
	if in.Header.Get("Content-Type") != "application/json" || in.Header.Get("Accept") != "text/event-stream" || in.Header.Get("A2A-Version") != "1.0" {
		t.Errorf("%v", in.Header)
	}
	if r.Header.Get("Content-Type") != "application/grpc" || r.URL.Path == in.URL.Path || c.Path != "/lf.a2a.v1.A2AService/SendStreamingMessage" {
		t.Errorf("the caller's own request changed: %v", r.Header)
	}
	c.cancel(nil)
}

// TestPatience begins when the body is read, which nobody does for strangers.
func TestPatience(t *testing.T) {
	for _, read := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			rec, r := httptest.NewRecorder(), call("x", "application/grpc")
			r.Header.Set("Grpc-Timeout", "2S")
			func() {
				c := New(routes(nil), nil).Accept(rec, r)
				defer c.Finish()
				time.Sleep(time.Second)
				if read {
					if _, err := io.ReadAll(c.Request.Body); err != nil {
						t.Error(err)
					}
				}
				select {
				case <-c.Request.Context().Done():
					if !read {
						t.Error("a stranger ended the call")
					}
				case <-time.After(time.Second + 1):
					if read {
						t.Error("nobody ended the call")
					}
				}
				c.WriteHeader(http.StatusUnauthorized)
			}()
			want := map[bool]string{false: "16", true: "4"}[read]
			if got := rec.Result().Trailer.Get("Grpc-Status"); got != want {
				t.Errorf("status %s, want %s", got, want)
			}
		})
	}
}

// answered is what a caller reads of what a route writes.
func answered(t *testing.T, write func(w http.ResponseWriter)) (*http.Response, []byte) {
	t.Helper()
	rec := httptest.NewRecorder()
	func() {
		c := New(routes(nil), nil).Accept(rec, call("x", "application/grpc"))
		defer c.Finish()
		c.Header().Set("X-Request-Id", "id-1")
		write(c)
	}()
	resp := rec.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/grpc" {
		t.Fatalf("%d %v, %v", resp.StatusCode, resp.Header, err)
	}
	return resp, body
}

const event = "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":{\"task\":{\"id\":\"t1\"}}}"

func TestAnswers(t *testing.T) {
	failed := `{"jsonrpc":"2.0","id":"1","error":{"code":-32001,"message":"100% \u00e4","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND"}]}}`
	stream := func(w http.ResponseWriter, parts ...string) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for _, p := range parts {
			if _, err := w.Write([]byte(p)); err != nil {
				t.Error(err)
			}
		}
	}
	whole := func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "7")
		w.WriteHeader(status)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		write  func(w http.ResponseWriter)
		status string
		frames int
	}{
		"whole":         {func(w http.ResponseWriter) { whole(w, 200, event) }, "0", 1},
		"error":         {func(w http.ResponseWriter) { whole(w, 200, failed) }, "5", 0},
		"forbidden":     {func(w http.ResponseWriter) { whole(w, 403, `{"error":{"code":-32000,"message":"x"}}`) }, "7", 0},
		"another form":  {func(w http.ResponseWriter) { whole(w, 503, `{"title":"x"}`) }, "14", 0},
		"nonsense":      {func(w http.ResponseWriter) { whole(w, 200, `[]`) }, "13", 0},
		"only a status": {func(w http.ResponseWriter) { w.WriteHeader(429) }, "8", 0},
		"nothing":       {func(http.ResponseWriter) {}, "13", 0},
		"a stream": {func(w http.ResponseWriter) {
			stream(w, ": x\n\n", "data: "+event+"\n\ndata: "+event+"\n\n", "id: 1\n\n")
		}, "0", 2},
		"a stream that says its charset": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			w.WriteHeader(http.StatusOK)
			for range 2 {
				if _, err := w.Write([]byte("data: " + event + "\n\n")); err != nil {
					t.Error(err)
				}
			}
		}, "0", 2},
		"a mark inside":   {func(w http.ResponseWriter) { stream(w, "data: "+event+"\n\n", "\xef\xbb\xbfdata: "+event+"\n\n") }, "0", 1},
		"an empty stream": {func(w http.ResponseWriter) { stream(w) }, "0", 0},
		"error in it": {func(w http.ResponseWriter) {
			stream(w, "data: "+event+"\n\n", "data: "+failed+"\n\ndata: "+event+"\n\n")
		}, "5", 1},
		"broken off":       {func(w http.ResponseWriter) { stream(w, "data: "+event+"\n\n"); panic(http.ErrAbortHandler) }, "13", 1},
		"broken off whole": {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "13", 0},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := answered(t, c.write)
			if resp.Trailer.Get("Grpc-Status") != c.status || bytes.Count(body, []byte("t1")) != c.frames {
				t.Errorf("%v %q", resp.Trailer, body)
			}
			if c.status != "0" && resp.Trailer.Get("X-Request-Id") != "id-1" || resp.Header.Get("X-Request-Id") != "id-1" || resp.Header.Get("Content-Length") != "" {
				t.Errorf("%v %v", resp.Header, resp.Trailer)
			}
			if c.status != "5" {
				return
			}
			raw, err := base64.RawStdEncoding.DecodeString(resp.Trailer.Get("Grpc-Status-Details-Bin"))
			s := new(spb.Status)
			if err != nil || proto.Unmarshal(raw, s) != nil || s.GetCode() != 5 || resp.Trailer.Get("Grpc-Message") != "100%25 %C3%A4" {
				t.Errorf("%v %v, %v", resp.Trailer, s, err)
			}
		})
	}
}

// TestOneAnswer: a route that answers twice is cut off, and one whose answer
// Protocol Buffers do not say is told so.
func TestOneAnswer(t *testing.T) {
	for name, texts := range map[string][]string{"twice": {event, event}, "not to be said": {`{"result":{"task":{"id":[1]}}}`}} {
		resp, _ := answered(t, func(w http.ResponseWriter) {
			var err error
			for _, s := range texts {
				_, err = w.Write([]byte(s))
			}
			if err == nil {
				t.Errorf("%s: taken", name)
			}
			panic(http.ErrAbortHandler)
		})
		if resp.Trailer.Get("Grpc-Status") != "13" {
			t.Errorf("%s: %v", name, resp.Trailer)
		}
	}
}

// TestOtherPanics are not held back.
func TestOtherPanics(t *testing.T) {
	defer func() {
		if recover() != "bug" {
			t.Error("the panic is gone")
		}
	}()
	c := New(routes(nil), nil).Accept(httptest.NewRecorder(), call("x", "application/grpc"))
	defer c.Finish()
	panic("bug")
}

// deadlines is a connection that has them.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write int
}

func (d *deadlines) SetReadDeadline(time.Time) error  { d.read++; return nil }
func (d *deadlines) SetWriteDeadline(time.Time) error { d.write++; return nil }

// TestDeadlines reach the connection: who sends or reads slowly is found out by
// them.
func TestDeadlines(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	c := New(routes(nil), nil).Accept(d, call("x", "application/grpc"))
	rc := http.NewResponseController(c)
	if err := errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{}), rc.Flush()); err != nil || d.read != 1 || d.write != 1 || d.Flushed {
		t.Errorf("%v, %+v", err, d)
	}
	c.WriteHeader(http.StatusOK)
	c.Finish()
	if d.write != 2 || !d.Flushed {
		t.Errorf("the end waits without end: %+v", d)
	}
}

// TestUnaryStreams: a call that is answered once is not answered by a stream of
// nothing.
func TestUnaryStreams(t *testing.T) {
	rec := httptest.NewRecorder()
	r := call("x", "application/grpc")
	r.RequestURI = "/lf.a2a.v1.A2AService/SendMessage"
	func() {
		c := New(routes(nil), nil).Accept(rec, r)
		defer c.Finish()
		c.Header().Set("Content-Type", "text/event-stream")
		c.WriteHeader(http.StatusOK)
	}()
	if got := rec.Result().Trailer.Get("Grpc-Status"); got != "13" {
		t.Errorf("status %s", got)
	}
}

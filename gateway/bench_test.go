package gateway

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis"
)

// discard is a journal and a log that keep nothing.
type discard struct{}

func (discard) Record(context.Context, *portcullis.Event) error { return nil }

// sink is a ResponseWriter without a connection.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header             { return s.header }
func (s *sink) WriteHeader(status int)          { s.status = status }
func (s *sink) SetReadDeadline(time.Time) error { return nil }
func (s *sink) Write(b []byte) (int, error)     { return len(b), nil }

// BenchmarkPipeline is one tools/call through every guard of a default route,
// with nothing behind it: no network, no disk, no key store.
func BenchmarkPipeline(b *testing.B) {
	body := []byte(toolCall)
	r := newRig(b, anyone, nil)
	r.log = new(bytes.Buffer)
	r.Gateway.log = slog.New(slog.DiscardHandler)
	p := r.table.Load().routes["/mcp"].pipe
	p.record = discard{}
	p.forward = upstreamFunc(answering)
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/mcp", bytes.NewReader(body))
		req.Header["Content-Type"], req.Header["X-Name"] = jsonType, []string{"ann"}
		r.ServeHTTP(&sink{header: http.Header{}}, req)
	}
}

// BenchmarkPipelineA2A is one SendMessage through every guard of a default route
// to an agent, likewise: to be compared with BenchmarkPipeline.
func BenchmarkPipelineA2A(b *testing.B) {
	body := []byte(`{"jsonrpc":"2.0","id":7,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hi"}]}}}`)
	agents := func(name string) (portcullis.Principal, error) {
		return portcullis.Principal{ID: name, Method: "test", Scopes: []string{"skills:*"}}, nil
	}
	r := configuredRig(b, strings.Replace(oneRoute, "[[route]]\n", "[[route]]\nprotocol = \"a2a\"\n", 1), agents, nil)
	r.log = new(bytes.Buffer)
	r.Gateway.log = slog.New(slog.DiscardHandler)
	p := r.table.Load().routes["/mcp"].pipe
	p.record = discard{}
	p.forward = upstreamFunc(func(context.Context, *portcullis.Call) (*portcullis.Reply, error) {
		return reply("application/json", `{"jsonrpc":"2.0","id":7,"result":{"message":{"messageId":"n","role":"ROLE_AGENT","parts":[{"text":"x"}]}}}`), nil
	})
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/mcp", bytes.NewReader(body))
		req.Header["Content-Type"], req.Header["X-Name"], req.Header["A2a-Version"] = jsonType, []string{"ann"}, []string{"1.0"}
		w := &sink{header: http.Header{}}
		if r.ServeHTTP(w, req); w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkPipelineGRPC is the same call over gRPC: what it costs more than
// BenchmarkPipelineA2A is its other form.
func BenchmarkPipelineGRPC(b *testing.B) {
	raw, err := proto.Marshal(&pb.SendMessageRequest{Message: &pb.Message{MessageId: "m", Role: pb.Role_ROLE_USER, Parts: []*pb.Part{{Content: &pb.Part_Text{Text: "hi"}}}}})
	if err != nil {
		b.Fatal(err)
	}
	body := append([]byte{0, 0, 0, 0, byte(len(raw))}, raw...)
	agents := func(name string) (portcullis.Principal, error) {
		return portcullis.Principal{ID: name, Method: "test", Scopes: []string{"skills:*"}}, nil
	}
	r := configuredRig(b, strings.Replace(oneRoute, "[[route]]\n", "[[route]]\nprotocol = \"a2a\"\na2a.bindings = [\"jsonrpc\", \"grpc\"]\n", 1), agents, nil)
	r.log = new(bytes.Buffer)
	r.Gateway.log = slog.New(slog.DiscardHandler)
	p := r.table.Load().routes["/mcp"].pipe
	p.record = discard{}
	p.forward = upstreamFunc(func(_ context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
		return reply("application/json", `{"jsonrpc":"2.0","id":`+string(call.Message.ID)+`,"result":{"message":{"messageId":"n","role":"ROLE_AGENT","parts":[{"text":"x"}]}}}`), nil
	})
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/lf.a2a.v1.A2AService/SendMessage", bytes.NewReader(body))
		req.Host, req.ProtoMajor, req.ProtoMinor = "127.0.0.1:8080", 2, 0
		req.Header["Content-Type"], req.Header["X-Name"] = []string{"application/grpc"}, []string{"ann"}
		w := &sink{header: http.Header{}}
		if r.ServeHTTP(w, req); w.header.Get(http.TrailerPrefix+"Grpc-Status") != "0" {
			b.Fatal(w.header)
		}
	}
}

// BenchmarkRequest is what BenchmarkPipeline spends on its own requests.
func BenchmarkRequest(b *testing.B) {
	body := []byte(toolCall)
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/mcp", bytes.NewReader(body))
		req.Header["Content-Type"], req.Header["X-Name"] = jsonType, []string{"ann"}
	}
}

// Buffers go from call to call: no call may read or send another's bytes.
func TestBuffersAreNotShared(t *testing.T) {
	r := newRig(t, anyone, func(_ context.Context, c *portcullis.Call) (*portcullis.Reply, error) {
		raw := bytes.Clone(c.Message.Raw)
		id := string(c.Message.ID)
		return reply("application/json", `{"jsonrpc":"2.0","id":`+id+`,"result":{"content":[`+strconv.Quote(string(raw))+`]}}`), nil
	})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := strconv.Itoa(worker*1000 + i)
				long := bytes.Repeat([]byte("x"), (worker*997+i*131)%9000)
				body := `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"echo","arguments":{"m":"` + string(long) + `"}}}`
				req := post(body, "X-Name", "worker"+strconv.Itoa(worker))
				if i%3 == 0 { // a body of unknown length
					req.ContentLength, req.Body = -1, io.NopCloser(bytes.NewReader([]byte(body)))
				}
				w := r.do(req)
				want := `{"jsonrpc":"2.0","id":` + id + `,"result":{"content":[` + strconv.Quote(body) + `]}}`
				if w.Code != http.StatusOK || w.Body.String() != want {
					t.Errorf("call %s: %d %s", id, w.Code, w.Body)
					return
				}
			}
		})
	}
	wg.Wait()
}

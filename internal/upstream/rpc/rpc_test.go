package rpc_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/upstream/rpc"
)

// agent answers every call with the same reply.
type agent struct {
	status  int
	header  http.Header
	body    []byte
	trailer http.Header
	got     *portcullis.Call
	closed  bool
	done    <-chan struct{}
}

type body struct {
	io.Reader
	a *agent
}

func (b body) Trailer() http.Header { return b.a.trailer }
func (b body) Close() error         { b.a.closed = true; return nil }

func (a *agent) Forward(ctx context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
	a.got, a.done = call, ctx.Done()
	h := a.header
	if h == nil {
		h = http.Header{"Content-Type": {"application/grpc"}}
	}
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	return &portcullis.Reply{Status: status, Header: h, Body: body{iotest.OneByteReader(bytes.NewReader(a.body)), a}}, nil
}

func frame(m proto.Message) []byte {
	raw, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return framed(0, raw)
}

func framed(flag byte, raw []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(raw))), raw...)
}

func ok() http.Header { return http.Header{"Grpc-Status": {"0"}} }

func request(method string) *portcullis.Call {
	return &portcullis.Call{
		Message: &portcullis.Message{Shape: portcullis.ShapeRequest, Method: method, ID: []byte(`7`), Version: "1.0", Raw: []byte(`{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":{"id":"t1","nobodys":1}}`)},
		Header:  []portcullis.Field{{Name: "Content-Type", Value: "application/json"}, {Name: "Accept", Value: "x"}, {Name: "A2A-Version", Value: "1.0"}},
	}
}

func limits() jsonrpc.Limits {
	l := jsonrpc.DefaultReplyLimits()
	l.MaxBytes = 1 << 10
	return l
}

// TestExtensions are told by whoever tells them, in headers or trailers.
func TestExtensions(t *testing.T) {
	said := http.Header{"Grpc-Status": {"0"}, "A2a-Extensions": {"https://e.example/1"}, "Server": {"secret"}}
	a := &agent{body: frame(working("t1")), trailer: said}
	reply, err := rpc.New(a, rpc.Options{Timeout: time.Minute, Limits: limits()}).Forward(t.Context(), request(a2a.GetTask))
	if err != nil || reply.Header.Get("A2A-Extensions") != "https://e.example/1" || len(reply.Header) != 2 {
		t.Errorf("%+v, %v", reply, err)
	}
}

func forward(a *agent, method string) (int, string, error) {
	reply, err := rpc.New(a, rpc.Options{Timeout: time.Minute, Limits: limits()}).Forward(context.Background(), request(method))
	if err != nil {
		return 0, "", err
	}
	raw, err := io.ReadAll(reply.Body)
	return reply.Status, string(raw), errors.Join(err, reply.Body.Close())
}

func working(id string) *pb.Task {
	return &pb.Task{Id: id, Status: &pb.TaskStatus{State: pb.TaskState_TASK_STATE_WORKING}}
}

func TestCall(t *testing.T) {
	a := &agent{body: frame(working("t1")), trailer: ok()}
	status, text, err := forward(a, a2a.GetTask)
	if err != nil || status != http.StatusOK || text != `{"jsonrpc":"2.0","id":7,"result":{"id":"t1","status":{"state":"TASK_STATE_WORKING"}}}` || !a.closed {
		t.Fatalf("%d %s, %v", status, text, err)
	}
	got := new(pb.GetTaskRequest)
	if m := a.got.Message; m.Suffix != "/lf.a2a.v1.A2AService/GetTask" || a.got.Method != http.MethodPost || m.Raw[0] != 0 || proto.Unmarshal(m.Raw[5:], got) != nil || got.GetId() != "t1" {
		t.Errorf("%+v %v", m, got)
	}
	sent := map[string]string{}
	for _, f := range a.got.Header {
		sent[f.Name] += f.Value
	}
	if sent["Content-Type"] != "application/grpc" || sent["Accept"] != "" || sent["A2A-Version"] != "1.0" || sent["Grpc-Timeout"] != "60000m" {
		t.Errorf("%v", sent)
	}
	select {
	case <-a.done:
	default:
		t.Error("the time of a call that is over runs on")
	}
}

func TestStream(t *testing.T) {
	event := func(id string) []byte {
		return frame(&pb.StreamResponse{Payload: &pb.StreamResponse_Task{Task: working(id)}})
	}
	a := &agent{body: append(event("t1"), event("t2")...), trailer: ok()}
	_, text, err := forward(a, a2a.SubscribeToTask)
	if err != nil || strings.Count(text, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"task\":") != 2 || strings.Count(text, "\n\n") != 2 || !a.closed {
		t.Errorf("%q, %v", text, err)
	}
	a.trailer = http.Header{"Grpc-Status": {"5"}, "Grpc-Message": {"secret"}}
	if _, text, err = forward(a, a2a.SubscribeToTask); err != nil || !strings.HasSuffix(text, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32001,\"message\":\"Agent error\"}}\n\n") || strings.Contains(text, "secret") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestFaults are statuses of agents, in what they are over JSON-RPC.
func TestFaults(t *testing.T) {
	info, err := anypb.New(&errdetails.ErrorInfo{Reason: "TASK_NOT_CANCELABLE", Domain: "a2a-protocol.org"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := anypb.New(&errdetails.ErrorInfo{Reason: "TASK_NOT_CANCELABLE", Domain: "elsewhere.example"})
	if err != nil {
		t.Fatal(err)
	}
	details := func(d *anypb.Any) string {
		raw, err := proto.Marshal(&spb.Status{Code: 9, Message: "secret", Details: []*anypb.Any{d}})
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(raw)
	}
	for name, c := range map[string]struct {
		status, details string
		http            int
		want            string
	}{
		"not found":        {"5", "", 200, `"code":-32001`},
		"unimplemented":    {"12", "", 200, `"code":-32601`},
		"arguments":        {"3", "", 200, `"code":-32602`},
		"precondition":     {"9", "", 200, `"code":-32004`},
		"by its reason":    {"9", details(info), 200, `"code":-32002`},
		"another's reason": {"9", details(other), 200, `"code":-32004`},
		"broken details":   {"9", "!!", 200, `"code":-32004`},
		"unknown":          {"2", "", 200, `"code":-32603`},
		"no number":        {"secret", "", 200, `"code":-32603`},
		"unauthenticated":  {"16", "", 401, ""},
		"forbidden":        {"7", "", 403, ""},
		"exhausted":        {"8", "", 429, ""},
		"unavailable":      {"14", "", 503, ""},
		"deadline":         {"4", "", 504, ""},
	} {
		h := http.Header{"Grpc-Status": {c.status}, "Grpc-Message": {"secret"}}
		if c.details != "" {
			h["Grpc-Status-Details-Bin"] = []string{c.details}
		}
		early := h.Clone()
		early.Set("Content-Type", "application/grpc")
		for way, a := range map[string]*agent{"behind": {trailer: h}, "at once": {header: early}, "behind an answer": {body: frame(working("t1")), trailer: h}} {
			status, text, err := forward(a, a2a.GetTask)
			if err != nil || status != c.http || !strings.Contains(text, c.want) || strings.Contains(text, "secret") || strings.Contains(text, "t1") || !a.closed {
				t.Errorf("%s, %s: %d %s, %v", name, way, status, text, err)
			}
		}
	}
}

// TestHostileAgents are refused, with nothing of what they sent.
func TestHostileAgents(t *testing.T) {
	task := frame(working("t1"))
	for name, a := range map[string]*agent{
		"compressed":        {body: framed(1, []byte("secret")), trailer: ok()},
		"unknown flags":     {body: framed(9, []byte("secret")), trailer: ok()},
		"4 GiB":             {body: []byte{0, 255, 255, 255, 255, 1}, trailer: ok()},
		"over the limit":    {body: framed(0, make([]byte, 2<<10)), trailer: ok()},
		"half a head":       {body: task[:3], trailer: ok()},
		"half a message":    {body: task[:len(task)-1], trailer: ok()},
		"two answers":       {body: append(bytes.Clone(task), task...), trailer: ok()},
		"no answer":         {trailer: ok()},
		"no message":        {body: framed(0, []byte("secret")), trailer: ok()},
		"a field twice":     {body: framed(0, []byte("\x0a\x01a\x0a\x01b")), trailer: ok()},
		"no UTF-8":          {body: framed(0, []byte("\x0a\x01\xff")), trailer: ok()},
		"success too early": {header: http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"0"}}},
	} {
		status, text, err := forward(a, a2a.GetTask)
		var e *portcullis.Error
		if !errors.As(err, &e) || e.Kind != portcullis.KindUpstream || strings.Contains(e.Error(), "secret") || !a.closed {
			t.Errorf("%s: %d %s, %v", name, status, text, err)
		}
	}
	for name, a := range map[string]*agent{
		"without a status": {body: frame(&pb.StreamResponse{Payload: &pb.StreamResponse_Task{Task: working("t1")}})},
		"half an event":    {body: []byte{0, 0, 0, 0, 9, 1}, trailer: ok()},
		"compressed":       {body: framed(1, []byte("secret")), trailer: ok()},
	} {
		_, _, err := forward(a, a2a.SubscribeToTask)
		var e *portcullis.Error
		if !errors.As(err, &e) || e.Kind != portcullis.KindUpstream || !a.closed {
			t.Errorf("stream %s: %v", name, err)
		}
	}
	for want, a := range map[int]*agent{
		404: {status: 404}, 500: {status: 500}, 502: {header: http.Header{"Content-Type": {"text/html"}}, body: []byte("secret")},
	} {
		if status, text, err := forward(a, a2a.GetTask); err != nil || status != want || text != "" || !a.closed {
			t.Errorf("%d: %d %s, %v", want, status, text, err)
		}
	}
	if _, _, err := forward(&agent{}, "Nothing"); err == nil {
		t.Error("a method that there is not")
	}
}

// FuzzReply: whatever an agent sends is refused, or one response or events.
func FuzzReply(f *testing.F) {
	f.Add(frame(working("t1")), "0", true)
	f.Add(frame(&pb.StreamResponse{Payload: &pb.StreamResponse_Task{Task: working("t1")}}), "5", false)
	f.Add([]byte{1, 0, 0, 0, 0}, "", false)
	f.Fuzz(func(t *testing.T, raw []byte, status string, once bool) {
		method := a2a.SubscribeToTask
		if once {
			method = a2a.GetTask
		}
		a := &agent{body: raw, trailer: http.Header{"Grpc-Status": {status}}}
		_, text, err := forward(a, method)
		if err == nil && text != "" && !strings.HasPrefix(strings.TrimPrefix(text, "data: "), `{"jsonrpc":"2.0","id":7,`) {
			t.Fatalf("%q", text)
		}
		if !a.closed {
			t.Fatal("the reply is left open")
		}
	})
}

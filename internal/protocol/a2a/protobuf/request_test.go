package protobuf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

func frame(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(payload))), payload...)
}

func path(method string) string { return "/" + protobuf.Service + "/" + method }

// requests are messages of each method and the params that say the same.
var requests = map[string][]struct {
	m      proto.Message
	params string
}{
	a2a.SendMessage: {{new(pb.SendMessageRequest), `{"message":{"messageId":"m1","contextId":"c1","taskId":"t1","role":"ROLE_USER","parts":[
		{"text":"hello","metadata":{"a":[1,true,null,{"b":"c"}]}},{"raw":"aGVsbG8=","filename":"f","mediaType":"text/plain"},{"url":"https://x.example/f"},{"data":{"x":-1.5}},{"data":null}],
		"metadata":{"skillId":"plan"},"extensions":["https://e.example/1"],"referenceTaskIds":["t0"]},
		"configuration":{"acceptedOutputModes":["text/plain"],"historyLength":0,"returnImmediately":true,"taskPushNotificationConfig":{"url":"https://x.example/h","token":"t","authentication":{"scheme":"Bearer","credentials":"c"}}},
		"metadata":{"n":1}}`}},
	a2a.SendStreamingMessage: {{new(pb.SendMessageRequest), `{"message":{"messageId":"m1","role":"ROLE_USER","parts":[{"text":""}]}}`}},
	a2a.GetTask:              {{new(pb.GetTaskRequest), `{"id":"t1","historyLength":0}`}, {new(pb.GetTaskRequest), `{"id":"t1"}`}},
	a2a.ListTasks: {{new(pb.ListTasksRequest), `{"contextId":"c1","status":"TASK_STATE_WORKING","pageSize":50,"pageToken":"p","historyLength":1,"statusTimestampAfter":"2025-01-01T00:00:00Z","includeArtifacts":true}`},
		{new(pb.ListTasksRequest), `{}`}},
	a2a.CancelTask:           {{new(pb.CancelTaskRequest), `{"id":"t1","metadata":{}}`}},
	a2a.SubscribeToTask:      {{new(pb.SubscribeToTaskRequest), `{"id":"t1"}`}},
	a2a.CreatePushConfig:     {{new(pb.TaskPushNotificationConfig), `{"taskId":"t1","id":"p1","url":"https://x.example/h","token":"t"}`}},
	a2a.GetPushConfig:        {{new(pb.GetTaskPushNotificationConfigRequest), `{"taskId":"t1","id":"p1"}`}},
	a2a.ListPushConfigs:      {{new(pb.ListTaskPushNotificationConfigsRequest), `{"taskId":"t1","pageSize":1,"pageToken":"x"}`}},
	a2a.DeletePushConfig:     {{new(pb.DeleteTaskPushNotificationConfigRequest), `{"taskId":"t1","id":"p1"}`}},
	a2a.GetExtendedAgentCard: {{new(pb.GetExtendedAgentCardRequest), `{}`}},
}

// TestRequests says the same in both forms, and the decoder of all calls takes
// what comes of it.
func TestRequests(t *testing.T) {
	decoder := a2a.NewDecoder(a2a.Config{Path: "/agent", Limits: jsonrpc.DefaultLimits(), Rules: a2a.DefaultRules()})
	for _, method := range a2a.Methods() {
		if len(requests[method]) == 0 {
			t.Errorf("%s: no example", method)
		}
		for _, e := range requests[method] {
			if err := protojson.Unmarshal([]byte(e.params), e.m); err != nil {
				t.Fatal(err)
			}
			raw, err := proto.Marshal(e.m)
			if err != nil {
				t.Fatal(err)
			}
			out, err := new(protobuf.Room).Request(path(method), frame(raw), "the-id", jsonrpc.DefaultLimits())
			if err != nil {
				t.Errorf("%s: %v", method, err)
				continue
			}
			want := `{"jsonrpc":"2.0","id":"the-id","method":"` + method + `","params":` + e.params + `}`
			if !same(t, out, []byte(want)) {
				t.Errorf("%s: got %s, want %s", method, out, want)
			}
			conn := &portcullis.Conn{HTTP: &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/agent"}, Header: http.Header{a2a.HeaderVersion: {"1.0"}}}}
			if m, err := decoder.Decode(t.Context(), conn, portcullis.Principal{}, out); err != nil || m.Method != method {
				t.Errorf("%s: the decoder says %v", method, err)
			}
		}
	}
}

func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	xs, err1 := json.Marshal(x)
	ys, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && bytes.Equal(xs, ys)
}

// TestUnsetPageSize is how the official client asks for pages of any size.
func TestUnsetPageSize(t *testing.T) {
	raw, err := proto.Marshal(&pb.ListTasksRequest{PageSize: proto.Int32(0)})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := new(protobuf.Room).Request(path(a2a.ListTasks), frame(raw), "1", jsonrpc.DefaultLimits()); err != nil || bytes.Contains(out, []byte("pageSize")) {
		t.Errorf("%s, %v", out, err)
	}
}

func text(number protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), s)
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func deep(levels int) []byte {
	v := structpb.NewStringValue("x")
	for range levels {
		v = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	return marshal(&pb.SendMessageRequest{Message: &pb.Message{Parts: []*pb.Part{{Content: &pb.Part_Data{Data: v}}}}})
}

func marshal(m proto.Message) []byte {
	raw, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return raw
}

func part(v *structpb.Value) []byte {
	return marshal(&pb.SendMessageRequest{Message: &pb.Message{Parts: []*pb.Part{{Content: &pb.Part_Data{Data: v}}}}})
}

// TestRefusedRequests are those with no reading, or two, or too much of one.
func TestRefusedRequests(t *testing.T) {
	id := text(2, "secret-task") // GetTaskRequest.id
	entry := func(key string) []byte {
		return text(1, string(cat(text(1, key), text(2, string(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 0))))))
	}
	inParts := func(fields []byte) []byte { return text(2, string(text(5, string(fields)))) } // SendMessageRequest.message.parts
	many := make([]*pb.Part, 1001)
	for i := range many {
		many[i] = &pb.Part{}
	}
	for name, c := range map[string]struct {
		path   string
		body   []byte
		kind   portcullis.Kind
		code   int
		detail string
	}{
		"another service":    {"/grpc.health.v1.Health/Check", frame(nil), portcullis.KindNotFound, -32601, "path names"},
		"reflection":         {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", frame(nil), portcullis.KindNotFound, -32601, "path names"},
		"of version 0.3":     {"/a2a.v1.A2AService/SendMessage", frame(nil), portcullis.KindNotFound, -32601, "path names"},
		"another method":     {path("Nothing"), frame(nil), portcullis.KindNotFound, -32601, "path names"},
		"below a method":     {path(a2a.GetTask) + "/x", frame(id), portcullis.KindNotFound, -32601, "path names"},
		"with a query":       {path(a2a.GetTask) + "?x", frame(id), portcullis.KindNotFound, -32601, "path names"},
		"without a frame":    {path(a2a.GetTask), nil, portcullis.KindMalformed, -32600, "without a frame"},
		"half a head":        {path(a2a.GetTask), []byte{0, 0, 0}, portcullis.KindMalformed, -32600, "without a frame"},
		"shorter than said":  {path(a2a.GetTask), frame(id)[:len(id)], portcullis.KindMalformed, -32600, "one whole frame"},
		"two frames":         {path(a2a.GetTask), cat(frame(id), frame(id)), portcullis.KindMalformed, -32600, "one whole frame"},
		"largest length":     {path(a2a.GetTask), []byte{0, 255, 255, 255, 255}, portcullis.KindMalformed, -32600, "one whole frame"},
		"compressed":         {path(a2a.GetTask), append([]byte{1}, frame(id)[1:]...), portcullis.KindMediaType, 0, "compressed"},
		"unknown flags":      {path(a2a.GetTask), append([]byte{2}, frame(id)[1:]...), portcullis.KindMalformed, -32600, "flags"},
		"unknown field":      {path(a2a.GetTask), frame(cat(id, text(99, "x"))), portcullis.KindMalformed, -32602, "field that is not defined"},
		"unknown inside":     {path(a2a.SendMessage), frame(inParts(text(77, "x"))), portcullis.KindMalformed, -32602, "message.parts: field that is not defined"},
		"named twice":        {path(a2a.GetTask), frame(cat(text(2, "a"), id)), portcullis.KindMalformed, -32602, "id: comes twice"},
		"two of a one-of":    {path(a2a.SendMessage), frame(inParts(cat(text(1, "a"), text(3, "https://x.example/")))), portcullis.KindMalformed, -32602, "message.parts.url: two of a one-of"},
		"key twice":          {path(a2a.CancelTask), frame(cat(id, text(3, string(cat(entry("k"), entry("k")))))), portcullis.KindMalformed, -32602, "metadata.fields: name that comes twice"},
		"wrong type":         {path(a2a.GetTask), frame(protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 1)), portcullis.KindMalformed, -32602, "id: wrong type"},
		"broken tag":         {path(a2a.GetTask), frame([]byte{0xff}), portcullis.KindMalformed, -32602, "broken encoding"},
		"broken length":      {path(a2a.GetTask), frame([]byte{0x12, 0xff, 0x01, 'x'}), portcullis.KindMalformed, -32602, "id: broken encoding"},
		"no UTF-8":           {path(a2a.GetTask), frame(text(2, "\xff")), portcullis.KindMalformed, -32602, "broken encoding"},
		"not a number":       {path(a2a.SendMessage), frame(part(structpb.NewNumberValue(math.NaN()))), portcullis.KindMalformed, -32602, "no JSON form"},
		"a value of no kind": {path(a2a.SendMessage), frame(part(&structpb.Value{})), portcullis.KindMalformed, -32602, "no JSON form"},
		"too deep":           {path(a2a.SendMessage), frame(deep(1000)), portcullis.KindMalformed, -32602, "too deep"},
		"too many":           {path(a2a.SendMessage), frame(marshal(&pb.SendMessageRequest{Message: &pb.Message{Parts: many}})), portcullis.KindMalformed, -32602, "message.parts: too many elements"},
		"larger in JSON":     {path(a2a.GetTask), frame(text(2, strings.Repeat("\x01", 200<<10))), portcullis.KindTooLarge, 0, "JSON form"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := new(protobuf.Room).Request(c.path, c.body, "1", jsonrpc.DefaultLimits())
			var e *portcullis.Error
			if !errors.As(err, &e) || out != nil || e.Kind != c.kind || e.Code != c.code || !strings.Contains(e.Detail, c.detail) || e.Event != portcullis.EventInputRejected {
				t.Fatalf("%s, %+v", out, e)
			}
			if strings.Contains(e.Error()+e.Detail+e.Public, "secret") {
				t.Errorf("the error tells it: %+v", e)
			}
		})
	}
}

// TestManyFields holds the number of what is built of a few bytes.
func TestManyFields(t *testing.T) {
	list := &structpb.ListValue{}
	for range 900 {
		list.Values = append(list.Values, structpb.NewNullValue())
	}
	outer := &structpb.ListValue{}
	for range 900 {
		outer.Values = append(outer.Values, structpb.NewListValue(list))
	}
	l := jsonrpc.DefaultLimits()
	l.MaxBytes = 64 << 20
	_, err := new(protobuf.Room).Request(path(a2a.SendMessage), frame(part(structpb.NewListValue(outer))), "1", l)
	if err == nil || !strings.Contains(err.Error(), "too many fields") {
		t.Errorf("%v", err)
	}
}

// TestSamples takes each JSON block of the specification that is an object of
// one of its messages there and back.
func TestSamples(t *testing.T) {
	dir := filepath.Join(os.Getenv("PORTCULLIS_SAMPLES"), "a2a")
	files, err := filepath.Glob(filepath.Join(dir, "spec-example-*.json"))
	if os.Getenv("PORTCULLIS_SAMPLES") == "" || err != nil || len(files) == 0 {
		t.Skip("the samples of the specification are not here: set PORTCULLIS_SAMPLES")
	}
	n := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for method, m := range map[string]proto.Message{
			a2a.GetTask: new(pb.Task), a2a.SendMessage: new(pb.SendMessageResponse), a2a.SendStreamingMessage: new(pb.StreamResponse),
			a2a.GetPushConfig: new(pb.TaskPushNotificationConfig), a2a.ListTasks: new(pb.ListTasksResponse), a2a.GetExtendedAgentCard: new(pb.AgentCard),
		} {
			if protojson.Unmarshal(raw, m) != nil {
				continue
			}
			n++
			got, err := new(protobuf.Room).AppendReply(nil, method, raw)
			if err != nil {
				t.Errorf("%s as answer to %s: %v", filepath.Base(file), method, err)
				continue
			}
			back := m.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(got[5:], back); err != nil || !proto.Equal(m, back) {
				t.Errorf("%s as answer to %s: %v, %v", filepath.Base(file), method, back, err)
			}
		}
		var message pb.Message
		if protojson.Unmarshal(raw, &message) != nil {
			continue
		}
		n++
		want := &pb.SendMessageRequest{Message: &message}
		out, err := new(protobuf.Room).Request(path(a2a.SendMessage), frame(marshal(want)), "1", jsonrpc.DefaultLimits())
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		if got := params(t, out); !proto.Equal(got, want) {
			t.Errorf("%s: %v", filepath.Base(file), got)
		}
	}
	if n < 3 {
		t.Errorf("%d samples are messages", n)
	}
}

func params(t *testing.T, out []byte) *pb.SendMessageRequest {
	t.Helper()
	var call struct{ Params json.RawMessage }
	m := new(pb.SendMessageRequest)
	if err := errors.Join(json.Unmarshal(out, &call), protojson.Unmarshal(call.Params, m)); err != nil {
		t.Fatal(err)
	}
	return m
}

// FuzzRequest: whatever a body holds, it is refused, or says in JSON exactly
// what it says in Protocol Buffers.
func FuzzRequest(f *testing.F) {
	for _, list := range requests {
		for _, e := range list {
			if protojson.Unmarshal([]byte(e.params), e.m) == nil {
				f.Add(uint8(0), frame(marshal(e.m)))
			}
		}
	}
	f.Add(uint8(2), frame(cat(text(2, "a"), text(2, "b"))))
	f.Add(uint8(0), frame(deep(20)))
	f.Add(uint8(9), []byte{1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		method := a2a.Methods()[int(which)%len(a2a.Methods())]
		l := jsonrpc.DefaultLimits()
		out, err := new(protobuf.Room).Request(path(method), body, "id", l)
		var e *portcullis.Error
		if err != nil {
			if !errors.As(err, &e) || e.Kind == portcullis.KindInternal {
				t.Fatalf("%v", err)
			}
			return
		}
		if len(out) > l.MaxBytes || !json.Valid(out) {
			t.Fatalf("%d bytes: %.200s", len(out), out)
		}
		var call struct {
			Method string
			Params json.RawMessage
		}
		if err := json.Unmarshal(out, &call); err != nil || call.Method != method {
			t.Fatalf("%v: %s", err, out)
		}
		got, want := requests[method][0].m.ProtoReflect().New().Interface(), requests[method][0].m.ProtoReflect().New().Interface()
		if err := errors.Join(protojson.Unmarshal(call.Params, got), proto.Unmarshal(body[5:], want)); err != nil {
			t.Fatal(err)
		}
		if list, ok := want.(*pb.ListTasksRequest); ok && list.GetPageSize() == 0 {
			list.PageSize = nil
		}
		if !proto.Equal(got, want) {
			t.Fatalf("%v is not %v", got, want)
		}
	})
}

package a2a

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// reading is how tests write requests of a method, and read its answers.
var reading = map[string]func() (proto.Message, proto.Message){
	"SendMessage":          func() (proto.Message, proto.Message) { return new(pb.SendMessageRequest), new(pb.SendMessageResponse) },
	"SendStreamingMessage": func() (proto.Message, proto.Message) { return new(pb.SendMessageRequest), new(pb.StreamResponse) },
	"GetTask":              func() (proto.Message, proto.Message) { return new(pb.GetTaskRequest), new(pb.Task) },
	"ListTasks":            func() (proto.Message, proto.Message) { return new(pb.ListTasksRequest), new(pb.ListTasksResponse) },
	"CancelTask":           func() (proto.Message, proto.Message) { return new(pb.CancelTaskRequest), new(pb.Task) },
	"SubscribeToTask":      func() (proto.Message, proto.Message) { return new(pb.SubscribeToTaskRequest), new(pb.StreamResponse) },
	"CreateTaskPushNotificationConfig": func() (proto.Message, proto.Message) {
		return new(pb.TaskPushNotificationConfig), new(pb.TaskPushNotificationConfig)
	},
}

// invoke calls a method over gRPC with what params say in JSON. Of the answer it
// makes a response as of JSON-RPC: the code of the status, and as its body the
// messages and all that the status says.
func invoke(t *testing.T, conn *grpc.ClientConn, method, params string) harness.Response {
	t.Helper()
	req, reply := reading[method]()
	if err := protojson.Unmarshal([]byte(params), req); err != nil {
		t.Fatalf("%s has no such form: %v", method, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/lf.a2a.v1.A2AService/"+method)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.SendMsg(req), s.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	var body bytes.Buffer
	for err = s.RecvMsg(reply); err == nil; err = s.RecvMsg(reply) {
		body.Write(asJSON(t, reply))
	}
	head, _ := s.Header()
	r := harness.Response{Header: http.Header{}}
	if !errors.Is(err, io.EOF) {
		said := status.Convert(err)
		r.Status = int(said.Code())
		fmt.Fprintf(&body, `{"error":%s,"code":%q}`, asJSON(t, said.Proto()), said.Code())
	}
	for _, md := range []metadata.MD{head, s.Trailer()} {
		for name, v := range md {
			r.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	r.Body = body.String()
	return r
}

func asJSON(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sendGRPC is [send] over gRPC, with the HTTP status that the same has over
// JSON-RPC.
func sendGRPC(t *testing.T, g *harness.Gateway, key, method, params string) harness.Response {
	t.Helper()
	r := invoke(t, dialGRPC(t, g, key), method, params)
	code := codes.Code(r.Status)
	r.Status = map[codes.Code]int{
		codes.OK: http.StatusOK, codes.InvalidArgument: http.StatusBadRequest, codes.Unauthenticated: http.StatusUnauthorized, codes.PermissionDenied: http.StatusForbidden,
		codes.NotFound: http.StatusNotFound, codes.ResourceExhausted: http.StatusTooManyRequests, codes.Internal: http.StatusBadGateway,
	}[code]
	return r
}

// asReason is what a refusal over gRPC says where one over JSON-RPC has a code.
var asReason = map[string]string{
	"-32001": "TASK_NOT_FOUND", "-32600": "INVALID_REQUEST", "-32602": "INVALID_PARAMS", "-32000": "FORBIDDEN", "-32009": "VERSION_NOT_SUPPORTED", "-32601": "METHOD_NOT_FOUND",
}

// notGRPC are attacks that a call over gRPC cannot say, and those that are made
// without it.
var notGRPC = map[string]bool{
	"name the task twice": true, "name the task in another spelling": true, // frames of their own, below
	"read it over HTTP+JSON": true, "climb out of the route by its path": true, "climb by dot segments": true,
	"ask for a version that there is not": true, "name two versions": true, "use a method of one version in the other": true, "call without a key": true,
}

// TestHostileClientOverGRPC makes each attack that JSON-RPC can make.
func TestHostileClientOverGRPC(t *testing.T) {
	url, log := startAgent(t)
	g := harness.Start(t, route(url, withGRPC+"skills.deny = [\"delete\"]\na2a.push.hosts = [\"hooks.example.com\"]\n"))
	res, err := newGRPCClient(t, g, g.Key).SendMessage(t.Context(), text("ask"))
	if err != nil {
		t.Fatal(err)
	}
	key, _ := g.NewKey("skills:*")
	conn := dialGRPC(t, g, key)
	before, n := len(log.all()), 0
	for _, a := range attacksBy(key, victim{string(res.TaskInfo().TaskID), res.TaskInfo().ContextID}, func(method, params string) func(*testing.T, *harness.Gateway) harness.Response {
		return func(t *testing.T, _ *harness.Gateway) harness.Response { return invoke(t, conn, method, params) }
	}) {
		if notGRPC[a.name] {
			continue
		}
		n++
		if other := asReason[a.want]; other != "" {
			a.want = other
		}
		t.Run(a.name, func(t *testing.T) { a.check(t, g) })
	}
	if n < 18 {
		t.Errorf("%d attacks", n)
	}
	if after := len(log.all()); after != before {
		t.Errorf("%d attacks reached the agent", after-before)
	}
	list := invoke(t, conn, "ListTasks", "{}")
	if list.Status != 0 || strings.Contains(list.Body, string(res.TaskInfo().TaskID)) {
		t.Errorf("the list tells of others: %d %s", list.Status, list.Body)
	}
	same := func(id string) string {
		r := invoke(t, conn, "GetTask", fmt.Sprintf(`{"id":%q}`, id))
		return strings.ReplaceAll(fmt.Sprint(r.Status, r.Body), r.Header.Get("X-Request-Id"), "")
	}
	if a, b := same(string(res.TaskInfo().TaskID)), same(string(a2a.NewTaskID())); a != b || a == "" {
		t.Errorf("told apart:\n%s\n%s", a, b)
	}
}

// h2c is a client of HTTP/2 without TLS.
func h2c(t *testing.T) *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func framed(flag byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(payload))), payload...)
}

// TestHostileFrames sends what no library sends.
func TestHostileFrames(t *testing.T) {
	url, log := startAgent(t)
	g := harness.Start(t, route(url, withGRPC+"limits.bytes = \"64KiB\"\n"))
	key, _ := g.NewKey("skills:*")
	const get = "/lf.a2a.v1.A2AService/GetTask"
	id := framed(0, []byte("\x12\x06secret"))
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := errors.Join(z.Close()), error(nil); err != nil {
		t.Fatal(err)
	}
	type attack struct {
		name, path string
		body       []byte
		headers    []string
		want       codes.Code
		event      string
	}
	withKey := []string{"X-Api-Key", key}
	for _, a := range []attack{
		{"no key", get, id, nil, codes.Unauthenticated, "AUTH_FAILURE"},
		{"another's key", get, id, []string{"X-Api-Key", "mcp_0000.secret"}, codes.Unauthenticated, "INVALID_API_KEY"},
		{"no key and no time", get, id, []string{"Grpc-Timeout", "0n"}, codes.Unauthenticated, "AUTH_FAILURE"},
		{"another's key and no time", get, id, []string{"X-Api-Key", "mcp_0000.secret", "Grpc-Timeout", "0n"}, codes.Unauthenticated, "INVALID_API_KEY"},
		{"two keys", get, id, append(withKey, "Authorization", "Bearer "+key), codes.Unauthenticated, ""},
		{"broken frames without a key", get, []byte{7, 7}, nil, codes.Unauthenticated, "AUTH_FAILURE"},
		{"an unknown service without a key", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", id, nil, codes.Unauthenticated, "AUTH_FAILURE"},
		{"reflection", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", id, withKey, codes.Unimplemented, "INPUT_REJECTED"},
		{"health", "/grpc.health.v1.Health/Check", framed(0, nil), withKey, codes.Unimplemented, "INPUT_REJECTED"},
		{"an unknown method", "/lf.a2a.v1.A2AService/Nothing", id, withKey, codes.Unimplemented, "INPUT_REJECTED"},
		{"the service of 0.3", "/a2a.v1.A2AService/GetTask", id, withKey, codes.Unimplemented, "INPUT_REJECTED"},
		{"the path of the route", "/agent", id, withKey, codes.Unimplemented, "INPUT_REJECTED"},
		{"a probe's path", "/health", id, nil, codes.Unauthenticated, "AUTH_FAILURE"},
		{"a query", get + "?A2A-Version=0.3", id, withKey, codes.Unimplemented, "INPUT_REJECTED"},
		{"no frame", get, nil, withKey, codes.InvalidArgument, "INPUT_REJECTED"},
		{"half a frame", get, id[:7], withKey, codes.InvalidArgument, "INPUT_REJECTED"},
		{"two frames", get, append(bytes.Clone(id), id...), withKey, codes.InvalidArgument, "INPUT_REJECTED"},
		{"a length of 4 GiB", get, []byte{0, 255, 255, 255, 255, 1}, withKey, codes.InvalidArgument, "INPUT_REJECTED"},
		{"compressed", get, framed(1, bomb.Bytes()), append(withKey, "Grpc-Encoding", "gzip"), codes.Unimplemented, "INPUT_REJECTED"},
		{"a compressed body", get, id, append(withKey, "Content-Encoding", "gzip"), codes.Unimplemented, "INPUT_REJECTED"},
		{"oversize", get, framed(0, append([]byte("\x12\x80\x80\x08"), bytes.Repeat([]byte("x"), 128<<10)...)), withKey, codes.ResourceExhausted, "INPUT_REJECTED"},
		{"unknown fields", get, framed(0, []byte("\x12\x01a\xfa\x07\x06secret")), withKey, codes.InvalidArgument, "INPUT_REJECTED"},
		{"the task twice", get, framed(0, []byte("\x12\x01a\x12\x06secret")), withKey, codes.InvalidArgument, "INPUT_REJECTED"},
		{"no UTF-8", get, framed(0, []byte("\x12\x02\xff\xfe")), withKey, codes.InvalidArgument, "INPUT_REJECTED"},
		{"no timeout", get, id, append(withKey, "Grpc-Timeout", "soon"), codes.InvalidArgument, "INPUT_REJECTED"},
		{"another version", get, id, append(withKey, "A2a-Version", "9.9"), codes.FailedPrecondition, "INPUT_REJECTED"},
		{"the other version", get, id, append(withKey, "A2a-Version", "0.3"), codes.Unimplemented, "INPUT_REJECTED"},
		{"two versions", get, id, append(withKey, "A2a-Version", "1.0", "A2a-Version", "0.3"), codes.InvalidArgument, "INPUT_REJECTED"},
		{"a page of another site", get, id, append(withKey, "Origin", "https://evil.example"), codes.PermissionDenied, ""},
		{"another host", get, id, append(withKey, "Host", "evil.example"), codes.PermissionDenied, ""},
	} {
		t.Run(a.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Base+a.path, bytes.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
			for i := 0; i < len(a.headers); i += 2 {
				if a.headers[i] == "Host" {
					req.Host = a.headers[i+1]
					continue
				}
				req.Header[a.headers[i]] = append(req.Header[a.headers[i]], a.headers[i+1])
			}
			resp, err := h2c(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil || len(body) > 0 || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/grpc" {
				t.Fatalf("%d %v %q, %v", resp.StatusCode, resp.Header, body, err)
			}
			if got := resp.Trailer.Get("Grpc-Status"); got != fmt.Sprint(int(a.want)) || resp.Trailer.Get("X-Request-Id") == "" {
				t.Errorf("status %s %s, want %s", got, resp.Trailer.Get("Grpc-Message"), a.want)
			}
			if text := fmt.Sprint(resp.Trailer, resp.Header); strings.Contains(text, "secret") || strings.Contains(g.Log.String(), "mcp_0000.secret") {
				t.Errorf("told: %s", text)
			}
			var types []string
			for _, e := range g.EventsOf(resp.Header.Get("X-Request-Id")) {
				if types = append(types, e.Type); e.Outcome == "failure" && (a.event == "" || e.Type == a.event) && !strings.Contains(fmt.Sprintf("%+v", e), "secret") {
					return
				}
			}
			t.Errorf("events %v, want %s", types, a.event)
		})
	}
	for _, r := range log.all() {
		if r.Method == http.MethodPost {
			t.Errorf("an attack reached the agent: %s", r.URL)
		}
	}
	if !strings.Contains(refusals(g), `phase="decode"`) || !strings.Contains(refusals(g), `phase="authn"`) {
		t.Errorf("not counted: %s", refusals(g))
	}
}

// TestOtherFormsOfGRPC are not taken: they are what they were before.
func TestOtherFormsOfGRPC(t *testing.T) {
	g, _ := start(t, withGRPC)
	for _, media := range []string{"application/grpc+json", "application/grpc-web", "application/grpc-web+proto"} {
		for path, want := range map[string]int{"/agent": http.StatusUnsupportedMediaType, "/lf.a2a.v1.A2AService/GetTask": http.StatusNotFound} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Base+path, bytes.NewReader(framed(0, []byte("\x12\x01a"))))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Content-Type": {media}, "X-Api-Key": {g.Key}}
			resp, err := h2c(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s to %s: %d", media, path, resp.StatusCode)
			}
		}
	}
	r := harness.Do(t, http.MethodPost, g.URL, framed(0, []byte("\x12\x01a")), "Content-Type", "application/grpc", "X-API-Key", g.Key)
	if r.Status != http.StatusUnsupportedMediaType {
		t.Errorf("over HTTP/1.1: %d", r.Status)
	}
	off, _ := start(t, "")
	if _, err := h2c(t).Get(off.Base + "/health"); err == nil {
		t.Error("HTTP/2 without TLS where no route is called by gRPC")
	}
}

// TestStreamsOverGRPCEnd when their caller leaves, or the time is up.
func TestStreamsOverGRPCEnd(t *testing.T) {
	g, _ := start(t, withGRPC)
	key, _ := g.NewKey("skills:*")
	open := func(t *testing.T, timeout time.Duration) (pb.A2AService_SendStreamingMessageClient, func(), string) {
		ctx, cancel := context.WithCancel(t.Context())
		if timeout > 0 {
			ctx, cancel = context.WithTimeout(t.Context(), timeout)
		}
		s, err := pb.NewA2AServiceClient(dialGRPC(t, g, key)).SendStreamingMessage(ctx, &pb.SendMessageRequest{Message: &pb.Message{
			MessageId: "m1", Role: pb.Role_ROLE_USER, Parts: []*pb.Part{{Content: &pb.Part_Text{Text: "wait"}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the task, and that it is being worked on
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		head, err := s.Header()
		if err != nil {
			t.Fatal(err)
		}
		return s, cancel, head.Get("x-request-id")[0]
	}
	t.Run("left", func(t *testing.T) {
		_, cancel, id := open(t, 0)
		cancel()
		if e := finish(t, g, id); e.Outcome != "failure" || e.Reason != "client_closed" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("time is up", func(t *testing.T) {
		s, cancel, id := open(t, 2*time.Second)
		defer cancel()
		if _, err := s.Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		if e := finish(t, g, id); e.Outcome != "failure" {
			t.Errorf("%+v", e)
		}
	})
}

// TestRevokedKeyEndsStreamOverGRPC: what the agent says behind the revocation is
// not told.
func TestRevokedKeyEndsStreamOverGRPC(t *testing.T) {
	say := make(chan string)
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct{ ID json.RawMessage }
		if json.NewDecoder(r.Body).Decode(&call) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for state := range say {
			fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"statusUpdate\":{\"taskId\":\"t-1\",\"contextId\":\"c-1\",\"status\":{\"state\":%q}}}}\n\n", call.ID, state)
			if http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	})
	g := harness.Start(t, route(up.Server.URL+"/agent", withGRPC))
	key, keyID := g.NewKey("skills:*")
	s, err := pb.NewA2AServiceClient(dialGRPC(t, g, key)).SendStreamingMessage(t.Context(), &pb.SendMessageRequest{Message: &pb.Message{
		MessageId: "m1", Role: pb.Role_ROLE_USER, Parts: []*pb.Part{{Content: &pb.Part_Text{Text: "go"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	say <- "TASK_STATE_WORKING"
	if ev, err := s.Recv(); err != nil || ev.GetStatusUpdate().GetStatus().GetState() != pb.TaskState_TASK_STATE_WORKING {
		t.Fatalf("%v, %v", ev, err)
	}
	if _, err := g.API().RevokeKey(t.Context(), keyID, "test"); err != nil {
		t.Fatal(err)
	}
	say <- "TASK_STATE_COMPLETED"
	close(say)
	ev, err := s.Recv()
	if status.Code(err) != codes.Internal || len(s.Trailer().Get("x-request-id")) != 1 {
		t.Fatalf("%v, %v", ev, err)
	}
	if e := finish(t, g, s.Trailer().Get("x-request-id")[0]); e.Outcome != "failure" {
		t.Errorf("%+v", e)
	}
}

// TestSlowBodies end within the time of the listener.
func TestSlowBodies(t *testing.T) {
	url, _ := startAgent(t)
	g := harness.Start(t, "limits.body_timeout = \"1s\"\n"+route(url, withGRPC))
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.Base+"/lf.a2a.v1.A2AService/GetTask", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "X-Api-Key": {g.Key}}
	go func() { _, _ = w.Write([]byte{0, 0, 0, 0, 9, 0x12}) }()
	resp, err := h2c(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err != nil || resp.Trailer.Get("Grpc-Status") != fmt.Sprint(int(codes.DeadlineExceeded)) {
		t.Errorf("%v, %v", resp.Trailer, err)
	}
	if !strings.Contains(refusals(g), `phase="decode"`) {
		t.Errorf("not counted: %s", refusals(g))
	}
}

// raw is a connection that speaks HTTP/2 frame by frame.
type raw struct {
	*http2.Framer
	t     *testing.T
	g     *harness.Gateway
	block bytes.Buffer
	enc   *hpack.Encoder
}

func dialRaw(t *testing.T, g *harness.Gateway) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	r := &raw{Framer: http2.NewFramer(conn, conn), t: t, g: g}
	r.enc = hpack.NewEncoder(&r.block)
	if err := r.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return r
}

// open opens a call whose body does not come.
func (r *raw) open(id uint32) error {
	r.block.Reset()
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/lf.a2a.v1.A2AService/GetTask"}, {Name: ":authority", Value: strings.TrimPrefix(r.g.Base, "http://")},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}, {Name: "x-api-key", Value: r.g.Key},
	} {
		if err := r.enc.WriteField(f); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block.Bytes(), EndHeaders: true})
}

// TestTooManyStreams opens more at a time than a connection may have.
func TestTooManyStreams(t *testing.T) {
	g, _ := start(t, withGRPC)
	const most = 128
	r := dialRaw(t, g)
	for i := range uint32(most + 1) {
		if err := r.open(2*i + 1); err != nil {
			t.Fatal(err)
		}
	}
	settled := false
	for {
		f, err := r.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if n, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
				settled = n == most
			}
		case *http2.RSTStreamFrame:
			if f.StreamID != 2*most+1 || !settled || f.ErrCode != http2.ErrCodeRefusedStream && f.ErrCode != http2.ErrCodeProtocol {
				t.Errorf("%v, settled %v", f, settled)
			}
			return
		}
	}
}

// TestRapidReset opens calls and leaves them at once: what they began ends, and
// others are served.
func TestRapidReset(t *testing.T) {
	g, _ := start(t, withGRPC+"rate = [\"100000/1m per address\"]\n")
	r := dialRaw(t, g)
	go func() { // until the gateway has enough of it
		for {
			if _, err := r.ReadFrame(); err != nil {
				return
			}
		}
	}()
	for i := range uint32(3000) {
		if r.open(2*i+1) != nil || r.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
			break
		}
	}
	if r := invoke(t, dialGRPC(t, g, g.Key), "SendMessage", message("")); r.Status != 0 {
		t.Errorf("%+v", r)
	}
}

// TestHostileAgentOverGRPC: what a hostile agent says is not told over gRPC
// either.
func TestHostileAgentOverGRPC(t *testing.T) {
	var answer string
	var streams bool
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct{ ID json.RawMessage }
		if json.NewDecoder(r.Body).Decode(&call) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if streams {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set("Server", "hunter2")
		_, _ = io.WriteString(w, strings.ReplaceAll(answer, `"id":7`, `"id":`+string(call.ID)))
	})
	g := harness.Start(t, route(up.Server.URL+"/agent", withGRPC+"a2a.stream_events = 20\nreply_limits.bytes = \"1MiB\"\n"))
	answer = `{"jsonrpc":"2.0","id":7,"result":{"task":{"id":"t-0","contextId":"c-0","status":{"state":"TASK_STATE_WORKING"}}}}`
	if r := invoke(t, dialGRPC(t, g, g.Key), "SendMessage", message("")); r.Status != 0 || !strings.Contains(r.Body, "t-0") {
		t.Fatalf("the victim's task: %d %s", r.Status, r.Body)
	}
	key, _ := g.NewKey("skills:*")
	conn := dialGRPC(t, g, key)
	for _, a := range agentAttacks(key, victim{"t-0", "c-0"}) {
		t.Run(a.name, func(t *testing.T) {
			answer, streams = a.answer, a.stream
			method := "SendMessage"
			if a.stream {
				method = "SendStreamingMessage"
			}
			r := invoke(t, conn, method, message(""))
			if r.Status == 0 || strings.Contains(r.Body, "t-0") || strings.Contains(r.Body, "c-0") || strings.Count(r.Body, "t-9") > 20 {
				t.Errorf("%d %s", r.Status, r.Body)
			}
			for _, s := range secrets {
				if text := fmt.Sprint(r.Body, r.Header); strings.Contains(text, s) {
					t.Errorf("the caller reads %q in %s", s, text)
				}
			}
			if a.event != "-" {
				a.logged(t, g, r.Header.Get("X-Request-Id"))
			}
		})
	}
}

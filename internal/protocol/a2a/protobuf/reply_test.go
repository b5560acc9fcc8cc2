package protobuf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
)

const someTask = `{"id":"t1","contextId":"c1","status":{"state":"TASK_STATE_WORKING"},"nobodys":[1,{"x":null}],"metadata":{"a":1}}`

func TestReplies(t *testing.T) {
	for name, c := range map[string]struct {
		method, result string
		want           proto.Message
	}{
		"task":    {a2a.GetTask, someTask, &pb.Task{Id: "t1", ContextId: "c1", Status: &pb.TaskStatus{State: pb.TaskState_TASK_STATE_WORKING}}},
		"event":   {a2a.SubscribeToTask, `{"task":` + someTask + `}`, &pb.StreamResponse{Payload: &pb.StreamResponse_Task{Task: &pb.Task{Id: "t1"}}}},
		"nothing": {a2a.DeletePushConfig, `null`, nil},
		"card with arrays": {a2a.GetExtendedAgentCard, `{"name":"n","securityRequirements":[{"schemes":{"k":["a","b"]}}],"skills":[{"id":"s","securityRequirements":[{"schemes":{"k":{"list":["c"]}}}]}],"security":[{"k":[]}]}`,
			&pb.AgentCard{Name: "n"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := new(protobuf.Room).AppendReply([]byte("before"), c.method, []byte(c.result))
			if err != nil || !bytes.HasPrefix(out, []byte("before\x00")) {
				t.Fatalf("%q, %v", out, err)
			}
			out = out[len("before"):]
			if int(binary.BigEndian.Uint32(out[1:])) != len(out)-5 {
				t.Errorf("head %v of %d bytes", out[:5], len(out))
			}
			switch m := c.want.(type) {
			case *pb.Task:
				got := new(pb.Task)
				if err := proto.Unmarshal(out[5:], got); err != nil || got.GetId() != m.GetId() || got.GetStatus().GetState() != m.GetStatus().GetState() || got.GetMetadata().GetFields()["a"].GetNumberValue() != 1 {
					t.Errorf("%v, %v", got, err)
				}
			case *pb.StreamResponse:
				got := new(pb.StreamResponse)
				if err := proto.Unmarshal(out[5:], got); err != nil || got.GetTask().GetId() != "t1" {
					t.Errorf("%v, %v", got, err)
				}
			case *pb.AgentCard:
				got := new(pb.AgentCard)
				if err := proto.Unmarshal(out[5:], got); err != nil || strings.Join(got.GetSecurityRequirements()[0].GetSchemes()["k"].GetList(), "") != "ab" ||
					got.GetSkills()[0].GetSecurityRequirements()[0].GetSchemes()["k"].GetList()[0] != "c" {
					t.Errorf("%v, %v", got, err)
				}
			default:
				if len(out) != 5 {
					t.Errorf("%v", out)
				}
			}
		})
	}
}

func TestRepliesThatCannotBeSaid(t *testing.T) {
	for name, c := range map[string][2]string{
		"no method":       {"Nothing", `{}`},
		"another object":  {a2a.GetTask, `["secret"]`},
		"a wrong type":    {a2a.GetTask, `{"id":["secret"]}`},
		"no JSON":         {a2a.GetTask, `{"id":"secret`},
		"too many values": {a2a.GetTask, `{"id":"secret","metadata":{"a":[` + strings.Repeat("[],", 210_000) + `1]}}`},
		"no card":         {a2a.GetExtendedAgentCard, `["secret"]`},
	} {
		if out, err := new(protobuf.Room).AppendReply(nil, c[0], []byte(c[1])); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
}

// TestNumbers: no number becomes another one, neither in an answer nor in a call
// to an agent. Texts hold what they want.
func TestNumbers(t *testing.T) {
	for number, said := range map[string]bool{
		"0": true, "-7": true, "1.5": true, "999999999999999": true, "9007199254740992": true, "-9007199254740992": true, "1e21": true, "100000000000000000000": true, "0.1000000000000000055": true,
		`"9007199254740993"`: true, `"\"9007199254740993"`: true, `"\\"`: true,
		"9007199254740993": false, "-9007199254740993": false, "123456789012345678901234567890": false, `["\\",9007199254740993]`: false, "1" + strings.Repeat("0", 400): false,
	} {
		task := `{"id":"t1","metadata":{"n":` + number + `}}`
		if out, err := new(protobuf.Room).AppendReply(nil, a2a.GetTask, []byte(task)); (err == nil) != said {
			t.Errorf("answer with %.40s: %d bytes, %v", number, len(out), err)
		}
		call := `{"jsonrpc":"2.0","id":9007199254740993,"method":"CancelTask","params":{"metadata":{"n":` + number + `},"id":"t1"}}`
		if out, err := new(protobuf.Room).Call(a2a.CancelTask, []byte(call)); (err == nil) != said {
			t.Errorf("call with %.40s: %d bytes, %v", number, len(out), err)
		}
	}
}

// TestErrors are those that the gateway writes over JSON-RPC, as statuses.
func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		e      *portcullis.Error
		status int // of the reply; 0 = that of the error
		want   codes.Code
		reason string
	}{
		"task not found":      {a2a.TaskNotFound("secret"), 200, codes.NotFound, "TASK_NOT_FOUND"},
		"version":             {a2a.VersionNotSupported("1.0"), 200, codes.FailedPrecondition, "VERSION_NOT_SUPPORTED"},
		"params":              {&portcullis.Error{Kind: portcullis.KindMalformed, Code: -32602, Detail: "secret", Data: map[string]any{"path": "message.parts", "rule": "empty list"}}, 0, codes.InvalidArgument, "INVALID_PARAMS"},
		"no method":           {&portcullis.Error{Kind: portcullis.KindNotFound, Code: -32601}, 0, codes.Unimplemented, "METHOD_NOT_FOUND"},
		"unauthenticated":     {&portcullis.Error{Kind: portcullis.KindUnauthenticated, Reason: "unauthenticated"}, 0, codes.Unauthenticated, "UNAUTHENTICATED"},
		"forbidden":           {&portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden", Err: errors.New("secret")}, 0, codes.PermissionDenied, "FORBIDDEN"},
		"rate":                {&portcullis.Error{Kind: portcullis.KindRateLimited, Reason: "rate_limited", RetryAfter: 3 * time.Second}, 0, codes.ResourceExhausted, "RATE_LIMITED"},
		"too large":           {&portcullis.Error{Kind: portcullis.KindTooLarge, Reason: "input_rejected"}, 0, codes.ResourceExhausted, "INPUT_REJECTED"},
		"compressed":          {&portcullis.Error{Kind: portcullis.KindMediaType, Reason: "input_rejected"}, 0, codes.Unimplemented, "INPUT_REJECTED"},
		"slow":                {&portcullis.Error{Kind: portcullis.KindTimeout, Reason: "input_rejected"}, 0, codes.DeadlineExceeded, "INPUT_REJECTED"},
		"upstream":            {&portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_unavailable"}, 0, codes.Unavailable, "UPSTREAM_UNAVAILABLE"},
		"upstream timeout":    {&portcullis.Error{Kind: portcullis.KindUpstreamTimeout, Reason: "upstream_timeout"}, 0, codes.DeadlineExceeded, "UPSTREAM_TIMEOUT"},
		"maintenance":         {&portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "maintenance"}, 0, codes.Unavailable, "MAINTENANCE"},
		"internal":            {&portcullis.Error{Kind: portcullis.KindInternal, Reason: "internal", Code: -32603}, 0, codes.Internal, "INTERNAL_ERROR"},
		"blocked in a stream": {&portcullis.Error{Kind: portcullis.KindForbidden, Reason: "content_blocked"}, 200, codes.PermissionDenied, "CONTENT_BLOCKED"},
		"quota in a stream":   {&portcullis.Error{Kind: portcullis.KindRateLimited, Reason: "quota_exceeded"}, 200, codes.ResourceExhausted, "QUOTA_EXCEEDED"},
		"the agent's own":     {&portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream_error"}, 200, codes.Internal, "UPSTREAM_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := a2a.AppendError(nil, a2a.JSONRPC, a2a.V1, []byte(`"1"`), c.e, "the-request")
			raw = raw[bytes.Index(raw, []byte(`"error":`))+len(`"error":`) : len(raw)-1]
			status := c.status
			if status == 0 {
				status = c.e.Kind.Status()
			}
			s := protobuf.ReadError(raw, status)
			if codes.Code(s.Code) != c.want || s.Message == "" {
				t.Fatalf("%+v", s)
			}
			got := new(spb.Status)
			if err := proto.Unmarshal(s.Details, got); err != nil || got.GetCode() != int32(c.want) || got.GetMessage() != s.Message || len(got.GetDetails()) == 0 {
				t.Fatalf("%v, %v", got, err)
			}
			info := new(errdetails.ErrorInfo)
			if err := got.GetDetails()[0].UnmarshalTo(info); err != nil || info.GetReason() != c.reason || info.GetMetadata()["requestId"] != "the-request" {
				t.Errorf("%v, %v", info, err)
			}
			if name == "params" {
				bad := new(errdetails.BadRequest)
				if err := got.GetDetails()[1].UnmarshalTo(bad); err != nil || bad.GetFieldViolations()[0].GetField() != "message.parts" {
					t.Errorf("%v, %v", bad, err)
				}
			}
			if bytes.Contains(s.Details, []byte("secret")) || strings.Contains(s.Message, "secret") {
				t.Error("the status tells it")
			}
		})
	}
	if s := protobuf.ReadError([]byte(`{"code":-32601,"message":"Method not found","data":{"reason":"x"}}`), 404); codes.Code(s.Code) != codes.Unimplemented || s.Details != nil || s.Message == "" {
		t.Errorf("an error of 0.3: %+v", s)
	}
	if s := protobuf.ReadError([]byte(`nothing`), 200); codes.Code(s.Code) != codes.Internal {
		t.Errorf("no error: %+v", s)
	}
	if s := protobuf.Of(http.StatusServiceUnavailable); codes.Code(s.Code) != codes.Unavailable {
		t.Errorf("%+v", s)
	}
}

func TestTimeouts(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1S": time.Second, "250m": 250 * time.Millisecond, "0n": 0, "99999999H": protobuf.MaxTimeout, "2H": 2 * time.Hour, "3M": 3 * time.Minute, "7u": 7 * time.Microsecond, "99999999n": 99999999,
	} {
		if d, ok := protobuf.Timeout(s); !ok || d != want {
			t.Errorf("%s: %s %v", s, d, ok)
		}
	}
	for _, s := range []string{"", "S", "1", "-1S", "1 S", "123456789S", "1s", "1.5S", "+1S"} {
		if d, ok := protobuf.Timeout(s); ok {
			t.Errorf("%q: %s", s, d)
		}
	}
}

// FuzzReply: what an answer holds is written as one frame, or not at all.
func FuzzReply(f *testing.F) {
	f.Add(uint8(2), []byte(someTask))
	f.Add(uint8(0), []byte(`{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"data":[1]}]}}`))
	f.Add(uint8(10), []byte(`{"securityRequirements":[{"schemes":{"k":["a"]}}]}`))
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		method := a2a.Methods()[int(which)%len(a2a.Methods())]
		out, err := new(protobuf.Room).AppendReply(nil, method, raw)
		if err != nil {
			return
		}
		if len(out) < 5 || out[0] != 0 || int(binary.BigEndian.Uint32(out[1:])) != len(out)-5 {
			t.Fatalf("%q", out)
		}
		again, err := new(protobuf.Room).AppendReply(nil, method, raw)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("not the same twice: %q %q %v", out, again, err)
		}
	})
}

// FuzzReadError: an error becomes a status that is none of success.
func FuzzReadError(f *testing.F) {
	f.Add([]byte(`{"code":-32001,"message":"m","data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"R","metadata":{"a":"b"}}]}`), 200)
	f.Add([]byte(`{"code":1,"data":{}}`), 200)
	f.Fuzz(func(t *testing.T, raw []byte, status int) {
		if s := protobuf.ReadError(raw, status); s.Code <= 0 || s.Code > 16 {
			t.Fatalf("%+v", s)
		}
	})
}

package rpc_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/upstream/rpc"
)

// slow is an agent that takes its time, or its caller's.
type slow struct {
	*agent
	time time.Duration
	err  error
}

func (s *slow) Forward(ctx context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
	select {
	case <-time.After(s.time):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.agent.Forward(ctx, call)
}

// TestLateStreams begin before their agent says anything, and are what they
// would have been at once.
func TestLateStreams(t *testing.T) {
	event := frame(&pb.StreamResponse{Payload: &pb.StreamResponse_Task{Task: working("t1")}})
	for name, c := range map[string]struct {
		agent *agent
		err   error
		want  string // "" = an error
	}{
		"events":      {&agent{body: event, trailer: ok()}, nil, `"result":{"task"`},
		"a fault":     {&agent{header: http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"5"}}}, nil, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32001,\"message\":\"Agent error\"}}\n\n"},
		"refused":     {&agent{header: http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"16"}}}, nil, ""},
		"no status":   {&agent{body: event}, nil, ""},
		"unavailable": {nil, &portcullis.Error{Kind: portcullis.KindUpstream}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := rpc.New(&slow{agent: c.agent, time: time.Hour, err: c.err}, rpc.Options{Timeout: time.Minute, Limits: limits()})
				began := time.Now()
				reply, err := u.Forward(t.Context(), request(a2a.SubscribeToTask))
				if err != nil || reply.Status != http.StatusOK || reply.Header.Get("Content-Type") != "text/event-stream" || time.Since(began) != time.Minute {
					t.Fatalf("%+v, %v after %s", reply, err, time.Since(began))
				}
				raw, err := io.ReadAll(reply.Body)
				if time.Since(began) != time.Hour || (err == nil) != (c.want != "") || !strings.Contains(string(raw), c.want) {
					t.Errorf("%q, %v after %s", raw, err, time.Since(began))
				}
				if err := reply.Body.Close(); err != nil || c.agent != nil && !c.agent.closed {
					t.Errorf("closing: %v", err)
				}
			})
		})
	}
}

// TestLateStreamsEnd when somebody ends them, whatever their agent does.
func TestLateStreamsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := rpc.New(&slow{agent: new(agent), time: 24 * time.Hour}, rpc.Options{Timeout: time.Minute, Limits: limits()})
		reply, err := u.Forward(t.Context(), request(a2a.SubscribeToTask))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.AfterFunc(time.Second, func() { _ = reply.Body.Close() })
		if _, err := io.ReadAll(reply.Body); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		u := rpc.New(&slow{agent: new(agent), time: time.Hour}, rpc.Options{Timeout: time.Minute, Limits: limits()})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := u.Forward(ctx, request(a2a.SubscribeToTask)); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestLateStreamsGiveBack the memory of their last message, whoever ends them.
func TestLateStreamsGiveBack(t *testing.T) {
	event := frame(&pb.StreamResponse{Payload: &pb.StreamResponse_Task{Task: working("t1")}})
	for name, whole := range map[string]bool{"read to its end": true, "left": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				held := 0
				read := func(r io.Reader, _ []byte, _ int64) ([]byte, func(), error) {
					held++
					raw, err := io.ReadAll(r)
					return raw, func() { held-- }, err
				}
				u := rpc.New(&slow{agent: &agent{body: append(event, event...), trailer: ok()}, time: time.Hour}, rpc.Options{Timeout: time.Minute, Limits: limits(), Read: read})
				reply, err := u.Forward(t.Context(), request(a2a.SubscribeToTask))
				if err != nil {
					t.Fatal(err)
				}
				if whole {
					_, err = io.ReadAll(reply.Body)
				} else {
					_, err = reply.Body.Read(make([]byte, 1))
				}
				if err := errors.Join(err, reply.Body.Close()); err != nil || held != 0 {
					t.Errorf("%d messages hold memory, %v", held, err)
				}
			})
		})
	}
}

// TestLargeRooms are not kept: while a stream waits for its next message, only
// what is accounted for stays.
func TestLargeRooms(t *testing.T) {
	event := func(text string) []byte {
		task := working("t1")
		task.History = []*pb.Message{{MessageId: "m1", Role: pb.Role_ROLE_AGENT, Parts: []*pb.Part{{Content: &pb.Part_Text{Text: text}}}}}
		return frame(&pb.StreamResponse{Payload: &pb.StreamResponse_Task{Task: task}})
	}
	rooms := []int{}
	read := func(r io.Reader, buf []byte, n int64) ([]byte, func(), error) {
		rooms = append(rooms, cap(buf))
		raw := make([]byte, n)
		_, err := io.ReadFull(r, raw)
		return raw, func() {}, err
	}
	l := limits()
	l.MaxBytes, l.MaxString = 1<<20, 1<<20
	a := &agent{body: slices.Concat(event(strings.Repeat("x", 512<<10)), event("x"), event("x")), trailer: ok()}
	reply, err := rpc.New(a, rpc.Options{Timeout: time.Minute, Limits: l, Read: read}).Forward(t.Context(), request(a2a.SubscribeToTask))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(reply.Body); err != nil || len(rooms) != 3 || rooms[1] != 0 || rooms[2] == 0 {
		t.Errorf("%v, %v", rooms, err)
	}
	if err := reply.Body.Close(); err != nil {
		t.Error(err)
	}
}

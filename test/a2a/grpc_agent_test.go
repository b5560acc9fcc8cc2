package a2a

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	a2agrpc "github.com/a2aproject/a2a-go/v2/a2agrpc/v1"
	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/a2aproject/a2a-go/v2/a2asrv/push"
	"github.com/a2aproject/a2a-go/v2/a2asrv/taskstore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// asksGRPC is a route to an agent of gRPC.
const asksGRPC = "a2a.versions = [\"1.0\"]\na2a.bindings = [\"jsonrpc\", \"grpc\"]\na2a.grpc.agent = true\n"

// serveGRPC serves h over HTTP/2 without TLS, and all that is no gRPC by other.
func serveGRPC(t *testing.T, h, other http.Handler) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			h.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

// startGRPCAgent starts an agent of the official SDK that speaks gRPC only.
func startGRPCAgent(t *testing.T) string {
	t.Helper()
	h := a2asrv.NewHandler(worker{},
		a2asrv.WithTaskStore(taskstore.NewInMemory(&taskstore.InMemoryStoreConfig{Authenticator: func(context.Context) (string, error) { return "gateway", nil }})),
		a2asrv.WithPushNotifications(push.NewInMemoryStore(), push.NewHTTPPushSender(nil)),
		a2asrv.WithExtendedAgentCard(agentCard()))
	s := grpc.NewServer()
	a2agrpc.NewHandler(h).RegisterWith(s)
	card := agentCard()
	card.SupportedInterfaces = []*a2a.AgentInterface{{URL: "inside.example:443", ProtocolBinding: a2a.TransportProtocolGRPC, ProtocolVersion: a2a.Version}}
	return serveGRPC(t, s, a2asrv.NewStaticAgentCardHandler(card))
}

// TestOfficialAgentOfGRPC takes each call of the official clients, over JSON-RPC
// and over gRPC, to the official agent of gRPC.
func TestOfficialAgentOfGRPC(t *testing.T) {
	g := harness.Start(t, route(startGRPCAgent(t), asksGRPC+scopeArrays))
	for _, w := range []way{ways[0], overGRPC} {
		c := newGRPCClient(t, g, g.Key)
		if w != overGRPC {
			c = newClient(t, g.URL, g.Key, w)
		}
		t.Run(w.name, func(t *testing.T) {
			t.Run("message", func(t *testing.T) { checkMessage(t, c) })
			t.Run("task", func(t *testing.T) { checkTask(t, c, w) })
			t.Run("stream", func(t *testing.T) { checkStream(t, c) })
			t.Run("subscribe and cancel", func(t *testing.T) { checkSubscribe(t, c) })
			t.Run("errors", func(t *testing.T) { checkErrors(t, c, w) })
			t.Run("card", func(t *testing.T) {
				card, err := c.GetExtendedAgentCard(t.Context(), &a2a.GetExtendedAgentCardRequest{})
				if err != nil || len(card.Skills) != 2 {
					t.Errorf("%+v, %v", card, err)
				}
			})
		})
	}
	r := harness.Do(t, http.MethodGet, g.Base+"/.well-known/agent-card.json", nil)
	if r.Status != http.StatusOK || strings.Contains(r.Body, "inside.example") || !strings.Contains(r.Body, "JSONRPC") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestHostileAgentOfGRPC: what stands in front of agents of JSON-RPC stands in
// front of those of gRPC.
func TestHostileAgentOfGRPC(t *testing.T) {
	var say func(w http.ResponseWriter, r *http.Request)
	var seen []http.Header
	end := func(w http.ResponseWriter, status string) {
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "Traceback /srv/agent: 10.1.2.3 password hunter2")
	}
	task := func(id string) []byte {
		raw, err := proto.Marshal(&pb.Task{Id: id, ContextId: "c-0", Status: &pb.TaskStatus{State: pb.TaskState_TASK_STATE_WORKING}})
		if err != nil {
			t.Error(err)
		}
		return raw
	}
	wrapped := func(id string) []byte { // as the first kind of an answer and of an event
		inner := task(id)
		return framed(0, append([]byte{0x0a, byte(len(inner))}, inner...))
	}
	url := serveGRPC(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Set-Cookie", "hunter2")
		say(w, r)
	}), http.NotFoundHandler())
	g := harness.Start(t, route(url, asksGRPC+"a2a.stream_events = 20\nreply_limits.bytes = \"1MiB\"\n"))
	say = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(wrapped("t-0")); end(w, "0") }
	if r := invoke(t, dialGRPC(t, g, g.Key), "SendMessage", message("")); r.Status != 0 || !strings.Contains(r.Body, "t-0") {
		t.Fatalf("the victim's task: %+v", r)
	}
	key, _ := g.NewKey("skills:*")
	conn := dialGRPC(t, g, key)
	for name, c := range map[string]struct {
		method string
		say    func(w http.ResponseWriter, r *http.Request)
	}{
		"name the task of another caller": {"SendMessage", say},
		"stream it":                       {"SendStreamingMessage", say},
		"tell what broke inside":          {"SendMessage", func(w http.ResponseWriter, _ *http.Request) { end(w, "13") }},
		"refuse the gateway":              {"SendMessage", func(w http.ResponseWriter, _ *http.Request) { end(w, "16") }},
		"refuse it at once":               {"SendMessage", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Grpc-Status", "16") }},
		"answer with what is no message": {"SendMessage", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(framed(0, []byte("hunter2")))
			end(w, "0")
		}},
		"send no status": {"SendMessage", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(wrapped("t-9")) }},
		"send any size": {"SendMessage", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(framed(0, make([]byte, 2<<20)))
			end(w, "0")
		}},
		"point to a file inside": {"SendMessage", func(w http.ResponseWriter, _ *http.Request) {
			raw, _ := proto.Marshal(&pb.SendMessageResponse{Payload: &pb.SendMessageResponse_Message{Message: &pb.Message{
				MessageId: "m", Role: pb.Role_ROLE_AGENT, Parts: []*pb.Part{{Content: &pb.Part_Url{Url: "http://10.1.2.3/x"}}},
			}}})
			_, _ = w.Write(framed(0, raw))
			end(w, "0")
		}},
		"stream without an end": {"SendStreamingMessage", func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				if _, err := w.Write(wrapped("t-9")); err != nil {
					return
				}
			}
			end(w, "0")
		}},
		"stream without a status": {"SendStreamingMessage", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(wrapped("t-9")) }},
	} {
		t.Run(name, func(t *testing.T) {
			say = c.say
			for way, r := range map[string]harness.Response{"gRPC": invoke(t, conn, c.method, message("")), "JSON-RPC": send(t, g, key, c.method, message(""))} {
				if way == "gRPC" && r.Status == 0 || way == "JSON-RPC" && c.method == "SendMessage" && !strings.Contains(r.Body, `"error"`) {
					t.Errorf("%s: %d %s", way, r.Status, r.Body)
				}
				if text := r.Body; strings.Contains(text, "t-0") || strings.Count(text, "t-9") > 20 || r.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s: %s", way, text)
				}
				for _, s := range secrets {
					if strings.Contains(r.Body, s) {
						t.Errorf("%s: the caller reads %q in %s", way, s, r.Body)
					}
				}
				if name != "tell what broke inside" { // which is an answer
					attack{}.logged(t, g, r.Header.Get("X-Request-Id"))
				}
			}
		})
	}
	for _, h := range seen {
		if h.Get("X-Api-Key") != "" || h.Get("Authorization") != "" || h.Get("A2a-Version") != "1.0" || h.Get("Te") != "trailers" || h.Get("X-Request-Id") == "" {
			t.Errorf("the agent got %v", h)
		}
	}
}

// TestSilentAgentOfGRPC: a call that is answered once has the time of its route.
func TestSilentAgentOfGRPC(t *testing.T) {
	url := serveGRPC(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), http.NotFoundHandler())
	g := harness.Start(t, route(url, "timeout = \"1s\"\n"+asksGRPC))
	r := invoke(t, dialGRPC(t, g, g.Key), "SendMessage", message(""))
	if codes.Code(r.Status) != codes.DeadlineExceeded || !strings.Contains(r.Body, "UPSTREAM_TIMEOUT") {
		t.Errorf("%+v", r)
	}
	if r := post(t, g, "/agent", rpc("SendMessage", message("")), "X-API-Key", g.Key); r.Status != http.StatusGatewayTimeout {
		t.Errorf("%+v", r)
	}
}

package a2a

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/a2aproject/a2a-go/v2/a2asrv/push"
	"github.com/a2aproject/a2a-go/v2/a2asrv/taskstore"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// worker is an agent that does what messages tell it: "hello" is answered with
// a message, "work" with a task that ends, "wait" with one that waits, and
// "ask" with one that wants to know more.
type worker struct{}

func said(e *a2asrv.ExecutorContext) string {
	if e.Message == nil || len(e.Message.Parts) == 0 {
		return ""
	}
	return e.Message.Parts[0].Text()
}

func (worker) Execute(ctx context.Context, e *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		text := said(e)
		if text == "fail" {
			yield(nil, errors.New("dial tcp 10.1.2.3:5432: password of /etc/agent/db.conf refused"))
			return
		}
		if strings.HasPrefix(text, "hello") {
			yield(a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("you said "+text)), nil)
			return
		}
		if e.StoredTask == nil && !yield(a2a.NewSubmittedTask(e, e.Message), nil) {
			return
		}
		if !yield(a2a.NewStatusUpdateEvent(e, a2a.TaskStateWorking, nil), nil) {
			return
		}
		switch text {
		case "ask":
			yield(a2a.NewStatusUpdateEvent(e, a2a.TaskStateInputRequired, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("which?"))), nil)
			return
		case "wait":
			<-ctx.Done()
			return
		}
		if !yield(a2a.NewArtifactEvent(e, a2a.NewTextPart("result of "+text)), nil) {
			return
		}
		yield(a2a.NewStatusUpdateEvent(e, a2a.TaskStateCompleted, nil), nil)
	}
}

func (worker) Cancel(_ context.Context, e *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(e, a2a.TaskStateCanceled, nil), nil)
	}
}

// seen is what reached an agent.
type seen struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (s *seen) all() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

// startAgent starts an agent of the official SDK that speaks 1.0 and 0.3 in
// both bindings, and returns its URL.
func startAgent(t *testing.T) (string, *seen) {
	t.Helper()
	opts := []a2asrv.RequestHandlerOption{
		a2asrv.WithTaskStore(taskstore.NewInMemory(&taskstore.InMemoryStoreConfig{Authenticator: func(context.Context) (string, error) { return "gateway", nil }})),
		a2asrv.WithPushNotifications(push.NewInMemoryStore(), push.NewHTTPPushSender(nil)),
		a2asrv.WithExtendedAgentCard(agentCard()),
	}
	h := a2asrv.NewHandler(worker{}, opts...)
	rpc, rest := a2asrv.NewJSONRPCHandler(h), http.StripPrefix("/agent", a2asrv.NewRESTHandler(h))
	rpc03, rest03 := a2av0.NewJSONRPCHandler(h), http.StripPrefix("/agent", a2av0.NewRESTHandler(h))
	log := new(seen)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.mu.Lock()
		log.requests = append(log.requests, r)
		log.mu.Unlock()
		old := r.Header.Get("A2A-Version") == "0.3"
		switch {
		case r.URL.Path == a2asrv.WellKnownAgentCardPath:
			a2asrv.NewStaticAgentCardHandler(agentCard()).ServeHTTP(w, r)
		case r.URL.Path == "/agent" && old:
			rpc03.ServeHTTP(w, r)
		case r.URL.Path == "/agent":
			rpc.ServeHTTP(w, r)
		case old:
			rest03.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/agent", log
}

// agentCard is what the agent says of itself: addresses inside, and security
// that is not the gateway's.
func agentCard() *a2a.AgentCard {
	inside := func(v a2a.ProtocolVersion, b a2a.TransportProtocol) *a2a.AgentInterface {
		return &a2a.AgentInterface{URL: "https://inside.example/agent", ProtocolBinding: b, ProtocolVersion: v}
	}
	return &a2a.AgentCard{
		Name: "worker", Description: "works", Version: "1.2.3", DefaultInputModes: []string{"text/plain"}, DefaultOutputModes: []string{"text/plain"},
		Capabilities: a2a.AgentCapabilities{Streaming: true, PushNotifications: true, ExtendedAgentCard: true},
		SupportedInterfaces: []*a2a.AgentInterface{
			inside(a2a.Version, a2a.TransportProtocolJSONRPC), inside(a2a.Version, a2a.TransportProtocolHTTPJSON), inside(a2av0.Version, a2a.TransportProtocolJSONRPC),
		},
		Skills: []a2a.AgentSkill{
			{ID: "translate", Name: "Translate", Description: "translates texts", Tags: []string{"text"}},
			{ID: "delete", Name: "Delete", Description: "deletes things", Tags: []string{"things"}},
		},
		SecuritySchemes: a2a.NamedSecuritySchemes{"inner": a2a.HTTPAuthSecurityScheme{Scheme: "Bearer"}},
	}
}

// route is the configuration of a route to an agent.
func route(upstream, more string) string {
	return fmt.Sprintf("[[route]]\nname = \"agent\"\npath = \"/agent\"\nprotocol = \"a2a\"\nupstream = %q\n%s", upstream, more)
}

// withKey sends a key with each request.
type withKey struct{ key string }

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-API-Key", k.key)
	return http.DefaultTransport.RoundTrip(r)
}

// way is how a client speaks.
type way struct {
	name    string
	version a2a.ProtocolVersion
	binding a2a.TransportProtocol
}

var ways = []way{
	{"1.0 JSON-RPC", a2a.Version, a2a.TransportProtocolJSONRPC},
	{"1.0 HTTP+JSON", a2a.Version, a2a.TransportProtocolHTTPJSON},
	{"0.3 JSON-RPC", a2av0.Version, a2a.TransportProtocolJSONRPC},
	{"0.3 HTTP+JSON", a2av0.Version, a2a.TransportProtocolHTTPJSON},
}

// newClient returns an official client.
func newClient(t *testing.T, url, key string, w way) *a2aclient.Client {
	t.Helper()
	hc := &http.Client{Transport: withKey{key}}
	c, err := a2aclient.NewFromEndpoints(t.Context(), []*a2a.AgentInterface{{URL: url, ProtocolBinding: w.binding, ProtocolVersion: w.version}},
		a2aclient.WithDefaultsDisabled(), a2aclient.WithJSONRPCTransport(hc), a2aclient.WithRESTTransport(hc),
		a2av0.WithJSONRPCTransport(a2av0.JSONRPCTransportConfig{Client: hc}), a2av0.WithRESTTransport(a2av0.RESTTransportConfig{Client: hc}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Destroy(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func text(s string) *a2a.SendMessageRequest {
	return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(s))}
}

func start(t *testing.T, more string) (*harness.Gateway, *seen) {
	t.Helper()
	url, log := startAgent(t)
	return harness.Start(t, route(url, more)), log
}

package a2a

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	a2agrpc "github.com/a2aproject/a2a-go/v2/a2agrpc/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// withGRPC offers gRPC on the route besides.
const withGRPC = "a2a.bindings = [\"jsonrpc\", \"http+json\", \"grpc\"]\n"

var overGRPC = way{"1.0 gRPC", a2a.Version, a2a.TransportProtocolGRPC}

// dialGRPC connects to the gateway; key, if there is one, travels with each call.
func dialGRPC(t *testing.T, g *harness.Gateway, key string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	with := func(ctx context.Context) context.Context {
		if key == "" {
			return ctx
		}
		return metadata.AppendToOutgoingContext(ctx, "x-api-key", key)
	}
	conn, err := grpc.NewClient(strings.TrimPrefix(g.Base, "http://"), append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoke(with(ctx), method, req, reply, cc, opts...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(with(ctx), desc, cc, method, opts...)
		}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// newGRPCClient returns an official client of gRPC.
func newGRPCClient(t *testing.T, g *harness.Gateway, key string) *a2aclient.Client {
	t.Helper()
	conn := dialGRPC(t, g, key)
	c, err := a2aclient.NewFromEndpoints(t.Context(), []*a2a.AgentInterface{{URL: conn.Target(), ProtocolBinding: overGRPC.binding, ProtocolVersion: overGRPC.version}},
		a2aclient.WithDefaultsDisabled(), a2aclient.WithTransport(a2a.TransportProtocolGRPC, a2aclient.TransportFactoryFn(
			func(context.Context, *a2a.AgentCard, *a2a.AgentInterface) (a2aclient.Transport, error) {
				return a2agrpc.NewGRPCTransport(conn), nil
			})))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOfficialClientOverGRPC takes each call of the official client over gRPC to
// the official agent, which speaks JSON-RPC.
func TestOfficialClientOverGRPC(t *testing.T) {
	g, _ := start(t, withGRPC)
	c := newGRPCClient(t, g, g.Key)
	t.Run("message", func(t *testing.T) { checkMessage(t, c) })
	t.Run("task", func(t *testing.T) { checkTask(t, c, overGRPC) })
	t.Run("stream", func(t *testing.T) { checkStream(t, c) })
	t.Run("subscribe and cancel", func(t *testing.T) { checkSubscribe(t, c) })
	t.Run("errors", func(t *testing.T) { checkErrors(t, c, overGRPC) })
}

// TestGRPCOnTheCard: the official client finds the way by the card.
func TestGRPCOnTheCard(t *testing.T) {
	g, _ := start(t, withGRPC+scopeArrays)
	card, err := agentcard.DefaultResolver.Resolve(t.Context(), g.Base)
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, i := range card.SupportedInterfaces {
		if i.ProtocolBinding == a2a.TransportProtocolGRPC {
			found += i.URL
		}
	}
	if found != strings.TrimPrefix(g.Base, "http://") {
		t.Errorf("interfaces %+v", card.SupportedInterfaces)
	}
	some, _ := g.NewKey("skills:translate")
	for key, want := range map[string]int{g.Key: 2, some: 1} {
		extended, err := newGRPCClient(t, g, key).GetExtendedAgentCard(t.Context(), &a2a.GetExtendedAgentCardRequest{})
		if err != nil || len(extended.Skills) != want || len(extended.SupportedInterfaces) == 0 {
			t.Errorf("%+v, %v", extended, err)
		}
	}
	off, _ := start(t, scopeArrays)
	if r := harness.Do(t, http.MethodGet, off.Base+"/.well-known/agent-card.json", nil); r.Status != http.StatusOK || strings.Contains(r.Body, "GRPC") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestRateOverGRPC: a caller has one rate, however it calls.
func TestRateOverGRPC(t *testing.T) {
	g, _ := start(t, withGRPC+"rate = [\"2/1m per key\"]\n")
	key, _ := g.NewKey("skills:*")
	passed(t, send(t, g, key, "SendMessage", message("")))
	conn := dialGRPC(t, g, key)
	if r := invoke(t, conn, "SendMessage", message("")); r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	r := invoke(t, conn, "SendMessage", message(""))
	if codes.Code(r.Status) != codes.ResourceExhausted || r.Header.Get("Retry-After") == "" {
		t.Errorf("%+v", r)
	}
	r.Status = http.StatusTooManyRequests
	refusedBy(t, g, r, http.StatusTooManyRequests, "rate_limited", "RATE_LIMIT_EXCEEDED", "rate_caller", "")
}

// TestHostsOfGRPC lead to their routes.
func TestHostsOfGRPC(t *testing.T) {
	var got [2]int
	var ups [2]string
	for i := range ups {
		ups[i] = harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				got[i]++
			}
			harness.Answer(w, r, `{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`)
		}).Server.URL
	}
	other := strings.ReplaceAll(route(ups[1], withGRPC), "agent\"", "other\"")
	g := harness.Start(t, "allowed_hosts = [\"one.example\", \"two.example\"]\n"+route(ups[0], withGRPC+"a2a.grpc.hosts = [\"one.example\"]\n")+strings.ReplaceAll(other, "/agent", "/other"))
	for _, c := range []struct {
		host string
		want [2]int
	}{{"one.example", [2]int{1, 0}}, {"two.example", [2]int{1, 1}}, {"ONE.example:443", [2]int{2, 1}}} {
		if r := invoke(t, dialGRPC(t, g, g.Key, grpc.WithAuthority(c.host)), "SendMessage", message("")); r.Status != 0 || got != c.want {
			t.Errorf("%s: %d %s, %v", c.host, r.Status, r.Body, got)
		}
	}
}

package a2a

import (
	"context"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	a2agrpc "github.com/a2aproject/a2a-go/v2/a2agrpc/v1"
	"google.golang.org/grpc"
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

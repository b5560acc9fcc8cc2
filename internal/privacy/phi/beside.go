package phi

import (
	"context"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

type about struct{}

// About says which call a stream belongs to: what a server says beside its
// answer is about that.
func About(ctx context.Context, a portcullis.Action) context.Context {
	return context.WithValue(ctx, about{}, a)
}

// listens reports whether a method opens a stream that answers no call: nobody
// knows what it will be about.
func listens(method string) bool { return method == "stream/open" || method == "subscriptions/listen" }

// silent reports whether a notification holds nothing of anybody.
func silent(method string) bool {
	return strings.HasSuffix(method, "/list_changed") || method == "ping" ||
		method == "notifications/cancelled" || method == "notifications/subscriptions/acknowledged"
}

// updated is the notification that names a resource, and nothing of it.
const updated = "notifications/resources/updated"

// withholds reports whether a caller may not have what a server says beside an
// answer. On the stream of a call it is about that call, which was judged; on
// one that only listens it may be about all that is marked as a whole, unless
// it names what it is about or says nothing.
func (g *Guard) withholds(ctx context.Context, who portcullis.Principal, m *portcullis.Message) bool {
	if silent(m.Method) {
		return false
	}
	if m.Method == updated {
		a := portcullis.Action{Method: "resources/read", Target: portcullis.Target{Kind: portcullis.TargetResource, Name: uriOf(m.Params)}}
		return g.judge(who, a, a.Target.Name == "").refused
	}
	a, known := ctx.Value(about{}).(portcullis.Action)
	return g.judge(who, a, !known || listens(a.Method) || task(a.Method)).refused
}

func uriOf(params []byte) string {
	for it := jsonrpc.Walk(params); it.Next(); {
		if it.Name.Is(params, "uri") {
			return it.Value.Text(params)
		}
	}
	return ""
}

package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/agentcard"
	"github.com/portcullis-dev/portcullis/gateway/dialect"
	"github.com/portcullis-dev/portcullis/gateway/entrance"
	"github.com/portcullis-dev/portcullis/gateway/rpc"
	"github.com/portcullis-dev/portcullis/gateway/schemas"
	"github.com/portcullis-dev/portcullis/internal/authn/greeting"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
	"github.com/portcullis-dev/portcullis/internal/replies"
	"github.com/portcullis-dev/portcullis/internal/session"
)

// Gateway serves the routes of a [Table]. It is safe for concurrent use.
type Gateway struct {
	log      *slog.Logger
	table    atomic.Pointer[Table]
	draining context.Context
	drain    context.CancelFunc
}

// New returns a Gateway that refuses everything until [Gateway.Use].
func New(log *slog.Logger) *Gateway {
	ctx, cancel := context.WithCancel(context.Background())
	return &Gateway{log: log, draining: ctx, drain: cancel}
}

// Use puts a table into force for requests that begin from now on. Calls in
// flight end on the table they began with.
func (g *Gateway) Use(t *Table) { g.table.Store(t) }

// Drain ends streams that only listen, so that a shutdown waits for answers
// and not for silence. New requests are refused by the table's edge switch.
func (g *Gateway) Drain() { g.drain() }

// Table is one complete configuration of the data plane.
type Table struct {
	routes   map[string]*route
	order    []*route                // as configured
	agents   []*route                // of order
	own      []*route                // answered by this process
	below    []*route                // agents and those of own: what lies below their paths is theirs
	fallback *route                  // unknown paths: edge guards, then 404
	rpc      *rpc.Front              // finds the routes of calls over gRPC; nil = none is called so
	fixed    map[string]http.Handler // /health, /ready, public metadata: answered before any guard
	client   func(*http.Request) (client netip.Addr, secure bool)
	cert     func(*http.Request) portcullis.ClientCert // nil where callers have none
	headers  func(h http.Header, secure bool)
}

// find returns the route of a path: its own, or that which it lies below: the
// binding of A2A to HTTP, for one, names things in the path. A slash that is
// encoded divides nothing: whoever stands before the gateway reads it so.
func (t *Table) find(u *url.URL) *route {
	path := u.Path
	if rt := t.routes[path]; rt != nil && (u.RawPath == "" || strings.Count(u.RawPath, "/") == strings.Count(path, "/")) {
		return rt
	}
	if len(t.below) == 0 || t.fixed[path] != nil {
		return nil
	}
	for _, rt := range t.below {
		if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(rt.path, "/")); ok && strings.HasPrefix(rest, "/") {
			return rt
		}
	}
	return nil
}

// card is what a table keeps of the card of a route's agent.
func (t *Table) card(route string) *agentcard.Keeper {
	if t != nil {
		for _, rt := range t.agents {
			if rt.name == route {
				return rt.card
			}
		}
	}
	return nil
}

// Run keeps the cards of agents current until ctx ends.
func (t *Table) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	for _, rt := range t.agents {
		if rt.card != nil {
			tasks.Go(func() { rt.card.Run(ctx) })
		}
	}
	tasks.Wait()
}

// route is one path and its pipeline, with what the phases need to know.
type route struct {
	name, path   string
	rate         *ratelimit.Set
	rateRules    []string
	headers      func(h http.Header, secure bool) // nil = the table's
	pipe         *pipeline
	speaks       dialect.Dialect // nil = plain HTTP
	budget       *replies.Budget // for large replies of all routes
	limits       jsonrpc.Limits
	replyLimits  jsonrpc.Limits
	maxStream    int64         // bytes that one answer may stream
	maxEvents    int           // of one stream; 0 = no end
	maxTime      time.Duration // of one stream; 0 = no end
	body         edge.Limits   // on reading the body
	writeTimeout time.Duration
	sealer       *session.Sealer
	params       *mcp.ParamHeaders // of tools; nil where no MCP is spoken
	greetings    *greeting.Book
	metrics      *obs.Route
	traces       *trace.Switch // nil = never traced
	upstream     *obs.Upstream
	schemas      *schemas.Guard    // nil where no protocol is spoken
	card         *agentcard.Keeper // of the agent; nil where there is none
}

func (rt *route) refused(phase, guard, reason string) { rt.metrics.Refused(phase, guard, reason) }

// ServeHTTP implements [http.Handler].
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := g.table.Load()
	if t == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	now, id := time.Now(), obs.NewID()
	named := ""
	if call := t.rpc.Accept(w, r); call != nil { // from here on it is a call of its route like any other
		defer call.Finish()
		w, r, named = call, call.Request, call.Path
	}
	w.Header()["X-Request-Id"] = []string{id}
	if edge.LastRequest(r) {
		w.Header()["Connection"] = lastReply
	}
	client, secure := t.client(r)
	rt := t.find(r.URL)
	if rt == nil || rt.headers == nil {
		t.headers(w.Header(), secure)
	} else {
		rt.headers(w.Header(), secure)
	}
	if rt == nil {
		if h := t.fixed[r.URL.Path]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		rt = t.fallback
	}
	x := newExchange(rt, w, r, id, now)
	x.draining = g.draining
	x.conn.Client, x.conn.Secure = client, secure
	x.conn.Peer, x.conn.RPC = entrance.Peer(r), named
	if t.cert != nil {
		x.conn.Cert = t.cert(r)
	}
	g.serve(x)
}

func (g *Gateway) serve(x *exchange) {
	ctx := x.conn.HTTP.Context()
	x.route.metrics.Begin()
	err := g.runSafely(ctx, x)
	if err != nil {
		g.refuse(ctx, x, err)
	}
	outcome := outcomeOf(x, err)
	x.route.metrics.Observe(x.action.Method, x.status, outcome, time.Since(x.conn.Received), x.trace.Exemplar())
	x.trace.End(ctx, x.msg, x.status, outcome, x.answer.Message)
	broken := err != nil && x.wrote
	x.release()
	if broken {
		panic(http.ErrAbortHandler) // half a reply must not look like a whole one
	}
}

// outcomeOf classifies a call for the metrics.
func outcomeOf(x *exchange, err error) obs.Outcome {
	switch {
	case err == nil:
		return obs.Succeeded
	case x.intended:
		return obs.Failed
	}
	return obs.Refused
}

// runSafely turns a panic of any guard into a refusal: a guard that cannot
// decide denies.
func (g *Gateway) runSafely(ctx context.Context, x *exchange) (err error) {
	defer func() {
		if v := recover(); v != nil {
			g.log.Error("guard panicked", "request_id", x.conn.RequestID, "trace_id", x.trace.ID(), "phase", x.phase, "guard", x.guard,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = &portcullis.Error{Kind: portcullis.KindInternal, Reason: "internal", Code: portcullis.CodeInternal, Detail: "panic in phase " + x.phase}
		}
	}()
	return x.pipe.run(ctx, x)
}

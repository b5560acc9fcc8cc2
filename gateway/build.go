package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/a2a"
	"github.com/portcullis-dev/portcullis/gateway/access"
	"github.com/portcullis-dev/portcullis/gateway/agentcard"
	"github.com/portcullis-dev/portcullis/gateway/bounds"
	"github.com/portcullis-dev/portcullis/gateway/callers"
	"github.com/portcullis-dev/portcullis/gateway/certs"
	"github.com/portcullis-dev/portcullis/gateway/contain"
	"github.com/portcullis-dev/portcullis/gateway/content"
	"github.com/portcullis-dev/portcullis/gateway/dialect"
	"github.com/portcullis-dev/portcullis/gateway/entrance"
	"github.com/portcullis-dev/portcullis/gateway/headers"
	"github.com/portcullis-dev/portcullis/gateway/pins"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/gateway/rpc"
	"github.com/portcullis-dev/portcullis/gateway/schemas"
	"github.com/portcullis-dev/portcullis/gateway/tokens"
	"github.com/portcullis-dev/portcullis/gateway/use"
	"github.com/portcullis-dev/portcullis/internal/authn/greeting"
	"github.com/portcullis-dev/portcullis/internal/authn/mtls/trust"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/authz/approval"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	inspect "github.com/portcullis-dev/portcullis/internal/inspect/content"
	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/handle"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/protocol/mcp"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
	"github.com/portcullis-dev/portcullis/internal/replies"
	"github.com/portcullis-dev/portcullis/internal/session"
)

// Deps is what the guards of a table need beside the configuration.
type Deps struct {
	Log      *slog.Logger
	Metrics  *obs.Metrics
	Traces   *trace.Switch // nil = nothing is traced
	Recorder portcullis.Recorder
	APIKeys  portcullis.Authenticator
	Users    portcullis.Authenticator // by name and password
	Tokens   tokens.Issuers           // of access tokens
	KeySet   http.Handler             // public keys of the gateway's own tokens; nil = it signs none
	Clients  *trust.Verifier          // of client certificates; nil trusts nobody
	Sealer   *session.Sealer
	Swaps    *content.Tokens // of content rules that tokenize
	Handles  *handle.Sealer
	Switch   *edge.Switch
	Budget   *replies.Budget // memory for large replies, shared by all tables; nil = no end
	Upstream func(route string) portcullis.Upstream
	Probes   http.Handler // /health and /ready
	Approval *approval.Service
	Pins     *toolpin.Book // nil = each route keeps its own, in memory
	Use      use.Ledgers
	Agents   a2a.Deps // of routes to agents
	Contain  contain.Guards
	Privacy  privacy.Deps
	Risk     func(principal string, client netip.Addr) int // for policies; nil = nobody is risky
	Own      []Endpoint                                    // paths that this process answers itself
	Listen   []string                                      // addresses the listener really has
}

// builder holds what the routes of one table share.
type builder struct {
	Deps
	cfg       *config.Config
	entrance  *entrance.Entrance
	callers   *callers.Book
	access    *access.Access
	detectors []finding.Detector // of content rules
	listen    string             // address the listener really has
}

// ProbePaths are answered without a credential and without edge guards, so
// that load balancers can ask: they tell nothing but the state.
var probePaths = [...]string{"/health", "/ready"}

// Build makes the table of a configuration. prev, which may be nil, hands over
// the counters of rate limits whose rules did not change.
func Build(cfg *config.Config, d Deps, prev *Table) (*Table, error) {
	b, err := newBuilder(cfg, d)
	if err != nil {
		return nil, err
	}
	if b.access, err = access.New(cfg, d.Log, nil); err != nil {
		return nil, err
	}
	b.access.Risk = d.Risk
	secure, err := edge.NewHeaders(edge.DefaultHeaders())
	if err != nil {
		return nil, err
	}
	t := &Table{routes: map[string]*route{}, client: b.entrance.Client, cert: b.entrance.Cert, headers: secure.Apply, rpc: rpc.New(cfg.Routes, b.Agents.Room), fixed: map[string]http.Handler{}}
	for _, p := range probePaths {
		if d.Probes != nil {
			t.fixed[p] = d.Probes
		}
	}
	if d.KeySet != nil {
		t.fixed[signing.JWKSPath] = d.KeySet
	}
	for i := range cfg.Routes {
		rt, err := b.route(&cfg.Routes[i], prev)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", cfg.Routes[i].Name, err)
		}
		t.routes[cfg.Routes[i].Path] = rt
		t.order = append(t.order, rt)
		if cfg.Routes[i].SpeaksA2A() {
			t.agents, t.below = append(t.agents, rt), append(t.below, rt)
			if rt.card != nil {
				agentcard.Publish(t.fixed, rt.path, rt.card)
			}
		}
		if err := tokens.Publish(t.fixed, rt.path, rt.pipe.says.Resource); err != nil {
			return nil, err
		}
	}
	for _, e := range d.Own {
		rt, err := b.endpoint(e, prev)
		if err != nil {
			return nil, err
		}
		if t.routes[e.Path] != nil {
			return nil, fmt.Errorf("path %q is the gateway's own", e.Path)
		}
		t.routes[e.Path] = rt
		t.own = append(t.own, rt)
		if e.Below {
			t.below = append(t.below, rt)
		}
	}
	slices.SortStableFunc(t.below, func(a, b *route) int { return len(b.path) - len(a.path) }) // the nearest first
	t.fallback, err = b.unknownPath(prev)
	return t, err
}

func newBuilder(cfg *config.Config, d Deps) (*builder, error) {
	listen := d.Listen
	if len(listen) == 0 {
		listen = []string{cfg.Server.Listen}
	}
	c := certs.New(cfg, d.Clients)
	e, err := entrance.New(cfg, d.Switch, c, listen)
	if err != nil {
		return nil, err
	}
	e.Contain = d.Contain.Edge()
	detectors, err := cfg.Detectors()
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	d.Agents.Room = protobuf.NewRoom(maxRewritten)
	return &builder{Deps: d, cfg: cfg, entrance: e, callers: callers.New(cfg, callers.Options{APIKeys: d.APIKeys, Users: d.Users, Certs: c, Tokens: d.Tokens, Listen: listen[0]}), detectors: detectors, listen: listen[0]}, nil
}

// route builds one route: the one place that decides which guards it has.
func (b *builder) route(rc *config.Route, prev *Table) (*route, error) {
	rate, err := b.rate(rc.Name, rc.Rate, prev)
	if err != nil {
		return nil, fmt.Errorf("rate: %w", err)
	}
	cors, err := entrance.CORS(rc.CORS)
	if err != nil {
		return nil, fmt.Errorf("cors: %w", err)
	}
	bodyCfg := edge.DefaultBody()
	bodyCfg.MaxBody = int64(rc.Limits.Bytes)
	if rc.SpeaksA2A() {
		bodyCfg.Types = a2a.MediaTypes()
	}
	body, err := edge.NewBody(bodyCfg)
	if err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	guards, err := b.entrance.Guards(cors, rate, body)
	if err != nil {
		return nil, err
	}
	resource, err := b.Tokens.Resource(b.cfg, rc, b.listen)
	if err != nil {
		return nil, err
	}
	secure, err := edge.NewHeaders(edge.HeadersConfig{Profile: rc.Headers.Profile, Set: rc.Headers.Overrides})
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	rt := b.newRoute(rc.Name, rc.Path, bounds.Message(rc.Limits, jsonrpc.DefaultLimits()))
	rt.rate, rt.rateRules, rt.headers = rate, rc.Rate, secure.Apply
	rt.replyLimits, rt.maxStream = bounds.Message(rc.ReplyLimits, jsonrpc.DefaultReplyLimits()), int64(rc.StreamBytes)
	if rt.schemas, err = schemas.New(rc, b.schemasOf(rc, prev)); err != nil {
		return nil, err
	}
	rules, err := content.Guard(rc, b.detectors, b.Swaps, b.Metrics)
	if err != nil {
		return nil, err
	}
	rt.pipe = &pipeline{
		edge: guards, authn: b.callers.Of(rc, resource), contain: b.Contain, record: b.Recorder,
	}
	rt.pipe.says = callers.Says(rt.pipe.authn, resource)
	if rt.pipe.privacy, err = privacy.New(b.cfg, rc, b.Privacy); err != nil {
		return nil, err
	}
	speak := b.mcp
	if rc.SpeaksA2A() {
		speak = b.a2a
	}
	if err := speak(rt, rc, rules, prev); err != nil {
		return nil, err
	}
	if rt.pipe.use, err = use.New(rc, b.Use, b.Approval); err != nil {
		return nil, err
	}
	rt.pipe.inspect = append(rt.pipe.inspect, rt.pipe.use.Inspect()...)                            // behind all that rewrites: what is approved is what is sent
	rt.pipe.review = slices.Concat(rt.pipe.review, rt.pipe.privacy.Review(), rt.pipe.use.Review()) // what is left is what is delivered
	if rc.SpeaksA2A() {
		rt.pipe.inspect = append(rt.pipe.inspect, b.Agents.Registrar(b.cfg, rc, b.listen)...) // last: the others judge what the caller wrote
	}
	rt.pipe.admit = b.Contain.Throttles()
	if g := rate.Caller(); g != nil {
		rt.pipe.admit = append(rt.pipe.admit, g)
	}
	rt.pipe.admit = append(rt.pipe.admit, rt.pipe.privacy.Admit()...)
	if b.Upstream != nil {
		rt.pipe.forward = b.Upstream(rc.Name)
	}
	return rt, nil
}

// mcp adds what a route to an MCP server has.
func (b *builder) mcp(rt *route, rc *config.Route, rules *inspect.Engine, _ *Table) error {
	pinned, err := pins.Guard(context.Background(), b.Pins, b.Recorder, rc)
	if err != nil {
		return err
	}
	authz, err := b.access.Route(rc, pinned.Inner())
	if err != nil {
		return err
	}
	authz = append(append(authz, pinned), rt.pipe.privacy.Authz()...) // behind the others: only who may use a tool asks about it
	params := mcp.NewParamHeaders(maxTools, maxParamHeaders)
	handles := handle.New(b.Handles, rc.Name)
	rt.speaks, rt.params = dialect.MCP{}, params
	p := rt.pipe
	p.authz, p.decode = authz, mcp.NewDecoder(rt.limits, b.Sealer, params)
	p.inspect = rt.schemas.Behind(append([]portcullis.Inspector{handles}, content.Inspectors(rules, portcullis.ToServer)...)...)              // handles first: they compare with what callers sent before; schemas are about what is sent on
	p.review = append(rt.schemas.Behind(pinned), &headers.Learner{Params: params}, &access.ListFilter{Route: rc.Name, Authz: authz}, handles) // schemas of all tools that are not held are learnt, whoever asks
	p.review = append(p.review, content.Inspectors(rules, portcullis.ToClient)...)                                                            // what is cut from a list is not searched
	return nil
}

// a2a adds what a route to an A2A agent has.
func (b *builder) a2a(rt *route, rc *config.Route, rules *inspect.Engine, prev *Table) error {
	p := rt.pipe
	pinned, err := a2a.Pins(context.Background(), b.Pins, b.Recorder, rc)
	if err != nil {
		return err
	}
	if p.authz, err = b.access.Route(rc); err != nil {
		return err
	}
	p.authz = append(p.authz, pinned.Skills(rc.A2A.DefaultSkill))
	if rt.card, err = b.Agents.Keeper(b.cfg, rc, b.listen, pinned, prev.card(rc.Name)); err != nil {
		return err
	}
	rt.speaks, rt.maxEvents, rt.maxTime = dialect.A2A{Path: rc.Path}, rc.A2A.StreamEvents, rc.A2A.StreamTime
	g := a2a.New(rc, b.Agents, rt.limits, rt.replyLimits)
	g.Review = slices.Insert(g.Review, 1, b.Agents.Registrar(b.cfg, rc, b.listen)...) // behind whose things are
	p.decode = g.Decode
	p.inspect = rt.schemas.Behind(append(g.Inspect, a2a.Checked(content.Inspectors(rules, portcullis.ToServer))...)...) // whose things are first: nothing else may tell that they exist
	g.Review = append(g.Review, &a2a.Extended{Route: rc.Name, Keeper: rt.card, Authz: p.authz})
	p.review = rt.schemas.Behind(append(g.Review, a2a.Checked(content.Inspectors(rules, portcullis.ToClient))...)...)
	return nil
}

// schemasOf returns what the table before knows of a route's tools.
func (b *builder) schemasOf(rc *config.Route, prev *Table) *schemas.Guard {
	if prev != nil {
		for _, old := range prev.order {
			if old.name == rc.Name {
				return old.schemas
			}
		}
	}
	return nil
}

// Bounds on what is remembered of a route's tools, and on memory.
const (
	maxTools        = 5000
	maxParamHeaders = 32
	maxRewritten    = 4 // large messages of gRPC at a time
)

// writeTimeout is how long one write to a caller may take.
const writeTimeout = 30 * time.Second

func (b *builder) newRoute(name, path string, limits jsonrpc.Limits) *route {
	rt := &route{
		name: name, path: path, limits: limits, body: bounds.Body(b.cfg.Server.Limits), writeTimeout: writeTimeout,
		sealer: b.Sealer, greetings: new(greeting.Book), budget: b.Budget, traces: b.Traces,
	}
	if b.Metrics != nil {
		rt.metrics, rt.upstream = b.Metrics.Route(name), b.Metrics.Upstream(name)
	}
	return rt
}

// rate keeps the counters of a route whose rules did not change.
func (b *builder) rate(name string, rules []string, prev *Table) (*ratelimit.Set, error) {
	if prev != nil {
		for _, old := range slices.Concat(prev.order, prev.own, []*route{prev.fallback}) {
			if old.name == name && slices.Equal(old.rateRules, rules) {
				return old.rate, nil
			}
		}
	}
	return bounds.Rate(rules)
}

// unknownPathRate bounds who looks for paths that are not there.
const unknownPathRate = "1000/1m per address"

// unknownPath is where every other path leads: through the edge to a 404.
func (b *builder) unknownPath(prev *Table) (*route, error) {
	rules := []string{unknownPathRate}
	rate, err := b.rate("", rules, prev)
	if err != nil {
		return nil, err
	}
	guards, err := b.entrance.Guards(nil, rate, nil)
	if err != nil {
		return nil, err
	}
	rt := b.newRoute("", "", jsonrpc.DefaultLimits())
	rt.rate, rt.rateRules = rate, rules
	rt.pipe, rt.traces = &pipeline{edge: append(guards, entrance.Nowhere{}), record: b.Recorder}, nil // anyone could fill the collector
	return rt, nil
}

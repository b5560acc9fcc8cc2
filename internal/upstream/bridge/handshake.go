package bridge

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// latestSession is the newest protocol revision with sessions.
const latestSession = "2025-11-25"

// Keys of _meta in MCP 2026-07-28.
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaClient       = "io.modelcontextprotocol/clientInfo"
	metaServer       = "io.modelcontextprotocol/serverInfo"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
)

func appendInt(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// initialize begins a session. The server gets the client's own handshake; only
// one that refuses it is asked whether it speaks the stateless protocol.
func (b *Bridge) initialize(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	s := &session{
		b: b, id: token(), principal: pc.Principal.ID,
		calls: make(map[string]*call), asked: make(map[string]asked),
	}
	s.box = newOutbox(b.cfg.ReplayBytes, s.lost)
	ctx, cancel := context.WithTimeout(ctx, b.cfg.StartTimeout)
	defer cancel()
	s.lease = newLease(b.cfg.IdleTimeout, func() { s.close("idle") })
	s.lease.hold()
	_, err := b.spawn(ctx, pc.Principal.ID, func(c *child) {
		s.child = c
		c.heard = s.heard
		c.died = func() { s.close("server ended") }
	})
	if err != nil {
		s.lease.end()
		return nil, err
	}
	reply, ok, err := s.greet(ctx, pc.Message)
	if err != nil || !ok {
		s.close("handshake")
		if err != nil {
			return nil, b.handshakeFailed(ctx, err)
		}
		return jsonReply(http.StatusOK, reply), nil
	}
	s.child.ready.Store(true)
	b.breaker.worked("")
	if !b.register(s) {
		return nil, errUnavailable("upstream ended after its handshake", nil)
	}
	s.lease.release()
	out := jsonReply(http.StatusOK, reply)
	out.Header.Set("Mcp-Session-Id", s.id)
	return out, nil
}

// register makes a session known, unless its server has ended meanwhile.
func (b *Bridge) register(s *session) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		b.sessions[s.id] = s
		b.modern = b.modern || s.down.Load() != nil
	}
	return !s.ended
}

// greet does the handshake. It reports false with the server's own refusal.
func (s *session) greet(ctx context.Context, m *portcullis.Message) ([]byte, bool, error) {
	raw := oneLine(m.Raw)
	reply, err := s.child.ask(ctx, func(id []byte) ([]byte, error) { return edit(raw, change{"id", id}) })
	if err != nil {
		return nil, false, err
	}
	if reply.err != nil {
		found, err := s.child.ask(ctx, s.b.discover)
		if err == nil && speaksStateless(found) {
			d := newDown(s, m.Params, found.result)
			s.down.Store(d)
			return rpcResult(m.ID, d.initializeResult(m.Params)), true, nil
		}
	}
	out, err := edit(reply.raw, change{"id", m.ID})
	return out, reply.err == nil, err
}

// handshakeFailed counts a failure that is the server's, and names it.
func (b *Bridge) handshakeFailed(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		b.breaker.failed("", time.Now())
		return errTimeout("upstream did not answer the handshake in time")
	}
	return asError(err)
}

// discover builds the probe for the stateless protocol.
func (b *Bridge) discover(id []byte) ([]byte, error) {
	params, err := editAt([]byte("{}"), []string{"_meta"}, b.meta(nil, nil, nil)...)
	return rpc(id, "server/discover", params), err
}

// meta returns the members that each stateless request must carry.
func (b *Bridge) meta(client, capabilities, level []byte) []change {
	if client == nil {
		client = b.info
	}
	if capabilities == nil {
		capabilities = []byte("{}")
	}
	list := []change{
		{metaVersion, quote(stateless)},
		{metaClient, client},
		{metaCapabilities, capabilities},
	}
	if level != nil {
		list = append(list, change{metaLogLevel, level})
	}
	return list
}

// speaksStateless reports whether a reply to server/discover says so.
func speaksStateless(m message) bool {
	for _, v := range elements(get(m.result, "supportedVersions")) {
		if text(v) == stateless {
			return true
		}
	}
	return false
}

// era is what a server was found to speak.
type era struct {
	stateless bool
	result    []byte // of server/discover or of initialize
}

// probe finds out what a new server speaks, and does the handshake with one
// that needs it. A server that keeps silent when asked for the stateless
// protocol is offered the handshake, and the first proper answer counts: a
// slow one may answer both.
func (b *Bridge) probe(ctx context.Context, c *child, can abilities, ask bool) (era, error) {
	var found *promise
	if ask {
		var err error
		if found, err = c.asking(ctx, b.discover); err != nil {
			return era{}, err
		}
		short, cancel := context.WithTimeout(ctx, b.cfg.ProbeTimeout)
		m, err := found.peek(short)
		cancel()
		switch {
		case err == nil && speaksStateless(m):
			return era{true, m.result}, nil
		case err == nil:
			found = nil
		case short.Err() == nil || ctx.Err() != nil:
			return era{}, err
		}
	}
	greeted, err := c.asking(ctx, func(id []byte) ([]byte, error) {
		return rpc(id, "initialize", b.initializeParams(can)), nil
	})
	if err != nil {
		return era{}, err
	}
	m, late, err := either(ctx, greeted, found)
	switch {
	case err != nil:
		return era{}, err
	case late:
		c.take(greeted.cl.id)
		return era{true, m.result}, nil
	case m.err != nil || get(m.result, "protocolVersion") == nil:
		return era{}, errUnavailable("upstream speaks no known protocol version", nil)
	}
	return era{false, m.result}, c.send(ctx, rpc(nil, "notifications/initialized", nil))
}

// either waits for a handshake's reply, or a late answer to the probe that
// shows a stateless server.
func either(ctx context.Context, greeted, found *promise) (m message, late bool, err error) {
	probe := make(chan message)
	if found != nil {
		defer found.c.take(found.cl.id)
		probe = found.reply
	}
	var refused *message
	for {
		select {
		case m = <-probe:
			if speaksStateless(m) {
				return m, true, nil
			}
			probe = nil
			if refused != nil {
				return *refused, false, nil
			}
		case m = <-greeted.reply:
			if m.err == nil || found == nil || probe == nil {
				return m, false, nil
			}
			refused = &m
		case err = <-greeted.fail:
			return m, false, err
		case <-ctx.Done():
			return m, false, ctx.Err()
		}
	}
}

// initializeParams offers what the clients of a shared server can do.
func (b *Bridge) initializeParams(can abilities) []byte {
	p := append([]byte(`{"protocolVersion":`), quote(latestSession)...)
	p = append(append(p, `,"capabilities":`...), can.object()...)
	p = append(append(p, `,"clientInfo":`...), b.info...)
	return append(p, '}')
}

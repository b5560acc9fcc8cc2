package bridge

import (
	"context"
	"errors"
	"strconv"
	"time"
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

// handshakeFailed counts a failure that is the server's, and names it.
func (h *host) handshakeFailed(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		h.breaker.failed("", time.Now())
		return errTimeout("upstream did not answer the handshake in time")
	}
	return asError(err)
}

// discover builds the probe for the stateless protocol.
func (h *host) discover(id []byte) ([]byte, error) {
	params, err := editAt([]byte("{}"), []string{"_meta"}, h.meta(nil, nil, nil)...)
	return rpc(id, "server/discover", params), err
}

// meta returns the members that each stateless request must carry.
func (h *host) meta(client, capabilities, level []byte) []change {
	if client == nil {
		client = h.info
	}
	if capabilities == nil {
		capabilities = []byte("{}")
	}
	list := []change{
		set(metaVersion, quote(stateless)),
		set(metaClient, client),
		set(metaCapabilities, capabilities),
	}
	if level != nil {
		list = append(list, set(metaLogLevel, level))
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
func (h *host) probe(ctx context.Context, c *child, can abilities, ask bool) (era, error) {
	var found *promise
	if ask {
		var err error
		if found, err = c.asking(ctx, h.discover); err != nil {
			return era{}, err
		}
		short, cancel := context.WithTimeout(ctx, h.cfg.ProbeTimeout)
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
		return rpc(id, "initialize", h.initializeParams(can)), nil
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
func (h *host) initializeParams(can abilities) []byte {
	p := append([]byte(`{"protocolVersion":`), quote(latestSession)...)
	p = append(append(p, `,"capabilities":`...), can.object()...)
	p = append(append(p, `,"clientInfo":`...), h.info...)
	return append(p, '}')
}

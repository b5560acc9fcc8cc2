package link

import (
	"context"
	"errors"
	"strconv"

	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// FirstStateless is the first protocol revision without sessions.
const FirstStateless = "2026-07-28"

// LatestSession is the newest protocol revision with sessions.
const LatestSession = "2025-11-25"

// Keys of _meta in MCP 2026-07-28.
const (
	MetaVersion      = "io.modelcontextprotocol/protocolVersion"
	MetaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	MetaClient       = "io.modelcontextprotocol/clientInfo"
	MetaServer       = "io.modelcontextprotocol/serverInfo"
	MetaLogLevel     = "io.modelcontextprotocol/logLevel"
	MetaSubscription = "io.modelcontextprotocol/subscriptionId"
)

// FormatInt returns a whole number as JSON.
func FormatInt(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// HandshakeFailed counts a failure that is the server's, and names it.
func (h *Host) HandshakeFailed(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		h.StartFailed()
		return ErrTimeout("upstream did not answer the handshake in time")
	}
	return AsError(err)
}

// Discover builds the probe for the stateless protocol.
func (h *Host) Discover(id []byte) ([]byte, error) {
	params, err := wire.EditAt([]byte("{}"), []string{"_meta"}, h.Meta(nil, nil, nil)...)
	return wire.NewRequest(id, "server/discover", params), err
}

// Meta returns the members that each stateless request must carry.
func (h *Host) Meta(client, capabilities, level []byte) []wire.Change {
	if client == nil {
		client = h.info
	}
	if capabilities == nil {
		capabilities = []byte("{}")
	}
	list := []wire.Change{
		wire.Set(MetaVersion, wire.Quote(FirstStateless)),
		wire.Set(MetaClient, client),
		wire.Set(MetaCapabilities, capabilities),
	}
	if level != nil {
		list = append(list, wire.Set(MetaLogLevel, level))
	}
	return list
}

// SpeaksStateless reports whether a reply to server/discover says so.
func SpeaksStateless(m wire.Message) bool {
	for _, v := range wire.Elements(wire.Get(m.Result, "supportedVersions")) {
		if wire.Text(v) == FirstStateless {
			return true
		}
	}
	return false
}

// era is what a server was found to speak.
type era struct {
	Stateless bool
	Result    []byte // of server/discover or of initialize
}

// Probe finds out what a new server speaks, and does the handshake with one
// that needs it. A server that keeps silent when asked for the stateless
// protocol is offered the handshake, and the first proper answer counts: a
// slow one may answer both.
func (h *Host) Probe(ctx context.Context, c *Child, can Abilities, ask bool) (era, error) {
	var found *promise
	if ask {
		var err error
		if found, err = c.Asking(ctx, h.Discover); err != nil {
			return era{}, err
		}
		short, cancel := context.WithTimeout(ctx, h.Cfg.ProbeTimeout)
		m, err := found.peek(short)
		cancel()
		switch {
		case err == nil && SpeaksStateless(m):
			return era{true, m.Result}, nil
		case err == nil:
			found = nil
		case short.Err() == nil || ctx.Err() != nil:
			return era{}, err
		}
	}
	greeted, err := c.Asking(ctx, func(id []byte) ([]byte, error) {
		return wire.NewRequest(id, "initialize", h.initializeParams(can)), nil
	})
	if err != nil {
		return era{}, err
	}
	m, late, err := either(ctx, greeted, found)
	switch {
	case err != nil:
		return era{}, err
	case late:
		c.Take(greeted.cl.ID)
		return era{true, m.Result}, nil
	case m.Err != nil || wire.Get(m.Result, "protocolVersion") == nil:
		return era{}, ErrUnavailable("upstream speaks no known protocol version", nil)
	}
	return era{false, m.Result}, c.Send(ctx, wire.NewRequest(nil, "notifications/initialized", nil))
}

// either waits for a handshake's reply, or a late answer to the probe that
// shows a stateless server.
func either(ctx context.Context, greeted, found *promise) (m wire.Message, late bool, err error) {
	probe := make(chan wire.Message)
	if found != nil {
		defer found.c.Take(found.cl.ID)
		probe = found.reply
	}
	var refused *wire.Message
	for {
		select {
		case m = <-probe:
			if SpeaksStateless(m) {
				return m, true, nil
			}
			probe = nil
			if refused != nil {
				return *refused, false, nil
			}
		case m = <-greeted.reply:
			if m.Err == nil || found == nil || probe == nil {
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
func (h *Host) initializeParams(can Abilities) []byte {
	p := append([]byte(`{"protocolVersion":`), wire.Quote(LatestSession)...)
	p = append(append(p, `,"capabilities":`...), can.object()...)
	p = append(append(p, `,"clientInfo":`...), h.info...)
	return append(p, '}')
}

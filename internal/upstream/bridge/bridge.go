package bridge

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/session"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/stateless"
)

// Config bounds a bridge.
type Config = link.Config

// Conn is a connection to one running server.
type Conn = link.Conn

// Opener starts a server.
type Opener = link.Opener

// Default returns the default configuration.
func Default() Config { return link.Default() }

// Options are what a bridge needs beside its configuration.
type Options struct {
	Open    Opener       // starts a server
	Log     *slog.Logger // never nil
	Version string       // of the gateway, told to servers in the handshake
}

// Bridge is the upstream of one route. It is safe for concurrent use.
type Bridge struct {
	host     *link.Host
	sessions *session.Registry
	pool     *stateless.Pool
}

var _ portcullis.Upstream = (*Bridge)(nil)

// New returns a bridge that starts servers with opt.Open, or the error of
// [Config.Validate].
func New(cfg link.Config, opt Options) (*Bridge, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h := link.NewHost(cfg, opt.Open, opt.Log, opt.Version)
	return &Bridge{host: h, sessions: session.NewRegistry(h), pool: stateless.NewPool(h)}, nil
}

// Forward implements [portcullis.Upstream]. Its errors are *portcullis.Error,
// or the context's when the caller has gone.
func (b *Bridge) Forward(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	if pc.Principal.IsZero() {
		return nil, &portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden",
			Detail: "bridge called for nobody"}
	}
	own := *pc
	own.Message = ownMessage(pc.Message)
	pc = &own
	if m := pc.Message; m.Version >= link.FirstStateless && m.Method != "initialize" {
		return b.pool.Forward(ctx, pc)
	}
	return b.sessions.Forward(ctx, pc)
}

// ownMessage copies a message: its bytes are in a buffer that serves another
// call when this one has ended, and the bridge keeps them longer, in the queue
// to a server and in what it remembers of a session.
func ownMessage(m *portcullis.Message) *portcullis.Message {
	own := *m
	own.Raw, own.ID, own.Params = bytes.Clone(m.Raw), bytes.Clone(m.ID), bytes.Clone(m.Params)
	return &own
}

// Stats is a snapshot for metrics.
type Stats struct {
	Children int    // servers running, those ending included
	Sessions int    // open sessions
	Shared   int    // servers shared by the stateless clients of a principal
	Pending  int    // calls in flight
	Started  uint64 // servers started so far
	Crashed  uint64 // of these, ended by themselves
}

// Stats returns how much is going on.
func (b *Bridge) Stats() Stats {
	n := b.host.Counts()
	return Stats{
		Children: n.Children, Sessions: b.sessions.Count(), Shared: b.pool.Count(),
		Pending: n.Pending, Started: n.Started, Crashed: n.Crashed,
	}
}

// Close ends every session and server. It returns when all are gone; when ctx
// ends first the servers are killed, and its error is returned.
func (b *Bridge) Close(ctx context.Context) error {
	b.host.Refuse()
	b.sessions.Close()
	b.pool.Close()
	err := b.host.End(ctx)
	b.pool.Wait()
	return err
}

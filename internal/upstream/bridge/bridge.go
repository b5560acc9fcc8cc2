package bridge

import (
	"context"
	"log/slog"

	"github.com/portcullis-dev/portcullis"
)

// stateless is the first protocol revision without sessions.
const stateless = "2026-07-28"

// Options are what a bridge needs beside its configuration.
type Options struct {
	Open    Opener       // starts a server
	Log     *slog.Logger // never nil
	Version string       // of the gateway, told to servers in the handshake
}

// Bridge is the upstream of one route. It is safe for concurrent use.
type Bridge struct {
	host     *host
	sessions *registry
	pool     *pool
}

var _ portcullis.Upstream = (*Bridge)(nil)

// New returns a bridge that starts servers with opt.Open, or the error of
// [Config.Validate].
func New(cfg Config, opt Options) (*Bridge, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h := newHost(cfg, opt.Open, opt.Log, opt.Version)
	return &Bridge{host: h, sessions: newRegistry(h), pool: newPool(h)}, nil
}

// Forward implements [portcullis.Upstream]. Its errors are *portcullis.Error,
// or the context's when the caller has gone.
func (b *Bridge) Forward(ctx context.Context, pc *portcullis.Call) (*portcullis.Reply, error) {
	if pc.Principal.IsZero() {
		return nil, &portcullis.Error{Kind: portcullis.KindForbidden, Reason: "forbidden",
			Detail: "bridge called for nobody"}
	}
	if m := pc.Message; m.Version >= stateless && m.Method != "initialize" {
		return b.pool.forward(ctx, pc)
	}
	return b.sessions.forward(ctx, pc)
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
	n := b.host.counts()
	return Stats{
		Children: n.children, Sessions: b.sessions.count(), Shared: b.pool.count(),
		Pending: n.pending, Started: n.started, Crashed: n.crashed,
	}
}

// Close ends every session and server. It returns when all are gone; when ctx
// ends first the servers are killed, and its error is returned.
func (b *Bridge) Close(ctx context.Context) error {
	b.host.refuse()
	b.sessions.close()
	b.pool.close()
	err := b.host.end(ctx)
	b.pool.running.Wait() // short: no server is left to wait for
	return err
}

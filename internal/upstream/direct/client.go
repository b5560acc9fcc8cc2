// Package direct carries calls to HTTP upstreams on the goroutine that makes
// them.
//
// http.Transport gives each connection a reading and a writing goroutine and
// hands every request and reply over between three of them; behind a proxy
// that is most of what a call costs. A [Client] takes an idle connection,
// writes the request in one write, and reads the reply, all on the caller's
// goroutine:
//
//	Forward ─▶ take (peek: still open and quiet?) ─▶ write ─▶ read head ─▶ Reply
//	Body.Read ─▶ … ─▶ last byte: connection idle again
//	Body.Close before that, cancelled context, any error: connection closed
//
// This is done for http URLs, and for https URLs whose server chooses
// HTTP/1.1. If it chooses HTTP/2, or a proxy is configured, a tuned
// http.Transport carries the calls; which it is was decided by the last
// connection made and changes when a new one says otherwise.
//
// What it promises:
//
//   - Nothing that left this process is sent again (requirement: no retry), but
//     for a call that the upstream refused with 401 because the gateway's own
//     credential was replaced in the meantime: once, with the new one.
//     For all else there is hygiene: an idle connection is looked at before it is
//     used, and is closed before common servers close theirs. One exception: a
//     GET on a connection of http.Transport that dies before it is answered.
//   - Replies with two readings are refused: see parseHead.
//   - Replies stream: a Read returns what has arrived.
//   - Cancelling the context ends the call at the upstream at once, by closing
//     its connection.
//   - No redirect is followed, no content is decompressed, cookies are dropped.
package direct

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// Client is a [portcullis.Upstream] for one URL. It is safe for concurrent
// use. Close it when its route goes.
type Client struct {
	target  target
	timeout time.Duration

	credentials inject.Credentials // nil = the upstream asks for none

	dialFor time.Duration
	dialer  *dial.Dialer
	pool    *pool
	buffers buffers

	transport *http.Transport
	proxied   bool        // always by transport
	http2     bool        // and over HTTP/2
	indirect  atomic.Bool // the last connection made speaks HTTP/2
	fallbacks atomic.Uint64
	closed    atomic.Bool
}

// errHTTP2 says that the server chose HTTP/2 on a connection meant for HTTP/1.
var errHTTP2 = errors.New("server speaks HTTP/2")

// New returns a client for cfg. It reads the files that cfg names and opens no
// connection.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u, err := parseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	c := &Client{
		target:  newTarget(u),
		timeout: cfg.Timeout, credentials: cfg.Credentials,
		dialFor: cfg.DialTimeout,
		dialer:  &dial.Dialer{Policy: cfg.policy(), Timeout: cfg.DialTimeout},
		pool:    newPool(cfg),
		proxied: cfg.Proxy != "" || cfg.HTTP2,
		http2:   cfg.HTTP2,
	}
	tlsConfig, err := dial.ClientTLS(dial.Files{
		CA: cfg.CAFile, ServerName: cfg.ServerName, Cert: cfg.ClientCert, Key: cfg.ClientKey,
	})
	if err != nil {
		return nil, err
	}
	if cfg.Certificate != nil {
		// A resumed session would show the certificate that it began with.
		tlsConfig.GetClientCertificate, tlsConfig.ClientSessionCache = cfg.Certificate, nil
	}
	tlsConfig.NextProtos = []string{"h2", "http/1.1"}
	if cfg.HTTP2 {
		tlsConfig.NextProtos = []string{"h2"}
	}
	c.dialer.TLS = tlsConfig
	proxy, err := cfg.proxy()
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	c.transport = c.newTransport(cfg, proxy)
	return c, nil
}

// Forward sends the call and returns when the headers of the reply are known.
// POST carries messages, GET opens a stream and DELETE closes a session; path
// and query are the configured ones, headers those of the call.
//
// Errors: the context's own when the caller went away; otherwise a
// [*portcullis.Error] of kind upstream, or upstream timeout when the
// configured time or the context's ran out, or malformed for a header field
// that cannot be sent.
func (c *Client) Forward(ctx context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
	if ctx.Err() != nil {
		return nil, failure(ctx, "calling upstream", ctx.Err())
	}
	if c.closed.Load() {
		return nil, unavailable("calling upstream", errClosed)
	}
	req, err := newRequest(call)
	if err != nil {
		return nil, err
	}
	if c.credentials != nil {
		return c.authorized(ctx, call, &req)
	}
	return c.send(ctx, &req)
}

// send sends a request and returns when the headers of the reply are known.
func (c *Client) send(ctx context.Context, req *request) (*portcullis.Reply, error) {
	if err := req.checkCredential(); err != nil {
		return nil, err
	}
	if c.proxied || c.indirect.Load() {
		return c.viaTransport(ctx, req)
	}
	now := time.Now()
	deadline := now.Add(c.timeout)
	for {
		cn, err := c.connect(ctx, now, deadline)
		if errors.Is(err, errHTTP2) {
			return c.viaTransport(ctx, req)
		}
		if err != nil {
			return nil, failure(ctx, "connecting to upstream", err)
		}
		reply, sent, err := c.exchange(ctx, cn, req, deadline)
		if err == nil {
			return reply, nil
		}
		// The peer closed between the look and the write, and nothing left
		// this process: it is not a retry to begin again. Each turn uses up an
		// idle connection; a new one gets no second turn.
		if sent == 0 && cn.used && ctx.Err() == nil && !isTimeout(err) {
			continue
		}
		return nil, failure(ctx, "calling upstream", err)
	}
}

// exchange sends one request and reads the head of its reply. sent is how many
// bytes left this process. On an error the connection is gone.
func (c *Client) exchange(ctx context.Context, cn *conn, req *request, deadline time.Time) (_ *portcullis.Reply, sent int64, err error) {
	x := &exchange{ctx: ctx, pool: c.pool, c: cn}
	if ctx.Done() != nil {
		x.stop = context.AfterFunc(ctx, cn.abort)
	}
	cn.lend(&c.buffers)
	if err := cn.rw.SetDeadline(deadline); err != nil {
		x.discard()
		return nil, 0, err
	}
	sent, werr := cn.send(&c.target, req)
	if werr != nil && (sent == 0 || isTimeout(werr)) {
		x.discard()
		return nil, sent, werr
	}
	x.head, err = cn.readHead()
	if err == nil {
		err = cn.rw.SetDeadline(x.bodyDeadline(c.timeout))
	}
	if err != nil {
		x.discard()
		if werr != nil {
			err = werr
		}
		return nil, sent, err
	}
	// A server may refuse a large request before it has read it all.
	x.head.keep = x.head.keep && werr == nil
	return x.begin(), sent, nil
}

// connect returns a connection that carries HTTP/1.1: an idle one that is
// still good, or a new one.
func (c *Client) connect(ctx context.Context, now, deadline time.Time) (*conn, error) {
	cn, err := c.pool.take(ctx, now, deadline)
	if cn != nil || err != nil {
		return cn, err
	}
	ctx, cancel := context.WithDeadline(ctx, earlier(deadline, now.Add(c.dialFor)))
	defer cancel()
	rw, err := c.dial(ctx)
	if err != nil {
		if !errors.Is(err, errHTTP2) {
			c.pool.count(func(s *Stats) { s.DialErrors++ })
		}
		c.pool.free()
		return nil, err
	}
	c.pool.count(func(s *Stats) { s.Dials++ })
	return newConn(rw), nil
}

// dial opens a connection for HTTP/1.1 or learns that the server wants HTTP/2.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	if !c.target.secure {
		return c.dialer.DialContext(ctx, "tcp", c.target.addr)
	}
	conn, err := c.dialTLS(ctx)
	if err != nil {
		return nil, err
	}
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		_ = conn.Close() // http.Transport makes its own
		return nil, errHTTP2
	}
	return conn, nil
}

// dialTLS opens a connection and remembers what its server speaks.
func (c *Client) dialTLS(ctx context.Context) (*tls.Conn, error) {
	conn, err := c.dialer.DialTLSContext(ctx, "tcp", c.target.addr)
	if err != nil {
		return nil, err
	}
	c.indirect.Store(conn.ConnectionState().NegotiatedProtocol == "h2")
	return conn, nil
}

// Stats returns the counters of the connections. Those of http.Transport are
// not among them.
func (c *Client) Stats() Stats {
	s := c.pool.snapshot()
	s.Fallbacks = c.fallbacks.Load()
	return s
}

// Close closes idle connections and refuses further calls. Calls in flight run
// to their end; their connections are closed then.
func (c *Client) Close() error {
	c.closed.Store(true)
	c.pool.close()
	c.transport.CloseIdleConnections()
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct/field"
)

// Pings find out that an HTTP/2 connection is dead while its streams are
// silent, in about 45 s.
const (
	pingAfter = 30 * time.Second
	pingWait  = 15 * time.Second
)

// newTransport returns the transport for what the direct way does not do.
func (c *Client) newTransport(cfg Config, proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	t := &http.Transport{
		Proxy:                  proxy,
		DialContext:            c.dialer.DialContext,
		TLSClientConfig:        c.dialer.TLS.Clone(),
		TLSHandshakeTimeout:    cfg.DialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    max(cfg.MaxIdle, 1),
		MaxConnsPerHost:        cfg.MaxConns,
		IdleConnTimeout:        cfg.IdleTimeout,
		MaxResponseHeaderBytes: maxHead,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait},
	}
	if cfg.HTTP2 {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP2(true)
		t.Protocols.SetUnencryptedHTTP2(c.target.url.Scheme == "http")
	}
	if proxy == nil {
		t.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dialTLS(ctx) }
	}
	return t
}

// viaTransport makes the call through http.Transport.
func (c *Client) viaTransport(ctx context.Context, r *request) (*portcullis.Reply, error) {
	c.fallbacks.Add(1)
	inner, cancel := context.WithCancelCause(ctx)
	patience := c.timeout
	if c.http2 {
		patience = math.MaxInt64 // the context says how long: headers may come with the first event
	}
	timer := time.AfterFunc(patience, func() { cancel(errHeadTime) })
	req := &http.Request{
		Method: r.method, URL: c.target.with(r), Host: c.target.url.Host, Header: r.header(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(r.body) > 0 {
		// The transport may still read the body after it has returned the
		// reply, when the caller's buffer serves another call.
		req.Body = io.NopCloser(bytes.NewReader(bytes.Clone(r.body)))
		req.ContentLength = int64(len(r.body))
	}
	if c.http2 {
		req.Header["Te"] = []string{"trailers"}
	}
	resp, err := c.transport.RoundTrip(req.WithContext(inner))
	inTime := timer.Stop()
	switch {
	case err == nil && !inTime:
		_ = resp.Body.Close()
		err = errHeadTime
	case err == nil && (resp.StatusCode < 200 || resp.StatusCode > 599):
		_ = resp.Body.Close()
		err = errMalformed
	case err != nil && context.Cause(inner) == errHeadTime:
		err = errHeadTime
	}
	if err != nil {
		cancel(nil)
		return nil, failure(ctx, "calling upstream", err)
	}
	field.Clean(resp.Header)
	stop := func() { cancel(nil) }
	if c.http2 && resp.Header.Get("Grpc-Status") == unauthenticated {
		resp.StatusCode = http.StatusUnauthorized // so that the credential is looked at as over any other protocol
	}
	if !streams(resp.Header) && !c.http2 {
		timer := time.AfterFunc(c.timeout, func() { cancel(errBodyTime) })
		stop = func() { timer.Stop(); cancel(nil) }
	}
	return &portcullis.Reply{
		Status: resp.StatusCode, Header: resp.Header,
		Body: &transportBody{ctx: ctx, inner: inner, body: resp.Body, cancel: stop, trailer: &resp.Trailer},
	}, nil
}

// transportBody gives the body of http.Transport the errors of this package.
type transportBody struct {
	ctx    context.Context
	inner  context.Context // of the exchange; its cause says that the time is up
	body   io.ReadCloser
	cancel func()
	once   sync.Once

	trailer *http.Header
}

// Trailer returns what came behind the body, once that was read to its end.
func (b *transportBody) Trailer() http.Header { return *b.trailer }

// unauthenticated is the status with which gRPC refuses a caller it does not know.
const unauthenticated = "16"

func (b *transportBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	switch {
	case err == nil, errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return n, err
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return n, errBodyClosed
	case context.Cause(b.inner) == errBodyTime:
		err = errBodyTime
	}
	return n, failure(b.ctx, "reading upstream reply", err)
}

func (b *transportBody) Close() error {
	b.once.Do(func() {
		b.cancel()
		_ = b.body.Close()
	})
	return nil
}

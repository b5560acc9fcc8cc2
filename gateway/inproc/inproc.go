// Package inproc makes an [http.Handler] of this process an upstream, so that
// the guards of a route stand in front of it as in front of any server.
package inproc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime/debug"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/obs"
)

// Upstream makes h an upstream. The handler sees the method, path, query and
// body of the call, the headers that are allowed to travel, the client's
// address, and nothing of the caller's credentials.
func Upstream(h http.Handler) portcullis.Upstream { return handlerUpstream{h} }

type handlerUpstream struct{ h http.Handler }

// Forward runs the handler in a goroutine of its own, which ends with the call.
func (u handlerUpstream) Forward(ctx context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
	in := call.Conn.HTTP
	r, err := http.NewRequestWithContext(ctx, in.Method, in.URL.RequestURI(), bytes.NewReader(bytes.Clone(call.Message.Raw)))
	if err != nil {
		return nil, &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "input_rejected", Err: err}
	}
	for _, f := range call.Header {
		r.Header.Add(f.Name, f.Value)
	}
	r.Host, r.RemoteAddr = in.Host, ""
	if call.Conn.Client.IsValid() {
		r.RemoteAddr = netip.AddrPortFrom(call.Conn.Client, 0).String() // as trusted proxies report it
	}
	r = r.WithContext(obs.WithRequestID(context.WithValue(r.Context(), principalKey{}, call.Principal), call.Conn.RequestID))
	pr, pw := io.Pipe()
	w := &pipeWriter{header: make(http.Header), body: pw, ready: make(chan struct{})}
	go w.serve(u.h, r)
	select {
	case <-w.ready:
		if w.broken != nil { // before it said anything
			return nil, &portcullis.Error{Kind: portcullis.KindInternal, Reason: "internal", Code: portcullis.CodeInternal, Detail: "running the handler", Err: w.broken}
		}
		return &portcullis.Reply{Status: w.status, Header: w.sent, Body: pr}, nil
	case <-ctx.Done():
		_ = pr.Close() // never fails: see io.PipeReader
		return nil, ctx.Err()
	}
}

type principalKey struct{}

// PrincipalFrom returns the caller on whose behalf a handler runs, and the
// zero Principal, which matches no rule, anywhere else.
func PrincipalFrom(ctx context.Context) portcullis.Principal {
	who, ok := ctx.Value(principalKey{}).(portcullis.Principal)
	if !ok {
		return portcullis.Principal{}
	}
	return who
}

// pipeWriter is the ResponseWriter of an in-process call.
type pipeWriter struct {
	header http.Header
	sent   http.Header
	status int
	body   *io.PipeWriter
	ready  chan struct{}
	begun  bool
	broken error // set before ready if the handler panicked without an answer
}

func (w *pipeWriter) serve(h http.Handler, r *http.Request) {
	defer func() {
		var broken error
		if v := recover(); v != nil { // whoever reads the error logs it; callers never see it
			broken = fmt.Errorf("handler panicked: %v: %w\n%s", v, io.ErrUnexpectedEOF, debug.Stack())
			if !w.begun {
				w.broken = broken
			}
		}
		if !w.begun {
			w.WriteHeader(http.StatusOK)
		}
		_ = w.body.CloseWithError(broken) // never fails: see io.PipeWriter
	}()
	h.ServeHTTP(w, r)
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if w.begun || status < 200 {
		return
	}
	w.begun, w.status, w.sent = true, status, w.header.Clone()
	close(w.ready)
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush has nothing to do: the pipe holds nothing back.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }

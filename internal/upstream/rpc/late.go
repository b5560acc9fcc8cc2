package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// stream makes a call that is answered by events. An agent of gRPC may say
// nothing before its first event, not even that it took the call: one that is
// silent for longer than a call may take is a stream without an event yet. So
// it can be watched and ended as every other stream.
func (u *Upstream) stream(ctx context.Context, call *portcullis.Call) (*portcullis.Reply, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &late{u: u, call: call, cancel: cancel, came: make(chan struct{})}
	go func() {
		defer close(l.came)
		l.reply, l.err = u.next.Forward(ctx, call)
	}()
	timer := time.NewTimer(u.o.Timeout)
	defer timer.Stop()
	select {
	case <-l.came:
		if l.err != nil {
			cancel()
			return nil, l.err
		}
		return u.read(call, l.reply, cancel)
	case <-timer.C:
		return &portcullis.Reply{Status: http.StatusOK, Header: head("text/event-stream", nil), Body: l}, nil
	}
}

// late is the body of a reply that has not come yet.
type late struct {
	u      *Upstream
	call   *portcullis.Call
	cancel func()
	came   chan struct{} // closed when reply and err are known
	reply  *portcullis.Reply
	err    error

	events io.Reader // what is read of it; nil until it came

	mu   sync.Mutex
	body io.Closer // of what is read: it holds memory besides the connection
}

// Read implements [io.Reader].
func (l *late) Read(p []byte) (int, error) {
	if l.events == nil {
		<-l.came // which a call that was cancelled does too
		if l.err != nil {
			return 0, l.err
		}
		r, err := l.u.read(l.call, l.reply, l.cancel)
		if err != nil {
			return 0, err
		}
		l.mu.Lock()
		l.body = r.Body
		l.mu.Unlock()
		if l.events, err = asEvents(r); err != nil {
			return 0, err
		}
	}
	return l.events.Read(p)
}

// asEvents makes the one event of a reply that is no stream.
func asEvents(r *portcullis.Reply) (io.Reader, error) {
	switch {
	case r.Status != http.StatusOK:
		return nil, &portcullis.Error{
			Kind: portcullis.KindUpstream, Reason: "upstream_error", Code: portcullis.CodeInternal, Detail: "gRPC: the agent refused a stream late",
		}
	case r.Header.Get("Content-Type") == "text/event-stream":
		return r.Body, nil
	}
	return io.MultiReader(strings.NewReader("data: "), r.Body, strings.NewReader("\n\n")), nil
}

// Close implements [io.Closer]. What is under way ends first: it holds the call.
func (l *late) Close() error {
	l.cancel()
	<-l.came
	if l.reply == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.body != nil {
		return errors.Join(l.body.Close(), l.reply.Body.Close())
	}
	return l.reply.Body.Close()
}

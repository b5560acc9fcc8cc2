package rpc

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/protobuf"
)

// Front finds the routes of calls over gRPC, whose paths name a service and no
// route. It is immutable and safe for concurrent use.
type Front struct {
	hosts map[string]string // host to the path of its route
	other string            // path of the route for all other hosts, "" if there is none
	room  *protobuf.Room
}

// New returns the front of a configuration, nil if no route is called by gRPC.
// Answers are written in room.
func New(routes []config.Route, room *protobuf.Room) *Front {
	f := &Front{hosts: map[string]string{}, room: room}
	for i := range routes {
		rc := &routes[i]
		if !rc.SpeaksA2A() || !rc.A2A.OffersGRPC() {
			continue
		}
		if len(rc.A2A.GRPC.Hosts) == 0 {
			f.other = rc.Path
		}
		for _, h := range rc.A2A.GRPC.Hosts {
			f.hosts[h] = rc.Path
		}
	}
	if len(f.hosts) == 0 && f.other == "" {
		return nil
	}
	return f
}

// Accept takes a request that is a call over gRPC of one of the routes. It
// returns nil for every other, which is left as it is. Whoever serves the call
// must call [Call.Finish].
func (f *Front) Accept(w http.ResponseWriter, r *http.Request) *Call {
	if f == nil || r.ProtoMajor < 2 || !isGRPC(r.Header["Content-Type"]) {
		return nil
	}
	route := f.route(r.Host)
	if route == "" {
		return nil
	}
	c := &Call{w: w, room: f.room, Path: cmp.Or(r.RequestURI, "/"), name: protobuf.MethodOf(r.RequestURI), header: make(http.Header)}
	c.ctx, c.cancel = context.WithCancelCause(r.Context())
	in := *r
	if asked := r.Header["Grpc-Timeout"]; len(asked) == 1 { // one that cannot be read is refused where the body is
		if d, ok := protobuf.Timeout(asked[0]); ok {
			in.Body = &patience{ReadCloser: r.Body, call: c, end: time.Now().Add(d)}
		}
	}
	in.URL, in.RequestURI = &url.URL{Path: route, RawQuery: r.URL.RawQuery}, route // no query belongs to gRPC: guards see the one that came
	in.Header = headersOf(r.Header, a2a.Streams(c.name))
	c.Request = in.WithContext(c.ctx)
	return c
}

// route returns the path of the route for a host, "" if there is none.
func (f *Front) route(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if path := f.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]; path != "" {
		return path
	}
	return f.other
}

// isGRPC reports whether a body is of gRPC with Protocol Buffers. Of any other
// encoding it is what it says it is, which no route takes.
func isGRPC(types []string) bool {
	if len(types) != 1 {
		return false
	}
	media, _, _ := strings.Cut(types[0], ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "application/grpc" || media == "application/grpc+proto"
}

// headersOf returns the headers of the request as the route reads it. All but
// those about the form of the body are the caller's own. The service of 1.0 says
// the version; a caller who says another is refused.
func headersOf(h http.Header, streams bool) http.Header {
	out := h.Clone()
	out["Content-Type"], out["Accept"] = []string{"application/json"}, []string{"application/json"}
	if streams {
		out["Accept"] = []string{"text/event-stream"}
	}
	if len(out[a2a.HeaderVersion]) == 0 {
		out[a2a.HeaderVersion] = []string{a2a.V1}
	}
	return out
}

// patience is a body whose reader ends the call when its caller waits no longer.
// Nobody reads a body before its caller is known: until then the caller has no
// say in how long anything takes, or guesses could be broken off before they are
// counted.
type patience struct {
	io.ReadCloser
	call *Call
	end  time.Time
}

// Read implements [io.Reader].
func (p *patience) Read(b []byte) (int, error) {
	if p.call.timer == nil {
		p.call.timer = time.AfterFunc(time.Until(p.end), func() { p.call.cancel(errPatience) })
	}
	return p.ReadCloser.Read(b)
}

// errPatience says that a call took longer than its caller waits.
var errPatience = errors.New("grpc-timeout is over")

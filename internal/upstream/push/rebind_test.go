package push_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// nameServer answers each question about an address with the next of a list,
// and with the last from then on.
type nameServer struct {
	mu      sync.Mutex
	answers []netip.Addr
	asked   int
}

// newNameServer returns a server and a resolver that asks nobody else.
func newNameServer(t *testing.T, answers ...string) (*nameServer, *net.Resolver) {
	t.Helper()
	s := &nameServer{}
	for _, a := range answers {
		s.answers = append(s.answers, netip.MustParseAddr(a))
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			if reply := s.reply(buf[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from) // who does not hear it asks again
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close() // it ends the reader
		<-done
	})
	return s, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (s *nameServer) reply(question []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true}, Questions: []dnsmessage.Question{q}}
	head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.answers[min(s.asked, len(s.answers)-1)]
	switch {
	case q.Type == dnsmessage.TypeA && at.Is4():
		s.asked++
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: at.As4()}}}
	case q.Type == dnsmessage.TypeAAAA && at.Is6():
		s.asked++
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: at.As16()}}}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// TestNameThatFlips: a name that was public when it was looked at and is private
// when it is connected to is not connected to, whatever form the address has.
func TestNameThatFlips(t *testing.T) {
	for _, private := range []string{
		"127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::1", "2001:0:7f00:1::", "fe80::1", "fd00:ec2::254", "2606:4700::5efe:127.0.0.1",
	} {
		t.Run(private, func(t *testing.T) {
			var reached atomic.Int32
			inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
			defer inside.Close()
			port := inside.URL[strings.LastIndex(inside.URL, ":")+1:]
			server, names := newNameServer(t, "8.8.8.8", private)

			seen, err := names.LookupNetIP(t.Context(), "ip4", "hooks.example.com") // what a check before the call would see
			if err != nil || len(seen) != 1 || (dial.Policy{DenyPrivate: true}).Check(seen[0]) != nil {
				t.Fatalf("the first answer: %v, %v", seen, err)
			}
			r := newRig(t)
			r.settings.Insecure, r.names = false, names
			r.run(inside)
			reg := r.register("https://hooks.example.com:" + port + "/hook")
			if _, err := r.book.Queue(t.Context(), &reg, []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
			if e := <-r.events; e.Type != portcullis.EventPushRefused || e.Reason != push.ReasonAddress {
				t.Errorf("event %s %s", e.Type, e.Reason)
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if server.asked < 2 {
				t.Errorf("the name was asked for %d times", server.asked)
			}
			if reached.Load() != 0 {
				t.Error("it was connected to")
			}
		})
	}
}

package syslog_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gosyslog "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/sinktest"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/syslog"
)

// receiver reads syslog from TLS or TCP connections.
type receiver struct {
	net.Listener
	got   func(*rfc5424.SyslogMessage)
	fault func(net.Conn) bool // true = it has dealt with the connection

	mu     sync.Mutex
	errors []error
	conns  int
}

// pair returns a certificate for 127.0.0.1 and example.com, and its file.
func pair(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.TLS.Certificates[0], ca
}

func receive(t *testing.T, cert *tls.Certificate) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{Listener: l, got: func(*rfc5424.SyslogMessage) {}}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = raw.Close() }()
				r.mu.Lock()
				r.conns++
				fault := r.fault
				r.mu.Unlock()
				if fault != nil && fault(raw) {
					return
				}
				conn := raw
				if cert != nil {
					conn = tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{*cert}})
					defer func() { _ = conn.Close() }()
				}
				r.read(conn)
			})
		}
	})
	return r
}

func (r *receiver) read(conn io.Reader) {
	p := octetcounting.NewParser(gosyslog.WithListener(func(res *gosyslog.Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if res.Error != nil {
			r.errors = append(r.errors, res.Error)
			return
		}
		r.got(res.Message.(*rfc5424.SyslogMessage))
	}), gosyslog.WithMaxMessageLength(1<<20))
	p.Parse(conn)
}

func send(t *testing.T, c syslog.Config, events ...*portcullis.Event) error {
	t.Helper()
	s := newSender(t, c)
	defer func() { _ = s.Close() }()
	return s.Send(t.Context(), items(t, s, events...))
}

func newSender(t *testing.T, c syslog.Config) *syslog.Sender {
	t.Helper()
	c.Facility, c.App, c.Enterprise, c.Host = "local3", "portcullis", 32473, "gw-1"
	s, err := syslog.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func items(t *testing.T, s sink.Sender, events ...*portcullis.Event) []sink.Item {
	t.Helper()
	var out []sink.Item
	for _, e := range events {
		data, err := s.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sink.Item{Event: e, Data: data})
	}
	return out
}

func event() *portcullis.Event {
	return &portcullis.Event{
		ID: "0199", Time: time.Date(2026, 11, 22, 6, 15, 19, 123e6, time.UTC), Type: portcullis.EventAuthzDenied,
		Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure,
		Actor: portcullis.Actor{ID: `al"ice\]` + "\n<13>1 forged", IP: netip.MustParseAddr("2001:db8::7")},
		Route: "files", Resource: "tool:x", Reason: "forbidden", RequestID: "r-1", RiskScore: 42,
		Details: []slog.Attr{slog.String("note", "two words"), slog.Int("n", 7), slog.String("bad key=\"", "\x1b[31m")},
	}
}

// TestMessages are read by a parser that is not ours, in every form.
func TestMessages(t *testing.T) {
	cert, ca := pair(t)
	r := receive(t, &cert)
	var got []*rfc5424.SyslogMessage
	r.got = func(m *rfc5424.SyslogMessage) { got = append(got, m) }
	for _, name := range []string{"plain", "json", "ocsf", "cef", "leef"} {
		c := syslog.Config{Transport: syslog.TLS, Address: r.Addr().String(), TLS: post.TLS{CA: ca}}
		if e, ok := format.ByName(name, format.Info{}); ok {
			c.Encoder = e
		}
		got = nil
		if err := send(t, c, event(), &portcullis.Event{Type: "", Severity: "odd"}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.mu.Lock()
		if len(got) != 2 || len(r.errors) > 0 {
			t.Fatalf("%s: %d messages, %v", name, len(got), r.errors)
		}
		m := got[0]
		r.mu.Unlock()
		data := (*m.StructuredData)["portcullis@32473"]
		if *m.Facility != 19 || *m.Severity != 4 || *m.Hostname != "gw-1" || *m.Appname != "portcullis" || *m.MsgID != "AUTHZ_DENIED" ||
			!m.Timestamp.Equal(event().Time) || *m.ProcID != strconv.Itoa(os.Getpid()) {
			t.Errorf("%s: %+v", name, m)
		}
		if data["id"] != "0199" || data["risk_score"] != "42" || data["ip"] != "2001:db8::7" || !strings.HasPrefix(data["actor"], `al"ice\] <13>1`) {
			t.Errorf("%s: data %q", name, data)
		}
		if m.Message == nil || strings.ContainsAny(*m.Message, "\n\x1b") {
			t.Errorf("%s: message %q", name, *m.Message)
		}
		if name == "plain" && !strings.Contains(*m.Message, `note="two words" n=7 badkey_"="\x1b[31m"`) {
			t.Errorf("plain message %q", *m.Message)
		}
	}
}

func TestTLSIsVerified(t *testing.T) {
	cert, ca := pair(t)
	r := receive(t, &cert)
	r.got = func(*rfc5424.SyslogMessage) { t.Error("a message arrived") }
	for name, trust := range map[string]post.TLS{
		"unknown root": {},
		"other name":   {CA: ca, ServerName: "logs.example.org"},
	} {
		err := send(t, syslog.Config{Transport: syslog.TLS, Address: r.Addr().String(), TLS: trust}, event())
		var e *sink.Error
		if !errors.As(err, &e) || e.Fault != sink.Misconfigured {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.mu.Lock()
	r.got = func(*rfc5424.SyslogMessage) {}
	r.mu.Unlock()
	if err := send(t, syslog.Config{Transport: syslog.TLS, Address: r.Addr().String(), TLS: post.TLS{CA: ca, ServerName: "example.com"}}, event()); err != nil {
		t.Errorf("right name: %v", err)
	}
}

// TestClosedBeforeRead: a receiver that ends the connection without reading
// looks, to a sender that only writes, like one that read everything.
func TestClosedBeforeRead(t *testing.T) {
	for name, fault := range map[string]func(net.Conn) bool{
		"at once":   func(c net.Conn) bool { _ = c.Close(); return true },
		"half read": func(c net.Conn) bool { _, _ = io.ReadFull(c, make([]byte, 100)); return true },
		"half closed, then gone": func(c net.Conn) bool {
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.ReadFull(c, make([]byte, 100))
			return true
		},
	} {
		for _, open := range []bool{false, true} {
			r := receive(t, nil)
			r.fault = fault
			s := newSender(t, syslog.Config{Transport: syslog.TCP, Address: r.Addr().String(), KeepOpen: open})
			var events []*portcullis.Event
			for range 2000 { // more than a socket buffers unread
				events = append(events, event())
			}
			time.Sleep(20 * time.Millisecond) // its end comes first, if it can
			err := s.Send(t.Context(), items(t, s, events...))
			if err == nil && !(open && name != "at once") { // an open connection promises less
				t.Errorf("%s, keep_open %t: counts as sent", name, open)
			}
			_ = s.Close()
		}
	}
}

func TestUDP(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	c := syslog.Config{Transport: syslog.UDP, Address: conn.LocalAddr().String()}
	if err := send(t, c, event(), event()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for range 2 {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := rfc5424.NewParser().Parse(buf[:n]); err != nil || *m.(*rfc5424.SyslogMessage).MsgID != "AUTHZ_DENIED" {
			t.Errorf("%s: %v", buf[:n], err)
		}
	}
	long := event()
	long.Details = nil
	for range 30 {
		long.Details = append(long.Details, slog.String("k", strings.Repeat("x", 4000)))
	}
	if _, err := newSender(t, c).Append(nil, long); err == nil {
		t.Error("a message that fits no datagram is taken")
	}
}

func TestNew(t *testing.T) {
	for _, c := range []syslog.Config{
		{Transport: syslog.TCP, Address: "nowhere", Facility: "local0"}, {Transport: syslog.TCP, Address: "a:1", Facility: "loud"},
		{Transport: syslog.TLS, Address: "a:1", Facility: "local0", TLS: post.TLS{CA: "/nonexistent"}},
	} {
		if _, err := syslog.New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// FuzzMessage: whatever an event holds, its message is one message.
func FuzzMessage(f *testing.F) {
	f.Add("alice", "AUTHZ_DENIED", "x", "plain")
	f.Add("a\"]\\\n", "", "\xff\xfe", "= \"")
	f.Add("\u202e\u0000", "A B", "é", "ключ")
	s, err := syslog.New(syslog.Config{Transport: syslog.TCP, Address: "127.0.0.1:1", Facility: "audit", App: "p", Enterprise: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, actor, typ, reason, key string) {
		out, err := s.Append(nil, &portcullis.Event{
			ID: "1", Type: portcullis.EventType(typ), Actor: portcullis.Actor{ID: actor}, Reason: reason,
			Time: time.Unix(1_800_000_000, 0), Details: []slog.Attr{slog.String(key, actor)},
		})
		if err != nil {
			t.Fatal(err)
		}
		m, err := rfc5424.NewParser().Parse(out)
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		data := (*m.(*rfc5424.SyslogMessage).StructuredData)["portcullis@1"]
		if data["id"] != "1" || strings.ContainsAny(string(out), "\n\r\x00") || (actor == "") != (data["actor"] == "") {
			t.Fatalf("%q: %v", out, data)
		}
	})
}

// TestEndures: a receiver over TLS that goes away at every stage of a
// connection, while the gateway restarts.
func TestEndures(t *testing.T) {
	total := 100_000
	if testing.Short() {
		total = 5_000
	}
	cert, ca := pair(t)
	r := receive(t, &cert)
	var o sinktest.Order
	r.got = func(m *rfc5424.SyslogMessage) {
		if n, err := strconv.Atoi((*m.StructuredData)["portcullis@32473"]["resource"]); err == nil {
			o.Take(n)
		}
	}
	var rmu sync.Mutex
	rng := rand.New(rand.NewPCG(3, 4))
	r.fault = func(c net.Conn) bool {
		rmu.Lock()
		kind, bytes := rng.IntN(8), int64(rng.IntN(100_000))
		rmu.Unlock()
		switch kind {
		case 0:
			return true // closed before the handshake
		case 1:
			_, _ = io.CopyN(io.Discard, c, 300) // in the middle of it
			return true
		case 2: // in the middle of the messages
			conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			r.read(io.LimitReader(conn, bytes))
			return true
		case 3: // without a word of goodbye, and without reading anything
			conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			_ = conn.HandshakeContext(t.Context())
			return true
		}
		return false
	}
	sinktest.Endure(t, &o, total, func() sink.Spec {
		s := newSender(t, syslog.Config{Transport: syslog.TLS, Address: r.Addr().String(), TLS: post.TLS{CA: ca}})
		return sink.Spec{Name: "syslog", Kind: "syslog", Sender: s, Pace: sinktest.Fast(), Batch: sink.Batch{Events: 2000, Wait: 20 * time.Millisecond}}
	})
}

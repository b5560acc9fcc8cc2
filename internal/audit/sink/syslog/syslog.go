// Package syslog sends events as RFC 5424 messages: over TLS (RFC 5425), over
// TCP (RFC 6587, octet counting) or as UDP datagrams (RFC 5426).
//
// # Receipts
//
// Syslog has none: what was written to a connection may still be lost with it.
// So, unless told otherwise, a sender ends the connection behind each batch and
// waits until the receiver has ended its side too, which it does when it has
// read everything. Only then the batch counts as sent. UDP promises nothing.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
)

// Transports.
const (
	TLS = "tls"
	TCP = "tcp"
	UDP = "udp"
)

// maxDatagram is the longest message that fits one datagram.
const maxDatagram = 65_000

// receiptWait bounds how long a receiver may take to end its side.
const receiptWait = 10 * time.Second

// Config says where messages go and what they say of their origin.
type Config struct {
	Transport  string // TLS, TCP or UDP
	Address    string // host and port
	Facility   string
	Host       string // name of this machine when empty
	App        string
	Enterprise int          // private enterprise number in the name of the structured data
	Encoder    sink.Encoder // of the message; nil = plain text
	KeepOpen   bool         // one connection for all batches, without receipts
	TLS        post.TLS
}

// Sender is a connection to a receiver.
type Sender struct {
	cfg      Config
	tls      *tls.Config
	facility int
	origin   []byte
	dataID   []byte
	conn     net.Conn
}

var _ sink.Sender = (*Sender)(nil)

// New returns a sender. It connects when it has something to send.
func New(c Config) (*Sender, error) {
	s := &Sender{cfg: c}
	var ok bool
	if s.facility, ok = Facility(c.Facility); !ok {
		return nil, fmt.Errorf("facility: there is no %q", c.Facility)
	}
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("address: %q: want host:port", c.Address)
	}
	if c.Transport == TLS {
		if s.tls, err = c.TLS.Config(); err != nil {
			return nil, err
		}
		if s.tls.ServerName == "" {
			s.tls.ServerName = host
		}
		s.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	if c.Host == "" {
		c.Host, _ = os.Hostname() // "-" without
	}
	s.origin = append(s.origin, ' ')
	s.origin = append(appendField(s.origin, c.Host, 255), ' ')
	s.origin = append(appendField(s.origin, c.App, 48), ' ')
	s.origin = append(strconv.AppendInt(s.origin, int64(os.Getpid()), 10), ' ')
	s.dataID = fmt.Appendf(nil, "portcullis@%d", c.Enterprise)
	return s, nil
}

// Append appends the message of an event.
func (s *Sender) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	start := len(dst)
	dst, err := s.appendMessage(dst, e)
	if err == nil && s.cfg.Transport == UDP && len(dst)-start > maxDatagram {
		return dst[:start], errors.New("too long for a datagram")
	}
	return dst, err
}

// Send writes a batch, and waits for what serves as receipt.
func (s *Sender) Send(ctx context.Context, items []sink.Item) error {
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	err := s.write(ctx, items)
	if err == nil && s.cfg.Transport != UDP {
		err = s.receipt(ctx)
	}
	if err != nil {
		_ = s.Close() // what went wrong with the connection is told already
	}
	return err
}

func (s *Sender) connect(ctx context.Context) error {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	var err error
	if s.cfg.Transport == UDP {
		s.conn, err = dialer.DialContext(ctx, "udp", s.cfg.Address)
	} else {
		s.conn, err = dialer.DialContext(ctx, "tcp", s.cfg.Address)
	}
	if err != nil {
		s.conn = nil
		return fmt.Errorf("connecting: %w", cause(err))
	}
	if s.tls == nil {
		return nil
	}
	secure := tls.Client(s.conn, s.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = s.Close() // the handshake says more
		fault := sink.Away
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			fault = sink.Misconfigured
		}
		return &sink.Error{Fault: fault, Err: fmt.Errorf("connecting: %w", err)}
	}
	s.conn = secure
	return nil
}

// write writes the messages: with their length in front into a stream, one in
// each datagram.
func (s *Sender) write(ctx context.Context, items []sink.Item) error {
	if end, ok := ctx.Deadline(); ok {
		if err := s.conn.SetDeadline(end); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Now()) })()
	var out []byte
	for _, i := range items {
		if s.cfg.Transport == UDP {
			if _, err := s.conn.Write(i.Data); err != nil {
				return fmt.Errorf("sending: %w", cause(err))
			}
			continue
		}
		out = strconv.AppendInt(out, int64(len(i.Data)), 10)
		out = append(out, ' ')
		out = append(out, i.Data...)
	}
	if len(out) == 0 {
		return nil
	}
	if _, err := s.conn.Write(out); err != nil {
		return fmt.Errorf("sending: %w", cause(err))
	}
	return nil
}

// receipt ends our side of the connection and waits for the end of theirs. A
// receiver that went away before it had read everything resets it instead. A
// connection that stays open tells only that their machine has everything.
func (s *Sender) receipt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, receiptWait)
	defer cancel()
	if s.cfg.KeepOpen {
		return arrived(ctx, s.conn)
	}
	if end, ok := ctx.Deadline(); ok {
		if err := s.conn.SetDeadline(end); err != nil {
			return err
		}
	}
	if err := s.finish(); err != nil {
		return fmt.Errorf("ending the connection: %w", cause(err))
	}
	_, err := io.Copy(io.Discard, io.LimitReader(s.conn, 64<<10))
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return errors.New("the receiver does not end its side of the connection: with syslog.keep_open there is no such receipt")
	}
	if err != nil && !s.ended(err) {
		return fmt.Errorf("waiting for the receiver: %w", cause(err))
	}
	if err := arrived(ctx, s.conn); err != nil {
		return err
	}
	_ = s.Close() // both sides have ended
	return nil
}

func arrived(ctx context.Context, conn net.Conn) error {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if err := acknowledged(ctx, conn); err != nil {
		return fmt.Errorf("waiting for the receiver: %w", err)
	}
	return nil
}

// ended reports whether an error is a receiver that ends TCP without the
// goodbye of TLS. Our own end was behind everything, and it came in order, so
// it has read what was before it.
func (s *Sender) ended(err error) bool {
	return s.tls != nil && errors.Is(err, io.ErrUnexpectedEOF)
}

// finish says that nothing follows.
func (s *Sender) finish() error {
	conn := s.conn
	if secure, ok := conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil {
			return err
		}
		conn = secure.NetConn()
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close ends the connection.
func (s *Sender) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

// cause leaves out the addresses of an error of the network.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

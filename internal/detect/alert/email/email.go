// Package email sends alerts by SMTP. The connection is encrypted, by STARTTLS
// or from its beginning, unless the server is on this machine; a server that
// does not offer it gets neither a password nor a message. Nothing that a
// message holds can become a header, a recipient or a second message.
package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// Config says where alerts go.
type Config struct {
	Address  string // host and port
	Implicit bool   // TLS from the beginning (port 465), not by STARTTLS
	From     string
	To       []string
	Username string // empty = no login
	Password alert.Secret
	TLS      *tls.Config
	Hello    string // name of this machine; empty = localhost
}

// Channel sends mail.
type Channel struct {
	cfg  Config
	host string
	from *mail.Address
	to   []*mail.Address
}

var _ alert.Channel = (*Channel)(nil)

// New returns a channel.
func New(c Config) (*Channel, error) {
	ch := &Channel{cfg: c}
	var err error
	if ch.host, _, err = net.SplitHostPort(c.Address); err != nil || ch.host == "" {
		return nil, errors.New("address: want host and port, such as smtp.example.com:587")
	}
	if ch.from, err = ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	for i, text := range c.To {
		a, err := ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("to[%d]: %w", i, err)
		}
		ch.to = append(ch.to, a)
	}
	if len(ch.to) == 0 {
		return nil, errors.New("to: want at least one address")
	}
	return ch, nil
}

// ParseAddress reads one address, with or without a name.
func ParseAddress(text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("%q: want an address such as \"ops@example.com\"", text)
	}
	for _, r := range a.Address {
		if r <= ' ' || r >= 0x7f || r == '<' || r == '>' {
			return nil, fmt.Errorf("%q: want an address of visible ASCII characters", text)
		}
	}
	return a, nil
}

// Near reports whether a host is this machine.
func Near(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Takes implements alert.Channel: nobody wants a mail for each acknowledgement.
func (c *Channel) Takes(k alert.Kind) bool { return k != alert.Acknowledge }

// Close implements alert.Channel.
func (c *Channel) Close() error { return nil }

// Send implements alert.Channel.
func (c *Channel) Send(ctx context.Context, m *alert.Message) (r alert.Receipt, err error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", c.cfg.Address)
	if err != nil {
		return r, fmt.Errorf("connecting: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // ends what waits
	defer stop()
	conn := raw
	if c.cfg.Implicit {
		conn = tls.Client(raw, c.tls())
	}
	err = c.speak(conn, m)
	_ = conn.Close() // all that counts was confirmed
	if err != nil {
		return r, judge(err)
	}
	return alert.Receipt{Code: 250, Said: "the server took it"}, nil
}

func (c *Channel) tls() *tls.Config {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.cfg.TLS != nil {
		t = c.cfg.TLS.Clone()
	}
	if t.ServerName == "" {
		t.ServerName = c.host
	}
	return t
}

var errPlain = errors.New("the server offers no STARTTLS: nothing is sent in clear text")

// speak is one conversation.
func (c *Channel) speak(conn net.Conn, m *alert.Message) error {
	s, err := smtp.NewClient(conn, c.host)
	if err != nil {
		return err
	}
	if c.cfg.Hello != "" {
		if err := s.Hello(c.cfg.Hello); err != nil {
			return err
		}
	}
	if !c.cfg.Implicit {
		offered, _ := s.Extension("STARTTLS")
		switch {
		case offered:
			if err := s.StartTLS(c.tls()); err != nil {
				return err
			}
		case !Near(c.host):
			return &alert.Failure{Fault: alert.Misconfigured, Err: errPlain}
		}
	}
	if err := c.login(s); err != nil {
		return err
	}
	if err := s.Mail(c.from.Address); err != nil {
		return err
	}
	for _, to := range c.to {
		if err := s.Rcpt(to.Address); err != nil {
			return err
		}
	}
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(c.compose(m, time.Now())); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = s.Quit() // the message is taken
	return nil
}

func (c *Channel) login(s *smtp.Client) error {
	if c.cfg.Username == "" {
		return nil
	}
	password, err := alert.Reveal("password", c.cfg.Password)
	if err != nil {
		return err
	}
	_, offered := s.Extension("AUTH")
	auth := choose(offered, c.cfg.Username, password, c.host)
	if auth == nil {
		return &alert.Failure{Fault: alert.Misconfigured, Err: errors.New("the server takes neither AUTH PLAIN nor AUTH LOGIN")}
	}
	if err := s.Auth(auth); err != nil {
		f := &alert.Failure{Fault: alert.Misconfigured, Err: errors.New("the login was refused")}
		if e, ok := errors.AsType[*textproto.Error](err); ok {
			f.Err = fmt.Errorf("the login was refused: answered %d", e.Code) // its text can repeat what was sent
			if e.Code < 500 {
				f.Fault = alert.Away
			}
		}
		return f
	}
	return nil
}

// judge says what an error means.
func judge(err error) error {
	if _, ok := errors.AsType[*alert.Failure](err); ok {
		return err
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		f := &alert.Failure{Err: fmt.Errorf("answered %d", e.Code), Said: e.Msg}
		switch {
		case e.Code == 552 || e.Code == 554:
			f.Fault = alert.Refused
		case e.Code >= 500:
			f.Fault = alert.Misconfigured
		}
		return f
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &alert.Failure{Fault: alert.Misconfigured, Err: err}
	}
	return err
}

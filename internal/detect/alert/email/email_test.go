package email_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/alerttest"
	"github.com/portcullis-dev/portcullis/internal/detect/alert/email"
)

const password = "correct horse"

// server is a small mail server.
type server struct {
	t        *testing.T
	ln       net.Listener
	cert     tls.Certificate
	roots    *x509.CertPool
	starttls bool
	implicit bool
	auth     string // ways it offers, behind TLS
	code     string // answer to the message, if not 250

	mu    sync.Mutex
	from  string
	to    []string
	data  []string
	user  string
	plain bool // something but EHLO, STARTTLS, QUIT came in clear text
}

func start(t *testing.T, s *server) *server {
	t.Helper()
	s.t = t
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.cert, s.roots = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, x509.NewCertPool()
	s.roots.AddCert(leaf)
	if s.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.ln.Close() })
	go func() {
		for {
			conn, err := s.ln.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *server) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	secure := s.implicit
	if secure {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}})
	}
	r := bufio.NewReader(conn)
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	read := func() (string, bool) {
		line, err := r.ReadString('\n')
		return strings.TrimRight(line, "\r\n"), err == nil
	}
	decode := func(text string) string {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return ""
		}
		return string(raw)
	}
	say("220 mail")
	for {
		line, ok := read()
		if !ok {
			return
		}
		verb := strings.ToUpper(strings.Fields(line + " .")[0])
		s.mu.Lock()
		s.plain = s.plain || !secure && verb != "EHLO" && verb != "STARTTLS" && verb != "QUIT"
		s.mu.Unlock()
		switch verb {
		case "EHLO":
			say("250-mail")
			if s.starttls && !secure {
				say("250-STARTTLS")
			}
			if s.auth != "" {
				say("250-AUTH " + s.auth)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			c := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			conn, r, secure = c, bufio.NewReader(c), true
		case "AUTH":
			var user, pass string
			if words := strings.Fields(line); words[1] == "PLAIN" {
				parts := strings.Split(decode(words[2]), "\x00")
				user, pass = parts[1], parts[2]
			} else {
				say("334 VXNlcm5hbWU6")
				line, _ = read()
				user = decode(line)
				say("334 UGFzc3dvcmQ6")
				line, _ = read()
				pass = decode(line)
			}
			if pass != password {
				say("535 wrong: " + pass)
				continue
			}
			s.mu.Lock()
			s.user = user
			s.mu.Unlock()
			say("235 welcome")
		case "MAIL":
			s.from = line
			say("250 ok")
		case "RCPT":
			s.mu.Lock()
			s.to = append(s.to, line)
			s.mu.Unlock()
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			var b strings.Builder
			for {
				line, ok := read()
				if !ok {
					return
				}
				if line == "." {
					break
				}
				b.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
			}
			if s.code != "" {
				say(s.code)
				continue
			}
			s.mu.Lock()
			s.data = append(s.data, b.String())
			s.mu.Unlock()
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

func (s *server) channel(change func(*email.Config)) *email.Channel {
	s.t.Helper()
	c := email.Config{
		Address: s.ln.Addr().String(), From: "Portcullis <portcullis@example.com>", To: []string{"ops@example.com", "Lead <lead@example.com>"},
		TLS: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}, Implicit: s.implicit,
	}
	if s.auth != "" {
		c.Username, c.Password = "gateway", alerttest.Secret(password)
	}
	if change != nil {
		change(&c)
	}
	ch, err := email.New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return ch
}

func TestSends(t *testing.T) {
	for name, s := range map[string]*server{
		"starttls and plain": {starttls: true, auth: "PLAIN LOGIN"}, "starttls and login": {starttls: true, auth: "LOGIN"},
		"tls": {implicit: true, auth: "PLAIN"}, "this machine, in clear text": {},
	} {
		start(t, s)
		if r, err := s.channel(nil).Send(t.Context(), alerttest.Message(alert.Trigger)); err != nil || r.Code != 250 {
			t.Fatalf("%s: %+v, %v", name, r, err)
		}
		if len(s.data) != 1 || s.from != "MAIL FROM:<portcullis@example.com> BODY=8BITMIME" || len(s.to) != 2 || s.to[1] != "RCPT TO:<lead@example.com>" {
			t.Fatalf("%s: %q %q %q", name, s.from, s.to, s.data)
		}
		if s.auth != "" && (s.user != "gateway" || s.plain) {
			t.Errorf("%s: user %q, in clear text %t", name, s.user, s.plain)
		}
		m, err := mail.ReadMessage(strings.NewReader(s.data[0]))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Z-score:     39.48", "Expected:    100.50 ± 20.25", "portcullis alert ack 4b1f09c2a8d3e715", "Caller:      sealed:5ubject"} {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s: no %q in %s", name, want, body)
			}
		}
		if m.Header.Get("Subject") != "[CRITICAL] Anomaly detected in bytes_out" || m.Header.Get("Message-Id") != "<4b1f09c2a8d3e715.trigger.CRITICAL.false@portcullis.invalid>" || m.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%s: %v", name, m.Header)
		}
	}
}

// TestNothingInClearText: a server that is not on this machine and offers no
// encryption gets nothing. The test asks the server of this machine by a name
// that does not say so.
func TestNothingInClearText(t *testing.T) {
	s := start(t, &server{})
	host, port, err := net.SplitHostPort(s.ln.Addr().String())
	if err != nil || host != "127.0.0.1" {
		t.Fatal(host, err)
	}
	c := s.channel(func(c *email.Config) { c.Address = "0.0.0.0:" + port })
	_, err = c.Send(t.Context(), alerttest.Message(alert.Trigger))
	if f, ok := errors.AsType[*alert.Failure](err); !ok || f.Fault != alert.Misconfigured || s.plain || len(s.data) != 0 {
		t.Errorf("%v, something came in clear text: %t", err, s.plain)
	}
}

func TestFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		s      *server
		change func(*email.Config)
		fault  alert.Fault
	}{
		"wrong password":      {&server{starttls: true, auth: "PLAIN"}, func(c *email.Config) { c.Password = alerttest.Secret("wr0ng-s3cret") }, alert.Misconfigured},
		"unknown way":         {&server{starttls: true, auth: "GSSAPI"}, nil, alert.Misconfigured},
		"unknown authority":   {&server{starttls: true}, func(c *email.Config) { c.TLS = nil }, alert.Misconfigured},
		"other name":          {&server{starttls: true}, func(c *email.Config) { c.TLS.ServerName = "smtp.example.org" }, alert.Misconfigured},
		"refuses the message": {&server{starttls: true, code: "554 spam"}, nil, alert.Refused},
		"busy":                {&server{starttls: true, code: "451 later"}, nil, alert.Away},
	} {
		start(t, tt.s)
		_, err := tt.s.channel(tt.change).Send(t.Context(), alerttest.Message(alert.Trigger))
		if err == nil || strings.Contains(err.Error(), "s3cret") || len(tt.s.data) != 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f, ok := errors.AsType[*alert.Failure](err)
		if !ok && tt.fault != alert.Away || ok && f.Fault != tt.fault {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNothingIsInjected: what a message holds is text: no header, no
// recipient, no end of the message.
func TestNothingIsInjected(t *testing.T) {
	s := start(t, &server{starttls: true})
	m := alerttest.Hostile()
	m.Summary += "\r\nBcc: victim@example.com\r\nSubject: other"
	m.ID = "x>\r\nBcc: victim@example.com"
	if _, err := s.channel(nil).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(s.data) != 1 || len(s.to) != 2 {
		t.Fatalf("%d messages to %q", len(s.data), s.to)
	}
	got, err := mail.ReadMessage(strings.NewReader(s.data[0]))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Header) != 10 || got.Header.Get("Bcc") != "" || len(got.Header["Subject"]) != 1 {
		t.Errorf("%v", got.Header)
	}
	var d mime.WordDecoder
	if subject, err := d.DecodeHeader(got.Header.Get("Subject")); err != nil || !strings.Contains(subject, "Bcc: victim@example.com") {
		t.Errorf("%q, %v", subject, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []email.Config{
		{}, {Address: "mail"}, {Address: "mail:25"}, {Address: "mail:25", From: "a@example.com"}, {Address: "mail:25", From: "a@example.com", To: []string{"b"}},
		{Address: "mail:25", From: "a@example.com\r\nX: y", To: []string{"b@example.com"}}, {Address: "mail:25", From: "a@example.com", To: []string{"\"a b\"@example.com"}},
	} {
		if _, err := email.New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func FuzzInjection(f *testing.F) {
	f.Add("Bcc: x", "\r\n.\r\n", "id")
	f.Add("\n", "é", "<>")
	f.Fuzz(func(t *testing.T, summary, subject, id string) {
		m := alerttest.Message(alert.Trigger)
		m.Summary, m.Subject, m.ID = summary, subject, id
		got, err := mail.ReadMessage(strings.NewReader(string(email.Compose(m))))
		if err != nil || len(got.Header) != 10 || len(got.Header["To"]) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

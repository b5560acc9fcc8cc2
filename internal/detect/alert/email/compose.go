package email

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net/smtp"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/alert"
)

// compose writes the message: plain text, of lines that are CRLF.
func (c *Channel) compose(m *alert.Message, now time.Time) []byte {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	var to []string
	for _, a := range c.to {
		to = append(to, a.String())
	}
	header("From", c.from.String())
	header("To", strings.Join(to, ",\r\n "))
	header("Subject", subject(m))
	header("Date", now.UTC().Format(time.RFC1123Z))
	thread := "<" + atom(m.ID) + "@portcullis.invalid>"
	id := atom(m.ID) + "." + atom(string(m.Kind))
	if m.Kind == alert.Trigger || m.Kind == alert.Resolve { // sent twice by a crash, it is the same mail
		id += fmt.Sprintf(".%s.%t", atom(string(m.Severity)), m.Escalated)
	} else {
		id += fmt.Sprint(".", now.UnixNano())
	}
	header("Message-ID", "<"+id+"@portcullis.invalid>")
	header("References", thread) // one thread for each alert
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(text(m), "\n", "\r\n"))) // into memory: cannot fail
	_ = w.Close()
	return b.Bytes()
}

// subject is encoded whenever it holds anything but plain text, so that it is
// one header whatever it says.
func subject(m *alert.Message) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, fmt.Sprintf("[%s] %s", m.Severity, m.Title()))
	return mime.QEncoding.Encode("utf-8", clean)
}

// atom keeps what may stand in a message id.
func atom(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, s)
}

func text(m *alert.Message) string {
	var b strings.Builder
	b.WriteString(m.Title() + "\n\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name+":", value)
		}
	}
	row("Severity", string(m.Severity))
	row("Metric", m.Metric)
	if s := m.Stats; s != nil {
		row("Value", fmt.Sprint(s.Value))
		row("Expected", s.Expected())
		row("Z-score", fmt.Sprintf("%.2f", s.Z))
	}
	row("Route", m.Route)
	row("Resource", m.Resource)
	row("Caller", m.Subject)
	row("Reason", m.Reason)
	row("Events", fmt.Sprint(m.Count))
	row("First", m.First.Format(time.RFC3339))
	row("Last", m.Last.Format(time.RFC3339))
	row("Gateway", strings.TrimSpace(m.Source+" "+m.Environment))
	row("Event", m.EventID)
	row("Alert", m.ID)
	if len(m.Details) > 0 {
		b.WriteString("\n")
		for _, f := range m.Details {
			b.WriteString(f.Name + ": " + f.Text + "\n")
		}
	}
	if m.Kind == alert.Trigger {
		b.WriteString("\nportcullis alert ack " + m.ID + "\n")
	}
	return b.String()
}

// choose returns the best way to log in that a server offers, nil for none.
func choose(offered, username, password, host string) smtp.Auth {
	ways := strings.Fields(strings.ToUpper(offered))
	switch {
	case slices.Contains(ways, "PLAIN"):
		return smtp.PlainAuth("", username, password, host)
	case slices.Contains(ways, "LOGIN"):
		return &login{username: username, password: password}
	}
	return nil
}

// login is AUTH LOGIN, which older servers have in place of PLAIN.
type login struct {
	username, password string
	step               int
}

// Start implements smtp.Auth. Like that of PLAIN it refuses a connection that is
// not encrypted, but to this machine.
func (l *login) Start(s *smtp.ServerInfo) (string, []byte, error) {
	if !s.TLS && !Near(s.Name) {
		return "", nil, errors.New("the connection is not encrypted")
	}
	return "LOGIN", nil, nil
}

// Next implements smtp.Auth: the first question is for the name, the second
// for the password, whatever their words.
func (l *login) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	l.step++
	switch l.step {
	case 1:
		return []byte(l.username), nil
	case 2:
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks for more than a name and a password")
}

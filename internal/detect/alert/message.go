package alert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/portcullis-dev/portcullis"
)

// Kind is what a message tells.
type Kind string

// Kinds of messages.
const (
	Trigger     Kind = "trigger"
	Acknowledge Kind = "acknowledge"
	Resolve     Kind = "resolve"
	Digest      Kind = "digest" // what was held back because there was too much
	Test        Kind = "test"
)

// Field is one fact of a message.
type Field struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Stats is how unlike before something is.
type Stats struct {
	Value float64 `json:"value"`
	Mean  float64 `json:"mean"`
	SD    float64 `json:"sd"`
	Z     float64 `json:"z"`
}

// Message is what a channel sends. Its texts are one line each, without
// credentials and bounded; what a channel writes them into is its own to guard.
type Message struct {
	Kind        Kind                `json:"kind"`
	ID          string              `json:"id"` // of the alert: the same in all messages about it
	Type        string              `json:"type"`
	Severity    portcullis.Severity `json:"severity"`
	Summary     string              `json:"summary"`
	Metric      string              `json:"metric,omitempty"`
	Stats       *Stats              `json:"stats,omitempty"`
	Route       string              `json:"route,omitempty"`
	Resource    string              `json:"resource,omitempty"`
	Subject     string              `json:"subject,omitempty"` // the caller; sealed unless the channel may show persons
	Reason      string              `json:"reason,omitempty"`
	Count       int                 `json:"count"` // events so far
	Open        int                 `json:"open"`  // of what was joined, how many go on
	First       time.Time           `json:"first"`
	Last        time.Time           `json:"last"`
	EventID     string              `json:"event_id,omitempty"`
	Source      string              `json:"source"`
	Environment string              `json:"environment,omitempty"`
	Details     []Field             `json:"details,omitempty"`
	By          string              `json:"by,omitempty"` // who acknowledged
	Escalated   bool                `json:"escalated,omitempty"`
}

// Title is the message in one line.
func (m *Message) Title() string {
	switch m.Kind {
	case Resolve:
		return "Resolved: " + m.Summary
	case Acknowledge:
		return "Acknowledged: " + m.Summary
	case Test:
		return "TEST: " + m.Summary
	}
	if m.Escalated {
		return "Not acknowledged: " + m.Summary
	}
	return m.Summary
}

// Expected is what was usual, in the words of the guides.
func (s *Stats) Expected() string { return fmt.Sprintf("%.2f ± %.2f", s.Mean, s.SD) }

// Receipt is what the other side said.
type Receipt struct {
	Code int    `json:"code,omitempty"` // HTTP or SMTP; 0 where there is none
	Said string `json:"said,omitempty"`
}

// Channel is a way to people. It is safe for concurrent use.
type Channel interface {
	// Takes reports whether messages of a kind have a meaning here.
	Takes(k Kind) bool
	// Send returns when the other side has taken the message. Its errors hold no
	// credential. An error that is no [*Failure] is one of a channel that is away.
	Send(ctx context.Context, m *Message) (Receipt, error)
	// Close ends connections.
	Close() error
}

// Counter is a channel that counts instead of telling: it hears of every
// event that begins something, whatever is grouped, silenced or limited.
type Counter interface {
	Channel
	// Count adds to counters by metric.
	Count(ctx context.Context, n map[string]int) error
}

// Fault is whose a failure is.
type Fault int

// Faults.
const (
	Away          Fault = iota // the other side may do better later
	Misconfigured              // address or credential: it is tried again slowly
	Refused                    // this message will never be taken
)

// Failure is why a message was not taken.
type Failure struct {
	Fault Fault
	After time.Duration // the other side asked to wait so long
	Err   error
	Said  string // by the other side: for operators who test, not for logs and events
}

func (f *Failure) Error() string { return f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

func failureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Err: err}
}

// Bounds of what a message holds.
const (
	maxText   = 300
	maxFields = 20
)

// line makes one line of a text: no control characters, nothing that turns the
// direction of writing, a bounded length.
func line(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(text, "�") {
		if n == maxText {
			b.WriteRune('…')
			break
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}

// Secret returns a credential as it is now.
type Secret func() (string, error)

// Request is what a channel posts.
type Request struct {
	URL    string
	Header http.Header
	Body   []byte
	Secret string // is taken out of what errors repeat
}

// Post posts by HTTP and returns the status and the body of a success. All else
// is a [*Failure], that holds neither the address nor a credential.
type Post func(ctx context.Context, r Request) (status int, body []byte, err error)

// Reveal reads a credential that a message cannot be sent without.
func Reveal(what string, s Secret) (string, error) {
	text, err := s()
	if err == nil && text == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", &Failure{Fault: Misconfigured, Err: fmt.Errorf("reading the %s: %w", what, err)}
	}
	return text, nil
}

// CheckURL wants https, or http to this machine. Its error does not hold the
// address: that of some servers is a secret.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("want a URL such as \"https://hooks.example.com/alerts\", without user and fragment")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if near := u.Hostname() == "localhost" || err == nil && addr.IsLoopback(); u.Scheme == "https" || u.Scheme == "http" && near {
		return nil
	}
	return errors.New("want https; http only to this machine")
}

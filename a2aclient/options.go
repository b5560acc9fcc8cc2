package a2aclient

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
)

// Options say how agents are called. The zero Options are good: no credential,
// no other origin, the limits of [DefaultLimits].
type Options struct {
	// Credentials are what the agent may be given. What it asks for, its card
	// says; one that fits nothing is an error.
	Credentials []Credential
	// AllowOrigins are further origins ("https://host:port") that a card may
	// name for its interfaces and for its issuer of tokens. They get the
	// credentials too.
	AllowOrigins []string
	// PublicOnly refuses loopback and private addresses, for URLs that come
	// from somebody else. Metadata and link-local addresses are always refused.
	PublicOnly bool
	// Roots are trusted instead of the system's.
	Roots *x509.CertPool
	// Verifier judges signatures of cards. With one, a card must be signed by a
	// key that it trusts.
	Verifier Verifier
	// Observer is told what happens; nil = nobody.
	Observer Observer
	// Bindings are the ones that may be used, best first, of "JSONRPC" and
	// "HTTP+JSON"; empty = both, in the order of the card.
	Bindings []string
	// UserAgent is sent with every request.
	UserAgent string
	Limits    Limits
}

// Verifier judges the signatures of a card.
type Verifier interface {
	// Verify returns the id of the trusted key that signed the card, given
	// as it came. Without one the error says why.
	Verify(card []byte) (keyID string, err error)
}

// Limits bound what an agent can make its caller do. A zero field is that of
// [DefaultLimits].
type Limits struct {
	Timeout      time.Duration // of one request; of a stream until it begins
	Tries        int           // how often a call that may be repeated is repeated; negative = never
	Card         int           // bytes of a card
	Body         int           // bytes of an answer
	Event        int           // bytes of one event of a stream
	Events       int           // events of one stream, with what follows after it broke
	StreamBytes  int64         // bytes of one stream
	Silence      time.Duration // between two events of a stream
	Stream       time.Duration // of a whole stream, and of waiting for a task
	Resubscribes int           // how often a broken stream is taken up again; negative = never
	Poll         time.Duration // first pause between two looks at a task
	Sessions     int           // that are remembered
	SessionTTL   time.Duration // since a session was used
}

// DefaultLimits returns the defaults.
func DefaultLimits() Limits {
	return Limits{
		Timeout: 30 * time.Second, Tries: 3, Card: 1 << 20, Body: 8 << 20, Event: 4 << 20, Events: 100_000,
		StreamBytes: 256 << 20, Silence: 5 * time.Minute, Stream: time.Hour, Resubscribes: 5, Poll: time.Second,
		Sessions: 1000, SessionTTL: 24 * time.Hour,
	}
}

// withDefaults fills what is zero.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	fill(&l.Timeout, d.Timeout)
	fill(&l.Tries, d.Tries)
	fill(&l.Card, d.Card)
	fill(&l.Body, d.Body)
	fill(&l.Event, d.Event)
	fill(&l.Events, d.Events)
	fill(&l.StreamBytes, d.StreamBytes)
	fill(&l.Silence, d.Silence)
	fill(&l.Stream, d.Stream)
	fill(&l.Resubscribes, d.Resubscribes)
	fill(&l.Poll, d.Poll)
	fill(&l.Sessions, d.Sessions)
	fill(&l.SessionTTL, d.SessionTTL)
	return l
}

func fill[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// maxEvent is the widest event that the SDK reads.
const maxEvent = 9 << 20

func (l Limits) validate() error {
	switch {
	case min(l.Timeout, l.Silence, l.Stream, l.Poll, l.SessionTTL) < 0, min(l.Card, l.Body, l.Event, l.Events, l.Sessions) < 0, l.StreamBytes < 0:
		return errors.New("limits: none but Tries and Resubscribes can be negative")
	case l.Event > maxEvent:
		return fmt.Errorf("limits: Event: %d: want at most %d", l.Event, maxEvent)
	}
	return nil
}

// settings are options that were checked.
type settings struct {
	Options
	allowed []guard.Origin
}

// wire says what connections are like: with the client's certificate, or
// without it, to those that it is not for.
func (s *settings) wire(withCertificate bool) guard.Wire {
	w := guard.Wire{PublicOnly: s.PublicOnly, Roots: s.Roots, Timeout: s.Limits.Timeout}
	if withCertificate {
		w.Certificate = guard.ClientCertificate(s.Credentials)
	}
	return w
}

func (o Options) check() (*settings, error) {
	s := &settings{Options: o}
	s.Limits = o.Limits.withDefaults()
	if err := s.Limits.validate(); err != nil {
		return nil, err
	}
	for _, text := range o.AllowOrigins {
		u, at, err := guard.ReadURL(text)
		if err != nil {
			return nil, fmt.Errorf("allowed origin: %w", err)
		}
		if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
			return nil, guard.Faultf(ErrURL, "allowed origin: want scheme, host and port alone, as in %q", at.String())
		}
		s.allowed = append(s.allowed, at)
	}
	for _, b := range o.Bindings {
		if b != JSONRPC && b != HTTPJSON {
			return nil, fmt.Errorf("binding %q: want %q or %q", guard.Words(b), JSONRPC, HTTPJSON)
		}
	}
	if s.UserAgent == "" {
		s.UserAgent = "portcullis-a2a"
	}
	return s, nil
}

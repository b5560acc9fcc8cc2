// Package containment holds callers and tools back while an incident is looked
// into: for a time, with a reason, and reversibly.
//
// A [Containment] says who (a principal, a credential, a session, the addresses
// of a network, a tool, all callers of a route or of an upstream, or everybody), how ([Block], [Throttle], [StepUp]) and until when. It
// is stored, so that a restart forgets none, and ends by itself. [Book] makes
// and ends them; [Guard] is what calls meet: it reads a snapshot that is swapped
// as a whole, without a lock and without I/O, and nothing at all while nobody is
// contained.
//
// What a containment does is on record before it is in force.
package containment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Everything is the subject that stands for all callers.
const Everything = "everything"

// Kind says what a subject is.
type Kind uint8

// The kinds.
const (
	KindPrincipal Kind = iota + 1
	KindCredential
	KindAddress
	KindTool
	KindRoute      // all callers of a route
	KindUpstream   // all callers of the routes to an upstream
	KindEverything // all callers
)

// caller reports whether a subject of the kind is somebody who calls, and not
// what is called.
func (k Kind) caller() bool { return k == KindPrincipal || k == KindCredential || k == KindAddress }

// Measure is what is done to a subject.
type Measure string

// The measures. Tools are only blocked, which holds them.
const (
	Block    Measure = "block"    // every call is refused
	Throttle Measure = "throttle" // calls beyond a low rate are refused
	StepUp   Measure = "step_up"  // calls are refused until the caller has logged in anew
)

// Valid reports whether m is one of the measures.
func (m Measure) Valid() bool { return m == Block || m == Throttle || m == StepUp }

// Bounds of containments.
const (
	MaxActive  = 10_000 // at a time
	MaxSubject = 1024   // bytes
	MaxReason  = 200    // bytes
	MaxCleared = 16     // logins that one step-up remembers
	MaxPerHour = 60_000 // of a throttle
	MaxFor     = 365 * 24 * time.Hour

	minBits4 = 8 // whoever means more addresses means maintenance
	minBits6 = 16
)

// Errors of this package.
var (
	ErrNotFound = errors.New("no such containment is in force")
	ErrInvalid  = errors.New("not a containment")
	ErrFull     = errors.New("too many containments are in force")
)

// Subject is whom a containment is about.
type Subject struct {
	Kind  Kind
	ID    string       // of a principal, a credential or a session; name of a tool or an upstream
	Route string       // of a tool, or a route itself
	Net   netip.Prefix // of addresses
}

// ParseSubject reads what operators write: "key:ID", "session:ID",
// "ip:ADDRESS", "ip:PREFIX", "tool:ROUTE/NAME", "route:NAME", "upstream:NAME",
// "everything", and the id of a principal, with "principal:" before it if it
// looks like one of the others.
func ParseSubject(text string) (Subject, error) {
	if len(text) > MaxSubject {
		return Subject{}, fmt.Errorf("%w: subject: more than %d bytes", ErrInvalid, MaxSubject)
	}
	word, rest, found := strings.Cut(text, ":")
	if !found {
		word = ""
	}
	if text == Everything {
		return Subject{Kind: KindEverything}, nil
	}
	switch word {
	case "key", "session":
		if rest == "" {
			return Subject{}, fmt.Errorf("%w: subject: %q: want an id behind the colon", ErrInvalid, text)
		}
		return Subject{Kind: KindCredential, ID: rest}, nil
	case "route", "upstream":
		if rest == "" {
			return Subject{}, fmt.Errorf("%w: subject: %q: want a name behind the colon", ErrInvalid, text)
		}
		if word == "route" {
			return Subject{Kind: KindRoute, Route: rest}, nil
		}
		return Subject{Kind: KindUpstream, ID: rest}, nil
	case "ip":
		return parseNet(rest)
	case "tool":
		route, name, ok := strings.Cut(rest, "/")
		if !ok || route == "" || name == "" {
			return Subject{}, fmt.Errorf("%w: subject: %q: want tool:ROUTE/NAME", ErrInvalid, text)
		}
		return Subject{Kind: KindTool, Route: route, ID: name}, nil
	case "principal":
		text = rest
	}
	if text == "" {
		return Subject{}, fmt.Errorf("%w: subject: want the id of a principal, key:ID, session:ID, ip:CIDR, tool:ROUTE/NAME, route:NAME, upstream:NAME or everything", ErrInvalid)
	}
	return Subject{Kind: KindPrincipal, ID: text}, nil
}

func parseNet(text string) (Subject, error) {
	wrong := fmt.Errorf(`%w: subject: %q: want an address or a prefix such as "203.0.113.0/24"`, ErrInvalid, text)
	var p netip.Prefix
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		p = netip.PrefixFrom(addr, addr.BitLen())
	} else if p, err = netip.ParsePrefix(text); err != nil || p != p.Masked() || p.Addr().Is4In6() {
		return Subject{}, wrong
	}
	if p.Addr().Is4() && p.Bits() < minBits4 || p.Addr().Is6() && p.Bits() < minBits6 {
		return Subject{}, fmt.Errorf("%w: subject: %q: want at least /%d for IPv4 and /%d for IPv6; 'incident maintenance on' closes the gateway to all", ErrInvalid, text, minBits4, minBits6)
	}
	return Subject{Kind: KindAddress, Net: p}, nil
}

// String returns what [ParseSubject] reads back.
func (s Subject) String() string {
	switch s.Kind {
	case KindCredential:
		return "key:" + s.ID
	case KindTool:
		return "tool:" + s.Route + "/" + s.ID
	case KindAddress:
		if s.Net.IsSingleIP() {
			return "ip:" + s.Net.Addr().String()
		}
		return "ip:" + s.Net.String()
	case KindPrincipal:
		word, _, found := strings.Cut(s.ID, ":")
		if s.ID == Everything {
			return "principal:" + s.ID
		}
		if found {
			switch word {
			case "key", "session", "ip", "tool", "route", "upstream", "principal":
				return "principal:" + s.ID
			}
		}
		return s.ID
	case KindRoute:
		return "route:" + s.Route
	case KindUpstream:
		return "upstream:" + s.ID
	case KindEverything:
		return Everything
	}
	return ""
}

// Actor is the subject as the actor of an event, whose personal data is sealed
// in the audit log.
func (s Subject) Actor() portcullis.Actor {
	a := portcullis.Actor{Method: "response"}
	switch s.Kind {
	case KindPrincipal:
		a.ID = s.ID
	case KindCredential:
		a.KeyID = s.ID
	case KindAddress:
		a.IP = s.Net.Addr()
	}
	return a
}

var kindNames = [...]string{KindPrincipal: "principal", KindCredential: "credential", KindAddress: "address", KindTool: "tool", KindRoute: "route", KindUpstream: "upstream", KindEverything: "everything"}

// String returns "principal".
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Containment is one of them.
type Containment struct {
	ID       string
	Subject  Subject
	Measure  Measure
	PerHour  int  // calls of a throttle
	Admin    bool // holds on the admin listener too
	Reason   string
	By       string // id of who made it
	Auto     bool   // made by a response, not by a person
	Incident string // that it belongs to, "" = none
	Held     string // tools: what releasing puts back
	At       time.Time
	Until    time.Time
	Cleared  []string  // step-up: credentials of logins since
	EndedAt  time.Time // zero while it was not ended
	EndedBy  string
	EndedFor string // why
}

// Active reports whether c is in force.
func (c *Containment) Active(now time.Time) bool { return c.EndedAt.IsZero() && now.Before(c.Until) }

// Validate checks what an operator or a response asks for.
func (c *Containment) Validate() error {
	var errs []error
	bad := func(when bool, text string) {
		if when {
			errs = append(errs, fmt.Errorf("%w: %s", ErrInvalid, text))
		}
	}
	back, err := ParseSubject(c.Subject.String())
	bad(err != nil || back != c.Subject, "subject: not one that can be written")
	bad(!c.Measure.Valid(), "measure: want block, throttle or step_up")
	bad(c.Subject.Kind == KindTool && c.Measure != Block, "measure: tools can only be blocked")
	bad(c.Measure == StepUp && c.Subject.Kind == KindAddress, "measure: an address cannot log in anew; block or throttle it")
	bad(c.Measure == StepUp && !c.Subject.Kind.caller() && c.Subject.Kind != KindTool, "measure: only who calls can log in anew; block or throttle it")
	bad(c.Admin && !c.Subject.Kind.caller(), "admin: only for who calls: what closes a route does not close the admin listener")
	bad(c.Measure == Throttle && (c.PerHour < 1 || c.PerHour > MaxPerHour), fmt.Sprintf("per_hour: want 1 to %d", MaxPerHour))
	bad(c.Measure != Throttle && c.PerHour != 0, "per_hour: only a throttle has one")
	bad(c.Reason == "" || len(c.Reason) > MaxReason, fmt.Sprintf("reason: want 1 to %d bytes", MaxReason))
	d := c.Until.Sub(c.At)
	bad(d <= 0 || d > MaxFor, "for: want more than 0s and at most a year")
	return errors.Join(errs...)
}

// Store keeps containments. A driver passes storetest/incidents.Containments.
type Store interface {
	// SaveContainment adds a containment or replaces the one with its id.
	SaveContainment(ctx context.Context, c Containment) error
	// ActiveContainments lists those that nobody has ended yet, oldest first.
	ActiveContainments(ctx context.Context) ([]Containment, error)
	// Containments lists the newest, those that are over included.
	Containments(ctx context.Context, max int) ([]Containment, error)
	// AutoContainments counts those that responses made since a time.
	AutoContainments(ctx context.Context, since time.Time) (int, error)
}

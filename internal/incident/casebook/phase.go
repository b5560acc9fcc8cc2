package casebook

import (
	"errors"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/incident/order"
)

// Phase is where an incident stands.
type Phase string

// The phases, in the order of a bad day.
const (
	Detect    Phase = "detect"
	Contain   Phase = "contain"
	Preserve  Phase = "preserve"
	Eradicate Phase = "eradicate"
	Recover   Phase = "recover"
	Review    Phase = "review"
)

// Phases lists them in their order.
func Phases() []Phase { return []Phase{Detect, Contain, Preserve, Eradicate, Recover, Review} }

func (p Phase) place() int { return slices.Index(Phases(), p) }

// Valid reports whether p is one of the phases.
func (p Phase) Valid() bool { return p.place() >= 0 }

// Before reports whether p comes before another phase.
func (p Phase) Before(q Phase) bool { return p.place() < q.place() }

// Errors of moving between phases.
var (
	ErrPhase  = errors.New("not a phase it can move to")
	ErrClosed = errors.New("the incident is closed")
)

// Move says whether an incident may go from p to q, and why not. It goes
// forward, over phases that there is nothing to do in; back only with a reason;
// and from before eradicating into it or behind it only when evidence is
// preserved, or by force.
func (p Phase) Move(q Phase, reason string, preserved, force bool) error {
	switch {
	case !q.Valid():
		return fmt.Errorf("%w: %q: want one of %v", ErrPhase, q, Phases())
	case !p.Valid(), p == q:
		return fmt.Errorf("%w: it is in %q", ErrPhase, p)
	case q.Before(p) && reason == "":
		return fmt.Errorf("%w: from %q back to %q wants a reason", ErrPhase, p, q)
	}
	return order.Check("the phase "+string(q), p.Before(Eradicate) && !q.Before(Eradicate), preserved, force)
}

// Severity is how bad an incident is.
type Severity string

// The severities.
const (
	P1 Severity = "P1" // everybody, now
	P2 Severity = "P2" // whoever is on call, now
	P3 Severity = "P3" // today
	P4 Severity = "P4" // when there is time
)

// Severities lists them, the worst first.
func Severities() []Severity { return []Severity{P1, P2, P3, P4} }

// Valid reports whether s is one of them.
func (s Severity) Valid() bool { return slices.Contains(Severities(), s) }

// event is the severity of the events of an incident.
func (s Severity) event() portcullis.Severity {
	switch s {
	case P3:
		return portcullis.SeverityError
	case P4:
		return portcullis.SeverityWarn
	}
	return portcullis.SeverityCritical
}

// Scores from which an incident that a rule opens is worse than P3.
const (
	scoreP1 = 95
	scoreP2 = 80
)

// severityOf is that of an incident that a rule opens.
func severityOf(i Incident) Severity {
	switch {
	case i.Key == Overflow:
		return P2
	case i.Score >= scoreP1:
		return P1
	case i.Score > scoreP2:
		return P2
	}
	return P3
}

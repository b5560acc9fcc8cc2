package endpoint

import (
	"context"
	"errors"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// What a rule says that cannot tell.
var (
	errNoAnswer = errors.New("no answer came")
	errBehind   = errors.New("stands behind authentication: give a credential with --token")
	errAlike    = errors.New("the server answers well-formed requests the same way, so a refusal says nothing")
)

// found collects what is wrong.
type found []rule.Finding

func (f *found) add(where, format string, a ...any) {
	*f = append(*f, rule.Finding{Pointer: where, Message: fmt.Sprintf(format, a...)})
}

// check is a Check that adds what it finds.
type check = func(ctx context.Context, s *Seen) ([]rule.Finding, error)

func look(f func(s *Seen, out *found) error) check {
	return func(_ context.Context, s *Seen) ([]rule.Finding, error) {
		var out found
		err := f(s, &out)
		return out, err
	}
}

// refs is where a rule comes from.
type refs struct {
	guides, owasp, threats, cwe []string
	level                       rule.Level
}

// from makes refs of lists.
func from(level rule.Level, guides, owasp, threats, cwe []string) refs {
	return refs{guides, owasp, threats, cwe, level}
}

func list(s ...string) []string { return s }

// text is what a rule says of itself to people.
type text struct{ title, why, verify, fix string }

// one makes a rule.
func one(kind rule.Kind, id string, severity rule.Severity, r refs, t text, c check) rule.Rule[*Seen] {
	return rule.Rule[*Seen]{
		Meta: rule.Meta{
			ID: kind.Prefix() + id, Kind: kind, Severity: severity, Title: t.title, Why: t.why, Verify: t.verify, Fix: t.fix,
			Guides: r.guides, OWASP: r.owasp, CoSAI: r.level, Threats: r.threats, CWE: r.cwe,
		},
		Check: c,
	}
}

// active marks a rule whose requests a polite client would not send.
func active(r rule.Rule[*Seen]) rule.Rule[*Seen] {
	r.Active = true
	return r
}

// refused makes a check that a variant of a harmless request was turned down.
// Where the plain request is answered, anything but an answer will do; where it
// is not, only another status than that one's shows that somebody looked.
func refused(name, what string) check {
	return look(func(s *Seen, out *found) error {
		a, ok := s.got(name)
		if !ok {
			return errNoAnswer
		}
		if a.ok() {
			out.add(name, "%s was answered with %d.", what, a.Status)
			return nil
		}
		plain, ok := s.got(harmless)
		switch {
		case !ok:
			return errNoAnswer
		case plain.ok():
			return nil
		case a.Status != plain.Status && a.Status < 500 && a.Status >= 400:
			return nil
		case plain.locked():
			return errBehind
		}
		return errAlike
	})
}

// locked makes a check that a call without a credential was turned away.
func locked(what string, names ...string) check {
	return look(func(s *Seen, out *found) error {
		told := false
		for _, name := range names {
			a, ok := s.got(name)
			if !ok {
				continue
			}
			told = true
			if a.served() {
				out.add(name, "%s without a credential was answered with %d.", what, a.Status)
			}
		}
		if !told {
			return errNoAnswer
		}
		return nil
	})
}

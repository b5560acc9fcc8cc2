// Package attest has the lines of the checklists that no program can observe:
// that somebody reviewed, tested, trained. A person says so, with a name and an
// end, and the statement stands in a file. Without a statement the verdict is
// unknown, behind its end the rule fails; it passes only in between.
package attest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// FileName is the name of the file where none is given.
const FileName = ".portcullis-attestations.toml"

const (
	dateForm = "2006-01-02"
	day      = 24 * time.Hour
)

// Statement is what a person says of one rule.
type Statement struct {
	Rule  string `toml:"rule" required:"true" doc:"Id of the rule."`
	Owner string `toml:"owner" required:"true" doc:"Who says so."`
	On    string `toml:"on" required:"true" doc:"The day on which."`
	Until string `toml:"until" required:"true" doc:"The last day on which it counts."`
	Note  string `toml:"note" doc:"What it rests on: a ticket, a report."`
}

// Book is the statements of a file, as of a moment.
type Book struct {
	Statements []Statement `toml:"attestation"`

	name   string
	origin *tomlstrict.Origin
	now    time.Time
}

// Parse reads statements. The name stands in messages and findings.
func Parse(name string, data []byte, now time.Time) (*Book, error) {
	t, err := tomlstrict.Parse(name, data)
	if err != nil {
		return nil, err
	}
	b := &Book{name: name, now: now}
	if b.origin, err = (tomlstrict.Decoder{Prototypes: []any{Statement{}}}).Decode(t, b); err != nil {
		return nil, err
	}
	var errs tomlstrict.Errors
	for i, s := range b.Statements {
		errs = append(errs, b.origin.Locate(fmt.Sprintf("attestation[%d]", i), s.check(now))...)
	}
	if len(errs) > 0 {
		return nil, errs.Sorted()
	}
	return b, nil
}

// Empty is a book in which nobody has said anything.
func Empty(name string, now time.Time) *Book { return &Book{name: name, now: now} }

// Name is how the file was called.
func (b *Book) Name() string { return b.name }

func (s Statement) check(now time.Time) error {
	i := slices.IndexFunc(lines[:], func(l line) bool { return id(l) == s.Rule })
	if i < 0 {
		return fmt.Errorf("rule: %q: is no line that is attested", s.Rule)
	}
	if strings.TrimSpace(s.Owner) == "" {
		return errors.New("owner: want the name of a person or a team")
	}
	on, err := time.Parse(dateForm, s.On)
	if err != nil {
		return fmt.Errorf("on: %q: want a day such as 2026-12-31", s.On)
	}
	until, err := time.Parse(dateForm, s.Until)
	switch {
	case err != nil:
		return fmt.Errorf("until: %q: want a day such as 2026-12-31", s.Until)
	case on.After(now.Add(day)):
		return fmt.Errorf("on: %s: has not come yet", s.On)
	case until.Before(on):
		return fmt.Errorf("until: %s: is before on", s.Until)
	case until.Sub(on) > time.Duration(lines[i].days)*day:
		return fmt.Errorf("until: %s: want %d days from on or less: the line has to be looked at again then", s.Until, lines[i].days)
	}
	return nil
}

// Add returns the text of a file with a statement, in place of the one before
// on the same rule. It is refused if it could not be read back.
func (b *Book) Add(s Statement) ([]byte, error) {
	if err := s.check(b.now); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(slices.Clone(b.Statements), func(other Statement) bool { return other.Rule == s.Rule })
	all = append(all, s)
	slices.SortFunc(all, func(a, b Statement) int { return strings.Compare(a.Rule, b.Rule) })
	var out strings.Builder
	out.WriteString("# What people attest: lines of the checklists that no program can observe.\n# 'portcullis check attest' writes this file.\n")
	for _, s := range all {
		fmt.Fprintf(&out, "\n[[attestation]]\nrule = %s\nowner = %s\non = %s\nuntil = %s\n",
			tomlstrict.Quote(s.Rule), tomlstrict.Quote(s.Owner), tomlstrict.Quote(s.On), tomlstrict.Quote(s.Until))
		if s.Note != "" {
			fmt.Fprintf(&out, "note = %s\n", tomlstrict.Quote(s.Note))
		}
	}
	if _, err := Parse(b.name, []byte(out.String()), b.now); err != nil {
		return nil, err
	}
	return []byte(out.String()), nil
}

// Longest returns for how many days a statement on a rule counts at most.
func Longest(rule string) (days int, ok bool) {
	i := slices.IndexFunc(lines[:], func(l line) bool { return id(l) == rule })
	if i < 0 {
		return 0, false
	}
	return lines[i].days, true
}

// look returns the check of one line.
func look(id string) func(context.Context, *Book) ([]rule.Finding, error) {
	return func(_ context.Context, b *Book) ([]rule.Finding, error) {
		i := slices.IndexFunc(b.Statements, func(s Statement) bool { return s.Rule == id })
		if i < 0 {
			return nil, fmt.Errorf("nobody has attested it: portcullis check attest %s --owner NAME", id)
		}
		s := b.Statements[i]
		until, err := time.Parse(dateForm, s.Until)
		if err != nil {
			return nil, fmt.Errorf("until: %q is no day", s.Until)
		}
		if b.now.Before(until.Add(day)) {
			return nil, nil
		}
		at := fmt.Sprintf("attestation[%d]", i)
		return []rule.Finding{{
			Message: fmt.Sprintf("%s attested it until %s, which has passed.", s.Owner, s.Until),
			File:    b.name, Line: b.origin.Line(at), Pointer: at,
		}}, nil
	}
}

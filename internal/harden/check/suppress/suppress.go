// Package suppress reads what somebody has decided to live with.
//
// The decisions stand in a file, .portcullis-check.toml. Each names a rule, says
// why, and ends:
//
//	[[suppress]]
//	rule = "config-sinks-missing"
//	path = "deploy/portcullis.toml"
//	reason = "events are shipped by the agent of the host"
//	owner = "ops@example.com"
//	expires = "2027-03-31"
//
// One about a vulnerability may name its advisory. Behind its end the finding is back, and there is another about the decision.
// What is not to be looked at in the first place, such as samples that are
// wrong on purpose, is excluded by path.
package suppress

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
)

// FileName is the name of the file where none is given.
const FileName = ".portcullis-check.toml"

// File is the decisions. The zero File holds none.
type File struct {
	Suppress []Decision `toml:"suppress" doc:"A finding to live with. Repeat the table for each one."`
	Exclude  []Exclude  `toml:"exclude" doc:"Files that are not looked at. Repeat the table for each pattern."`

	name   string
	origin *tomlstrict.Origin
}

// Decision is one [[suppress]].
type Decision struct {
	Rule string `toml:"rule" required:"true" doc:"Id of the rule; * at the end stands for any text."`
	Path string `toml:"path" doc:"Files, or names of targets, that it is about; * is any text without a slash, ** any. Empty is all."`
	// Advisory narrows a decision to one vulnerability, as an exploitability
	// statement (VEX) does.
	Advisory string `toml:"advisory" doc:"Id or alias of a vulnerability, such as CVE-2026-1234: the decision is about it alone."`

	Reason  string `toml:"reason" required:"true" doc:"Why it is right to live with it."`
	Owner   string `toml:"owner" doc:"Who decided."`
	Expires string `toml:"expires" required:"true" doc:"Last day, such as 2027-03-31."`
}

// Exclude is one [[exclude]].
type Exclude struct {
	Path   string `toml:"path" required:"true" doc:"Files that are not looked at; * is any text without a slash, ** any."`
	Reason string `toml:"reason" required:"true" doc:"Why not."`
}

// maxTime bounds how long a decision holds without somebody thinking again.
const maxTime = 370 * 24 * time.Hour

const dateForm = "2006-01-02"

// Parse reads decisions. The name stands in messages and findings.
func Parse(name string, data []byte, now time.Time) (*File, error) {
	t, err := tomlstrict.Parse(name, data)
	if err != nil {
		return nil, err
	}
	f := &File{name: name}
	origin, err := tomlstrict.Decoder{Prototypes: []any{Decision{}, Exclude{}}}.Decode(t, f)
	if err != nil {
		return nil, err
	}
	f.origin = origin
	var errs tomlstrict.Errors
	for i, d := range f.Suppress {
		errs = append(errs, origin.Locate(fmt.Sprintf("suppress[%d]", i), d.check(now))...)
	}
	for i, e := range f.Exclude {
		errs = append(errs, origin.Locate(fmt.Sprintf("exclude[%d]", i), errors.Join(explained(e.Reason), pattern(e.Path), e.names()))...)
	}
	if len(errs) > 0 {
		return nil, errs.Sorted()
	}
	return f, nil
}

func (d Decision) check(now time.Time) error {
	errs := []error{explained(d.Reason), pattern(d.Path)}
	if strings.Trim(d.Rule, "*-") == "" {
		errs = append(errs, fmt.Errorf("rule: %q: want the id of a rule, or the begin of some and a *", d.Rule))
	}
	if strings.HasSuffix(d.Rule, "*") && !named(d.Path) && !named(d.Advisory) {
		errs = append(errs, fmt.Errorf("path: %q: want a path that names something, or an advisory, since %s is more than one rule", d.Path, d.Rule))
	}
	until, err := time.Parse(dateForm, d.Expires)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("expires: %q: want a day such as 2027-03-31", d.Expires))
	case until.After(now.Add(maxTime)):
		errs = append(errs, fmt.Errorf("expires: %s: want a day within a year", d.Expires))
	}
	return errors.Join(errs...)
}

// names reports an exclusion of everything, with which any check passes.
func (e Exclude) names() error {
	if !named(e.Path) {
		return fmt.Errorf("path: %q: is everything: name what is not to be looked at", e.Path)
	}
	return nil
}

// named reports whether a pattern names something: it has a letter or digit.
func named(p string) bool {
	return strings.ContainsFunc(p, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

func explained(reason string) error {
	if len(strings.Fields(reason)) < 2 {
		return errors.New("reason: say why, in words")
	}
	return nil
}

func pattern(p string) error {
	if p == "" {
		return nil
	}
	for part := range strings.SplitSeq(p, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf("path: %q: is no pattern", p)
		}
	}
	return nil
}

// Excluded returns why files of a path are not looked at, and whether so.
func (f *File) Excluded(p string) (reason string, yes bool) {
	i := slices.IndexFunc(f.Exclude, func(e Exclude) bool { return matches(e.Path, p) })
	if i < 0 {
		return "", false
	}
	return f.Exclude[i].Reason, true
}

// State is the decisions and what became of them in one run.
type State struct {
	*File
	used   []bool
	looked []bool // a rule that a decision is about could tell
	ran    []bool // a rule that a decision is about had something to look at
	idled  []bool // and one that had not
	now    time.Time
}

// Begin returns the decisions as of now. Ask for each finding, then let the
// rules look at the state.
func (f *File) Begin(now time.Time) *State {
	return &State{File: f, used: make([]bool, len(f.Suppress)), looked: make([]bool, len(f.Suppress)), ran: make([]bool, len(f.Suppress)), idled: make([]bool, len(f.Suppress)), now: now}
}

// Name is how the file was called, empty for decisions that no file holds.
func (f *File) Name() string { return f.name }

// Decide returns the decision that a finding is lived with by, or nil. The
// advisory is that of the finding, or nil; places are the file of the finding
// and the name of its target.
func (s *State) Decide(id string, a *rule.Advisory, places ...string) *Decision {
	for i := range s.Suppress {
		d := &s.Suppress[i]
		if !d.fits(id, a, places) {
			continue
		}
		s.used[i] = true // also one that has expired: that is what is told of it
		if !s.over(*d) {
			return d
		}
	}
	return nil
}

// Looked tells that a rule could tell of all that it looked at. A decision about
// an advisory is unused only then: without a database nobody knows.
func (s *State) Looked(id string) {
	for i, d := range s.Suppress {
		s.looked[i] = s.looked[i] || d.about(id)
	}
}

// Ran tells whether this run had anything that a rule looks at. A decision about
// rules that had nothing, all of them, is not unused: this was not the run that it
// is for.
func (s *State) Ran(id string, ran bool) {
	for i, d := range s.Suppress {
		if d.about(id) {
			s.ran[i], s.idled[i] = s.ran[i] || ran, s.idled[i] || !ran
		}
	}
}

// idle reports whether a decision is about nothing that was found, as far as that
// can be told.
func (s *State) idle(i int) bool {
	return !s.used[i] && (s.ran[i] || !s.idled[i]) && (s.Suppress[i].Advisory == "" || s.looked[i])
}

// over reports whether the last day of a decision has passed.
func (s *State) over(d Decision) bool {
	until, err := time.Parse(dateForm, d.Expires)
	return err != nil || !s.now.Before(until.Add(24*time.Hour))
}

// about reports whether a decision is about a rule.
func (d Decision) about(id string) bool {
	begin, open := strings.CutSuffix(d.Rule, "*")
	return d.Rule == id || open && strings.HasPrefix(id, begin)
}

func (d Decision) fits(id string, a *rule.Advisory, places []string) bool {
	if !d.about(id) {
		return false
	}
	if d.Advisory != "" && !a.Is(d.Advisory) {
		return false
	}
	return d.Path == "" || slices.ContainsFunc(places, func(p string) bool { return p != "" && matches(d.Path, p) })
}

// matches reports whether a path fits a pattern, or lies below what fits.
func matches(pattern, p string) bool {
	return match(strings.Split(strings.TrimPrefix(pattern, "./"), "/"), strings.Split(p, "/"))
}

func match(pattern, p []string) bool {
	switch {
	case len(pattern) == 0:
		return true
	case pattern[0] == "**":
		for i := range len(p) + 1 {
			if match(pattern[1:], p[i:]) {
				return true
			}
		}
		return false
	case len(p) == 0:
		return false
	}
	ok, err := path.Match(pattern[0], p[0])
	return err == nil && ok && match(pattern[1:], p[1:])
}

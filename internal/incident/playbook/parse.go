package playbook

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
)

// Bounds of a playbook.
const (
	MaxFile  = 64 << 10 // bytes
	MaxSteps = 50
	maxText  = 200  // bytes of a title or a name
	maxArg   = 1024 // bytes of an argument
	maxArgs  = 20
)

// Evidence is the name of the action behind which a destructive step may come.
const Evidence = "evidence"

// ErrInvalid says that something is no playbook.
var ErrInvalid = errors.New("not a playbook")

// Playbook is one of them.
type Playbook struct {
	Name    string // of the file, without its ending
	Title   string
	About   string
	Steps   []Step
	BuiltIn bool
	Text    string // as it was written
}

// Step is one thing to do.
type Step struct {
	Name     string            `toml:"name"`
	Action   string            `toml:"action"`
	Phase    casebook.Phase    `toml:"phase"`    // the incident reaches it before the step; "" = it stays
	Optional bool              `toml:"optional"` // the run goes on when it fails
	Args     map[string]string `toml:"args"`

	line int
}

// file is a playbook as it is written.
type file struct {
	Title string `toml:"title"`
	About string `toml:"about"`
	Steps []Step `toml:"step"`
}

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	argForm    = regexp.MustCompile(`^[a-z][a-z_]{0,31}$`)
	holderForm = regexp.MustCompile(`\{([a-z][a-z_]{0,31})\}`)
)

// Parse reads a playbook. Its errors name the file and the line.
func Parse(name string, text []byte) (*Playbook, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("%w: %q: want a name of small letters, digits and dashes", ErrInvalid, name)
	}
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%w: %s: more than %d bytes", ErrInvalid, name, MaxFile)
	}
	var f file
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, explain(name, err))
	}
	p := &Playbook{Name: name, Title: f.Title, About: f.About, Steps: f.Steps, Text: string(text)}
	for i, n := range stepLines(text) {
		if i < len(p.Steps) {
			p.Steps[i].line = n
		}
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// explain puts where an error is in front of it.
func explain(name string, err error) string {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		line, _ := first.Position()
		return fmt.Sprintf("%s.toml:%d: there is no key %q", name, line, strings.Join(first.Key(), "."))
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ := wrong.Position()
		return fmt.Sprintf("%s.toml:%d: %s", name, line, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	return fmt.Sprintf("%s.toml: %s", name, strings.TrimPrefix(err.Error(), "toml: "))
}

// stepLines finds the lines on which steps begin.
func stepLines(text []byte) (out []int) {
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.ArrayTable {
			continue
		}
		key := e.Key()
		if key.Next() && string(key.Node().Data) == "step" && key.IsLast() {
			out = append(out, p.Shape(key.Node().Raw).Start.Line)
		}
	}
	return out
}

func (p *Playbook) validate() error {
	var errs []error
	bad := func(s *Step, format string, a ...any) {
		where := p.Name + ".toml"
		if s != nil && s.line > 0 {
			where += fmt.Sprintf(":%d", s.line)
		}
		errs = append(errs, fmt.Errorf("%w: %s: %s", ErrInvalid, where, fmt.Sprintf(format, a...)))
	}
	if p.Title == "" || len(p.Title) > maxText {
		bad(nil, "title: want 1 to %d bytes", maxText)
	}
	if len(p.About) > 2000 {
		bad(nil, "about: want at most 2000 bytes")
	}
	if n := len(p.Steps); n == 0 || n > MaxSteps {
		bad(nil, "want 1 to %d steps, not %d", MaxSteps, n)
	}
	seen := map[string]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		switch {
		case s.Name == "" || len(s.Name) > maxText || strings.ContainsAny(s.Name, "\n\r"):
			bad(s, "name: want one line of 1 to %d bytes", maxText)
		case seen[s.Name]:
			bad(s, "name: %q: two steps have it", s.Name)
		}
		seen[s.Name] = true
		if !nameForm.MatchString(s.Action) {
			bad(s, "action: %q: want the name of an action", s.Action)
		}
		if s.Phase != "" && !s.Phase.Valid() {
			bad(s, "phase: %q: want one of %v", s.Phase, casebook.Phases())
		}
		if len(s.Args) > maxArgs {
			bad(s, "args: want at most %d", maxArgs)
		}
		for _, key := range slices.Sorted(maps.Keys(s.Args)) {
			v := s.Args[key]
			switch {
			case !argForm.MatchString(key) || reserved(key):
				bad(s, "args: %q: not the name of an argument", key)
			case len(v) > maxArg:
				bad(s, "args.%s: more than %d bytes", key, maxArg)
			case strings.ContainsAny(holderForm.ReplaceAllString(v, ""), "{}"):
				bad(s, "args.%s: %q: want {name} for what comes from the incident", key, v)
			}
		}
	}
	return errors.Join(errs...)
}

// reserved are arguments that a run sets itself.
func reserved(key string) bool {
	switch key {
	case ArgIncident, ArgRun, ArgStep, ArgBy, ArgAuto, ArgForce:
		return true
	}
	return false
}

// UnknownError says that something a step needs is not known of the incident.
type UnknownError struct{ Name string }

// Error says how it becomes known.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("{%s} is not known of the incident: --set %s=… says it", e.Name, e.Name)
}

// fill puts what is known into the arguments of a step.
func (s *Step) fill(vars map[string]string) (Args, error) {
	out := Args{}
	for _, key := range slices.Sorted(maps.Keys(s.Args)) {
		var missing *UnknownError
		out[key] = holderForm.ReplaceAllStringFunc(s.Args[key], func(h string) string {
			v := vars[h[1:len(h)-1]]
			if v == "" && missing == nil {
				missing = &UnknownError{h[1 : len(h)-1]}
			}
			return v
		})
		if missing != nil {
			return nil, missing
		}
	}
	return out, nil
}

// Vars is what is known of an incident, for arguments: its subjects by what
// they are, and what was said beside.
func Vars(i *casebook.Incident, more map[string]string) map[string]string {
	out := map[string]string{"incident": i.ID, "severity": string(i.Severity), "title": i.Summary}
	first := func(name, v string) {
		if out[name] == "" {
			out[name] = v
		}
	}
	for _, s := range i.Subjects {
		first("subject", s)
		word, rest, _ := strings.Cut(strings.TrimPrefix(s, "principal:"), ":")
		switch word {
		case "key", "session", "upstream", "route":
			first(word, rest)
		case "ip":
			first("address", rest)
		case "tool":
			route, _, _ := strings.Cut(rest, "/")
			first("tool", rest)
			first("route", route)
		case "user":
			first("user", rest)
		}
	}
	maps.Copy(out, more)
	return out
}

// Package drill exercises a playbook against a scratch gateway and grades it:
// a data folder that is thrown away, two servers in this process, a legitimate
// caller, and an attacker who has stolen a key and carries data out with it.
//
// Nothing of the gateway that runs here otherwise is touched. A grade is only
// "passed" when what it is about was seen to happen; a step whose action there
// is not here is "not run", and a drill with such a step is not passed.
package drill

import (
	"encoding/json"
	"slices"
	"time"
)

// Options say what is drilled.
type Options struct {
	Playbook  string
	Playbooks string // folder of playbooks; "" = the built-in ones
	Hooks     []Hook // of the configuration: a program that does nothing stands in for each
	Version   string
	Log       func(format string, a ...any) // progress; nil = none
}

// Hook is one that playbooks may name.
type Hook struct {
	Name        string
	Destructive bool
}

// Outcome of one grade.
type Outcome string

// The outcomes.
const (
	Passed Outcome = "passed"
	Failed Outcome = "failed"
	NotRun Outcome = "not_run"
)

// Grade is what was looked at, and what was seen.
type Grade struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Text    string  `json:"text"`
}

// Result is what a drill found.
type Result struct {
	Playbook    string          `json:"playbook"`
	Passed      bool            `json:"passed"`
	Grades      []Grade         `json:"grades"`
	ContainedIn time.Duration   `json:"-"`
	Calls       Calls           `json:"calls"`
	Run         json.RawMessage `json:"run"`
}

// Calls are those that were made.
type Calls struct {
	Attacker     int `json:"attacker"`
	AttackerLast int `json:"attacker_after_containment"`
	Legitimate   int `json:"legitimate"`
	Lost         int `json:"legitimate_lost"`
}

// MarshalJSON writes the time in milliseconds.
func (r Result) MarshalJSON() ([]byte, error) {
	type plain Result
	return json.Marshal(struct {
		plain
		MS int64 `json:"contained_in_ms"`
	}{plain(r), r.ContainedIn.Milliseconds()})
}

func (r *Result) grade(name string, ok bool, text string) {
	o := Failed
	if ok {
		o = Passed
	}
	r.Grades = append(r.Grades, Grade{name, o, text})
}

func (r *Result) notRun(name, text string) {
	r.Grades = append(r.Grades, Grade{name, NotRun, text})
}

// close says whether all of it passed.
func (r *Result) close() {
	r.Passed = len(r.Grades) > 0 && !slices.ContainsFunc(r.Grades, func(g Grade) bool { return g.Outcome != Passed })
}

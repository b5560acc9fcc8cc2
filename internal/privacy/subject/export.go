package subject

import (
	_ "embed"
	"time"
)

// Format names the form of an export; see user-data.schema.json.
const Format = "portcullis.user-data.v1"

// Schema is the JSON Schema of an export.
//
//go:embed user-data.schema.json
var Schema []byte

// Export is all that is held about a person.
type Export struct {
	Format     string            `json:"format"`
	Made       time.Time         `json:"made_at"`
	Subject    Person            `json:"subject"`
	Restricted bool              `json:"restricted" doc:"No calls of this subject are processed, but for these rights"`
	Attributes map[string]string `json:"attributes" doc:"What the subject asked to have put right"`
	Holdings   []Collected       `json:"holdings"`
}

// Status is an erasure as those who asked for it see it.
type Status struct {
	ID      string     `json:"id"`
	State   string     `json:"state" enum:"running,held,telling,erased"`
	Asked   time.Time  `json:"asked_at"`
	By      string     `json:"asked_by" enum:"subject,operator"`
	Ended   *time.Time `json:"erased_at,omitempty"`
	Steps   []Step     `json:"steps"`
	Receipt string     `json:"receipt,omitempty" doc:"Signed; 'portcullis privacy receipt verify' checks it"`
}

// StatusOf returns the status of a run.
func StatusOf(r *Run) Status {
	s := Status{ID: r.ID, State: r.State.String(), Asked: r.At, By: r.By, Steps: r.Steps, Receipt: r.Receipt}
	if s.Steps == nil {
		s.Steps = []Step{}
	}
	if !r.Ended.IsZero() {
		s.Ended = &r.Ended
	}
	return s
}

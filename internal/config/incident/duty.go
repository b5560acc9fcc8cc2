package incident

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/incident/duty"
)

// What /ready does about duties that are overdue.
const (
	ReadyShow = "show" // names them, and is ready
	ReadyHide = "hide" // says nothing of them
	ReadyFail = "fail" // names them, and is not ready
)

// Duty is [[incident.duty]].
type Duty struct {
	Name  string        `toml:"name" required:"true" example:"\"log-review\"" doc:"In commands, events and metrics, and what /ready shows: small letters, digits and dashes."`
	Every string        `toml:"every" required:"true" example:"\"week\"" doc:"How often it comes back: day, week, month, quarter or year, or more of them such as \"2 weeks\". Periods are those of the calendar, in UTC; weeks begin on Monday."`
	Grace time.Duration `toml:"grace" doc:"How long behind its date it is not overdue yet. It is shorter than the period."`
	What  string        `toml:"what" example:"\"Read the refusals of the week.\"" doc:"What is to be done, for people."`
}

// DefaultDuty returns the defaults of [[incident.duty]].
func DefaultDuty() Duty { return Duty{Grace: 12 * time.Hour} }

func (d Duty) duty() (duty.Duty, error) {
	every, err := duty.ParseEvery(d.Every)
	return duty.Duty{Name: d.Name, What: d.What, Every: every, Grace: d.Grace}, err
}

// Validate checks [[incident.duty]].
func (d Duty) Validate() error {
	var errs []error
	if d.Name != "" && duty.CheckName(d.Name) != nil {
		errs = append(errs, fmt.Errorf("name: %q: want small letters, digits and dashes, at most %d", d.Name, duty.MaxName))
	}
	if len(d.What) > duty.MaxWhat || !utf8.ValidString(d.What) {
		errs = append(errs, fmt.Errorf("what: want at most %d bytes", duty.MaxWhat))
	}
	if d.Every == "" { // it is required
		return errors.Join(errs...)
	}
	v, err := d.duty()
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf(`every: %q: want day, week, month, quarter or year, or more of them: "2 weeks"`, d.Every))
	case d.Grace < 0 || d.Grace >= v.Every.Shortest():
		errs = append(errs, fmt.Errorf("grace: want \"0s\" or more, and less than a %s", d.Every))
	}
	return errors.Join(errs...)
}

func (c Incident) checkDuties() error {
	var errs []error
	if len(c.Duty) > duty.MaxDuties {
		errs = append(errs, fmt.Errorf("duty: want at most %d", duty.MaxDuties))
	}
	for i, d := range c.Duty {
		same := func(other Duty) bool { return other.Name == d.Name }
		if first := slices.IndexFunc(c.Duty, same); d.Name != "" && first < i {
			errs = append(errs, fmt.Errorf("duty[%d].name: %q: is taken by duty[%d]", i, d.Name, first))
		}
	}
	return errors.Join(errs...)
}

// Calendar returns the duties in force.
func (c Incident) Calendar() ([]duty.Duty, error) {
	if !c.Duties {
		return nil, nil
	}
	if len(c.Duty) == 0 {
		return duty.Defaults(), nil
	}
	out := make([]duty.Duty, len(c.Duty))
	for i, d := range c.Duty {
		var err error
		if out[i], err = d.duty(); err != nil {
			return nil, fmt.Errorf("incident.duty[%d]: %w", i, err)
		}
	}
	return out, nil
}

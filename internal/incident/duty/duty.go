// Package duty is the calendar of what people must do although nothing has
// happened: read the log each week, rotate each month, audit each quarter.
//
// When a duty is due is computed from the calendar (UTC), how often it comes
// back, and when it was signed off last; nothing counts onward from the last
// time, so due dates do not drift, however late somebody signs, however often
// the process starts, and whatever its clock does.
package duty

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Errors of this package.
var (
	ErrInvalid  = errors.New("not a duty")
	ErrNotFound = errors.New("there is no such duty")
)

// Unit is a period of the calendar.
type Unit string

// Units. Weeks begin on Monday, quarters in January, April, July and October.
const (
	Day     Unit = "day"
	Week    Unit = "week"
	Month   Unit = "month"
	Quarter Unit = "quarter"
	Year    Unit = "year"
)

// maxEvery bounds how many units a period has.
const maxEvery = 366

// Every is how often a duty comes back: N units.
type Every struct {
	N    int
	Unit Unit
}

var everyForm = regexp.MustCompile(`^(?:([1-9][0-9]{0,2}) )?(day|week|month|quarter|year)(s?)$`)

// ParseEvery reads "week", "2 weeks", "month", "quarter" or "year".
func ParseEvery(text string) (Every, error) {
	m := everyForm.FindStringSubmatch(text)
	e := Every{N: 1}
	if m == nil {
		return e, fmt.Errorf(`%w: %q: want day, week, month, quarter or year, or more of them: "2 weeks"`, ErrInvalid, text)
	}
	if m[1] != "" {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return e, fmt.Errorf("%w: %q: %w", ErrInvalid, text, err)
		}
		e.N = n
	}
	e.Unit = Unit(m[2])
	if e.N > maxEvery || (e.N == 1) != (m[3] == "") || e.N == 1 && m[1] != "" {
		return e, fmt.Errorf(`%w: %q: want one form of a period, up to %d: "week", "2 weeks"`, ErrInvalid, text, maxEvery)
	}
	return e, nil
}

// String is the inverse of ParseEvery.
func (e Every) String() string {
	if e.N == 1 {
		return string(e.Unit)
	}
	return strconv.Itoa(e.N) + " " + string(e.Unit) + "s"
}

// firstMonday is where weeks are counted from; days are, too.
func firstMonday() time.Time { return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC) }

const daySeconds = 24 * 60 * 60

// After is the first beginning of a period behind t.
func (e Every) After(t time.Time) time.Time {
	n := e.number(t)
	return e.begin(n + 1)
}

// Begin is the beginning of the period that t is in.
func (e Every) Begin(t time.Time) time.Time { return e.begin(e.number(t)) }

// number counts the periods since the year 1.
func (e Every) number(t time.Time) int {
	t = t.UTC()
	months := (t.Year()-1)*12 + int(t.Month()) - 1
	switch e.Unit {
	case Day, Week:
		return int((t.Unix()-firstMonday().Unix())/daySeconds) / e.days()
	case Month:
		return months / e.N
	case Quarter:
		return months / (3 * e.N)
	}
	return (t.Year() - 1) / e.N
}

func (e Every) days() int {
	if e.Unit == Week {
		return 7 * e.N
	}
	return e.N
}

func (e Every) begin(n int) time.Time {
	switch e.Unit {
	case Day, Week:
		return firstMonday().AddDate(0, 0, n*e.days())
	case Month:
		return firstMonday().AddDate(0, n*e.N, 0)
	case Quarter:
		return firstMonday().AddDate(0, 3*n*e.N, 0)
	}
	return firstMonday().AddDate(n*e.N, 0, 0)
}

// Duty is one thing that people do again and again.
type Duty struct {
	Name  string
	What  string // for people
	Every Every
	Grace time.Duration // how long behind its date it is not overdue
}

// Limits of a duty.
const (
	MaxDuties = 64
	MaxName   = 64
	MaxWhat   = 500
	MaxNote   = 500
)

// Shortest is how long the shortest of these periods is: a grace is shorter.
func (e Every) Shortest() time.Duration {
	n := time.Duration(e.N)
	switch e.Unit {
	case Day, Week:
		return time.Duration(e.days()) * days
	case Month:
		return n * 28 * days
	case Quarter:
		return n * 90 * days
	}
	return n * 365 * days
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// CheckName refuses what is not the name of a duty. A name is shown to
// everybody who may ask whether the gateway is ready, and is a label of metrics.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%w: name: %q: want small letters, digits and dashes, at most %d", ErrInvalid, name, MaxName)
	}
	return nil
}

const days = 24 * time.Hour

// Defaults are the duties of a gateway whose configuration names none.
func Defaults() []Duty {
	return []Duty{
		{"log-review", "Read the refusals, anomalies and incidents of the week in the audit log.", Every{1, Week}, 3 * days},
		{"credential-rotation", "Rotate the credentials that do not rotate themselves.", Every{1, Month}, 7 * days},
		{"access-audit", "Audit who may call what: keys, users, roles, policies, tools and contacts.", Every{1, Quarter}, 14 * days},
		{"compliance-review", "Review controls, threat model, retention and the runbook against what you promised.", Every{1, Year}, 30 * days},
	}
}

// Record is what is kept of a duty.
type Record struct {
	Name    string
	Since   time.Time // when it was first known
	Signed  time.Time // when it was signed off last; zero = never
	Event   string    // id of the event that tells who did
	Told    time.Time // the date that people were last told of
	Overdue bool      // and that it was over by more than the grace
}

// State says where a duty stands.
type State string

// States.
const (
	Ahead   State = "ahead"
	Due     State = "due"
	Overdue State = "overdue"
)

// Standing is where a duty stands at one moment.
type Standing struct {
	State  State
	Due    time.Time // the oldest date that is not signed off
	Missed int       // dates that went by since, this one not counted
	Next   time.Time // when it stands elsewhere
}

// base is what the next date is computed from.
func (r Record) base() time.Time {
	if r.Signed.After(r.Since) {
		return r.Signed
	}
	return r.Since
}

// At says where a duty stands.
func (d Duty) At(r Record, now time.Time) Standing {
	s := Standing{State: Ahead, Due: d.Every.After(r.base())}
	s.Next = s.Due
	if now.Before(s.Due) {
		return s
	}
	s.State = Due
	s.Missed = d.Every.number(now) - d.Every.number(s.Due)
	s.Next = d.Every.After(now)
	if over := s.Due.Add(d.Grace); now.Before(over) {
		s.Next = earlier(s.Next, over)
		return s
	}
	s.State = Overdue
	if over := d.Every.Begin(now).Add(d.Grace); now.Before(over) {
		s.Next = earlier(s.Next, over)
	}
	return s
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Remind says whether people are to be told now, and of which state. They are
// told when a duty becomes due, when it becomes overdue, and again for each
// further date that goes by.
func (d Duty) Remind(r Record, now time.Time) (Record, State) {
	s := d.At(r, now)
	if s.State == Ahead {
		return r, Ahead
	}
	date, over := s.Due, false
	for p := d.Every.Begin(now); s.State == Overdue; p = d.Every.Begin(p.Add(-time.Nanosecond)) {
		if !now.Before(p.Add(d.Grace)) { // the newest date that is over by the grace
			date, over = p, true
			break
		}
	}
	if date.Before(r.Told) || date.Equal(r.Told) && (r.Overdue || !over) {
		return r, Ahead
	}
	r.Told, r.Overdue = date, over
	return r, s.State
}

// Mend takes back what a clock that ran ahead has written: it would silence a
// duty until the clock has come there. A clock that is set back by less than a
// period changes nothing.
func (d Duty) Mend(r Record, now time.Time) Record {
	latest := d.Every.After(d.Every.After(now))
	if !r.Since.Before(latest) {
		r.Since = now
	}
	if !r.Signed.Before(latest) {
		r.Signed = now
	}
	if !r.Told.Before(latest) {
		r.Told, r.Overdue = time.Time{}, false
	}
	return r
}

package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/cli/screen"
)

func (c verbs) folder() string { return filepath.Join(c.DataDir, "audit") }

// there refuses a folder without an audit log.
func (c verbs) there(verb string) error {
	if _, err := os.Stat(c.folder()); errors.Is(err, fs.ErrNotExist) {
		return frame.Usagef("%s: %q holds no audit log: name the data folder with --data", verb, c.DataDir)
	}
	return nil
}

// types reads the values of --type. A type that is not known gets a warning
// only: a log may hold events of a later version.
func (c verbs) types(verb string, names []string) ([]portcullis.EventType, error) {
	var out []portcullis.EventType
	for _, name := range names {
		t := portcullis.EventType(strings.ToUpper(name))
		if strings.Trim(string(t), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || t == "" {
			return nil, frame.Usagef("%s: --type %q: want the name of an event, such as AUTHZ_DENIED", verb, name)
		}
		if _, known := format.Lookup(t); !known {
			warning := fmt.Sprintf("no event is known by the type %s", t)
			if near := format.Near(t); near != "" {
				warning += fmt.Sprintf("; the nearest is %s", near)
			}
			fmt.Fprintln(c.Err, "portcullis: warning:", warning)
		}
		out = append(out, t)
	}
	return out, nil
}

// moment reads a time: a day, a time of RFC 3339, or how long ago.
func moment(verb, flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, frame.Usagef("%s: --%s %q: want how long ago (24h), a day (2026-11-22, in UTC) or a time (2026-11-22T06:15:00Z)", verb, flag, s)
}

// line prints one event for people.
func (c verbs) line(e *portcullis.Event) error {
	who := e.Actor.ID
	if e.Actor.Sealed != "" {
		who = cmp.Or(e.Actor.Subject, "sealed")
	}
	if e.Actor.IP.IsValid() {
		who += "@" + e.Actor.IP.String()
	}
	what := strings.TrimSpace(e.Action + " " + e.Resource)
	line := fmt.Sprintf("%s %-8s %-22s %-8s %s %s", e.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		e.Severity, e.Type, e.Outcome, cmp.Or(strings.TrimSpace(who), "-"), strings.TrimSpace(what+" "+e.Reason))
	for _, d := range e.Details {
		line += fmt.Sprintf(" %s=%v", d.Key, d.Value)
	}
	return c.Printf("%s\n", c.Screen().Paint(e.Severity, frame.Printable(strings.TrimRight(line, " "))))
}

// progress tells on a terminal how far long work is.
type progress struct {
	c    verbs
	what string
	on   bool
	next time.Time
}

func (c verbs) progress(what string) *progress {
	return &progress{c: c, what: what, on: screen.IsTerminal(c.Err), next: time.Now().Add(time.Second)}
}

func (p *progress) tell(done, total uint64) {
	if now := time.Now(); p.on && now.After(p.next) {
		p.next = now.Add(200 * time.Millisecond)
		fmt.Fprintf(p.c.Err, "\r%s: %d of %d events\x1b[K", p.what, done, total)
	}
}

// end takes the line away.
func (p *progress) end() {
	if p.on {
		fmt.Fprint(p.c.Err, "\r\x1b[K")
	}
}

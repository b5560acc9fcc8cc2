package evidence

import (
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// check is one thing that can be seen, with what is said of it either way.
type check struct {
	ok       bool
	yes, but string
}

// all judges by several things: all of them is in place, none is not.
func all(checks ...check) (State, []string) {
	good := 0
	var said []string
	for _, c := range checks {
		if c.ok {
			good++
			said = append(said, c.yes)
		} else {
			said = append(said, c.but)
		}
	}
	switch good {
	case len(checks):
		return InPlace, said
	case 0:
		return NotInPlace, said
	}
	return Partly, said
}

// without is a check that no route is in a list.
func without(list []string, yes, but string) check {
	return check{len(list) == 0, yes, but + ": " + strings.Join(list, ", ") + "."}
}

// atMostPartly is all, of what the gateway sees one part of.
func atMostPartly(rest string, checks ...check) (State, []string) {
	s, said := all(checks...)
	if s == InPlace {
		s = Partly
	}
	return s, append(said, rest)
}

// seen checks that something was done: nothing else shows that it can be.
func (f *Facts) seen(t portcullis.EventType, what string) check {
	r, ok := f.Records[t]
	return check{ok, "The audit log holds " + what + ", the last of " + r.Time.UTC().Format(time.DateOnly) + ".", "The audit log holds no record of " + what + "."}
}

func (f *Facts) fields() check {
	return check{
		len(f.FieldRoutes) > 0, "Fields are taken out for whom they are not meant on these routes: " + strings.Join(f.FieldRoutes, ", ") + ".",
		"No route says which roles get which fields.",
	}
}

func (f *Facts) callersKnown() check {
	return without(f.Anonymous, "Every route asks its callers who they are.", "Anyone may call these routes")
}

func (f *Facts) limited() check {
	return without(f.Unlimited, "Every route limits how often its callers call.", "These routes limit no rates")
}

func (f *Facts) read() check {
	return without(f.Unread, "Content rules read what every route carries.", "No content rule reads what these routes carry")
}

func (f *Facts) pinned() check {
	return without(f.Unpinned, "The tools of every route are pinned.", "The tools of these routes may change unseen")
}

func (f *Facts) transit() check {
	return check{f.Encrypted, "Callers come over TLS, or from this machine only.", "Callers from other machines come without TLS of this gateway; a proxy in front of it was not observed."}
}

func (f *Facts) upstreams() check {
	return without(f.PlainUpstreams, "No route goes to another machine by plain HTTP.", "These routes go to another machine by plain HTTP")
}

func (f *Facts) adminClosed() check {
	return check{f.AdminLocal, "Administration is reached from this machine only.", "The admin listener is open to other machines; it asks for the permission manage."}
}

func (f *Facts) sealed() check {
	return check{f.Sealed, "Personal data in the audit log is encrypted under a key of each person.", "Personal data in the audit log is in plain text (audit.personal_data)."}
}

func (f *Facts) refusing() check {
	return check{f.Refusing, "Calls are refused when the audit log cannot be written.", "Calls pass when the audit log cannot be written (audit.on_failure)."}
}

func (f *Facts) signed() check {
	return check{f.SignedRecords > 0, fmt.Sprintf("A checkpoint signs the first %d records of the audit log.", f.SignedRecords), "No checkpoint of the audit log was signed yet."}
}

func (f *Facts) witnessed() check {
	return check{f.Witnesses > 0, fmt.Sprintf("%d witnesses are named for the log.", f.Witnesses), "No witness is named: who holds the data folder could sign another history."}
}

func (f *Facts) elsewhere() check {
	return check{f.Sinks > 0, fmt.Sprintf("Events go to %d sinks.", f.Sinks), "Events go to no other place."}
}

func (f *Facts) alerted() check {
	return check{f.AlertChannels > 0, fmt.Sprintf("%d channels of alerts are named.", f.AlertChannels), "No channel of alerts is named: nobody is woken."}
}

func (f *Facts) ruled() check {
	return check{f.Policies, "Rules or policies say what callers may do beside their scopes.", "Only scopes say what callers may do."}
}

func (f *Facts) stored() check {
	but := "Nothing was stored yet that is encrypted: encryption at rest was not seen."
	if len(f.Unsealed) > 0 {
		but = strings.Join(f.Unsealed, " ")
	}
	return check{
		f.SealedValues > 0 && len(f.Unsealed) == 0,
		fmt.Sprintf("%d stored values (keys of persons, parameters, signing keys, targets) were looked at, and all are encrypted under the root key of the data folder, which its owner alone may read.", f.SealedValues), but,
	}
}

func (f *Facts) agreed() check {
	return check{
		f.Purposes > 0 && len(f.ConsentRoutes) > 0,
		fmt.Sprintf("%d purposes are declared, routes hold callers to them (%s), and %d consents are in force.", f.Purposes, strings.Join(f.ConsentRoutes, ", "), f.Consents),
		"No route holds its callers to a consent. Where another legal basis holds, attest to it.",
	}
}

func (f *Facts) marked() check {
	return check{
		len(f.PHIRoutes) > 0, "Protected health information is marked on these routes: " + strings.Join(f.PHIRoutes, ", ") + ".",
		"No route marks protected health information.",
	}
}

func (f *Facts) purposeful() check {
	return check{len(f.PHIRoutes) > 0 && f.PurposeNeeded, "Who reads it names a purpose, which is in the audit log.", "A purpose of use is not asked for."}
}

// keeps checks how long a class of records is kept.
func (f *Facts) keeps(class string, atLeast time.Duration, text string) check {
	d := f.Retention[class]
	return check{
		d >= atLeast, fmt.Sprintf("Records of the class %s are kept for %d days.", class, int(d.Hours()/24)),
		fmt.Sprintf("Records of the class %s are kept for %d days; %s.", class, int(d.Hours()/24), text),
	}
}

// bounded checks that records end.
func (f *Facts) bounded() check {
	for _, class := range [...]string{"access", "security", "audit"} {
		if f.Retention[class] <= 0 {
			return check{false, "", "Records of the class " + class + " are kept without an end."}
		}
	}
	return check{true, "Every class of records has an end.", ""}
}

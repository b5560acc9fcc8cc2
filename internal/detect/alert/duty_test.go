package alert

import (
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// TestDuties: a signature ends both what reminded of a duty and what said that
// it is overdue; one that could not be stored ends nothing.
func TestDuties(t *testing.T) {
	e := &portcullis.Event{Type: portcullis.EventDutyDue, Severity: portcullis.SeverityInfo, Outcome: portcullis.OutcomePending, Resource: "duty:log-review"}
	due, ok := read(e, Defaults())
	e.Type = portcullis.EventDutyOverdue
	over, ok2 := read(e, Defaults())
	if !ok || !ok2 || due.ends || over.ends || due.Key == over.Key {
		t.Fatalf("%+v %+v", due, over)
	}
	e.Type, e.Outcome = portcullis.EventDutySigned, portcullis.OutcomeSuccess
	signed, ok := read(e, Defaults())
	if !ok || !signed.ends || signed.Key != over.Key || alsoEnds(e) != due.Key {
		t.Errorf("signed: %+v, also %q", signed, alsoEnds(e))
	}
	e.Outcome = portcullis.OutcomeFailure
	if _, ok := read(e, Defaults()); ok || alsoEnds(e) != "" {
		t.Error("a signature that failed makes an alert, or ends one")
	}
}

// Package anomaly finds what is unlike before: a caller who calls ten times as
// often, a key that is used at night for the first time, a tool whose errors
// pile up.
//
// A [Detector] is fed one [Sample] per event of the audit journal and answers
// with an [Anomaly] where something begins, grows or ends. Time is the time of
// the events: the same events give the same answers, whenever they are read.
//
// # What is watched
//
// Five kinds of subjects: principals, credentials ("key"), tools, routes and
// addresses. For each, what an hour brought is compared with a baseline of its
// own (package baseline), and the calls and bytes of a day with other days. A
// subject that is too new for a baseline of its own is compared with its
// peers: the others of its kind on the route.
//
// # What is not taken for granted
//
// Who was not proven to be someone is counted for the address and the route
// only: nobody can spoil, or fill, the memory of another by using their name.
// Addresses of IPv6 count by their /64. Each kind of subject has a bound of its
// own and forgets the least recently seen first.
//
// # What is told
//
// All that one cause makes is one incident: what an event sets off joins an
// incident that its caller is part of already. An incident is told when it
// begins, when it gets worse, and when it has ended.
package anomaly

import (
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/report"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/sample"
)

// Sample is what one event says of a call; see [sample.FromEvent].
type Sample = sample.Call

// Anomaly is what is told of an incident.
type Anomaly = report.Anomaly

// States of an incident.
const (
	Opened  = report.Opened
	Updated = report.Updated
	Closed  = report.Closed
)

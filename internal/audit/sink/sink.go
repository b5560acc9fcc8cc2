package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

// Item is one event on its way out.
type Item struct {
	Event *portcullis.Event
	Data  []byte // as Sender.Append made it
	Entry []byte // as it stands in the journal
	Seq   uint64
	Next  journal.Cursor // behind it

	unsendable error // why there is no Data
}

// Sender knows one kind of server. One goroutine at a time uses it.
type Sender interface {
	// Append appends the form in which an event is sent. An error means that
	// this event cannot be sent, ever.
	Append(dst []byte, e *portcullis.Event) ([]byte, error)

	// Send returns nil when the server has taken all items, in this order. A
	// [*Error] says what to do about a failure, an [*ItemsError] which of the
	// items were refused; any other error is tried again.
	Send(ctx context.Context, items []Item) error

	// Close ends connections and closes files.
	Close() error
}

// Fault says what a failure means for what comes next.
type Fault int

// Faults.
const (
	Away          Fault = iota // the server is away, slow or busy: try again, with growing pauses
	Refused                    // the server does not want what was sent: another batch may do better
	Misconfigured              // address or credentials are wrong: try again, slowly
)

// String returns the word for people and events.
func (f Fault) String() string {
	switch f {
	case Refused:
		return "refused"
	case Misconfigured:
		return "misconfigured"
	default:
		return "away"
	}
}

// Error is a failure to send. Its text never holds a credential or an address.
type Error struct {
	Fault Fault
	After time.Duration // how long the server asks to be left alone
	Err   error
	Said  string // the server's own words, for operators: they can repeat what an event says of somebody
}

// Error returns what went wrong, without the server's words.
func (e *Error) Error() string { return e.Err.Error() }

// Whole returns what went wrong and what the server said.
func (e *Error) Whole() string {
	if e.Said == "" {
		return e.Error()
	}
	return e.Error() + ": " + e.Said
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ItemsError says that a server judged each item by itself.
type ItemsError struct {
	Refused map[int]string // position in the batch → why
	Rest    error          // why the others were not all taken; nil if they were
}

// Error counts the refused items.
func (e *ItemsError) Error() string {
	text := fmt.Sprintf("%d events refused", len(e.Refused))
	if e.Rest != nil {
		text += ": " + e.Rest.Error()
	}
	return text
}

// Unwrap returns what happened to the others.
func (e *ItemsError) Unwrap() error { return e.Rest }

// Explain returns all that is known of a failure, the words of the server
// included: for operators, not for logs and events.
func Explain(err error) string {
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Whole()
	}
	return err.Error()
}

// faultOf returns what an error of a Sender means.
func faultOf(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Fault: Away, Err: err}
}

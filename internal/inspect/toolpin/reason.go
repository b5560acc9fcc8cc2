package toolpin

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// Reason says why a tool is held.
type Reason string

// The reasons, the gravest first.
const (
	HiddenText   Reason = "hidden_text"  // characters that a reader does not see
	Instructions Reason = "instructions" // text that gives orders to a model
	Shadow       Reason = "shadow"       // a name that may be taken for that of another tool
	Duplicate    Reason = "duplicate"    // two entries of one name in one list
	Altered      Reason = "changed"      // not the approved version
	New          Reason = "new"          // came after the first list
	Unreadable   Reason = "unreadable"   // has no one form, or is too large
	Full         Reason = "too_many"     // the route has too many tools
)

var gravity = [...]Reason{HiddenText, Instructions, Shadow, Duplicate, Altered, New, Unreadable, Full}

// Severity of an event about a tool held for a reason.
func (r Reason) Severity() portcullis.Severity {
	switch r {
	case HiddenText, Instructions:
		return portcullis.SeverityCritical
	case Shadow, Duplicate, Altered:
		return portcullis.SeverityError
	}
	return portcullis.SeverityWarn
}

// normal brings reasons into one order, each once.
func normal(why []Reason) []Reason {
	var out []Reason
	for _, r := range gravity {
		if slices.Contains(why, r) {
			out = append(out, r)
		}
	}
	return out
}

// JoinReasons is how reasons are stored and shown: "hidden_text changed".
func JoinReasons(why []Reason) string {
	words := make([]string, len(why))
	for i, r := range why {
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}

// SplitReasons is the inverse of [JoinReasons].
func SplitReasons(s string) []Reason {
	var why []Reason
	for w := range strings.FieldsSeq(s) {
		why = append(why, Reason(w))
	}
	return why
}

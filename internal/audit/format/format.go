package format

import (
	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
)

// Vendor is what events say of who made the product.
const Vendor = "Portcullis"

// Info says which product on which machine tells of the events.
type Info struct {
	Product string // "Portcullis" when empty
	Version string
	Host    string // left out when empty
}

// Encoder writes events in one form. It keeps nothing between calls and may be
// used by many goroutines.
type Encoder interface {
	// Append appends e, one line without its end, to dst. With an error dst is
	// returned as it was.
	Append(dst []byte, e *portcullis.Event) ([]byte, error)
}

// Header is implemented by encoders whose form begins with a line of its own.
type Header interface {
	// AppendHeader appends that line, without its end.
	AppendHeader(dst []byte) []byte
}

// Names returns the names of all forms.
func Names() []string { return []string{"json", "ocsf", "ecs", "cef", "leef", "csv"} }

// ByName returns the encoder of a form; false for a name that [Names] lacks.
func ByName(name string, info Info) (Encoder, bool) {
	if info.Product == "" {
		info.Product = Vendor
	}
	switch name {
	case "json":
		return entries{}, true
	case "ocsf":
		return ocsf{info}, true
	case "ecs":
		return ecs{info}, true
	case "cef":
		return cef{info}, true
	case "leef":
		return leef{info}, true
	case "csv":
		return table{}, true
	}
	return nil, false
}

// entries writes what the journal holds.
type entries struct{}

func (entries) Append(dst []byte, e *portcullis.Event) ([]byte, error) {
	return auditlog.AppendEntry(dst, e), nil
}

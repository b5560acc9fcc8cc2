// Package audit is the section [audit] of the configuration: how the journal is
// written, how long it is kept and where its events go.
package audit

import (
	"errors"
	"reflect"
)

// Audit is [audit].
type Audit struct {
	Durability string `toml:"durability" enum:"grouped|strict" doc:"grouped writes a record before the call is forwarded and syncs at least every 100 ms, at once for security events; strict syncs before forwarding."`
	OnFailure  string `toml:"on_failure" enum:"refuse|allow" doc:"What happens to calls when the journal cannot be written."`
	Personal   string `toml:"personal_data" enum:"sealed|insecure_plain" doc:"sealed encrypts what events say of a caller (id, address, user agent) under a key of that caller, so that who asks to be erased is erased from the log, which still verifies; insecure_plain writes it as it is."`
	Sinks      []Sink `toml:"sinks" doc:"A server or a file that gets the events of the journal. Repeat the table for each one."`

	Retention Retention `toml:"retention" doc:"How long records are kept."`
	Archive   Archive   `toml:"archive" doc:"Where records go before they are removed."`
	Tree
}

// Sealed is the value of personal_data that encrypts it.
const Sealed = "sealed"

// Default returns the defaults of [audit].
func Default() Audit {
	return Audit{
		Durability: "grouped", OnFailure: "refuse", Personal: Sealed,
		Tree: DefaultTree(), Retention: DefaultRetention(), Archive: DefaultArchive(),
	}
}

// Validate checks [audit].
func (a Audit) Validate() error { return errors.Join(a.Tree.Validate(), checkSinks(a.Sinks)) }

// SameAtStart reports whether two configurations differ only in what can change
// while the gateway runs.
func (a Audit) SameAtStart(b Audit) bool {
	a.Sinks, a.Publish, a.Witnesses, a.PublishInterval, a.Retention, a.Archive = b.Sinks, b.Publish, b.Witnesses, b.PublishInterval, b.Retention, b.Archive
	return reflect.DeepEqual(a, b)
}

// Package audit is the section [audit] of the configuration: how the journal is
// written, how long it is kept and where its events go.
package audit

// Audit is [audit].
type Audit struct {
	Durability string `toml:"durability" enum:"grouped|strict" doc:"grouped writes a record before the call is forwarded and syncs at least every 100 ms, at once for security events; strict syncs before forwarding."`
	OnFailure  string `toml:"on_failure" enum:"refuse|allow" doc:"What happens to calls when the journal cannot be written."`
}

// Default returns the defaults of [audit].
func Default() Audit { return Audit{Durability: "grouped", OnFailure: "refuse"} }

// Package detect is the section [detect] of the configuration: what is found
// out about callers from what they did.
package detect

// Detect is [detect].
type Detect struct {
	Anomaly Anomaly `toml:"anomaly" doc:"What is unlike before: every caller, key, tool, route and address is compared with its own past."`
}

// Default returns the defaults of [detect].
func Default() Detect { return Detect{Anomaly: DefaultAnomaly()} }

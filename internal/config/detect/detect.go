// Package detect is the section [detect] of the configuration: what is found
// out about callers from what they did.
package detect

// Detect is [detect].
type Detect struct {
	Anomaly Anomaly `toml:"anomaly" doc:"What is unlike before: every caller, key, tool, route and address is compared with its own past."`
	Enrich  Enrich  `toml:"enrich" doc:"What is added to events about the address and the program of a caller."`
	Alerts  Alerts  `toml:"alerts" doc:"Who is woken, and how."`
	Risk    Risk    `toml:"risk" doc:"How risky a caller is."`
}

// Default returns the defaults of [detect].
func Default() Detect {
	return Detect{Anomaly: DefaultAnomaly(), Enrich: DefaultEnrich(), Alerts: DefaultAlerts(), Risk: DefaultRisk()}
}

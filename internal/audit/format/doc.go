// Package format writes audit events in the forms that other systems read:
//
//	json   the entry of package auditlog, as it stands in the journal
//	ocsf   Open Cybersecurity Schema Framework, JSON
//	ecs    Elastic Common Schema, JSON
//	cef    ArcSight Common Event Format
//	leef   IBM QRadar Log Event Extended Format 2.0
//	csv    RFC 4180, safe to open in a spreadsheet
//
// Encoders are pure: an event has one encoding, on one line without its end.
// Whatever bytes an event holds, they stay inside the value in which they
// stand: no string of a caller makes another field, another event or a formula.
//
// What an event type means in each form stands in one table, [Lookup].
package format

// Package enrich adds to audit events what can be known of a caller's address
// and program: where the address is (any MaxMind DB file), whether it is an
// exit of the Tor network (a list in a file or behind an https URL), which
// program the user agent names, and how risky the caller is right now.
//
// [Enricher.Enrich] only looks into memory: files and feeds are read by
// [Enricher.Run] in the background, and what cannot be read leaves what was
// read before. What is added is for people and for SIEM rules. A user agent is
// the caller's own word: no policy ever sees it.
package enrich

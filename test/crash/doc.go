// Package crash kills the gateway under load and looks at what is left: every
// answered call must be in the journal, whole.
package crash

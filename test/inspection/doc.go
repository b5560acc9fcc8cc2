// Package inspection shows content rules at work between real sockets: on
// arguments, on replies as JSON and as streams, on errors, notifications,
// requests of the server and resources, and that nothing a rule took away can
// be read in the log or the audit journal.
package inspection
